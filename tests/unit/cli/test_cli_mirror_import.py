"""Mirrors from regsync.yml and skopeo's YAML: what they say is what longshore.yaml then says, or it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from longshore_cli.import_found import Rules, UnreadableError, joined
from longshore_cli.main import main
from longshore_cli.mirror_import import imported
from longshore_config.check import check

REGSYNC = r"""
version: 1
creds:
  - {registry: registry:5000, user: me, pass: hunter2}
defaults: {interval: 12h, backup: "bkup-{{.Ref.Tag}}", parallel: 2}
sync:
  - {source: busybox:latest, target: "registry.example.com/library/busybox:latest", type: image}
  - {source: "busybox:1.36", target: "registry.example.com/library/busybox:1.36", type: image}
  - {source: "busybox:1.36", target: "registry.example.com/library/busybox:stable", type: image}
  - source: ghcr.io/org/app
    target: registry.example.com/org/app
    type: repository
    interval: 30m
    platforms: [linux/amd64, linux/arm64]
    referrers: true
    tags: {allow: ["3", "3\\.\\d+", "(a+)+"], deny: ["3\\.0"]}
  - {source: quay.io/a/b, target: "registry.example.com/a/b", type: repository, tags: {semverRange: [">=1.2, <2"]}}
  - {source: quay.io, target: registry.example.com, type: registry}
  - {source: "quay.io/{{.X}}", target: registry.example.com/x, type: image}
"""
SKOPEO = r"""
registry.example.com:
  images:
    busybox: []
    redis: ["1.0", "2.0", "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
    pinned: ["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
  images-by-tag-regex:
    nginx: ^1\.13\.[12]-alpine-perl$
    httpd: alpine
  images-by-semver:
    alpine: ">= 3.12.0"
  credentials: {username: john, password: hunter2}
quay.io:
  images: {coreos/etcd: [latest]}
"""


def read(text: str, prefix: str | None = None) -> tuple[dict[str, Any], list[str]]:
    result, left = imported(text.encode(), prefix)
    return (yaml.safe_load(result)["mirrors"] if result else {}), left


def test_regsync() -> None:
    mirrors, left = read(REGSYNC)
    assert mirrors["busybox"] == {
        "from": "busybox",
        "to": "registry.example.com/library/busybox",
        "tags": {"include": ["latest", "1.36"]},
        "referrers": "none",
        "every": "12h",
    }
    assert mirrors["app"] == {
        "from": "ghcr.io/org/app",
        "to": "registry.example.com/org/app",
        "tags": {"include": ["3"], "regex": [r"^3\.\d+$"], "exclude_regex": [r"^3\.0$"]},
        "platforms": ["linux/amd64", "linux/arm64"],
        "every": "1h",
    }
    assert mirrors["b"]["tags"] == {"semver": ">=1.2 <2"}
    assert list(mirrors) == ["busybox", "app", "b"]
    told = "\n".join(left)
    for what in ("creds", "another tag", "(a+)+", "backup", "of type registry", "template", "once an hour at most"):
        assert what in told, what
    assert "hunter2" not in told


def test_regsync_to_elsewhere() -> None:
    assert read(REGSYNC, "ecr:mirror/")[0]["b"]["to"] == "ecr:mirror/a/b"
    assert read(REGSYNC, "ecr:")[0]["b"]["to"] == "ecr:a/b"


def test_what_the_check_would_refuse_is_left_out() -> None:
    mirrors, left = read(REGSYNC, "ecr:mirror")
    assert "app" not in mirrors
    assert any("platforms" in each and "in ECR" in each for each in left)


def test_skopeo() -> None:
    mirrors, left = read(SKOPEO, "ecr:mirror")
    assert mirrors["busybox"] == {
        "from": "registry.example.com/busybox",
        "to": "ecr:mirror/busybox",
    }, "all tags are those of signatures too"
    assert mirrors["redis"]["tags"] == {"include": ["1.0", "2.0"]}
    assert mirrors["nginx"]["tags"] == {"regex": [r"^1\.13\.[12]-alpine-perl$"]}
    assert mirrors["httpd"]["tags"] == {"regex": ["^.*alpine.*$"]}
    assert mirrors["alpine"]["tags"] == {"semver": ">= 3.12.0"}
    assert mirrors["etcd"]["from"] == "quay.io/coreos/etcd"
    assert "pinned" not in mirrors
    assert "hunter2" not in "\n".join(left)
    assert any("digests" in each for each in left)


@pytest.mark.parametrize(("text", "prefix"), [(REGSYNC, None), (REGSYNC, "ecr:m"), (SKOPEO, "public.ecr.aws/a1")])
def test_what_is_printed_is_a_good_configuration(text: str, prefix: str | None, tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text(imported(text.encode(), prefix)[0], encoding="utf-8")
    assert check(file) == []


@pytest.mark.parametrize("text", ["", "[]", "a: 1", "sync: 1", "\x00", "{"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        imported(text.encode(), "ecr:m")


def test_a_deny_that_cannot_be_kept_copies_nothing_instead_of_more() -> None:
    text = "sync: [{source: a/b, target: c.example.com/d, type: repository, tags: {deny: ['(x+)+']}}]"
    mirrors, left = read(text)
    assert mirrors == {}
    assert any("more would be copied" in each for each in left)


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "sync.yml"
    file.write_text(SKOPEO, encoding="utf-8")
    result = CliRunner().invoke(main, ["mirror", "import", str(file), "--to", "ecr:mirror"])
    assert result.exit_code == 0
    assert result.stdout.startswith("mirrors:\n")
    assert "credentials" in result.stderr
    assert CliRunner().invoke(main, ["mirror", "import", str(file)]).exit_code == 2
    file.write_text("sync: [{source: quay.io, target: a, type: registry}]", encoding="utf-8")
    assert CliRunner().invoke(main, ["mirror", "import", str(file)]).exit_code == 1


def entries(*texts: str, defaults: str = "{}") -> str:
    """A file of regsync's from a.example.com/b to c.example.com/d, of repositories where it does not say `source`."""
    base = "source: a.example.com/b, target: c.example.com/d, type: repository"
    whole = [text if "source:" in text else f"{base}, {text}" for text in texts]
    return f"defaults: {defaults}\nsync:\n" + "".join(f"- {{{text}}}\n" for text in whole)


IMAGE = "source: 'a.example.com/b:{tag}', target: 'c.example.com/d:{tag}', type: image"


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        (IMAGE.format(tag="1") + ", platform: linux/amd64", IMAGE.format(tag="2"), "platforms"),
        (IMAGE.format(tag="1"), IMAGE.format(tag="2") + ", referrers: true", "referrers"),
        (IMAGE.format(tag="1") + ", interval: 6h", IMAGE.format(tag="2"), "every"),
        ("tags: {allow: ['1.*'], deny: ['1-rc']}", IMAGE.format(tag="1-rc"), "denied"),
        ("tags: {semverRange: ['>=2']}", "tags: {semverRange: ['<1']}", "ranges"),
    ],
)
def test_unlike_entries_are_no_one_mirror(first: str, second: str, differs: str) -> None:
    mirrors, left = read(entries(first, second))
    alone, _ = read(entries(first))
    assert mirrors == alone, "what one says does not apply to the other"
    assert any(differs in each for each in left)


def test_like_entries_are_one_mirror() -> None:
    mirrors, left = read(entries(IMAGE.format(tag="1"), IMAGE.format(tag="2"), "tags: {allow: ['3.*']}"))
    assert mirrors["b"]["tags"] == {"include": ["1", "2"], "regex": ["^3.*$"]}
    assert left == []


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({}, {"include": ["1"]}, {}),
        ({"exclude": ["1"]}, {"include": ["2"], "exclude": ["1"]}, {"exclude": ["1"]}),
        ({"semver": "<2"}, {"regex": ["^a$"]}, {"regex": ["^a$"], "semver": "<2"}),
        ({"semver": "<2"}, {"semver": "<2"}, {"semver": "<2"}),
        ({}, {"exclude": ["1"]}, None),
        ({"include": ["1"]}, {"include": ["2"], "exclude_regex": ["^1$"]}, None),
    ],
)
def test_what_either_takes(one: Rules, other: Rules, both: Rules | None) -> None:
    assert joined(one, other) == both
    assert joined(other, one) == both


def test_sets_of_tags() -> None:
    mirrors, left = read(entries("tagSets: [{allow: ['1.*']}, {semverRange: ['>=2']}], tags: {allow: [edge]}"))
    assert mirrors["b"]["tags"] == {"include": ["edge"], "regex": ["^1.*$"], "semver": ">=2"}
    assert left == []
    mirrors, left = read(entries("tagSets: [{allow: ['1.*']}, {allow: ['2.*'], deny: ['2']}]"))
    assert mirrors == {}
    assert "tagSets differ" in left[0]


def test_a_range_narrows_what_is_allowed_and_no_mirror_says_so() -> None:
    mirrors, left = read(entries("tags: {allow: ['v.*'], semverRange: ['>=1']}"))
    assert mirrors == {}
    assert "would copy more" in left[0]


def test_a_dot_in_an_expression_takes_any_character() -> None:
    assert read(entries("tags: {allow: ['1.2', 'v1']}"))[0]["b"]["tags"] == {"include": ["v1"], "regex": ["^1.2$"]}


@pytest.mark.parametrize(
    ("written", "every", "told"),
    [
        ("1h30m", 5400, False),
        ("12h", "12h", False),
        ("90m0s", 5400, False),
        ("30m", "1h", True),
        ("1d", None, True),
        ("[1h]", None, True),
    ],
)
def test_intervals(written: str, every: str | int | None, told: bool) -> None:
    mirrors, left = read(entries(f"interval: {written}"))
    assert mirrors["b"].get("every") == every
    assert any("interval" in each for each in left) is told
    by_default, _ = read(entries("tags: {allow: [a]}", defaults=f"{{interval: {written}}}"))
    assert by_default["b"].get("every") == every


@pytest.mark.parametrize(
    "key", ["includeExternal: true", "ratelimit: {min: 9}", "nobodyKnows: 1", "schedule: '* * * * *'"]
)
def test_whatever_is_not_read_is_told(key: str) -> None:
    name = key.partition(":")[0]
    assert any(name in each for each in read(entries(key))[1])
    assert any(name in each for each in read(entries("tags: {allow: [a]}", defaults=f"{{{key}}}"))[1])
    assert any(name in each for each in read(f"{key}\n" + entries("tags: {allow: [a]}"))[1])
    assert any(
        "images-by-name" in each for each in read("a.example: {images: {b: []}, images-by-name: {}}", "ecr:m")[1]
    )
    assert read(entries("parallel: 2, fastCheck: true, includeExternal: false"))[1] == []


def test_tags_are_what_is_written() -> None:
    mirrors, _ = read(
        "registry.example.com: {images: {a: [1.30, 2024.10, 010, yes, 2024-01-02, !!float 1.50]}}", "ecr:m"
    )
    assert mirrors["a"]["tags"]["include"] == ["1.30", "2024.10", "010", "yes", "2024-01-02", "1.50"]
    assert "'1.30'" in imported(b"registry.example.com: {images: {a: [1.30]}}", "ecr:m")[0]


def test_a_side_of_an_alternative_may_be_anywhere() -> None:
    mirrors, _ = read("a.example: {images-by-tag-regex: {b: 'x|y'}}", "ecr:m")
    assert mirrors["b"]["tags"] == {"regex": ["^.*(?:x|y).*$"]}


@pytest.mark.parametrize(
    "text",
    [
        "docker.io: {images: [nginx]}",
        "docker.io: {images: nginx}",
        "docker.io: {images: {nginx: 1.27}}",
        'docker.io: {images: {nginx: "1.27"}}',
        "docker.io: {images: {nginx: [[1]]}}",
        "docker.io: {images: {nginx: {a: b}}}",
        "docker.io: {images-by-tag-regex: {nginx: [a]}}",
        "docker.io: {images-by-semver: {nginx: [a]}}",
        entries("tags: [a]"),
        entries("tags: {allow: a}"),
        entries("tags: {allow: [[a]]}"),
        entries("tags: {semverRange: {a: b}}"),
        entries("tagSets: {allow: [a]}"),
        entries("tagSets: [a]"),
        entries("platforms: linux/amd64"),
        entries("referrers: [true]"),
        "sync: [1, [2], {source: [a]}, {source: a, target: [b], type: image}]",
    ],
)
def test_another_shape_is_told_and_nothing_is_made_of_it(text: str) -> None:
    mirrors, left = read(text, "ecr:m")
    assert mirrors == {}
    assert left


@pytest.mark.parametrize("text", ["defaults: [x]\nsync: []", "? [a]\n: b", "1: {images: {}}\nb: c"])
def test_other_shapes_of_a_file_are_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        imported(text.encode(), "ecr:m")


def test_one_platform_takes_the_place_of_its_index() -> None:
    mirrors, left = read(entries("platforms: [linux/amd64]"))
    assert mirrors["b"]["platforms"] == ["linux/amd64"]
    assert any("takes the place" in each for each in left)
    assert read(entries("platform: linux/amd64"))[1] == []
