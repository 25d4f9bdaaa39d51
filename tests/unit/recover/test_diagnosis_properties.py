"""Whatever an event holds: no exception, one answer, no secret, and no order that should not matter."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.errors import BadEventError
from longshore.recover.catalogue import CLASSES, ENTRIES
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.evidence import LIMIT, told
from longshore.recover.grounds import Ground
from longshore.recover.observations import KINDS, diagnose_event
from longshore.redaction import MARK
from tests.unit.recover.diagnosis_cases import TABLE, container, ended, event, task

GROUNDS = {ground.value for ground in Ground}
SOURCES = {"A": "aws.health", "E": "aws.ecs"}
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(
    [
        *("containers", "stopCode", "stoppedReason", "lastStatus", "desiredStatus", "startedAt", "stoppingAt"),
        *("executionStoppedAt", "createdAt", "group", "startedBy", "attachments", "overrides", "tags", "version"),
        *("healthStatus", "containerInstanceArn", "launchType", "exitCode", "unknownMember", "ephemeralStorage"),
    ]
)
codes = st.none() | st.sampled_from([0, 1, 3, 126, 127, 130, 137, 139, 143, 255])
reasons = st.sampled_from(
    ["", "OutOfMemoryError: x", "CannotPullContainerError: i/o timeout", "CannotStartContainerError: x"]
)
containers = st.lists(
    st.builds(container, st.sampled_from(["a", "b", "c", "ecs-service-connect-x"]), codes, reasons), max_size=4
)
stop_codes = st.sampled_from(
    ["", "EssentialContainerExited", "TaskFailedToStart", "UserInitiated", "SpotInterruption", "New"]
)
facts = st.none() | st.dictionaries(
    st.sampled_from(
        [
            "containerDefinitions",
            "proxyConfiguration",
            "deployments",
            "deploymentController",
            "taskSets",
            "schedulingStrategy",
        ]
    ),
    values,
)


def well_formed(found: Diagnosis) -> bool:
    known = found.cls == "" or found.cls in ENTRIES
    sized = all(len(line) <= LIMIT and line.isprintable() for line in found.evidence)
    return known and sized and found.reason in GROUNDS and found.owner in Owner and found.remedy in Remedy


@given(st.sampled_from(TABLE), st.dictionaries(members, values, max_size=5), facts, facts)
def test_arbitrary_members_never_raise(case: Any, odd: dict[str, Any], definition: Any, service: Any) -> None:
    body = event({**case.detail, **odd})
    assert well_formed(diagnose_event(body, definition, service))


@given(st.sampled_from(KINDS), st.dictionaries(st.text(max_size=20) | members, values, max_size=6), values)
def test_arbitrary_details_are_diagnosed_or_refused_by_a_field(
    kind: str, detail: dict[str, Any], resources: Any
) -> None:
    body = {"detail-type": kind, "detail": detail, "resources": resources}
    try:
        assert well_formed(diagnose_event(body))
    except BadEventError as error:
        assert error.field.startswith("detail")


@given(values)
def test_whatever_is_no_event_is_refused(body: Any) -> None:
    with pytest.raises(BadEventError):
        diagnose_event(body)


@given(st.text(max_size=2_000), stop_codes, containers)
@settings(max_examples=200)
def test_any_reason_is_diagnosed_the_same_twice(reason: str, code: str, each: list[dict[str, Any]]) -> None:
    body = event(task(code, reason, each))
    found = diagnose_event(body)
    assert well_formed(found)
    assert found == diagnose_event(body)


@given(stop_codes, containers, st.booleans())
@settings(max_examples=300)
def test_the_order_of_containers_does_not_matter(code: str, each: list[dict[str, Any]], defined: bool) -> None:
    definition = {"containerDefinitions": [{"name": "a"}, {"name": "b", "essential": False}, {"name": "c"}]}
    answers = {
        diagnose_event(event(task(code, "", order)), definition if defined else None)
        for order in itertools.permutations(each)
    }
    assert len(answers) == 1


@given(st.sampled_from(TABLE), st.dictionaries(st.text(min_size=1, max_size=20).map("x-{}".format), values, max_size=4))
def test_unknown_members_are_tolerated(case: Any, odd: dict[str, Any]) -> None:
    body = event(case.detail)
    assert diagnose_event({**body, **odd, "detail": {**case.detail, **odd}}) == diagnose_event(body)


@given(stop_codes, containers)
def test_what_ran_is_never_replaced_without_the_right_to_it(code: str, each: list[dict[str, Any]]) -> None:
    found = diagnose_event(event(task(code, "", each, ran=True)))
    assert found.remedy is not Remedy.REPLACE


@given(st.sampled_from(TABLE))
def test_a_users_stop_is_never_anything_else(case: Any) -> None:
    found = diagnose_event(event({**case.detail, "stopCode": "UserInitiated", "desiredStatus": "STOPPED"}))
    assert (found.cls, found.remedy) == ("A1", Remedy.NONE)


@given(st.sampled_from(TABLE), st.sampled_from(["ACTIVATING", "STOPPING", "DEPROVISIONING", "RUNNING", "", "NEW"]))
def test_only_what_stopped_is_replaced(case: Any, status: str) -> None:
    body = {**event({**case.detail, "lastStatus": status}), "time": "2026-11-01T12:00:30Z"}
    found = diagnose_event(body, definition_tags={"longshore:retry": "idempotent"})
    assert found.cls in ("", "A1", "A2", "S1")
    assert found.remedy is Remedy.NONE or found.cls == "S1"


# -- secrets --------------------------------------------------------------------------------------------------------

alphabet = st.characters(codec="ascii", categories=("Lu", "Ll", "Nd"))
public = " ".join(str(value) for value in task().values())
secrets = st.text(alphabet, min_size=8, max_size=40).filter(lambda text: text not in public)
TEMPLATES = (
    "CannotStartContainerError: exec {}: no such file",
    "{}",
    "Host EC2 (instance {}) terminated.",
    "odd {} text",
)


@given(secrets, st.sampled_from(TEMPLATES), st.sampled_from(TEMPLATES))
def test_values_of_the_environment_are_not_told(secret: str, reason: str, inner: str) -> None:
    overrides = {"containerOverrides": [{"name": "web", "environment": [{"name": "ANY", "value": secret}]}]}
    detail = task(
        reason=reason.format(secret), containers=[container(reason=inner.format(secret))], overrides=overrides
    )
    found = diagnose_event(event(detail))
    assert secret not in " ".join(found.evidence).replace(MARK, "").replace(detail["taskArn"], "")


@given(secrets)
def test_values_of_the_definitions_environment_are_not_told(secret: str) -> None:
    definition = {"containerDefinitions": [{"name": "web", "environment": [{"name": "ANY", "value": secret}]}]}
    found = diagnose_event(event(task(reason=f"odd {secret} text")), definition)
    assert secret not in " ".join(found.evidence).replace(MARK, "")


def test_a_secret_far_behind_is_not_half_told() -> None:
    overrides = {"containerOverrides": [{"name": "web", "environment": [{"name": "ANY", "value": "correcthorse"}]}]}
    found = diagnose_event(event(task(reason=" " * 3_995 + "correcthorse", overrides=overrides)))
    assert found.evidence[0] == f"stoppedReason: {MARK}"


def test_a_short_value_is_hidden_when_its_name_tells() -> None:
    environment = [{"name": "DB_PASSWORD", "value": "abc12"}, {"name": "STAGE", "value": "prod"}]
    overrides = {"containerOverrides": [{"name": "web", "environment": environment}]}
    found = diagnose_event(event(task(reason="abc12 in prod", overrides=overrides)))
    assert found.evidence[0] == f"stoppedReason: {MARK} in prod"


def test_what_the_tasks_own_arn_says_is_no_secret() -> None:
    overrides = {"containerOverrides": [{"name": "web", "environment": [{"name": "R", "value": "eu-west-1"}]}]}
    found = diagnose_event(event(task(reason="lost in eu-west-1", overrides=overrides)))
    assert found.evidence[0] == "stoppedReason: lost in eu-west-1"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("token=abcdef0123", f"token={MARK}"),
        ("AKIAIOSFODNN7EXAMPLE was used", f"{MARK} was used"),
        ("https://user:pa55word@registry.example/v2/", f"https://user:{MARK}@registry.example/v2/"),
        ("a\nb\tc\x00d\u2028e", "a b c d e"),
        ("x" * 400, "x" * (LIMIT - 1) + "…"),
    ],
)
def test_evidence_is_redacted_printable_and_short(text: str, kept: str) -> None:
    assert told((text,)) == (kept,)


@pytest.mark.parametrize(
    ("text", "secret", "kept"),
    [
        ("say one\n two now", "one two", f"say {MARK} now"),
        ("say one two now", " one\ttwo\n", f"say {MARK} now"),
        ("x AKIAIOSFODNN7EXAMPLE and more", "AKIAIOSFODNN7EXAMPLE and", f"x {MARK} more"),
        ("a redacted redacted b", "redacted", f"a {MARK} {MARK} b"),
        ("a (b) c", "(b)", f"a {MARK} c"),
        ("a b", "\n", "a b"),
    ],
)
def test_a_secret_is_hidden_however_it_is_spaced(text: str, secret: str, kept: str) -> None:
    assert told((text,), (secret,)) == (kept,)


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert told(("abcdefgh-ijkl",), ("abcdefgh", "abcdefgh-ijkl")) == (MARK,)


def test_evidence_is_limited_in_number() -> None:
    assert len(told(str(number) for number in range(100))) == 6


def test_long_reasons_cost_little() -> None:
    for filler in ("failed to resolve ref ", "MemberOf ", "OutOfMemory", "(", "status code " * 2, "503 "):
        diagnose_event(event(task(reason="CannotPullContainerError: " + filler * 20_000)))


def test_questions_agree_with_the_order_of_the_catalogue() -> None:
    order = [entry.cls for entry in CLASSES]
    firsts = sorted(set(order), key=order.index)
    letters = "ASICNPRKDTMXHG"
    assert firsts == sorted(firsts, key=lambda cls: (letters.index(cls[0]), cls))


def test_a_success_is_not_told_by_its_exit_code_alone() -> None:
    assert diagnose_event(event(ended(container(code=0), lastStatus="STOPPING"))).name == "not stopped"
