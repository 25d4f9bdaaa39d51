"""Texts of other people's, as they may be shown."""

from __future__ import annotations


def printable(text: str, longest: int = 300) -> str:
    """Somebody else's text on one line, cut: nothing in it drives a terminal or begins a line of a log."""
    return "".join(letter if letter.isprintable() else " " for letter in text[: longest + 1])[:longest].strip()
