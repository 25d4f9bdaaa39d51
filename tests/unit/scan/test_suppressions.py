"""Suppressions: which findings they are about, when they end, and which of several counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ConfigurationError
from longshore.images import Repository
from longshore.scan.acceptance import MOST, as_json, identity, moment_of, read_suppression, read_suppressions
from longshore.scan.findings import Assessment, Finding, Fix, ScanState
from longshore.scan.suppressions import NOTICE, Justification, Origin, Status, Suppression, Suppressions

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
A, B, C = ("sha256:" + letter * 64 for letter in "abc")
WEB = Repository("123456789012", "eu-west-1", "shop/web")
CVE = "CVE-2026-1"
OPENSSL = Finding(CVE, "openssl", "3.0.11-1", manager="OS", fix=Fix.NO)
LODASH = Finding(
    "GHSA-35jh-r3h4-6jhm", "lodash", "4.17.20", manager="NODEPKG", path="app/node_modules/lodash/package.json"
)


def image(*findings: Finding, digest: str = A, images: tuple[str, ...] = ()) -> Assessment:
    return Assessment(WEB, digest, ScanState.COMPLETE, findings=findings, images=images)


def accepted(vulnerability: str = CVE, **members: Any) -> Suppression:
    return Suppression(**{"id": "s", "origin": Origin.SWITCH, "vulnerability": vulnerability} | members)


def suppresses(suppression: Suppression, finding: Finding = OPENSSL, on: Assessment | None = None) -> bool:
    return Suppressions([suppression]).of(finding, on or image(finding), NOW) is suppression


# -- what it is about -----------------------------------------------------------------------------------------------


def test_an_id_alone_is_about_every_package_of_every_image() -> None:
    assert suppresses(accepted())
    assert suppresses(accepted("cve-2026-1"))
    assert not suppresses(accepted("CVE-2026-10"))


def test_an_alias_is_an_id_too() -> None:
    assert suppresses(accepted("GHSA-1", aliases=(CVE,)))
    assert suppresses(accepted("CVE-9", aliases=("X-1",))) is False


@pytest.mark.parametrize(
    ("finding", "package", "same"),
    [
        (OPENSSL, "pkg:deb/debian/openssl", True),
        (OPENSSL, "pkg:rpm/redhat/openssl@3.0.11-1", True),
        (OPENSSL, "pkg:deb/debian/openssl@3.0.12-1", False),
        (OPENSSL, "pkg:deb/debian/libssl3", False),
        (OPENSSL, "pkg:npm/openssl", False),
        (OPENSSL, "pkg:deb/debian/openssl?arch=arm64", False),
        (OPENSSL, "pkg:deb/debian/openssl#sub", False),
        (replace(OPENSSL, manager=""), "pkg:deb/debian/openssl", True),
        (replace(OPENSSL, version="1:3.0.11-1"), "pkg:deb/debian/openssl@3.0.11-1?epoch=1", True),
        (replace(OPENSSL, version="1:3.0.11-1"), "pkg:deb/debian/openssl@1:3.0.11-1", True),
        (replace(OPENSSL, version="1:3.0.11-1"), "pkg:deb/debian/openssl@3.0.11-1?epoch=2", False),
        (OPENSSL, "pkg:deb/debian/openssl?epoch=0", True),
        (LODASH, "pkg:npm/lodash", True),
        (LODASH, "pkg:npm/lodash@4.17.20", True),
        (LODASH, "pkg:npm/%40types/lodash", False),
        (LODASH, "pkg:deb/debian/lodash", False),
        (replace(LODASH, package="@types/lodash"), "pkg:npm/%40types/lodash@4.17.20", True),
        (replace(LODASH, package="@types/lodash"), "pkg:npm/@types/lodash@4.17.20", True),
        (replace(LODASH, package="Zope.Interface", manager="PYTHONPKG"), "pkg:pypi/zope-interface", True),
        (replace(LODASH, package="org.a:b", manager="JAR"), "pkg:maven/org.a/b", True),
        (replace(LODASH, package="org.a:b", manager="JAR"), "pkg:maven/b", False),
        (
            replace(LODASH, package="golang.org/x/net", version="v0.1.0", manager="GOBINARY"),
            "pkg:golang/golang.org/x/net@v0.1.0",
            True,
        ),
        (
            replace(LODASH, package="golang.org/x/net", version="0.1.0", manager="GOMOD"),
            "pkg:golang/golang.org/x/net@v0.1.0",
            True,
        ),
        (replace(LODASH, package="x", manager="NEW"), "pkg:npm/x", False),
        (replace(LODASH, package="x", manager="NPM"), "pkg:generic/x", False),
    ],
)
def test_packages_are_compared_as_trivy_does(finding: Finding, package: str, same: bool) -> None:
    assert suppresses(accepted(finding.vulnerability, packages=(package,)), finding) is same


@pytest.mark.parametrize(
    ("pattern", "same"),
    [
        ("app/node_modules/lodash/package.json", True),
        ("/app/node_modules/lodash/package.json", True),
        ("app/node_modules/lodash", False),
        ("app/*/lodash/package.json", True),
        ("app/*/package.json", False),
        ("app/**/package.json", True),
        ("**/package.json", True),
        ("**", True),
        ("app/**/node_modules/**/package.json", True),
        ("app/node_modules/lo??sh/package.json", True),
        ("app/node_modules/[k-m]odash/package.json", True),
        ("app/node_modules/[^a]odash/package.json", True),
        ("app/node_modules/[^l]odash/package.json", False),
        ("app/node_modules/{lodash,left-pad}/{package,bower}.json", True),
        ("app/node_modules/{a,b{c,d}}/package.json", False),
        (r"app/node_modules/lodash/packag\e.json", True),
        (r"app/node_modules/\*/package.json", False),
    ],
)
def test_paths_are_patterns(pattern: str, same: bool) -> None:
    assert suppresses(accepted(LODASH.vulnerability, paths=(pattern,)), LODASH) is same


def test_many_stars_are_quick() -> None:
    long = replace(LODASH, path="/".join(["a" * 50] * 60) + "/b")
    assert not suppresses(accepted(long.vulnerability, paths=("**/" * 40 + "*a" * 100 + "/c",)), long)


@pytest.mark.parametrize(
    ("glob", "same"),
    [
        ("shop/web", True),
        ("shop/*", True),
        ("web", False),
        ("*/web", True),
        ("123456789012/*/shop/web", True),
        ("123456789012/eu-west-1/shop/*", True),
        ("123456789012/us-east-1/shop/*", False),
        ("210987654321/*/shop/web", False),
        ("*/shop/web", False),
        ("1*", False),
        ("123456789012/*", False),
        ("*/eu-west-1/*", False),
        ("SHOP/*", False),
    ],
)
def test_repositories_are_patterns_of_the_name_or_of_the_whole(glob: str, same: bool) -> None:
    assert suppresses(accepted(repositories=(glob,))) is same


@pytest.mark.parametrize(
    ("digests", "same"), [((A,), True), ((B,), False), ((B, C), True), ((B, C, A), True), ((C,), False)]
)
def test_of_an_index_all_images_or_the_index_must_be_named(digests: tuple[str, ...], same: bool) -> None:
    assert suppresses(accepted(digests=digests), on=image(OPENSSL, images=(B, C))) is same
    assert suppresses(accepted(digests=(A,)), on=image(OPENSSL, digest=B)) is False


# -- its end --------------------------------------------------------------------------------------------------------


def test_at_its_end_it_counts_no_longer() -> None:
    assert suppresses(accepted(expires=NOW + timedelta(seconds=1)))
    assert not suppresses(accepted(expires=NOW))


def test_a_fix_ends_what_waits_for_one() -> None:
    waiting = accepted(until_fix=True)
    assert [suppresses(waiting, replace(OPENSSL, fix=fix)) for fix in (Fix.NO, Fix.UNKNOWN)] == [True, True]
    assert [suppresses(waiting, replace(OPENSSL, fix=fix)) for fix in (Fix.YES, Fix.PARTIAL)] == [False, False]


@pytest.mark.parametrize(
    ("left", "soon"),
    [(timedelta(0), False), (timedelta(seconds=1), True), (NOTICE, True), (NOTICE + timedelta(seconds=1), False)],
)
def test_what_ends_within_seven_days_is_announced(left: timedelta, soon: bool) -> None:
    ending = accepted(expires=NOW + left)
    assert Suppressions([ending, accepted(id="ever")]).expiring(NOW) == ((ending,) if soon else ())


def test_of_several_the_one_that_lasts_longest_is_told() -> None:
    short = accepted(id="short", expires=NOW + timedelta(days=1))
    long = accepted(id="long", expires=NOW + timedelta(days=2))
    fix = accepted(id="fix", until_fix=True)
    ever = accepted(id="ever")
    for count, expected in ((2, long), (3, fix), (4, ever)):
        group = [short, long, fix, ever][:count]
        assert Suppressions(group).of(OPENSSL, image(OPENSSL), NOW) is expected
        assert Suppressions(reversed(group)).of(OPENSSL, image(OPENSSL), NOW) is expected


def test_findings_are_split_into_open_and_suppressed() -> None:
    by = accepted()
    split = Suppressions([by]).split(image(OPENSSL, LODASH), NOW)
    assert split.open == (LODASH,)
    assert split.suppressed == ((OPENSSL, by),)


# -- OpenVEX statements ---------------------------------------------------------------------------------------------


def stated(status: Status, days: float, **members: Any) -> Suppression:
    return accepted(
        id=f"{status}-{days}", origin=Origin.VEX, status=status, stated=NOW - timedelta(days=days), **members
    )


@pytest.mark.parametrize("status", [Status.AFFECTED, Status.UNDER_INVESTIGATION])
def test_a_statement_that_denies_suppresses_nothing(status: Status) -> None:
    assert not suppresses(stated(status, 1))
    assert not suppresses(stated(status, 1, justification=Justification.CODE_NOT_PRESENT))


def test_the_latest_statement_is_true() -> None:
    clear, hit = stated(Status.NOT_AFFECTED, 2), stated(Status.AFFECTED, 1)
    assert Suppressions([clear, hit]).of(OPENSSL, image(OPENSSL), NOW) is None
    again = stated(Status.FIXED, 0)
    assert Suppressions([again, clear, hit]).of(OPENSSL, image(OPENSSL), NOW) is again
    same = stated(Status.NOT_AFFECTED, 1)
    assert Suppressions([same, hit]).of(OPENSSL, image(OPENSSL), NOW) is None


def test_a_statement_about_something_else_voids_nothing() -> None:
    clear, other = stated(Status.NOT_AFFECTED, 2), stated(Status.AFFECTED, 1, packages=("pkg:deb/debian/zlib",))
    assert Suppressions([clear, other]).of(OPENSSL, image(OPENSSL), NOW) is clear


def test_a_statement_does_not_void_what_an_operator_accepted() -> None:
    mine = accepted()
    assert Suppressions([mine, stated(Status.AFFECTED, 1)]).of(OPENSSL, image(OPENSSL), NOW) is mine


@pytest.mark.parametrize(
    ("platform", "matching"),
    [
        ("DEBIAN_12", {"deb"}),
        ("UBUNTU_22_04", {"deb"}),
        ("ALPINE_LINUX_3_18", {"apk"}),
        ("AMAZON_LINUX_2", {"rpm"}),
        ("REDHAT_8", {"rpm"}),
        ("", {"deb", "rpm", "apk"}),
        ("NEVER_HEARD_OF", {"deb", "rpm", "apk"}),
    ],
)
def test_a_package_of_the_system_is_one_of_the_image_s_system(platform: str, matching: set[str]) -> None:
    finding = replace(OPENSSL, manager="OS", platform=platform)
    packages = {"deb": "pkg:deb/debian/openssl", "rpm": "pkg:rpm/redhat/openssl", "apk": "pkg:apk/alpine/openssl"}
    said = {kind for kind, package in packages.items() if suppresses(accepted(packages=(package,)), finding)}
    assert said == matching


def attached(status: Status, days: float) -> Suppression:
    return stated(status, days, attached=True)


@pytest.mark.parametrize("status", [Status.AFFECTED, Status.UNDER_INVESTIGATION])
@pytest.mark.parametrize("days", [-900 * 365, -1, 0, 1])
def test_who_pushes_an_image_does_not_outrank_the_operator(status: Status, days: float) -> None:
    mine = stated(status, 100)
    assert Suppressions([attached(Status.NOT_AFFECTED, days), mine]).of(OPENSSL, image(OPENSSL), NOW) is None
    clear = stated(Status.NOT_AFFECTED, 100)
    assert Suppressions([attached(status, days), clear]).of(OPENSSL, image(OPENSSL), NOW) is clear


def test_an_attached_statement_of_the_future_hides_nothing() -> None:
    def of(*said: Suppression) -> Suppression | None:
        return Suppressions(said).of(OPENSSL, image(OPENSSL), NOW)

    assert of(attached(Status.NOT_AFFECTED, -1)) is None
    assert of(attached(Status.NOT_AFFECTED, -1), attached(Status.AFFECTED, 5)) is None
    honest = attached(Status.NOT_AFFECTED, 1)
    assert of(honest, attached(Status.FIXED, -1)) is honest
    assert of(honest, attached(Status.AFFECTED, -1)) is None
    ahead = attached(Status.NOT_AFFECTED, -5 / 1440)
    assert of(ahead) is ahead, "clocks differ by minutes"


# -- properties -----------------------------------------------------------------------------------------------------

_findings = st.builds(
    Finding,
    vulnerability=st.sampled_from([CVE, "CVE-2026-2"]),
    package=st.sampled_from(["openssl", "zlib"]),
    version=st.sampled_from(["", "1", "2"]),
    manager=st.sampled_from(["", "OS", "NPM"]),
    path=st.sampled_from(["", "app/x", "usr/lib/y"]),
    fix=st.sampled_from(Fix),
)
_moments = st.datetimes(datetime(2026, 11, 20), datetime(2026, 11, 26), timezones=st.just(UTC))
_suppressions = st.builds(
    Suppression,
    id=st.text("abc", min_size=1, max_size=3),
    origin=st.sampled_from(Origin),
    vulnerability=st.sampled_from([CVE, "CVE-2026-2", "GHSA-1"]),
    packages=st.sampled_from([(), ("pkg:deb/debian/openssl",), ("pkg:npm/zlib@1", "pkg:apk/alpine/zlib")]),
    paths=st.sampled_from([(), ("app/*",), ("**/y",)]),
    repositories=st.sampled_from([(), ("shop/*",), ("other",)]),
    digests=st.sampled_from([(), (A,), (B, C)]),
    expires=st.none() | _moments,
    until_fix=st.booleans(),
    aliases=st.sampled_from([(), (CVE,)]),
    justification=st.none() | st.sampled_from(Justification),
    status=st.none() | st.sampled_from([Status.FIXED, Status.NOT_AFFECTED]),
    stated=st.none() | _moments,
    owner=st.text(max_size=5),
    reason=st.text(max_size=5),
)
_images = st.builds(
    lambda digest, images: image(digest=digest, images=images), st.sampled_from([A, B]), st.sampled_from([(), (B, C)])
)


@given(_suppressions, _findings, _images, _moments)
def test_nothing_that_ended_suppresses(
    suppression: Suppression, finding: Finding, on: Assessment, now: datetime
) -> None:
    by = Suppressions([suppression]).of(finding, on, now)
    if suppression.expires is not None and suppression.expires <= now:
        assert by is None
    if suppression.until_fix and finding.fix.exists:
        assert by is None


@given(st.lists(_suppressions, max_size=4), _suppressions, _findings, _images, _moments)
def test_one_more_never_brings_a_finding_back(
    group: list[Suppression], more: Suppression, finding: Finding, on: Assessment, now: datetime
) -> None:
    if Suppressions(group).of(finding, on, now) is not None:
        assert Suppressions([*group, more]).of(finding, on, now) is not None


@given(st.lists(_suppressions, max_size=4), _findings, _images, _moments)
def test_the_order_does_not_matter(group: list[Suppression], finding: Finding, on: Assessment, now: datetime) -> None:
    found = [Suppressions(each).of(finding, on, now) for each in (group, group[::-1])]
    assert (found[0] is None) == (found[1] is None)
    if found[0] and found[1]:
        assert found[0].expires == found[1].expires


@given(st.lists(_suppressions, max_size=3), st.lists(_findings, max_size=4), _images, _moments)
def test_nothing_is_lost_in_the_split(
    group: list[Suppression], findings: list[Finding], on: Assessment, now: datetime
) -> None:
    split = Suppressions(group).split(replace(on, findings=tuple(findings)), now)
    assert sorted(map(repr, [*split.open, *(finding for finding, _ in split.suppressed)])) == sorted(
        map(repr, findings)
    )


# -- as plain data --------------------------------------------------------------------------------------------------


@given(_suppressions)
def test_what_was_written_is_read(suppression: Suppression) -> None:
    assert read_suppression(as_json(suppression)) == suppression
    assert read_suppressions([as_json(suppression)]) == (suppression,)


def test_the_same_match_has_the_same_id() -> None:
    first = read_suppression({"vulnerability": CVE, "packages": ["pkg:npm/a", "pkg:npm/b"], "owner": "x"})
    second = read_suppression({"vulnerability": CVE, "packages": ["pkg:npm/b", "pkg:npm/a"], "expires": "2027-01-01"})
    assert first.id == second.id == identity({"vulnerability": CVE, "packages": ["pkg:npm/a", "pkg:npm/b"]})
    assert first.id.startswith(f"{CVE}-")
    assert read_suppression({"vulnerability": CVE}).id != first.id
    assert first.origin is Origin.SWITCH


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T10:00:00Z", datetime(2026, 12, 31, 10, tzinfo=UTC)),
        ("2026-12-31T10:00:00.123456789-06:00", datetime(2026, 12, 31, 16, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_beginning_as_trivy_has_it(text: str, moment: datetime) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-12-31T10:00:00", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment_of(text)


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (None, "s"),
        ([], "s"),
        ({}, "s.vulnerability"),
        ({"vulnerability": " "}, "s.vulnerability"),
        ({"vulnerability": 7}, "s.vulnerability"),
        ({"vulnerability": "C" * 129}, "s.vulnerability"),
        ({"vulnerability": CVE, "packages": "pkg:npm/a"}, "s.packages"),
        ({"vulnerability": CVE, "packages": ["pkg:npm/a"] * (MOST + 1)}, "s.packages"),
        ({"vulnerability": CVE, "packages": ["pkg:npm/a", "pkg:npm"]}, "s.packages[1]"),
        ({"vulnerability": CVE, "packages": ["pkg:/a"]}, "s.packages[0]"),
        ({"vulnerability": CVE, "packages": ["openssl"]}, "s.packages[0]"),
        ({"vulnerability": CVE, "paths": [""]}, "s.paths[0]"),
        ({"vulnerability": CVE, "paths": ["a{b"]}, "s.paths[0]"),
        ({"vulnerability": CVE, "paths": ["{a,b}" * 7]}, "s.paths[0]"),
        ({"vulnerability": CVE, "paths": ["a\\"]}, "s.paths[0]"),
        ({"vulnerability": CVE, "paths": [1]}, "s.paths[0]"),
        ({"vulnerability": CVE, "repositories": [""]}, "s.repositories[0]"),
        ({"vulnerability": CVE, "digests": ["latest"]}, "s.digests[0]"),
        ({"vulnerability": CVE, "expires": "soon"}, "s.expires"),
        ({"vulnerability": CVE, "expires": 7}, "s.expires"),
        ({"vulnerability": CVE, "until_fix": "yes"}, "s.until_fix"),
        ({"vulnerability": CVE, "reason": "x" * 1025}, "s.reason"),
        ({"vulnerability": CVE, "justification": "ok"}, "s.justification"),
        ({"vulnerability": CVE, "status": []}, "s.status"),
        ({"vulnerability": CVE, "origin": "me"}, "s.origin"),
    ],
)
def test_what_is_wrong_is_named(raw: object, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_suppression(raw, "s")
    assert caught.value.key == key
    assert caught.value.fix
