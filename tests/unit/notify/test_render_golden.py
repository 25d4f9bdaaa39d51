"""What people are shown, for every kind, channel and language, against the files of `tests/golden`.

A change of words or layout is made on purpose: ``pytest --write-golden`` writes the files anew, for review.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from longshore.notify.catalogue import LANGUAGES
from longshore.notify.kinds import MEANINGS, slug
from longshore.notify.render.dispatch import CHANNELS, render
from tests.unit.notify.render_samples import DETAILS, FURTHER, further, sample, soaking, way_back

if TYPE_CHECKING:
    from longshore.events import Kind
    from longshore.notices import Notice
    from longshore.notify.life import Life
    from longshore.notify.ports import Rendered

GOLDEN = Path(__file__).parents[2] / "golden"
_SAME = {"sns": "amazonq"}
"""Channels that are given the same message."""


def written(rendered: Rendered) -> str:
    """All that a channel is given, as a file."""
    if not rendered.body:
        return f"Subject: {rendered.title}\n\n{rendered.text}\n"
    parts = {"body": rendered.body, "text": rendered.text, "reply": rendered.reply, "file": rendered.file}
    told = {name: part for name, part in parts.items() if part}
    if isinstance(rendered.body, dict) and rendered.body.get("text") == rendered.text:
        del told["text"]
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def path(channel: str, language: str, name: str) -> Path:
    return GOLDEN / channel / language / f"{name}.{'txt' if channel == 'email' else 'json'}"


def cases() -> list[tuple[str, str, str]]:
    names = [*(slug(kind) for kind in MEANINGS), "way-back", "deployment-started-soaking", *FURTHER]
    return [
        (channel, language, name)
        for channel in CHANNELS
        if channel not in _SAME
        for language in LANGUAGES
        for name in names
    ]


def told(name: str) -> tuple[Notice, Life]:
    kinds: dict[str, Kind] = {slug(kind): kind for kind in MEANINGS}
    if name in kinds:
        return sample(kinds[name])
    if name in FURTHER:
        return further(name)
    return way_back() if name == "way-back" else soaking()


@pytest.mark.parametrize(("channel", "language", "name"), cases())
def test_a_message_is_as_it_was_reviewed(
    channel: str, language: str, name: str, request: pytest.FixtureRequest
) -> None:
    notice, life = told(name)
    now = written(render(notice, channel, language, life=life))
    file = path(channel, language, name)
    if request.config.getoption("--write-golden", default=False):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(now, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == now, f"differs from {file.relative_to(GOLDEN.parent)}"


def test_there_is_no_file_without_its_message() -> None:
    assert {file for file in GOLDEN.rglob("*.*") if file.is_file()} == {path(*case) for case in cases()}


def test_every_kind_has_a_sample() -> None:
    assert DETAILS.keys() == MEANINGS.keys()


@pytest.mark.parametrize("channel", _SAME)
def test_some_channels_are_given_the_same(channel: str) -> None:
    notice, life = way_back()
    assert render(notice, channel, life=life) == render(notice, _SAME[channel], life=life)
