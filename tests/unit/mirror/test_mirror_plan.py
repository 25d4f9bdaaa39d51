"""What a mirror copies, leaves, puts off and deletes: tables of cases, and what holds for all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.manifests import Manifest, digest_of
from longshore.mirror.budget import Budget, Promise, pulls_of
from longshore.mirror.choosing import candidates, choose
from longshore.mirror.plan import INCOMPLETE, Known, Listing, Sighting, Step, Upstream, needs_head, plan
from longshore.mirror.ports import ManifestHead, RateLimit
from longshore.mirror.reading import read_mirrors
from longshore.mirror.reasons import Action, Reason
from longshore.mirror.trees import chosen as children
from longshore.versions import parse_semver
from tests.fakes import START

if TYPE_CHECKING:
    from longshore.mirror.rules import Mirror

INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
DAY = timedelta(days=1)


def digest(text: str) -> str:
    return digest_of(text.encode())


def mirror(**members: Any) -> Mirror:
    return read_mirrors({"web": {"from": "quay.io/org/web", "to": "ecr:web", **members}})["web"]


def head(text: str, media_type: str = IMAGE) -> ManifestHead:
    return ManifestHead(digest(text), media_type)


def upstream(heads: Mapping[str, ManifestHead | None], **members: Any) -> Upstream:
    return Upstream(tuple(sorted(heads)), heads=heads, tags=frozenset(heads), **members)


def copied(tag: str, of: str, rules: Mirror | None = None, **members: Any) -> Known:
    return Known(tag, digest(of), digest(of), (rules or mirror()).terms, **members)


def refused(there: str, digest_of: str, hours: int) -> Known:
    """An immutable tag that did not take an image so long ago."""
    return copied("v1", there, refused=digest(digest_of), refused_at=START - timedelta(hours=hours))


def one(
    rules: Mirror,
    head_: ManifestHead | None,
    known: Known | None = None,
    there: str = "",
    now: datetime = START,
    **members: Any,
) -> Step:
    listing = Listing({"v1": there} if there else {})
    (step,) = plan(rules, upstream({"v1": head_}, **members), {"v1": known} if known else {}, listing, now)
    return step


# -- which tags -----------------------------------------------------------------------------------------------------

TAGS = "latest stable 1.24.0 1.25.1 1.25.2 1.26.0 1.26.0-alpine 1.27.0-rc.1 2.0.0 main-7 sha256-" + "a" * 64 + ".sig"
CHOICES = [
    ({}, "latest stable 1.24.0 1.25.1 1.25.2 1.26.0 1.26.0-alpine 1.27.0-rc.1 2.0.0 main-7"),
    ({"include": ["latest", "1.25.*"]}, "latest 1.25.1 1.25.2"),
    ({"include": ["1.25.*"], "exclude": ["*.2"]}, "1.25.1"),
    ({"regex": r"^main-\d+$"}, "main-7"),
    ({"semver": ">=1.25 <2"}, "1.25.1 1.25.2 1.26.0"),
    ({"semver": ">=1.25 <2", "prerelease": True}, "1.25.1 1.25.2 1.26.0 1.27.0-rc.1"),
    ({"semver": ">=1.25 <2", "variants": ["", "alpine"]}, "1.25.1 1.25.2 1.26.0 1.26.0-alpine"),
    ({"semver": ">=1.25 <2", "variants": ["alpine"]}, "1.26.0-alpine"),
    ({"semver": ">=1", "latest": 1}, "2.0.0"),
    ({"semver": ">=1", "latest": 1, "include": ["latest"]}, "latest 2.0.0"),
    ({"semver": ">=1", "latest": 1, "per": "major"}, "1.26.0 2.0.0"),
    ({"semver": ">=1", "latest": 1, "per": "minor"}, "1.24.0 1.25.2 1.26.0 2.0.0"),
    ({"semver": ">=1", "latest": 1, "per": "major", "variants": ["", "alpine"]}, "1.26.0 1.26.0-alpine 2.0.0"),
    ({"include": ["sha256-*"]}, ""),
    ({"include": ["sha256-" + "a" * 64 + ".sig"]}, "sha256-" + "a" * 64 + ".sig"),
]


@pytest.mark.parametrize(("rules", "expected"), CHOICES)
def test_tags_are_chosen(rules: dict[str, Any], expected: str) -> None:
    chosen, left = choose(mirror(tags=rules).tags, TAGS.split(), {})
    assert sorted(chosen) == sorted(expected.split())
    assert set(chosen) | set(left) == set(TAGS.split())
    assert not set(chosen) & set(left)


def test_each_that_is_left_out_says_why() -> None:
    rules = mirror(tags={"semver": ">=1.25", "exclude": ["stable"], "latest": 2}).tags
    left = choose(rules, TAGS.split(), {})[1]
    assert left["stable"] is Reason.EXCLUDED
    assert left["main-7"] is Reason.NOT_CHOSEN
    assert left["1.24.0"] is Reason.NOT_CHOSEN
    assert left["1.27.0-rc.1"] is Reason.PRERELEASE
    assert left["1.26.0-alpine"] is Reason.VARIANT
    assert left["1.25.2"] is Reason.OLDER


def test_by_time_the_newest_are_those_seen_last_and_the_unseen() -> None:
    rules = mirror(tags={"regex": "^main-.*$", "latest": 2, "by": "time"}).tags
    seen = {"main-a": START, "main-b": START - DAY, "main-c": START + DAY}
    assert choose(rules, seen, seen)[0] == ["main-a", "main-c"]
    assert choose(rules, [*seen, "main-d"], seen)[0] == ["main-c", "main-d"]


def test_by_time_what_came_at_once_goes_by_version_or_name() -> None:
    rules = mirror(tags={"regex": "^.*$", "latest": 1, "by": "time"}).tags
    assert choose(rules, ["b9", "b10", "b2", "1.9.0", "1.10.0"], {})[0] == ["1.10.0", "b10"]
    assert candidates(rules, ["b9", "b10", "b2"]) == ["b2", "b9", "b10"], "what is recorded last is the newest"


QUARANTINED = mirror(tags={"semver": ">=1", "latest": 2, "min_age": "3d"}).tags
RIPENESS = [
    ("nothing is known yet", {}, "1.4.0 1.3.0"),
    ("the newest are in quarantine", {"1.4.0": False, "1.3.0": False}, "1.4.0 1.3.0"),
    ("older ones are out of it", {"1.4.0": False, "1.2.0": True, "1.1.0": True, "1.0.0": True}, "1.4.0 1.3.0 1.2.0 1.1.0"),
    ("one between was never looked at", {"1.4.0": False, "1.3.0": False, "1.1.0": True}, "1.4.0 1.3.0 1.1.0"),
    ("all are out of it", dict.fromkeys(["1.4.0", "1.3.0", "1.2.0"], True), "1.4.0 1.3.0"),
]  # fmt: skip


@pytest.mark.parametrize(("ripe", "expected"), [case[1:] for case in RIPENESS], ids=[case[0] for case in RIPENESS])
def test_the_newest_are_those_out_of_quarantine_and_newer_ones_wait(ripe: dict[str, bool], expected: str) -> None:
    tags = [f"1.{minor}.0" for minor in range(5)]
    chosen, left = choose(QUARANTINED, tags, {}, ripe)
    assert sorted(chosen) == sorted(expected.split())
    assert set(left.values()) == {Reason.OLDER}


versions = st.builds("{}.{}.{}{}".format, *[st.integers(0, 3)] * 3, st.sampled_from(["", "-alpine", "-rc.1"]))


@given(
    tags=st.sets(versions | st.sampled_from(["latest", "edge"]), max_size=30),
    latest=st.integers(1, 4),
    per=st.sampled_from(["all", "major", "minor"]),
)
def test_of_each_group_at_most_the_newest_stay(tags: set[str], latest: int, per: str) -> None:
    rules = mirror(
        tags={"semver": ">=0", "prerelease": True, "variants": ["", "alpine"], "latest": latest, "per": per}
    ).tags
    chosen, left = choose(rules, tags, {})
    depth = {"all": 0, "major": 1, "minor": 2}[per]
    groups: dict[object, list[Any]] = {}
    for tag in chosen:
        version = parse_semver(tag)
        assert version is not None
        groups.setdefault((version.variant, version.core[:depth]), []).append(version.precedence)
    assert all(len(group) <= latest for group in groups.values())
    for tag, reason in left.items():
        version = parse_semver(tag)
        if reason is Reason.OLDER and version is not None:
            group = groups[version.variant, version.core[:depth]]
            assert len(group) == latest
            assert version.precedence <= min(group)


@given(st.sets(versions, max_size=20), st.sets(versions, max_size=5))
def test_more_tags_upstream_choose_nothing_that_the_rules_leave_out(tags: set[str], more: set[str]) -> None:
    rules = mirror(tags={"semver": ">=1 <3", "latest": 3}).tags
    before, after = set(choose(rules, tags, {})[0]), set(choose(rules, tags | more, {})[0])
    assert after - more <= before, "only what is new may come in (regclient 576)"


# -- one tag ---------------------------------------------------------------------------------------------------------

PLAIN = mirror()
ONE = [
    ("new", PLAIN, head("a"), None, "", Reason.NEW),
    ("there already, before Longshore", PLAIN, head("a"), None, digest("a"), Reason.IN_SYNC),
    ("another image there", PLAIN, head("a"), None, digest("b"), Reason.MOVED),
    ("in sync", PLAIN, head("a"), copied("v1", "a"), digest("a"), Reason.IN_SYNC),
    ("moved", PLAIN, head("b"), copied("v1", "a"), digest("a"), Reason.MOVED),
    ("deleted downstream", PLAIN, head("a"), copied("v1", "a"), "", Reason.NEW),
    ("overwritten downstream", PLAIN, head("a"), copied("v1", "a"), digest("c"), Reason.REPAIR),
    ("other terms", mirror(platforms=["linux/amd64"]), head("a"), copied("v1", "a"), digest("a"), Reason.TERMS),
    ("gone upstream", PLAIN, None, copied("v1", "a"), digest("a"), Reason.MISSING),
    ("kept", mirror(on_move="keep"), head("b"), copied("v1", "a"), digest("a"), Reason.KEPT),
    ("kept, but not there", mirror(on_move="keep"), head("b"), copied("v1", "a"), "", Reason.NEW),
    ("refused", PLAIN, head("b"), refused("a", "b", hours=23), digest("a"), Reason.IMMUTABLE),
    ("refused a day ago", PLAIN, head("b"), refused("a", "b", hours=24), digest("a"), Reason.MOVED),
    ("refused before, moved on", PLAIN, head("c"), refused("a", "b", hours=1), digest("a"), Reason.MOVED),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "seen", "known", "there", "reason"), [c[1:] for c in ONE], ids=[c[0] for c in ONE])
def test_one_tag(rules: Mirror, seen: ManifestHead | None, known: Known | None, there: str, reason: Reason) -> None:
    assert one(rules, seen, known, there).reason is reason


def test_what_was_stored_in_place_of_an_index_is_in_sync() -> None:
    rules = mirror(platforms=["linux/arm64"])
    known = replace(copied("v1", "index", rules), stored=digest("child"))
    assert one(rules, head("index", INDEX), known, digest("child")).reason is Reason.IN_SYNC
    assert one(rules, head("index", INDEX), None, digest("index")).reason is Reason.MOVED, "it has other platforms too"


def test_signatures_that_come_later_are_copied() -> None:
    known = copied("v1", "a", referrers="one")
    assert one(PLAIN, head("a"), known, digest("a"), referrers={"v1": "one"}).reason is Reason.IN_SYNC
    assert one(PLAIN, head("a"), known, digest("a"), referrers={"v1": "two"}).reason is Reason.REFERRERS


def test_what_could_not_be_asked_of_referrers_is_no_change() -> None:
    known = copied("v1", "a", referrers="one")
    unasked = one(PLAIN, head("a"), known, digest("a"))
    assert (unasked.reason, unasked.referrers) == (Reason.IN_SYNC, "one")
    assert one(PLAIN, head("a"), known, digest("a"), referrers={"v1": ""}).reason is Reason.REFERRERS
    moved = one(PLAIN, head("b"), known, digest("a"))
    assert (moved.reason, moved.referrers) == (Reason.MOVED, ""), "they were of another image"


def test_a_platform_is_found_however_it_is_written() -> None:
    rules = mirror(platforms=["linux/arm64/v8", "linux/arm64", "linux/arm/v7"])
    assert rules.platforms == ("linux/arm64", "linux/arm/v7")
    entry = {"mediaType": IMAGE, "digest": digest("a"), "size": 1}
    entry |= {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    assert [child.digest for child in children(Manifest.parse(content), rules.platforms)] == [digest("a")]


def test_the_quarantine_begins_when_an_image_is_first_seen() -> None:
    rules = mirror(tags={"min_age": "3d"})
    young = one(rules, head("a"), sightings={"v1": Sighting(digest("a"), START - 2 * DAY)})
    assert (young.reason, young.until) == (Reason.TOO_YOUNG, START + DAY)
    assert one(rules, head("a"), sightings={"v1": Sighting(digest("a"), START - 3 * DAY)}).reason is Reason.NEW
    moved = one(rules, head("b"), sightings={"v1": Sighting(digest("a"), START - 9 * DAY)})
    assert moved.reason is Reason.TOO_YOUNG, "another image begins anew"


def test_a_tag_that_never_moves_is_not_asked_for_again() -> None:
    rules = mirror(tags={"immutable": "v*"})
    (downstream,) = rules.downstreams
    known = {"v1": copied("v1", "a", rules)}
    assert not needs_head(rules, "v1", {downstream: known})
    assert needs_head(rules, "v1", {downstream: {}})
    assert needs_head(rules, "w1", {downstream: {"w1": copied("w1", "a", rules)}})
    assert needs_head(rules, "v1", {downstream: {"v1": replace(known["v1"], terms="other")}})
    assert needs_head(rules, "v1", {downstream: {"v1": replace(known["v1"], referrers=INCOMPLETE)}})
    listing = Listing({"v1": digest("a")})
    assert plan(rules, Upstream(("v1",)), known, listing, START)[0].reason is Reason.KNOWN
    assert plan(rules, Upstream(("v1",)), known, Listing(), START)[0].reason is Reason.REPAIR


# -- what holds always -----------------------------------------------------------------------------------------------

names = st.sampled_from(["v1", "v2", "v3", "v4", "v5"])
contents = st.sampled_from(["a", "b", "c"])


def after(rules: Mirror, steps: tuple[Step, ...], known: dict[str, Known], tags: dict[str, str]) -> None:
    """What the ledger and downstream are once all copies and deletions were made."""
    for step in steps:
        if step.action is Action.COPY:
            tags[step.tag] = step.digest
            known[step.tag] = Known(step.tag, step.digest, step.digest, rules.terms, step.referrers)
        elif step.action is Action.DELETE:
            del tags[step.tag], known[step.tag]


@given(
    heads=st.dictionaries(names, contents, max_size=5),
    there=st.dictionaries(names, contents, max_size=5),
    known=st.dictionaries(names, contents, max_size=5),
    referrers=st.dictionaries(names, contents, max_size=5),
)
def test_nothing_is_planned_twice(
    heads: dict[str, str], there: dict[str, str], known: dict[str, str], referrers: dict[str, str]
) -> None:
    rules = mirror(prune={"after": "1h", "most": 100})
    seen = upstream({tag: head(text) for tag, text in heads.items()}, referrers=referrers)
    tags = {tag: digest(text) for tag, text in there.items()}
    ledger = {tag: replace(copied(tag, text), gone=START - DAY) for tag, text in known.items()}
    steps = plan(rules, seen, ledger, Listing(tags), START)
    assert len({step.tag for step in steps}) == len(steps), "one step for each tag"
    after(rules, steps, ledger, tags)
    assert {tag: tags.get(tag) for tag in heads} == {tag: digest(text) for tag, text in heads.items()}
    again = plan(rules, seen, ledger, Listing(tags), START)
    assert [step for step in again if step.action in (Action.COPY, Action.DELETE)] == []


# -- pulls -----------------------------------------------------------------------------------------------------------


def promise(pulls: int, token: str = "one", until: datetime = START + DAY) -> Promise:
    return Promise(token, pulls, until)


def told(remaining: int, limit: int = 100, window: int = 21_600) -> Budget:
    return Budget().settle("", RateLimit(limit, remaining, window), START)


def test_copies_beyond_the_budget_wait() -> None:
    heads = {f"v{i}": head(str(i), INDEX) for i in range(4)}
    steps = plan(mirror(platforms=["linux/amd64"]), upstream(heads), {}, Listing(), START, told(17))
    assert [step.reason for step in steps] == [Reason.NEW, Reason.NEW, Reason.BUDGET, Reason.BUDGET]
    assert [step.pulls for step in steps[:2]] == [3, 3]
    assert steps[2].until == START + timedelta(hours=1)


def test_what_the_registry_said_before_others_heard_it_is_old() -> None:
    heard = told(100).reserve(promise(20), START, 0)
    assert heard is not None
    later = START + timedelta(hours=1)
    heard = heard.settle("", RateLimit(100, 10, 21_600), later)
    kept = RateLimit(100, 100, 21_600, at=START + timedelta(minutes=1))
    after = heard.settle("one", kept, later + timedelta(hours=1))
    assert (after.remaining, after.told, after.promises) == (10, later, ())
    assert after.settle("", kept._replace(at=later + DAY), later + DAY).remaining == 100
    assert Budget().settle("", kept, later).told == kept.at


def test_a_registry_that_tells_no_limit_has_none() -> None:
    assert Budget().available(START, 10) is None
    assert Budget().reserve(promise(10_000), START, 10) is not None


def test_a_window_later_all_is_there_again() -> None:
    spent = told(0)
    assert spent.reserve(promise(1), START + timedelta(hours=5), 0) is None
    later = spent.reserve(promise(60), START + timedelta(hours=6), 10)
    assert later is not None
    assert later.reserve(promise(31), START + timedelta(hours=6), 10) is None
    assert later.reserve(promise(30), START + timedelta(hours=6), 10) is not None


def test_silence_counts_as_used() -> None:
    reserved = told(50).reserve(promise(20), START, 0)
    assert reserved is not None
    assert reserved.settle("one", None, START).available(START, 0) == 30


@given(
    remaining=st.integers(0, 100),
    keep=st.integers(0, 30),
    wants=st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 600)), max_size=40),
)
def test_more_is_never_pulled_than_there_is(remaining: int, keep: int, wants: list[tuple[int, bool, int]]) -> None:
    """Against a registry that counts a window from the first pull in it, and copies that end in any order."""
    budget, left, now, window_ends = told(remaining), remaining, START, START + timedelta(hours=6)
    running: list[str] = []
    for number, (pulls, ends, minutes) in enumerate(wants):
        if now + timedelta(minutes=minutes) < window_ends:
            now += timedelta(minutes=minutes)
        reserved = budget.reserve(promise(pulls, str(number)), now, keep)
        if reserved is not None:
            budget = reserved
            left -= pulls
            running.append(str(number))
            assert left >= min(keep, remaining) or not running
            assert left >= 0
        if ends and running:
            budget = budget.settle(running.pop(0), RateLimit(100, left, 21_600), now)


def test_a_promise_that_nobody_settles_ends_by_itself() -> None:
    """The invocation was killed; each hourly look is told that the pulls are there."""
    budget = told(100).reserve(promise(90, until=START + timedelta(minutes=16)), START, 10)
    assert budget is not None
    for minutes, left in [(10, 0), (60, 90), (600, 90)]:
        now = START + timedelta(minutes=minutes)
        budget = budget.settle("", RateLimit(100, 100, 21_600), now)
        assert budget.available(now, 10) == left
    assert budget.promises == ()


def test_what_ended_unsettled_counts_until_the_registry_is_heard_again() -> None:
    budget = told(100).reserve(promise(90, until=START + timedelta(minutes=16)), START, 0)
    assert budget is not None
    now = START + timedelta(minutes=20)
    assert budget.available(now, 0) == 10, "those pulls may have been made"
    assert budget.settle("", RateLimit(100, 40, 21_600), now).available(now, 0) == 40
    assert budget.available(START + timedelta(hours=6), 0) == 100


def test_what_no_full_budget_could_pay_takes_all_of_it() -> None:
    assert told(100).reserve(promise(300), START, 10) is not None
    assert told(89).reserve(promise(300), START, 10) is None
    assert told(100).reserve(promise(300), START, 200) is None, "all is kept for others"


def test_what_is_being_pulled_counts_when_the_window_is_over() -> None:
    budget = told(100).reserve(promise(90), START, 0)
    assert budget is not None
    assert budget.available(START + timedelta(hours=6), 0) == 10


@pytest.mark.parametrize(
    ("is_index", "platforms", "known", "pulls"),
    [(False, 0, None, 1), (True, 2, None, 5), (True, 0, None, 17), (True, 2, 3, 5), (True, 2, 9, 9)],
)
def test_how_many_pulls_a_copy_costs(is_index: bool, platforms: int, known: int | None, pulls: int) -> None:
    assert pulls_of(is_index=is_index, platforms=platforms, known=known) == pulls


# -- deleting --------------------------------------------------------------------------------------------------------

PRUNING = mirror(prune={"after": "2d", "most": 20})


def pruned(rules: Mirror, known: dict[str, Known], there: dict[str, str], *, kept: int = 8) -> dict[str, Reason]:
    heads = {f"k{i}": head(f"k{i}") for i in range(kept)}
    ledger = {**known, **{tag: copied(tag, tag) for tag in heads}}
    tags = {**there, **{tag: digest(tag) for tag in heads}}
    steps = plan(rules, upstream(heads), ledger, Listing(tags), START)
    return {step.tag: step.reason for step in steps if step.tag not in heads}


def test_without_prune_nothing_is_ever_deleted() -> None:
    gone = {"old": copied("old", "o", gone=START - 99 * DAY)}
    assert pruned(PLAIN, gone, {"old": digest("o")}) == {}


def test_what_is_gone_has_its_grace_and_then_goes() -> None:
    there = {"old": digest("o")}
    assert pruned(PRUNING, {"old": copied("old", "o")}, there) == {"old": Reason.GRACE}
    assert pruned(PRUNING, {"old": copied("old", "o", gone=START - DAY)}, there) == {"old": Reason.GRACE}
    assert pruned(PRUNING, {"old": copied("old", "o", gone=START - 2 * DAY)}, there) == {"old": Reason.GONE}


def test_what_somebody_else_put_there_stays() -> None:
    gone = {"old": copied("old", "o", gone=START - 9 * DAY)}
    assert pruned(PRUNING, gone, {"old": digest("theirs")}) == {"old": Reason.CHANGED_BY_HAND}
    assert pruned(PRUNING, {}, {"theirs": digest("x")}) == {}


def test_an_empty_list_deletes_nothing() -> None:
    known = {"old": copied("old", "o", gone=START - 9 * DAY)}
    assert plan(PRUNING, upstream({}), known, Listing({"old": digest("o")}), START) == ()


def test_what_is_no_longer_chosen_is_not_deleted() -> None:
    known = {"old": copied("old", "o", gone=START - 9 * DAY)}
    seen = Upstream((), {"old": Reason.OLDER}, tags=frozenset({"old"}))
    steps = plan(PRUNING, seen, known, Listing({"old": digest("o")}), START)
    assert [step.reason for step in steps] == [Reason.OLDER]


def test_signatures_go_with_the_last_tag_of_their_image() -> None:
    stem = digest("o").replace(":", "-")
    tags = {f"{stem}.sig": digest("sig"), f"{stem}.att": digest("att"), stem: digest("list")}
    gone = {"old": copied("old", "o", gone=START - 9 * DAY)}
    there = {"old": digest("o"), **tags, digest("k0").replace(":", "-") + ".sig": digest("another")}
    both = dict.fromkeys(("old", f"{stem}.sig", f"{stem}.att"), Reason.GONE)
    assert pruned(PRUNING, gone, there) == both, "not the list of referrers, nor what belongs to others"
    assert pruned(PRUNING, gone, {**there, "same": digest("o")}) == {"old": Reason.GONE}, "another tag names it"
    chosen = {**gone, f"{stem}.sig": copied(f"{stem}.sig", "sig")}
    assert pruned(PRUNING, chosen, there)[f"{stem}.sig"] is Reason.GRACE, "it is a tag of the mirror's own"
    assert pruned(mirror(prune={"after": "2d"}, referrers="none"), gone, there) == {"old": Reason.GONE}
    assert pruned(PRUNING, {"old": replace(gone["old"], gone=None)}, there) == {"old": Reason.GRACE}


def test_signatures_that_upstream_has_stay() -> None:
    sig = digest("o").replace(":", "-") + ".sig"
    heads = {f"k{i}": head(f"k{i}") for i in range(8)}
    seen = Upstream(tuple(heads), {sig: Reason.ARTIFACT}, heads, tags=frozenset([*heads, sig]))
    known = {"old": copied("old", "o", gone=START - 9 * DAY), **{tag: copied(tag, tag) for tag in heads}}
    tags = {"old": digest("o"), sig: digest("sig"), **{tag: digest(tag) for tag in heads}}
    steps = {step.tag: step.reason for step in plan(PRUNING, seen, known, Listing(tags), START)}
    assert (steps["old"], steps[sig]) == (Reason.GONE, Reason.ARTIFACT)


def test_the_guard_counts_what_downstream_has() -> None:
    """A lifecycle policy expired most of what was copied, and upstream is in trouble."""
    known = {f"v{i}": copied(f"v{i}", f"v{i}", gone=START - 9 * DAY) for i in range(500)}
    there = {f"v{i}": digest(f"v{i}") for i in range(50)}
    reasons = pruned(PRUNING, known, there, kept=1)
    assert set(reasons.values()) == {Reason.PRUNE_GUARD}
    assert len(reasons) == 50


@pytest.mark.parametrize(
    ("kept", "most", "reason"),
    [(1, 20, Reason.PRUNE_GUARD), (3, 20, Reason.PRUNE_GUARD), (4, 20, Reason.GONE), (1, 50, Reason.GONE)],
)
def test_the_guard_holds_for_few_tags_too(kept: int, most: int, reason: Reason) -> None:
    rules = mirror(prune={"after": "2d", "most": most})
    gone = {"old": copied("old", "o", gone=START - 9 * DAY)}
    assert pruned(rules, gone, {"old": digest("o")}, kept=kept) == {"old": reason}


@given(gone=st.integers(0, 20), kept=st.integers(1, 20), most=st.integers(1, 100))
def test_the_guard_lets_no_more_go_than_it_may(gone: int, kept: int, most: int) -> None:
    rules = mirror(prune={"after": "2d", "most": most})
    known = {f"g{i}": copied(f"g{i}", f"g{i}", gone=START - 3 * DAY) for i in range(gone)}
    reasons = list(pruned(rules, known, {tag: digest(tag) for tag in known}, kept=kept).values())
    deleted = reasons.count(Reason.GONE)
    assert deleted in (0, gone)
    assert deleted * 100 <= (gone + kept) * most
    assert deleted == gone or gone * 100 > (gone + kept) * most, "no more is held than has to be"
    assert deleted == gone or reasons.count(Reason.PRUNE_GUARD) == gone
