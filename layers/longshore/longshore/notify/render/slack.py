"""Slack: Block Kit. With a bot token details go to the thread; an incoming webhook has none, so they stand inline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from longshore.notices import Phase
from longshore.notify.escape import Mrkdwn, Plain, block, cut, entities, mentions
from longshore.notify.ports import Rendered
from longshore.notify.render import limits
from longshore.notify.render.story import Story, pack

if TYPE_CHECKING:
    from longshore.notices import Fact

Block = dict[str, Any]

_STEPS = 10
_FENCE = "```"
_LOG = 30_000


@dataclass(frozen=True, slots=True)
class _Room:
    """What each part of a message may take, in characters: together they stay within the budget of all blocks."""

    headline: int = 200
    field: int = 300
    line: int = 600
    lines: int = 2800
    details: int = 0
    log: int = 0


_THREADED: Final = _Room()
_INLINE: Final = _Room(field=200, line=300, lines=1400, details=1800, log=1500)
_REPLY_LINE: Final = 500
_REPLY: Final = 11_000


_UNMARKED = str.maketrans("<>`", "()'")
"""A button takes no markup, and nothing in it may look like any."""


def render(story: Story, mention: str = "") -> Rendered:
    """A message that is edited, its thread's details, and the log's tail as a file."""
    blocks, left = _blocks(story, mention, _THREADED)
    reply, kept_back = _reply(story, left, mention)
    text = _fallback(story, mention)
    return Rendered({"blocks": blocks, "text": text}, text, reply, _file(story, kept_back))


def render_inline(story: Story, mention: str = "") -> Rendered:
    """The same message where there is no thread."""
    blocks, _ = _blocks(story, mention, _INLINE)
    text = _fallback(story, mention)
    return Rendered({"blocks": blocks, "text": text}, text)


def moment(at: datetime) -> str:
    """A time that Slack shows in the reader's zone."""
    return (
        f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC>"
    )


def _blocks(story: Story, mention: str, room: _Room) -> tuple[list[Block], int]:
    """The message's blocks, and how many facts had no room in them."""
    headline = story.in_style(Mrkdwn(room.headline)).headline()
    blocks = [_section("\n".join(filter(None, (mentions(mention), headline))))]
    threaded = not room.details
    facts = story.facts()
    lines, without = _lines(story.in_style(Mrkdwn(room.line)), facts, room.lines)
    fields, without_field = _fields(story.in_style(Mrkdwn(room.field)), facts)
    left = without + without_field
    if left:
        lines.append(story.in_style(Mrkdwn()).more(left, threaded=threaded))
    blocks += [_section("\n".join(lines))] if lines else []
    blocks += [{"type": "section", "fields": fields}] if fields else []
    blocks += [] if threaded else _details(story, room)
    return [*blocks, _life(story), *_buttons(story)], left


def _lines(story: Story, facts: Sequence[Fact], room: int) -> tuple[list[str], int]:
    chunks, left = pack([story.fact(fact) for fact in facts if not fact.short], room, room, 1)
    return chunks, left


def _fields(story: Story, facts: Sequence[Fact]) -> tuple[list[Block], int]:
    short = [fact for fact in facts if fact.short]
    fields = [
        _mrkdwn(f"{story.style.bold(story.label(fact.label))}\n{story.value(fact)}") for fact in short[: limits.FIELDS]
    ]
    return fields, len(short) - len(fields)


def _details(story: Story, room: _Room) -> list[Block]:
    """What a thread would tell: lines, then the log's tail between fences that are always closed."""
    inner = story.in_style(Mrkdwn(room.line))
    chunks, left = pack(inner.details(), room.details, room.details, 1)
    chunks += [inner.more(left, threaded=False)] if left else []
    blocks = [_section(chunk) for chunk in chunks]
    if tail := _log(story, room.log // 2):
        blocks.append(_section(_FENCE + "\n" + tail + "\n" + _FENCE))
    return blocks


def _log(story: Story, room: int) -> str:
    """The log's tail escaped: escaping may lengthen it, so it is cut once more, at its beginning."""
    tail = entities(block(story.notice.log_tail or "", room).replace("`", "'")).strip("\n")
    while len(tail) > 2 * room and "\n" in tail:
        tail = tail.partition("\n")[2]
    return cut(tail, 2 * room)


def _life(story: Story) -> Block:
    """The steps so far with their times, and where it happened."""
    inner = story.in_style(Mrkdwn(60))
    steps = [f"{moment(step.at)} {inner.step(step)}" for step in story.steps()]
    shown = [steps[0], "…", *steps[1 - _STEPS :]] if len(steps) > _STEPS else steps
    return {"type": "context", "elements": [_mrkdwn(" → ".join(shown)), _mrkdwn(inner.place() or "-")]}


def _buttons(story: Story) -> list[Block]:
    elements = [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": cut(label.translate(_UNMARKED), limits.BUTTON), "emoji": False},
            "url": url,
            "action_id": f"link-{place}",
        }
        for place, (label, url) in enumerate(story.links(total=1500))
    ]
    return [{"type": "actions", "elements": elements}] if elements else []


def _reply(story: Story, left: int, mention: str) -> tuple[dict[str, object] | None, int]:
    """The thread's lines, and how many of them only a file has room for.

    A failure is shown in the channel as well, unless its message is new there anyway. That is also where it mentions:
    Slack notifies nobody of an edit.
    """
    inner = story.in_style(Mrkdwn(_REPLY_LINE))
    broadcast = story.notice.phase is Phase.FAILED and bool(story.life.steps)
    lines = inner.details() + ([inner.fact(fact) for fact in story.facts()] if left else [])
    if not lines and not broadcast:
        return None, 0
    mentioned = mentions(mention) if broadcast else ""
    first = ["\n".join(filter(None, (mentioned, inner.headline())))] if broadcast else []
    chunks, kept_back = pack([*first, *lines], limits.SECTION, _REPLY, limits.BLOCKS - 1)
    chunks += [inner.more(kept_back, threaded=True)] if kept_back else []
    text = _fallback(story, mention if broadcast else "")
    reply: dict[str, object] = {"blocks": [_section(chunk) for chunk in chunks], "text": text}
    return {**reply, "reply_broadcast": True} if broadcast else reply, kept_back


def _file(story: Story, kept_back: int) -> tuple[str, str] | None:
    """The log's tail; with it, in full, the lines that the thread has no room for."""
    log = block(story.notice.log_tail or "", _LOG).strip("\n")
    if not kept_back:
        return ("log-tail.txt", log) if log else None
    inner = story.in_style(Plain(2000))
    chunks, left = pack([*map(inner.fact, story.facts()), *inner.details()], 10 * _LOG, 10 * _LOG, 1)
    chunks += [inner.more(left, threaded=False)] if left else []
    return "details.txt", "\n\n".join(filter(None, (*chunks, log)))


def _fallback(story: Story, mention: str) -> str:
    """What notifications and screen readers take: the headline and what explains it."""
    inner = story.in_style(Mrkdwn(250))
    first = " ".join(filter(None, (mentions(mention), inner.headline())))
    lines = [first, *(inner.fact(fact) for fact in story.facts() if not fact.short)]
    return "\n".join(pack(lines, limits.FALLBACK, limits.FALLBACK - 100, 1)[0])


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Block:
    """Verbatim: Slack then turns no word of it into a link, a channel or a mention by itself."""
    return {"type": "mrkdwn", "text": text if text.strip() else "-", "verbatim": True}
