"""OpenVEX in and out: what statements suppress, what they never do, and documents that are wrong or hostile."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.errors import ConfigurationError
from longshore.images import Repository
from longshore.scan.findings import Assessment, Finding, ScanState
from longshore.scan.openvex import (
    CONTEXT,
    MOST_MEMBERS,
    MOST_STATEMENTS,
    MOST_SUPPRESSIONS,
    read_documents,
    read_openvex,
)
from longshore.scan.openvex_out import write_openvex
from longshore.scan.suppressions import Justification, Origin, Status, Suppression, Suppressions

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
A, B = ("sha256:" + letter * 64 for letter in "ab")
WEB = Repository("123456789012", "eu-west-1", "shop/web")
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OPENSSL = Finding("CVE-2026-1", "openssl", "3.0.11-1", manager="OS")
GIT = Finding("CVE-2026-1", "git", "2.39.0-r1", manager="OS")
IMAGE = f"pkg:oci/web@{A}"


def image(digest: str = A, repository: Repository = WEB) -> Assessment:
    return Assessment(repository, digest, ScanState.COMPLETE, findings=(OPENSSL, GIT))


def statement(*products: Any, status: str = "not_affected", **members: Any) -> dict[str, Any]:
    said = {"vulnerability": {"name": "CVE-2026-1"}, "status": status, "products": [*products]} | members
    if status == "not_affected" and not {"justification", "impact_statement"} & members.keys():
        said["justification"] = "component_not_present"
    return said


def document(*statements: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex-1",
        "author": "Shop",
        "timestamp": "2026-11-01T00:00:00Z",
        "version": 1,
        "statements": [*statements],
    } | members


def suppressed(*statements: dict[str, Any], on: Assessment | None = None, attached: str | None = None) -> set[str]:
    """The packages whose finding is suppressed."""
    read = Suppressions(read_openvex(document(*statements), attached=attached))
    return {finding.package for finding, _ in read.split(on or image(), NOW).suppressed}


BOTH = {"openssl", "git"}


@pytest.mark.parametrize(
    ("product", "same"),
    [
        (IMAGE, True),
        (f"pkg:oci/web@sha256%3A{'a' * 64}", True),
        (f"pkg:oci/web@{B}", False),
        ("pkg:oci/web", True),
        ("pkg:oci/shop", False),
        ("pkg:oci/other", False),
        (f"pkg:oci/web?repository_url={HOST}/shop/web", True),
        (f"pkg:oci/web?repository_url={HOST}%2Fshop%2Fweb", True),
        (f"pkg:oci/web@{A}?repository_url={HOST}/shop", True),
        (f"pkg:oci/web@{A}?repository_url={HOST}/store/web", False),
        (f"pkg:oci/web@{A}?repository_url=docker.io/shop/web", False),
        (f"pkg:oci/web@{A}?repository_url=999999999999.dkr.ecr.eu-west-1.amazonaws.com/shop/web", False),
        (f"{IMAGE}?tag=1.2.3", True),
        ("pkg:oci/web?tag=1.2.3", True),
        (f"{IMAGE}?arch=arm64", True),
        ("pkg:oci/web?arch=arm64", False),
        (f"{IMAGE}?vendor=x", False),
        ("pkg:oci/web@1.2.3", False),
        (f"{IMAGE}#sub", False),
        ("pkg:oci/UPPER", False),
        ("https://example.com/web", False),
    ],
)
def test_products_are_images_as_trivy_names_them(product: str, same: bool) -> None:
    assert suppressed(statement({"@id": product})) == (BOTH if same else set())
    assert suppressed(statement({"identifiers": {"purl": product}})) == (BOTH if same else set())


def test_subcomponents_narrow_a_product() -> None:
    one = {"@id": IMAGE, "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}
    assert suppressed(statement(one)) == {"openssl"}
    versioned = {"@id": IMAGE, "subcomponents": [{"identifiers": {"purl": "pkg:deb/debian/openssl@1.0"}}]}
    assert suppressed(statement(versioned)) == set()
    both = {"@id": IMAGE, "subcomponents": [{"@id": "pkg:deb/debian/openssl"}, {"@id": "pkg:apk/wolfi/git"}]}
    assert suppressed(statement(both)) == BOTH


def test_a_subcomponent_that_cannot_be_compared_does_not_widen_the_statement() -> None:
    assert suppressed(statement({"@id": IMAGE, "subcomponents": [{"@id": "cpe:2.3:a:openssl"}]})) == set()
    mixed = {
        "@id": IMAGE,
        "subcomponents": [{"@id": "pkg:deb/debian/openssl"}, {"identifiers": {"cpe23": "cpe:2.3:a:git"}}],
    }
    assert suppressed(statement(mixed)) == set()


def test_a_package_may_be_the_product() -> None:
    assert suppressed(statement({"@id": "pkg:apk/wolfi/git@2.39.0-r1"})) == {"git"}
    assert suppressed(statement({"@id": "pkg:apk/wolfi/git@2.40.0-r0"})) == set()
    through = {"@id": "pkg:maven/org.spring/boot", "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}
    assert suppressed(statement(through)) == set()
    within = {"@id": "pkg:apk/wolfi/git", "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}
    assert suppressed(statement(within)) == set()


def test_an_image_with_a_version_that_is_no_digest_is_left_out() -> None:
    assert read_openvex(document(statement({"@id": "pkg:oci/web@1.2.3"}))) == ()


@pytest.mark.parametrize("status", ["affected", "under_investigation"])
def test_what_affects_or_may_affect_is_never_suppressed(status: str) -> None:
    assert suppressed(statement({"@id": IMAGE}, status=status, justification="component_not_present")) == set()


def test_fixed_holds_for_a_product_with_a_version_alone() -> None:
    assert suppressed(statement({"@id": IMAGE}, status="fixed")) == BOTH
    assert suppressed(statement({"@id": IMAGE}, status="fixed"), on=image(B)) == set()
    assert suppressed(statement({"@id": "pkg:oci/web"}, status="fixed")) == set()
    assert suppressed(statement({"@id": "pkg:apk/wolfi/git"}, status="fixed")) == set()
    assert suppressed(statement({"@id": "pkg:apk/wolfi/git@2.39.0-r1"}, status="fixed")) == {"git"}


def test_an_alias_is_the_vulnerability_too() -> None:
    named = {"vulnerability": {"name": "GHSA-1", "aliases": ["CVE-2026-1"]}}
    assert suppressed(statement({"@id": IMAGE}) | named) == BOTH


# -- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_the_later_statement_wins_wherever_it_stands(turned: bool) -> None:
    clear = statement({"@id": IMAGE}, timestamp="2026-11-02T00:00:00Z")
    hit = statement({"@id": IMAGE}, status="affected", timestamp="2026-11-02T01:30:00+01:00")  # 00:30 in UTC
    order = [hit, clear] if turned else [clear, hit]
    assert suppressed(*order) == set()
    later = statement({"@id": IMAGE}, timestamp="2026-11-02T00:31:00Z")
    assert suppressed(*order, later) == BOTH


def test_a_statement_inherits_the_time_of_its_document() -> None:
    [read] = read_openvex(document(statement({"@id": IMAGE}), timestamp="2023-01-08T18:02:03.647787998-06:00"))
    assert read.stated == datetime(2023, 1, 9, 0, 2, 3, 647787, tzinfo=UTC)
    documents = [
        document(statement({"@id": IMAGE}), timestamp="2026-11-02T00:00:00Z"),
        document(statement({"@id": IMAGE}, status="affected"), timestamp="2026-11-01T00:00:00Z"),
    ]
    assert Suppressions(read_documents(documents)).of(OPENSSL, image(), NOW) is not None


# -- attached to an image -------------------------------------------------------------------------------------------


def test_an_attached_statement_without_products_is_about_that_image() -> None:
    bare = {key: value for key, value in statement().items() if key != "products"}
    assert suppressed(bare, attached=A) == BOTH
    assert suppressed(bare, attached=B) == set()
    with pytest.raises(ConfigurationError, match="products"):
        read_openvex(document(bare))


def test_an_attached_statement_of_the_image_upstream_holds_for_its_copy() -> None:
    upstream = statement({"@id": f"pkg:oci/nginx@{A}?repository_url=docker.io/library/nginx"})
    assert suppressed(upstream, attached=A) == BOTH
    assert suppressed(upstream) == set()
    assert suppressed(upstream, attached=B) == set()


def test_an_attached_statement_about_a_package_is_about_that_image() -> None:
    package = statement({"@id": "pkg:apk/wolfi/git"})
    assert suppressed(package, attached=A) == {"git"}
    assert suppressed(package, attached=A, on=image(B)) == set()


# -- wrong documents ------------------------------------------------------------------------------------------------

_GOOD = document(statement({"@id": IMAGE, "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}))


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw.pop(name)


def _with(**members: Any) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw.update({key.replace("AT_", "@"): value for key, value in members.items()})


def _stating(**members: Any) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw["statements"][0].update(members)


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (_without("@context"), "@context"),
        (_with(AT_context="https://example.com"), "@context"),
        (_with(AT_context=["https://openvex.dev/ns"]), "@context"),
        (_without("@id"), "@id"),
        (_without("author"), "author"),
        (_with(author=" "), "author"),
        (_without("timestamp"), "timestamp"),
        (_with(timestamp="yesterday"), "timestamp"),
        (_with(timestamp="2026-11-01T00:00:00"), "timestamp"),
        (_with(timestamp=1), "timestamp"),
        (_without("version"), "version"),
        (_with(version="1"), "version"),
        (_with(version=True), "version"),
        (_with(version=0), "version"),
        (_without("statements"), "statements"),
        (_with(statements={}), "statements"),
        (_with(statements=["CVE-2026-1"]), "statements[0]"),
        (_with(statements=[{}] * (MOST_STATEMENTS + 1)), "statements"),
        (_stating(vulnerability="CVE-2026-1"), "statements[0].vulnerability"),
        (_stating(vulnerability={}), "statements[0].vulnerability.name"),
        (_stating(vulnerability={"name": 1}), "statements[0].vulnerability.name"),
        (_stating(vulnerability={"name": "C", "aliases": "D"}), "statements[0].vulnerability.aliases"),
        (_stating(vulnerability={"name": "C", "aliases": [1]}), "statements[0].vulnerability.aliases[0]"),
        (
            _stating(vulnerability={"name": "C", "aliases": ["D"] * (MOST_MEMBERS + 1)}),
            "statements[0].vulnerability.aliases",
        ),
        (_stating(status=None), "statements[0].status"),
        (_stating(status="fine"), "statements[0].status"),
        (_stating(status=["fixed"]), "statements[0].status"),
        (_stating(justification=None), "statements[0].justification"),
        (_stating(justification="because"), "statements[0].justification"),
        (_stating(impact_statement=1), "statements[0].impact_statement"),
        (_stating(timestamp="0001-01-01T00:00:00+23:59"), "statements[0].timestamp"),
        (_stating(products=None), "statements[0].products"),
        (_stating(products=IMAGE), "statements[0].products"),
        (_stating(products=[IMAGE]), "statements[0].products[0]"),
        (_stating(products=[{"@id": 1}]), "statements[0].products[0].@id"),
        (_stating(products=[{"@id": "pkg:oci"}]), "statements[0].products[0].@id"),
        (_stating(products=[{"@id": "pkg:oci/" + "a" * 2000}]), "statements[0].products[0].@id"),
        (_stating(products=[{"identifiers": []}] * 1), None),
        (_stating(products=[{"identifiers": "x"}]), "statements[0].products[0].identifiers"),
        (_stating(products=[{"identifiers": {"purl": 1}}]), "statements[0].products[0].identifiers.purl"),
        (_stating(products=[{"@id": IMAGE, "subcomponents": {}}]), "statements[0].products[0].subcomponents"),
        (_stating(products=[{"@id": IMAGE, "subcomponents": ["x"]}]), "statements[0].products[0].subcomponents[0]"),
    ],
)
def test_a_wrong_document_is_refused_with_the_field(
    broken: Callable[[dict[str, Any]], object], field: str | None
) -> None:
    raw = copy.deepcopy(_GOOD)
    broken(raw)
    if field is None:
        read_openvex(raw)
        return
    with pytest.raises(ConfigurationError) as caught:
        read_openvex(raw)
    assert caught.value.key == field
    with pytest.raises(ConfigurationError) as caught:
        read_documents([_GOOD, raw])
    assert caught.value.key == f"scan.vex[1].{field}"


def test_a_document_that_multiplies_is_refused() -> None:
    products = [{"@id": IMAGE}] * MOST_MEMBERS
    with pytest.raises(ConfigurationError, match="too many products"):
        read_openvex(document(*[statement(*products)] * (MOST_SUPPRESSIONS // MOST_MEMBERS + 1)))


@pytest.mark.parametrize("raw", [None, [], "x", 7, True])
def test_what_is_no_document_is_refused(raw: object) -> None:
    with pytest.raises(ConfigurationError):
        read_openvex(raw)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["pkg:oci/a", "fixed", "affected"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@id", "identifiers", "purl", "name", "aliases", "status", "subcomponents"]), inner
        )
    ),
    max_leaves=8,
)
_places = st.sampled_from(["@context", "@id", "author", "timestamp", "version", "statements"])
_members = st.sampled_from(["vulnerability", "status", "justification", "products", "timestamp", "impact_statement"])


@settings(max_examples=200)
@given(
    st.dictionaries(_places, _json, max_size=2),
    st.dictionaries(_members, _json, max_size=3),
    st.sampled_from([None, A]),
)
def test_hostile_members_never_crash(top: dict[str, Any], inner: dict[str, Any], attached: str | None) -> None:
    raw = document(statement({"@id": IMAGE}) | inner) | top
    try:
        read = read_openvex(raw, attached=attached)
    except ConfigurationError as error:
        assert error.key
        return
    Suppressions(read).split(image(), NOW)


# -- out ------------------------------------------------------------------------------------------------------------


def written(*suppressions: Suppression, on: Assessment | None = None) -> dict[str, Any]:
    assessment = on or image()
    split = Suppressions(suppressions).split(assessment, NOW)
    return write_openvex(WEB, assessment.digest, split.suppressed, host=HOST, author="Shop", at=NOW)


def accepted(**members: Any) -> Suppression:
    return Suppression(**{"id": "s", "origin": Origin.FILE, "vulnerability": "CVE-2026-1"} | members)


def test_a_risk_that_was_taken_is_not_said_to_be_harmless() -> None:
    by = accepted(expires=NOW + timedelta(days=3), owner="ann", reason="until the release", until_fix=True)
    [said] = written(by)["statements"]
    assert said["status"] == "affected"
    assert (
        said["action_statement"]
        == "Accepted by ann until 2026-11-26T10:00:00+00:00 until a fix exists: until the release"
    )
    assert "justification" not in said
    assert not read_suppresses(written(by))


def test_a_claim_is_said_as_it_was_made() -> None:
    by = accepted(
        justification=Justification.MITIGATIONS_EXIST, reason="behind a proxy", packages=("pkg:deb/debian/openssl",)
    )
    out = written(by)
    [said] = out["statements"]
    assert (said["status"], said["justification"]) == ("not_affected", "inline_mitigations_already_exist")
    assert said["impact_statement"] == "behind a proxy"
    [product] = said["products"]
    assert product["@id"] == f"pkg:oci/web@sha256%3A{'a' * 64}?repository_url={HOST}%2Fshop%2Fweb"
    assert product["subcomponents"] == [{"@id": "pkg:deb/debian/openssl"}]
    assert read_suppresses(out) == {"openssl"}


def read_suppresses(raw: dict[str, Any], on: Assessment | None = None) -> set[str]:
    read = Suppressions(read_openvex(json.loads(json.dumps(raw))))
    return {finding.package for finding, _ in read.split(on or image(), NOW).suppressed}


def test_a_claim_about_some_paths_cannot_be_said() -> None:
    by = accepted(justification=Justification.CODE_NOT_PRESENT, paths=("**",))
    assert written(by)["statements"] == []


def test_the_document_has_all_that_openvex_needs_and_its_id_follows_from_its_content() -> None:
    out = written(accepted())
    assert (out["@context"], out["author"], out["version"], out["timestamp"]) == (CONTEXT, "Shop", 1, NOW.isoformat())
    assert out["@id"].startswith("https://openvex.dev/docs/")
    assert written(accepted())["@id"] == out["@id"]
    assert written(accepted(reason="other"))["@id"] != out["@id"]
    assert read_openvex(written()) == ()


def test_what_came_in_goes_out_and_holds_for_that_image_alone() -> None:
    came = read_openvex(
        document(
            statement({"@id": "pkg:oci/web"}, justification="vulnerable_code_not_present", impact_statement="patched"),
            statement({"@id": IMAGE}, status="fixed")
            | {"vulnerability": {"name": "GHSA-1", "aliases": ["CVE-2026-2"]}},
        )
    )
    on = Assessment(WEB, A, ScanState.COMPLETE, findings=(OPENSSL, Finding("CVE-2026-2", "zlib", manager="OS")))
    out = written(*came, on=on)
    assert [(each["vulnerability"], each["status"]) for each in out["statements"]] == [
        ({"name": "CVE-2026-1"}, "not_affected"),
        ({"name": "CVE-2026-2", "aliases": ["GHSA-1"]}, "fixed"),
    ]
    assert read_suppresses(out, on) == {"openssl", "zlib"}
    assert read_suppresses(out, image(B)) == set()


def test_statuses_and_justifications_are_those_of_the_specification() -> None:
    assert set(Status) == {"not_affected", "affected", "fixed", "under_investigation"}
    assert len(Justification) == 5
