"""The catalogue as data: every id of recover 2.4 is there, in order, with words for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from longshore.recover.catalogue import CLASSES, ENTRIES, INSTANCES, STUCK, UNKNOWN, entry
from longshore.recover.diagnosis import Remedy
from longshore.recover.grounds import Ground

if TYPE_CHECKING:
    from longshore.recover.entry import Entry

TABLE = (
    "A1 A2 S1 S2 I1 I2 I3 C1 C2 C3 C4 C5 N1 N2 N3 N4 N5 P1 P2 P3 P4 P5 P6 R1 R2 R3 K1 D1 T1 T2 T3 M1 X1 X2 X3 H1 H2 "
    "G1 G2 G3 G4 G5 Z E1 E2 E3 W1 W2 W3 W4 W5 W6 W7 W8"
)
IDS = TABLE.split()
DOCS = Path(__file__).parents[3] / "docs/recover.md"


def entries() -> Iterator[Entry]:
    yield from (*CLASSES, UNKNOWN, *INSTANCES, *(stuck.entry for stuck in STUCK))


def test_every_class_and_state_is_there() -> None:
    assert [each.cls for each in entries() if each is ENTRIES[each.cls]] == IDS


def test_variants_of_a_class_share_its_name_or_narrow_it() -> None:
    assert [each for each in entries() if not each.name.startswith(ENTRIES[each.cls].name.partition(":")[0])] == []


def test_every_entry_says_what_to_do_but_our_own_stop() -> None:
    assert {each.ground for each in entries() if not each.hint} == {Ground.OWN_STOP}


def test_only_stopped_tasks_are_asked() -> None:
    assert all(each.asks for each in CLASSES)
    assert not any(stuck.entry.asks for stuck in STUCK)


def test_nothing_that_ecs_starts_again_is_run_by_us() -> None:
    assert {each.service for each in entries()} & {Remedy.REPLACE} == set()


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(KeyError):
        entry("Q9")


def test_grounds_are_bare_codes_with_a_meaning() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", ground.value) and ground.meaning for ground in Ground)


def documented() -> dict[str, tuple[str, str]]:
    rows = re.findall(
        r"^\| ([A-Z]\d?) \| [^|]+ \| ([^|]+) \| ([^|]+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {cls: (alone.strip(), service.strip()) for cls, alone, service in rows}


def remedies(cls: str) -> tuple[str, str]:
    variants = [each for each in entries() if each.cls == cls]
    alone = sorted({each.alone.value for each in variants})
    return " or ".join(alone), " or ".join(sorted({each.service.value for each in variants}))


def test_the_page_says_what_the_catalogue_says() -> None:
    assert documented() == {cls: remedies(cls) for cls in IDS}
