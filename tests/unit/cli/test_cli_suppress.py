"""`longshore suppress`: wrong usage is exit 2 and says what to write, before anything is asked of AWS."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from longshore.scan.suppressions import Justification
from longshore_cli.main import main
from longshore_cli.suppress import _JUSTIFICATIONS

WHO = ["--owner", "ann", "--reason", "because"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a VULNERABILITY, or --list, or --remove ID"),
        (["CVE-1", "--list"], "give a VULNERABILITY, or --list"),
        (["--list", "--remove", "x"], "give a VULNERABILITY, or --list"),
        (["--list", "--owner", "ann"], "--owner goes with a VULNERABILITY only"),
        (["--remove", "x", "--repository", "a"], "--repository goes with a VULNERABILITY only"),
        (["--list", "--until-fix"], "--until-fix goes with a VULNERABILITY only"),
        (["CVE-1"], "--owner is missing"),
        (["CVE-1", "--owner", "ann"], "--reason is missing"),
        (["CVE-1", "--owner", " ", "--reason", "x"], "--owner is missing"),
        (["", *WHO], "VULNERABILITY: is missing"),
        (["CVE-1", *WHO, "--package", "openssl"], "--package: 'openssl' does not begin with pkg:"),
        (["CVE-1", *WHO, "--path", "a{b"], "--path: 'a{b' a brace is not closed"),
        (["CVE-1", *WHO, "--digest", "latest"], "--digest: 'latest' is no digest"),
        (["CVE-1", *WHO, "--expires", "soon"], "--expires 'soon': write 12h, 30d, 4w, or a date"),
        (["CVE-1", *WHO, "--expires", "0d"], "--expires '0d': write"),
        (["CVE-1", *WHO, "--expires", "2020-01-01"], "--expires 2020-01-01: that is past"),
        (["CVE-1", *WHO, "--justification", "fine"], "Invalid value for '--justification'"),
        (["CVE-1", "--owner", "ann", "--reason", "x" * 2000], "--reason: has 2000 characters (at most 1024)"),
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(main, ["suppress", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_the_labels_are_those_of_openvex() -> None:
    assert set(_JUSTIFICATIONS) == set(Justification)
