"""The grammar of `longshore:policy`, and profiles."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.decisions import Reason
from longshore.errors import ConfigurationError
from longshore.gates import GateTerms
from longshore.redeploy.policy import (
    CalverPolicy,
    DigestPolicy,
    NewestPolicy,
    NumericPolicy,
    OnUnknown,
    Options,
    PinPolicy,
    PolicyError,
    RedeployOn,
    Retag,
    SemverPolicy,
    Write,
    parse_policy,
)
from longshore.redeploy.profiles import read_profiles
from longshore.versions import Level, parse_calver, parse_range

# redeploy 0.1: what ECS and Lambda accept as the value of a tag, less the blanks of other scripts.
_AWS_TAG_VALUE = re.compile(r"[\w .:/=+@-]{1,256}", re.ASCII)

GRAMMAR = [
    ("digest", DigestPolicy()),
    ("digest:prod", DigestPolicy(tag="prod")),
    ("semver:patch", SemverPolicy(allowed=Level.PATCH)),
    ("semver:minor", SemverPolicy(allowed=Level.MINOR)),
    ("semver:major", SemverPolicy(allowed=Level.MAJOR)),
    ("semver:1.x", SemverPolicy(allowed=parse_range("1.x"))),
    ("semver:1.4.x", SemverPolicy(allowed=parse_range("1.4.x"))),
    ("newest", NewestPolicy()),
    ("newest:main-", NewestPolicy(prefix="main-")),
    ("numeric", NumericPolicy()),
    ("numeric:build-", NumericPolicy(prefix="build-")),
    ("calver:YYYY.MM.DD", CalverPolicy(pattern=parse_calver("YYYY.MM.DD"))),
    ("pin", PinPolicy()),
]


@pytest.mark.parametrize(("text", "policy"), GRAMMAR)
def test_the_grammar_is_read_written_and_fits_into_a_tag(text: str, policy: object) -> None:
    assert parse_policy(text) == policy
    assert str(parse_policy(text)) == text
    assert _AWS_TAG_VALUE.fullmatch(text)


def test_blanks_around_a_policy_do_not_matter() -> None:
    assert parse_policy("  semver:minor\n") == SemverPolicy(allowed=Level.MINOR)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "latest",
        "semver",
        "semver:",
        "semver:^1.2",
        "semver:~1.2",
        "semver:>=1 <2",
        "semver:*",
        "semver:1",
        "semver:x",
        "semver:1.4.2",
        "semver:Minor",
        "SEMVER:minor",
        "semver:patch minor",
        "digest:",
        "digest:a b",
        "digest:-x",
        "digest:a/b",
        "digest prod",
        "newest:",
        "newest:main-*",
        "newest:é",
        "numeric:",
        "numeric:a,b",
        "calver",
        "calver:",
        "calver:DD.MM",
        "pin:1.2.3",
        "profile",
        "profile:",
        "alphabetical",
        "loose",
        "natural",
        "auto",
        "digest:" + "a" * 129,
        "x" * 5000,
        "semver:\u0661.x",
        "digest:\x00",
        "\x00",
        "app=semver:minor sidecar=digest",
    ],
)
def test_anything_else_is_an_error_that_names_the_tag_and_a_fix(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.key == "longshore:policy"
    assert caught.value.fix
    assert len(str(caught.value)) < 500
    expected = Reason.PROFILE_UNKNOWN if text.startswith("profile") else Reason.INVALID_POLICY
    assert caught.value.reason is expected


_NEARLY = st.builds(lambda row, more: row[0] + more, st.sampled_from(GRAMMAR), st.text(max_size=3))


@given(st.text(max_size=300) | _NEARLY)
def test_every_text_is_a_policy_that_reads_back_or_a_policy_error(text: str) -> None:
    try:
        policy = parse_policy(text)
    except PolicyError:
        return
    assert parse_policy(str(policy)) == policy


def _profile(**keys: Any) -> dict[str, Any]:
    return {"web": {"policy": "semver:minor", **keys}}


def test_a_profile_carries_the_richer_rules() -> None:
    profiles = read_profiles(
        {
            "web": {
                "policy": "semver:>=1.2 <2",
                "allow": [r"^v?\d.*$"],
                "deny": r"^.*-debug$",
                "extract": r"^v?(?P<key>.*)$",
                "prerelease": "channel:rc",
                "max_major_jump": 1,
                "immutable_retag": "deploy",
                "on_unknown": "deploy",
                "redeploy_on": "index",
                "gates": ["scan"],
                "approvals": {"count": 2},
                "windows": [{"kind": "allow"}],
            }
        }
    )
    policy = parse_policy("profile:web", profiles)
    assert isinstance(policy, SemverPolicy)
    assert str(policy) == "profile:web"
    assert parse_policy(str(policy), profiles) == policy
    assert policy.rule == "semver:>=1.2 <2"
    options = policy.options
    assert [pattern.text for pattern in (*options.allow, *options.deny)] == [r"^v?\d.*$", r"^.*-debug$"]
    assert options.extract is not None and options.extract.key("v1.2.3") == "1.2.3"
    assert (options.prerelease, options.max_major_jump, options.immutable_retag) == ("channel:rc", 1, Retag.DEPLOY)
    assert (options.on_unknown, options.redeploy_on) == (OnUnknown.DEPLOY, RedeployOn.INDEX)
    assert (options.gates, options.approval) == ({"scan": GateTerms()}, True)


def test_the_defaults_are_the_careful_ones() -> None:
    assert parse_policy("profile:web", read_profiles(_profile())).options == Options()
    options = Options()
    assert (options.prerelease, options.max_major_jump, options.immutable_retag) == ("exclude", 5, Retag.ALERT)
    assert (options.on_unknown, options.redeploy_on, options.write) == (
        OnUnknown.HOLD,
        RedeployOn.CONTENT,
        Write.DECLARED,
    )


@pytest.mark.parametrize(
    ("keys", "write"),
    [
        ({}, Write.DECLARED),
        ({"write": "digest"}, Write.DIGEST),
        ({"gates": ["scan"]}, Write.DIGEST),
        ({"gates": {"scan": {"severity": "high"}}}, Write.DIGEST),
        ({"approvals": {"count": 1}}, Write.DIGEST),
    ],
)
def test_a_gate_or_an_approval_writes_the_digest_that_it_judged(keys: dict[str, Any], write: Write) -> None:
    assert parse_policy("profile:web", read_profiles(_profile(**keys))).options.write is write


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ([], "profiles"),
        ({"bad name": {"policy": "pin"}}, "profiles"),
        ({1: {"policy": "pin"}}, "profiles"),
        ({"web": None}, "profiles.web"),
        ({"web": {}}, "profiles.web.policy"),
        ({"web": {"policy": 1}}, "profiles.web.policy"),
        ({"web": {"policy": "profile:web"}}, "profiles.web.policy"),
        ({"web": {"policy": "semver:>>1"}}, "profiles.web.policy"),
        (_profile(allow=[1]), "profiles.web.allow"),
        (_profile(allow={"a": 1}), "profiles.web.allow"),
        (_profile(allow=[r"\d+"]), "profiles.web.allow"),
        (_profile(deny=[r"^(a+)+$"]), "profiles.web.deny"),
        (_profile(extract=r"^\d+$"), "profiles.web.extract"),
        (_profile(search="yes"), "profiles.web.search"),
        (_profile(prerelease="channel:"), "profiles.web.prerelease"),
        (_profile(prerelease=True), "profiles.web.prerelease"),
        (_profile(max_major_jump=-1), "profiles.web.max_major_jump"),
        (_profile(max_major_jump=True), "profiles.web.max_major_jump"),
        (_profile(immutable_retag="no"), "profiles.web.immutable_retag"),
        (_profile(on_unknown=[]), "profiles.web.on_unknown"),
        (_profile(redeploy_on=1), "profiles.web.redeploy_on"),
        (_profile(write="tag"), "profiles.web.write"),
        (_profile(gates="scan"), "profiles.web.gates"),
        (_profile(gates=[1]), "profiles.web.gates"),
        (_profile(gates=["tests"]), "profiles.web.gates"),
        (_profile(gates={"scan": {"fail": ["P5"]}}), "profiles.web.gates.scan.fail"),
        (_profile(write="declared", gates=["scan"]), "profiles.web.write"),
        (_profile(write="declared", approvals={"count": 1}), "profiles.web.write"),
        (_profile(allow_downgrade=True), "profiles.web.allow_downgrade"),
    ],
)
def test_a_wrong_profile_is_an_error_that_names_the_key_and_a_fix(raw: object, key: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_profiles(raw)
    assert caught.value.key == key
    assert caught.value.fix


def test_search_lets_a_pattern_stand_anywhere() -> None:
    options = parse_policy("profile:web", read_profiles(_profile(allow=[r"\d"], search=True))).options
    assert options.allow[0].matches("v1.2.3")


def test_only_newest_may_go_back() -> None:
    profiles = read_profiles({"main": {"policy": "newest:main-", "allow_downgrade": True}})
    assert parse_policy("profile:main", profiles).options.allow_downgrade
