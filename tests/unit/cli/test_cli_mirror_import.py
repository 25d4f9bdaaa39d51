"""Mirrors from regsync.yml and skopeo's YAML: what they say is what longshore.yaml then says, or it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from longshore_cli.main import main
from longshore_cli.mirror_import import UnreadableError, imported
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
        "every": 3600,
    }
    assert mirrors["b"]["tags"] == {"semver": ">=1.2  <2"}
    assert list(mirrors) == ["busybox", "app", "b"]
    told = "\n".join(left)
    for what in ("creds", "another tag", "(a+)+", "backup", "of type registry", "template"):
        assert what in told, what
    assert "hunter2" not in told


def test_regsync_to_elsewhere() -> None:
    assert read(REGSYNC, "ecr:mirror/")[0]["app"]["to"] == "ecr:mirror/org/app"
    assert read(REGSYNC, "ecr:")[0]["app"]["to"] == "ecr:org/app"


def test_skopeo() -> None:
    mirrors, left = read(SKOPEO, "ecr:mirror")
    assert mirrors["busybox"] == {
        "from": "registry.example.com/busybox",
        "to": "ecr:mirror/busybox",
        "referrers": "none",
    }
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
