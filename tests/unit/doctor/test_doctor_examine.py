"""How the checks of `longshore doctor` are run: each on its own, whatever befalls it, and told safely."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from longshore.decisions import Decision, Reason
from longshore.errors import ThrottledError
from longshore_cli import doctor
from longshore_cli.checks.findings import Check, Found, Severity, Unseen, examine
from longshore_cli.checks.lifecycle import Image, doomed
from longshore_cli.checks.once import once
from longshore_cli.checks.table import CHECKS
from longshore_cli.checks.tags import VOCABULARY, meant_by
from longshore_cli.main import main
from tests.doctor_world import NOW, SERVICE, Answers, ago, denied, observation, sight

if TYPE_CHECKING:
    from longshore_cli.checks.sight import Sight


def failing(error: Exception) -> Check:
    def find(_: Sight) -> Iterator[Found | Unseen]:
        yield Found("a", "seen before it failed", "")
        raise error

    return Check("failing", Severity.INFO, "", find)


def finding(severity: Severity, resource: str = "web", code: str = "other") -> Check:
    return Check(code, severity, "", lambda _: [Found(resource, "text", "fix")])


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (denied("DescribeServices"), "could not look: ecs:DescribeServices is not allowed"),
        (
            denied("X", "AccessDenied", "User: u is not authorized to perform: eks:ListClusters on resource: *"),
            "could not look: eks:ListClusters is not allowed",
        ),
        (ThrottledError("Rate exceeded"), "could not look: Rate exceeded"),
        (KeyError("rulePriority"), "could not look: KeyError: 'rulePriority'"),
    ],
)
def test_a_check_that_fails_is_told_and_stops_no_other(error: Exception, why: str) -> None:
    report = examine(sight(), [failing(error), finding(Severity.INFO)])
    assert report.skipped == [("failing", why)]
    assert [each.resource for each in report.findings] == ["a", "web"]
    assert report.checked == ["other"]
    assert not report.is_well


def test_what_adapters_raise_names_the_action_too() -> None:
    error = ThrottledError("no")
    error.__cause__ = denied("DescribeServices")
    assert examine(sight(), [failing(error)]).skipped[0][1].endswith("ecs:DescribeServices is not allowed")


@pytest.mark.parametrize(
    ("severity", "well"), [(Severity.ERROR, False), (Severity.WARNING, False), (Severity.INFO, True)]
)
def test_errors_and_warnings_are_wrong_and_infos_are_not(severity: Severity, well: bool) -> None:
    assert examine(sight(), [finding(severity)]).is_well is well


def test_the_worst_comes_first() -> None:
    made = examine(sight(), [finding(each) for each in (Severity.INFO, Severity.ERROR, Severity.WARNING)])
    assert [each.severity.value for each in made.findings] == ["error", "warning", "info"]


def test_what_one_kind_of_platform_refuses_is_told_of_every_check_that_needs_it() -> None:
    made = sight(observation(), unseen=[Unseen("eks-workload: could not look: x")])
    report = examine(made, [check for check in CHECKS if check.code in ("policy-invalid", "no-baseline")])
    assert report.skipped == [(code, "eks-workload: could not look: x") for code in ("policy-invalid", "no-baseline")]
    assert [each.code for each in report.findings] == ["no-baseline"]


def test_what_cannot_be_decided_of_one_workload_keeps_none_from_being_told() -> None:
    def evaluate(seen: Any) -> Any:
        if seen.workload.arn.endswith("bad"):
            raise ThrottledError("Rate exceeded")
        return SimpleNamespace(proposal=SimpleNamespace(leading=Decision(Reason.CURRENT_NOT_COMPARABLE)))

    made = sight(observation(arn=f"{SERVICE}-bad"), observation(), evaluate=evaluate)
    report = examine(made, [check for check in CHECKS if check.code == "held"])
    assert [each.resource for each in report.findings] == [SERVICE]
    assert report.skipped == [("held", f"{SERVICE}-bad: could not look: Rate exceeded")]


def test_a_key_of_longshores_that_means_nothing_is_told_with_those_there_are() -> None:
    def carrying(_: Any) -> Any:
        held = [{"ResourceARN": SERVICE, "Tags": [{"Key": "longshore:x y", "Value": "$(id)"}]}]
        return {"ResourceTagMappingList": held}

    answers: Answers = {
        "resourcegroupstaggingapi.get_tag_keys": {"TagKeys": ["longshore:x y"]},
        "resourcegroupstaggingapi.get_resources": carrying,
    }
    (finding,) = examine(sight(answers=answers), [c for c in CHECKS if c.code == "tag-misspelt"]).findings
    assert "longshore:policy" in finding.fix
    assert finding.fix.endswith("--tag-keys 'longshore:x y'")


def test_what_failed_is_not_asked_again() -> None:
    class Asking:
        asked = 0

        @once
        def answer(self) -> int:
            """The answer."""
            self.asked += 1
            raise ThrottledError

    asking = Asking()
    for _ in range(3):
        with pytest.raises(ThrottledError):
            _ = asking.answer
    assert asking.asked == 1


@given(st.text(min_size=1), st.integers(2, 60))
def test_somebody_elses_text_is_one_line_that_fits_and_drives_no_terminal(text: str, most: int) -> None:
    line = doctor.line(text, most)
    assert len(line) <= most
    assert line.isprintable()


def test_hostile_names_are_told_in_both_forms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "\x1b[2Jweb\n\u202eevil" + "x" * 500
    report = examine(sight(), [finding(Severity.ERROR, name)])
    doctor._tell(report)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert max(map(len, shown.splitlines())) < 200
    assert json.loads(json.dumps(report.as_json()))["findings"][0]["resource"] == name


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("longshore:polcy", "longshore:policy"),
        ("Longshore:Policy", "longshore:policy"),
        ("longshore-policy", "longshore:policy"),
        ("longshore.dev/policy", "longshore:policy"),
        ("longshore:retries", "longshore:retry"),
        ("longshore:anything", "longshore:..."),
        ("policy", ""),
        ("aws:cloudformation:stack-name", ""),
        ("long-term-policy", ""),
        ("", ""),
    ],
)
def test_what_a_misspelt_key_means(key: str, meant: str) -> None:
    assert meant_by(key) == meant


@given(st.sampled_from(VOCABULARY))
def test_no_key_of_the_vocabulary_is_misspelt(key: str) -> None:
    assert meant_by(key) == ""


def rule(priority: int, action: str = "expire", **selection: Any) -> dict[str, Any]:
    return {"rulePriority": priority, "selection": selection, "action": {"type": action}}


UNTAGGED: dict[str, Any] = {
    "tagStatus": "untagged",
    "countType": "sinceImagePushed",
    "countNumber": 7,
    "countUnit": "days",
}
KEEP_TWO: dict[str, Any] = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2}
PROD: dict[str, Any] = {
    "tagStatus": "tagged",
    "tagPrefixList": ["prod"],
    "countType": "imageCountMoreThan",
    "countNumber": 99,
}
BOTH: dict[str, Any] = {
    "tagStatus": "tagged",
    "tagPatternList": ["*-rc", "v*"],
    "countType": "imageCountMoreThan",
    "countNumber": 0,
}


@pytest.mark.parametrize(
    ("rules", "ends"),
    [
        ([], {}),
        ([rule(1, **UNTAGGED)], {"old": 1}),
        ([rule(1, **KEEP_TWO)], {"old": 1, "prod": 1}),
        ([rule(9, **KEEP_TWO), rule(1, **PROD)], {"old": 9}),
        ([rule(1, **BOTH)], {"both": 1}),
        ([rule(1, "transition", **KEEP_TWO), rule(2, **UNTAGGED)], {}),
        ([rule(1, tagStatus="any", countType="sinceImagePulled", countNumber=1)], {}),
    ],
)
def test_a_lifecycle_policy_deletes_what_its_first_matching_rule_says(
    rules: list[dict[str, Any]], ends: dict[str, int]
) -> None:
    images = [
        Image("old", (), ago(days=30)),
        Image("prod", ("prod-1",), ago(days=9)),
        Image("both", ("v1", "1-rc"), ago(days=5)),
        Image("v", ("v2",), ago(days=1)),
    ]
    assert doomed(rules, images, NOW) == ends


@given(st.lists(st.integers(0, 400), max_size=12), st.integers(1, 14))
def test_who_keeps_a_number_of_images_loses_the_oldest_alone(ages: list[int], number: int) -> None:
    images = [Image(str(place), (), NOW - timedelta(days=age)) for place, age in enumerate(ages)]
    ends = doomed([rule(1, tagStatus="any", countType="imageCountMoreThan", countNumber=number)], images, NOW)
    assert len(ends) == max(0, len(images) - number)
    kept = [image.pushed for image in images if image.digest not in ends]
    assert all(image.pushed <= min(kept) for image in images if image.digest in ends)


def test_an_unknown_check_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["doctor", "--check", "everything"])
    assert result.exit_code == 2
    assert "stack-missing" in result.stderr
