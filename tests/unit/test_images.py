"""Image references, digests, manifests and repositories."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.images import (
    ImageReference,
    Manifest,
    Repository,
    is_artifact_tag,
    is_digest,
    is_repository_name,
    is_tag,
)
from longshore_local import images as synthetic

DIGEST = "sha256:" + "a" * 64
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
WEB = Repository("123456789012", "eu-west-1", "team/web")


@pytest.mark.parametrize(
    ("text", "host", "name", "tag", "digest"),
    [
        ("nginx", "docker.io", "nginx", None, None),
        ("nginx:1.27", "docker.io", "nginx", "1.27", None),
        ("library/nginx", "docker.io", "library/nginx", None, None),
        ("localhost/web", "localhost", "web", None, None),
        ("localhost:5000/web:a", "localhost:5000", "web", "a", None),
        (f"{HOST}/team/web:prod", HOST, "team/web", "prod", None),
        (f"{HOST}/team/web@{DIGEST}", HOST, "team/web", None, DIGEST),
        (f"{HOST}/team/web:prod@{DIGEST}", HOST, "team/web", "prod", DIGEST),
        ("public.ecr.aws/nginx/nginx", "public.ecr.aws", "nginx/nginx", None, None),
    ],
)
def test_a_reference_is_read_as_engines_do(
    text: str, host: str, name: str, tag: str | None, digest: str | None
) -> None:
    found = ImageReference.parse(text)
    assert (found.host, found.name, found.tag, found.digest) == (host, name, tag, digest)
    assert str(found) == text
    assert ImageReference.parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", ":", "@", "nginx:", "a b", "Nginx", f"{HOST}/", f"{HOST}/x:-", f"x@{DIGEST}0", "x@md5:abc", "x" * 10 + ":a:b"],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    if text == "nginx:":  # an empty tag is none, as for `docker pull`
        assert ImageReference.parse(text).tag is None
        return
    with pytest.raises(ValueError, match="malformed"):
        ImageReference.parse(text)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_a_reference_or_a_value_error(text: str) -> None:
    try:
        found = ImageReference.parse(text)
    except ValueError:
        return
    assert ImageReference.parse(str(found)) == found


def test_the_tag_that_a_pull_follows() -> None:
    assert ImageReference.parse("nginx").effective_tag == "latest"
    assert ImageReference.parse("nginx:1").effective_tag == "1"
    assert ImageReference.parse(f"nginx@{DIGEST}").effective_tag is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HOST, ("123456789012", "eu-west-1")),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", ("123456789012", "eu-west-1")),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", ("123456789012", "us-gov-west-1")),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", ("123456789012", "cn-north-1")),
        ("public.ecr.aws", None),
        ("docker.io", None),
        (f"{HOST}.evil.example", None),
        (f"evil.{HOST}", None),
        ("\u0661" * 12 + ".dkr.ecr.eu-west-1.amazonaws.com", None),
        ("123456789012.dkr.ecr.eu-west-\u0661.amazonaws.com", None),
    ],
)
def test_only_a_private_registry_of_ecr_has_repositories(host: str, expected: tuple[str, str] | None) -> None:
    found = ImageReference(host, "team/web").repository
    assert found == (Repository(*expected, "team/web") if expected else None)


def test_what_a_workload_can_follow_is_in_ecr_or_in_ecr_public() -> None:
    assert ImageReference.parse(f"{HOST}/team/web:1").origin == Repository("123456789012", "eu-west-1", "team/web")
    found = ImageReference.parse("public.ecr.aws/a1b2c3d4/team/web:1").origin
    assert found == Repository.public("a1b2c3d4/team/web")
    assert found is not None
    assert found.is_public
    assert found.region == "us-east-1"
    assert not WEB.is_public
    for elsewhere in ("nginx", "quay.io/a/b", "public.ecr.aws/web", "public.ecr.aws.evil.example/a/b"):
        assert ImageReference.parse(elsewhere).origin is None
    for name in ("web", "", "/web", "a1//web", "a1/", "A1/web", "a1/../web", "a1/web:1"):
        with pytest.raises(ValueError, match="ALIAS/NAME"):
            Repository.public(name)


def test_a_repository_is_read_as_it_is_written() -> None:
    assert Repository.parse(str(WEB)) == WEB
    public = Repository.public("a1/team/web")
    assert Repository.parse(str(public)) == public
    with pytest.raises(ValueError, match="unpack"):
        Repository.parse("team/web")


def test_a_reference_by_tag_and_by_digest() -> None:
    both = ImageReference.parse(f"{HOST}/team/web:prod@{DIGEST}")
    assert str(both.with_tag("new")) == f"{HOST}/team/web:new"
    assert str(both.with_digest(DIGEST)) == f"{HOST}/team/web@{DIGEST}"


def test_digests_tags_and_names() -> None:
    assert is_digest(DIGEST)
    assert not any(is_digest(each) for each in ("", DIGEST + "\n", DIGEST.upper(), "sha256:" + "\uff11" * 64))
    assert all(is_tag(each) for each in ("a", "_", "1.0.0", "x" * 128))
    assert not any(is_tag(each) for each in ("", ".a", "-a", "a\n", "x" * 129, "\u0661", "é"))
    assert all(is_repository_name(each) for each in ("ab", "a/b", "a-b_c.d/e", "a__b"))
    assert not any(is_repository_name(each) for each in ("a", "a/", "/a", "a//b", "a..b", "A", "ab\n", "x" * 257))


@pytest.mark.parametrize(
    ("tag", "artifact"),
    [
        ("sha256-" + "a" * 64, True),
        ("sha256-" + "a" * 64 + ".sig", True),
        ("v1.att", True),
        ("v1.sbom", True),
        ("longshore-keep-web-1", True),
        ("v1", False),
        ("sig", False),
        ("sha256-abc", False),
    ],
)
def test_tags_of_artifacts(tag: str, artifact: bool) -> None:
    assert is_artifact_tag(tag) is artifact


def test_a_manifest_is_what_its_exact_text_says() -> None:
    image = synthetic.single("one")
    found = Manifest.parse(image.manifest.decode(), image.media_type)
    assert (found.digest, found.is_index, found.is_image) == (image.digest, False, True)
    assert Manifest.parse(image.manifest.decode()).media_type == image.media_type


def test_an_index_has_its_platforms_and_refers_to_its_attestations() -> None:
    image = synthetic.multi_platform("one", ("linux/amd64", "linux/arm64"))
    found = Manifest.parse(image.manifest.decode())
    assert dict(found.children) == {"linux/amd64": image.children[0].digest, "linux/arm64": image.children[1].digest}
    assert set(found.references) == {child.digest for child in image.children}
    assert found.is_image


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64"),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "windows", "architecture": "amd64"}, "windows/amd64"),
        ({"os": "unknown", "architecture": "unknown"}, None),
        ({"os": "linux"}, None),
        (None, None),
    ],
)
def test_the_platform_of_a_child(platform: dict[str, str] | None, expected: str | None) -> None:
    child: dict[str, Any] = {"digest": DIGEST, "platform": platform}
    found = Manifest.parse(json.dumps({"manifests": [child]}))
    assert list(found.children) == ([expected] if expected else [])


def test_artifacts_are_no_images() -> None:
    image = synthetic.single("one")
    for artifact in (synthetic.artifact("sbom", "application/spdx+json", image), synthetic.artifact("x", "text/plain")):
        assert not Manifest.parse(artifact.manifest.decode()).is_image


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["manifests", "digest", "platform", "config", "mediaType", "os", "architecture", "variant"]
            ),
            inner,
        )
    ),
)


@given(JSON, st.sampled_from([None, "application/vnd.oci.image.index.v1+json"]))
def test_any_json_is_a_manifest_or_a_value_error(document: object, media_type: str | None) -> None:
    try:
        Manifest.parse(json.dumps(document), media_type)
    except ValueError:
        return


def test_a_bomb_of_brackets_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="deep"):
        Manifest.parse("[" * 100_000)
