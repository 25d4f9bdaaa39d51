"""Escaping: raw text becomes text that a channel shows as it is, and that can neither format, link nor ping."""

from __future__ import annotations

import re
from functools import lru_cache

from longshore.redaction import redact

ELLIPSIS = "…"
_AHEAD = 4
"""Text is cut to this many times its limit before secrets are looked for, so that long text costs no more."""
_GONE = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Characters that show nothing and turn or hide what stands beside them."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAKS = re.compile(r"[ \t]*[\r\n\x0b\x0c\x85\u2028\u2029]\s*|\t")
_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_HALF_ENTITY = re.compile(r"&[a-z]{0,4}$")
_HTTPS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?(?:[/?#]|$)")
_MARKDOWN = re.compile(r"([\\*_\[\]])")
_MENTIONS = (
    (re.compile(r"<?[@!](here|channel|everyone)>?"), "<!{}>"),
    (re.compile(r"<?@?([UW][A-Z0-9]{6,20})>?"), "<@{}>"),
    (re.compile(r"<?(?:!subteam\^|@)?(S[A-Z0-9]{6,20})>?"), "<!subteam^{}>"),
)


def size(text: str) -> int:
    """Length in UTF-16 units: never less than what any channel counts as characters."""
    return len(text) + sum(each > "\uffff" for each in text)


def cut(text: str, limit: int) -> str:
    """Text of at most `limit` UTF-16 units, its end replaced by an ellipsis; an escaped character stays whole."""
    if size(text) <= limit:
        return text
    kept = text[: limit - 1]
    while size(kept) > limit - 1:
        kept = kept[: len(kept) - max(1, (size(kept) - limit + 1) // 2)]
    return _HALF_ENTITY.sub("", kept) + ELLIPSIS


def clean(raw: str, limit: int) -> str:
    """One line without secrets, control characters and what turns or hides text. Outer spaces stay."""
    return cut(_line(raw[: _AHEAD * limit]), limit)


@lru_cache(maxsize=256)
def _line(raw: str) -> str:
    """Remembered: the same words and values are written in several sizes and styles."""
    line = _BREAKS.sub(" ", _GONE.sub("", redact(encodable(raw)).text))
    return _CONTROLS.sub("\ufffd", line)


def block(raw: str, limit: int) -> str:
    """The last lines of a text that fit, cleaned as `clean` does: a log's tail."""
    end = raw[-_AHEAD * limit :]
    text = _CONTROLS.sub("\ufffd", _GONE.sub("", _NEWLINES.sub("\n", redact(encodable(end)).text)))
    if size(text) <= limit:
        return text
    kept = text[-limit + 2 :]
    while size(kept) > limit - 2:
        kept = kept[max(1, (size(kept) - limit + 2) // 2) :]
    whole = kept.partition("\n")[2]
    return f"{ELLIPSIS}\n{whole or kept}"


def address(url: str, limit: int) -> str:
    """A link's address, or nothing where it is not plain HTTPS, too long, or carries a secret."""
    plain = url.isascii() and url.isprintable() and not set(url) & set(" <>[]|\"'`\\^{}")
    if not _HTTPS.match(url) or not plain or len(url) > limit or redact(url).text != url:
        return ""
    return url


def mentions(configured: str) -> str:
    """Slack mentions from the operator's configuration; what is none stays plain text."""
    return " ".join(_mention(word) for word in clean(configured, 300).split())


def _mention(word: str) -> str:
    for pattern, form in _MENTIONS:
        if found := pattern.fullmatch(word):
            return form.format(found[1])
    return entities(word)


def entities(text: str) -> str:
    """Slack's three special characters as entities: nothing can then become a link or a mention (notify 3.1)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Plain:
    """No markup: mail, titles, alerts."""

    def __init__(self, limit: int = 300) -> None:
        """`limit` bounds each piece of text, in UTF-16 units."""
        self._limit = limit

    def text(self, raw: str) -> str:
        """As it is."""
        return clean(raw, self._limit)

    bold = code = text


class Mrkdwn(Plain):
    """Slack's mrkdwn. Bold and code stand for themselves only where no word touches them: the catalogue sees to it."""

    def text(self, raw: str) -> str:
        """Escaped; a backquote could swallow the rest of the line."""
        return cut(entities(clean(raw, self._limit).replace("`", "'")), self._limit)

    def bold(self, raw: str) -> str:
        """Between asterisks."""
        return _between("*", self.text(raw).replace("*", "\u2217"))

    def code(self, raw: str) -> str:
        """Between backquotes."""
        return _between("`", self.text(raw))


class ClientMarkdown(Plain):
    """Amazon Q Developer's markdown: Slack's or Teams', whichever client shows it, so it escapes for both."""

    def text(self, raw: str) -> str:
        """No angle bracket and no bracket before a parenthesis: no client sees a link or a mention."""
        text = clean(raw, self._limit).replace("<", "\u2039").replace(">", "\u203a").replace("`", "'")
        return cut(text.replace("](", "] ("), self._limit)

    def bold(self, raw: str) -> str:
        """Between asterisks."""
        return _between("*", self.text(raw).replace("*", "\u2217"))

    def code(self, raw: str) -> str:
        """Between backquotes."""
        return _between("`", self.text(raw))


class CardMarkdown(Plain):
    """The subset of markdown that Adaptive Cards show: it has no code, and its templates start with two braces."""

    def text(self, raw: str) -> str:
        """Escaped with backslashes."""
        return _MARKDOWN.sub(r"\\\1", clean(raw, self._limit).replace("{{", "{ {"))

    code = text

    def bold(self, raw: str) -> str:
        """Between double asterisks."""
        return _between("**", self.text(raw))


def _between(mark: str, text: str) -> str:
    inner = text.strip()
    return f"{mark}{inner}{mark}" if inner else ""


def encodable(text: str) -> str:
    """Pairs of surrogates joined, lone ones replaced: JSON and UTF-8 take the rest."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
