"""docs/doctor.md lists every check as the table has it."""

from __future__ import annotations

import re
from pathlib import Path

from longshore_cli.checks.table import CHECKS

PAGE = Path(__file__).parents[3] / "docs/doctor.md"


def test_the_page_lists_every_check_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (error|warning|info) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    told = [(code, severity, looks_at) for code, severity, looks_at, _ in rows]
    assert told == [(check.code, check.severity.value, check.looks_at) for check in CHECKS]
    assert all(len(fix) > 5 for *_, fix in rows)
