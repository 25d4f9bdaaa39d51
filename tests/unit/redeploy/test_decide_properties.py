"""What holds of every decision, whatever the tags, digests, order and circumstances."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from longshore.decisions import Decision, Reason, Verdict
from longshore.gates import GateReason, GateResult
from longshore.redeploy.decide import Approval, Candidate, Circumstances, Current, Veto, choose, decide
from longshore.redeploy.policy import Policy, parse_policy
from longshore.redeploy.profiles import read_profiles
from longshore.versions import parse_semver

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PROFILES = read_profiles(
    {
        "wide": {"policy": "semver:major", "prerelease": "include", "max_major_jump": 10**6},
        "range": {"policy": "semver:>=1.2 <2", "prerelease": "channel:rc", "immutable_retag": "deploy"},
        "keyed": {"policy": "numeric", "extract": r"^[a-z]*-?(?P<key>\d+)$", "deny": [r"^.*13$"]},
        "gated": {"policy": "digest", "gates": ["scan"], "approvals": {"count": 1}, "on_unknown": "deploy"},
        "index": {"policy": "digest:prod", "redeploy_on": "index", "write": "digest"},
    }
)
_GRAMMAR = (
    "digest digest:prod semver:patch semver:minor semver:major semver:1.x newest newest:main- numeric numeric:main-"
)
POLICIES = [parse_policy(text) for text in [*_GRAMMAR.split(), "calver:YYYY.MM.DD", "pin"]]
POLICIES += [parse_policy(f"profile:{name}", PROFILES) for name in PROFILES]

policies = st.sampled_from(POLICIES)
digests = st.sampled_from([f"sha256:{letter * 64}" for letter in "abc"])
versions = st.builds(
    lambda v, core, suffix: f"{v}{'.'.join(map(str, core))}{suffix}",
    st.sampled_from(["", "v"]),
    st.tuples(*[st.integers(0, 3)] * 3),
    st.sampled_from(["", "-rc.1", "-rc.2", "-rc.10", "-beta", "-alpine", "-rc.1-alpine"]),
)
tags = st.one_of(
    versions,
    st.integers(0, 30).map(lambda number: f"main-{number}"),
    st.integers(0, 30).map(str),
    st.dates().map(lambda day: f"{day.year:04}.{day.month}.{day.day}"),
    st.sampled_from(["prod", "latest", "main-", "main-abc"]),
)
moments = st.none() | st.integers(0, 3).map(lambda minutes: EPOCH + timedelta(minutes=minutes))
platforms = st.dictionaries(st.sampled_from(["linux/amd64", "linux/arm64"]), digests)
candidates = st.builds(Candidate, tags, digests, platforms, moments, moments, st.booleans())
currents = st.builds(Current, st.none() | tags, st.none() | digests, st.frozensets(digests), moments, moments)
vetoes = st.builds(Veto, st.sampled_from([reason for reason in Reason if reason.verdict in ("hold", "wait")]), moments)
circumstances = st.builds(
    Circumstances,
    st.just(()) | st.lists(vetoes, max_size=2).map(tuple),
    st.just(frozenset[str]()) | st.frozensets(st.sampled_from(["linux/amd64", "linux/arm64"])),
    st.frozensets(digests, max_size=1),
    st.just({}) | st.dictionaries(digests, st.dictionaries(st.just("scan"), st.sampled_from(GateReason))),
    st.just({}) | st.dictionaries(digests, st.sampled_from(Approval)),
)
plain = st.tuples(*[st.integers(0, 3)] * 3).map(lambda core: ".".join(map(str, core)))
branch = st.integers(0, 30).map(lambda number: f"main-{number}")
FITTING = [
    *[(parse_policy(text), plain) for text in ("semver:minor", "semver:major", "semver:1.x")],
    *[(parse_policy(text), branch) for text in ("newest:main-", "numeric:main-", "digest:main-5")],
    *[(parse_policy(f"profile:{name}", PROFILES), versions) for name in ("wide", "range")],
    (parse_policy("profile:keyed", PROFILES), st.one_of(branch, st.integers(0, 30).map(str))),
    (parse_policy("calver:YYYY.MM.DD"), st.dates().map(lambda day: f"{day.year:04}.{day.month}.{day.day}")),
]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Policy, Current, list[Candidate]]:
    """A policy with tags that mostly fit it, so that there is something to choose."""
    policy, fitting = draw(st.sampled_from(FITTING))
    current = replace(draw(currents), tag=draw(fitting), equivalents=frozenset({"other"}), digest="other")
    pushed = st.builds(
        Candidate, fitting | tags, digests, platforms, moments, moments, st.sampled_from([True, True, False])
    )
    return policy, current, draw(st.lists(pushed, max_size=6))


wanted = st.sampled_from(
    [
        (parse_policy("profile:gated", PROFILES), Current("prod", "other"), "prod"),
        (parse_policy("profile:index", PROFILES), Current("prod", "other"), "prod"),
        (parse_policy("digest"), Current("prod", "other"), "prod"),
        (parse_policy("semver:minor"), Current("1.4.2", "other"), "1.5.0"),
    ]
)


@given(policies, st.none() | st.text(max_size=200), st.text(max_size=200), st.text(max_size=5), st.text(max_size=5))
def test_total_any_text_is_decided_on(
    policy: Policy, current: str | None, pushed: str, running: str, digest: str
) -> None:
    decision = decide(policy, Current(current, running or None), Candidate(pushed, digest))
    assert isinstance(decision, Decision)
    json.dumps(decision.as_json())


@given(
    policies,
    tags,
    st.sampled_from(["9" * 5000, "a" * 100_000, "1." * 5000, "main-" + "1" * 9000, "\x00\n\x1b[0m", "\u0661\u0662"]),
)
def test_total_hostile_text_is_decided_on(policy: Policy, tag: str, hostile: str) -> None:
    assert isinstance(decide(policy, Current(tag, "a"), Candidate(hostile, "b")), Decision)
    assert isinstance(decide(policy, Current(hostile, "a"), Candidate(tag, "b")), Decision)


@given(policies, currents, st.lists(candidates, max_size=6), circumstances)
def test_total_choosing_answers_every_candidate_once(
    policy: Policy, current: Current, pushed: list[Candidate], against: Circumstances
) -> None:
    answers = choose(policy, current, pushed, against, EPOCH)
    pairs = [(candidate.tag, candidate.digest) for candidate, _ in answers]
    assert sorted(pairs) == sorted({(candidate.tag, candidate.digest) for candidate in pushed})


@given(versions, versions, st.sampled_from(["patch", "minor", "major"]))
def test_never_a_downgrade_of_versions(current: str, pushed: str, level: str) -> None:
    if decide(parse_policy(f"semver:{level}"), Current(current, "a"), Candidate(pushed, "b")).deploys:
        old, new = parse_semver(current), parse_semver(pushed)
        assert old and new and new.precedence > old.precedence and new.variant == old.variant


@given(st.integers(0, 10**120), st.integers(0, 10**120))
def test_numbers_of_any_length_order_as_numbers(current: int, pushed: int) -> None:
    decision = decide(
        parse_policy("numeric:build-"), Current(f"build-{current}", "a"), Candidate(f"build-{pushed}", "b")
    )
    expected = Reason.NEWER if pushed > current else Reason.DOWNGRADE
    assert decision.reason is (Reason.IMMUTABLE_RETAG if pushed == current else expected)


@given(st.dates(), st.dates(), st.integers(0, 10**60), st.integers(0, 10**60))
def test_calendar_versions_order_as_dates(before: object, after: object, old: int, new: int) -> None:
    current, pushed = (f"{str(day).replace('-', '.')}-{micro}" for day, micro in ((before, old), (after, new)))
    decision = decide(parse_policy("calver:YYYY.MM.DD-MICRO"), Current(current, "a"), Candidate(pushed, "b"))
    assert decision.deploys is ((str(after), new) > (str(before), old))


@settings(max_examples=300)
@given(cases(), circumstances, st.data())
def test_order_and_repetition_of_candidates_do_not_matter(
    case: tuple[Policy, Current, list[Candidate]], against: Circumstances, data: st.DataObject
) -> None:
    policy, current, pushed = case
    again = data.draw(st.permutations(pushed + data.draw(st.lists(st.sampled_from(pushed)) if pushed else st.just([]))))
    assert choose(policy, current, again, against, EPOCH) == choose(policy, current, pushed, against, EPOCH)


@settings(max_examples=300)
@given(cases(), circumstances)
def test_at_most_one_is_deployed_and_it_would_be_alone(
    case: tuple[Policy, Current, list[Candidate]], against: Circumstances
) -> None:
    policy, current, pushed = case
    deployed = [answer for answer in choose(policy, current, pushed, against, EPOCH) if answer[1].deploys]
    assert len(deployed) <= 1
    for candidate, decision in deployed:
        assert decide(policy, current, candidate, against, EPOCH) == decision


@settings(max_examples=300)
@given(cases())
def test_what_was_chosen_is_not_left_again(case: tuple[Policy, Current, list[Candidate]]) -> None:
    """Deploying the choice and choosing again from the same candidates moves nothing."""
    policy, current, pushed = case
    for candidate, decision in choose(policy, current, pushed):
        if decision.deploys:
            images = frozenset(candidate.platforms.values())
            after = Current(candidate.tag, candidate.digest, images, candidate.moved_at, candidate.pushed_at)
            assert not any(answer.deploys for _, answer in choose(policy, after, pushed))


@given(policies, currents, candidates, circumstances, vetoes)
def test_a_veto_always_wins(
    policy: Policy, current: Current, candidate: Candidate, others: Circumstances, veto: Veto
) -> None:
    assume(veto.stands(EPOCH))
    against = Circumstances(
        (*others.vetoes, veto), others.required_platforms, others.quarantined, others.gates, others.approvals
    )
    assert not decide(policy, current, candidate, against, EPOCH).deploys


@given(wanted, candidates, circumstances)
def test_nothing_deploys_what_is_quarantined_ungated_or_unapproved(
    question: tuple[Policy, Current, str], image: Candidate, against: Circumstances
) -> None:
    policy, current, tag = question
    candidate = replace(image, tag=tag)
    if not decide(policy, current, candidate, against, EPOCH).deploys:
        return
    results = against.gates.get(candidate.digest, {})
    approval = against.approvals.get(candidate.digest)
    assert candidate.digest not in against.quarantined
    assert candidate.complete
    assert candidate.digest not in current.running
    assert all(result.result is GateResult.PASS for result in results.values())
    assert set(policy.options.gates) <= set(results)
    assert approval is Approval.GRANTED or (approval is None and not policy.options.approval)
    assert not candidate.platforms or all(candidate.on(platform) for platform in against.required_platforms)


@given(policies, currents, candidates, circumstances)
def test_circumstances_only_ever_forbid(
    policy: Policy, current: Current, candidate: Candidate, against: Circumstances
) -> None:
    free = decide(policy, current, candidate, Circumstances(required_platforms=against.required_platforms), EPOCH)
    bound = decide(policy, current, candidate, against, EPOCH)
    if free.verdict is Verdict.SKIP:
        assert bound == free
    assert not bound.deploys or bound == free
