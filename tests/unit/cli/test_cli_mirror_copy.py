"""Where the command finds credentials, in the order in which Docker looks, and where it keeps unfinished uploads."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from longshore.errors import AccessDeniedError, ConfigurationError
from longshore.mirror.ports import Upload
from longshore_cli.copy_progress import Lines, size_text
from longshore_cli.registry_logins import logins_for
from longshore_cli.upload_files import UploadFiles

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = "sha256:" + "a" * 64
AUTH = b64encode(b"ada:secret:with:colons").decode()


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def write(docker: Path, **config: Any) -> None:
    (docker / "config.json").write_text(json.dumps(config))


def helper(docker: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int = 0) -> None:
    program = docker / "docker-credential-fake"
    program.write_text(f"#!/bin/sh\ncat >{docker}/asked\necho '{answer}'\nexit {status}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{docker}{os.pathsep}{os.environ['PATH']}")


def no_client(service: str, region: str) -> Any:
    raise AssertionError("no AWS client is wanted here")


def login(host: str) -> tuple[str, str]:
    found = logins_for(host, no_client)
    assert found is not None
    return found().username, found().password


class TestDockerConfiguration:
    @pytest.mark.parametrize("key", ["registry.example.com", "https://registry.example.com"])
    def test_auths(self, docker: Path, key: str) -> None:
        write(docker, auths={key: {"auth": AUTH}})
        assert login("registry.example.com") == ("ada", "secret:with:colons")
        assert logins_for("other.example.com", no_client) is None

    def test_docker_hub_has_a_key_of_its_own(self, docker: Path) -> None:
        write(docker, auths={"https://index.docker.io/v1/": {"auth": AUTH}})
        assert login("registry-1.docker.io")[0] == "ada"

    def test_a_helper_goes_before_auths(self, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        helper(docker, monkeypatch, '{"Username":"eve","Secret":"s"}')
        write(docker, auths={"x.example": {"auth": AUTH}}, credHelpers={"x.example": "fake"})
        assert login("x.example") == ("eve", "s")
        assert (docker / "asked").read_text() == "x.example"

    def test_a_store_has_what_auths_only_names(self, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        helper(docker, monkeypatch, '{"Username":"eve","Secret":"s"}')
        write(docker, auths={"x.example": {}}, credsStore="fake")
        assert login("x.example") == ("eve", "s")

    @pytest.mark.parametrize(
        ("answer", "status"), [("{}", 0), ("no", 0), ("gone", 1), ('{"Username":"<token>","Secret":"s"}', 0)]
    )
    def test_a_helper_that_has_nothing(
        self, docker: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
    ) -> None:
        helper(docker, monkeypatch, answer, status)
        write(docker, credHelpers={"x.example": "fake"})
        found = logins_for("x.example", no_client)
        assert found is not None
        with pytest.raises(AccessDeniedError, match="docker-credential-fake"):
            found()

    def test_a_helper_that_is_not_there(self, docker: Path) -> None:
        write(docker, credHelpers={"x.example": "absent"})
        found = logins_for("x.example", no_client)
        assert found is not None
        with pytest.raises(AccessDeniedError, match="docker-credential-absent"):
            found()

    def test_no_configuration_is_none(self) -> None:
        assert logins_for("x.example", no_client) is None

    def test_one_that_cannot_be_read_is_wrong(self, docker: Path) -> None:
        (docker / "config.json").write_text("{")
        with pytest.raises(ConfigurationError, match=r"config\.json"):
            logins_for("x.example", no_client)

    @pytest.mark.parametrize(
        "config", [[], {"auths": []}, {"auths": {"x.example": 7}}, {"credHelpers": {"x.example": 1}}]
    )
    def test_other_shapes_are_nothing(self, docker: Path, config: Any) -> None:
        (docker / "config.json").write_text(json.dumps(config))
        assert logins_for("x.example", no_client) is None


class TestEcr:
    def test_a_private_registry_is_asked_in_its_own_region(self) -> None:
        asked: list[tuple[str, str]] = []

        class Ecr:
            def get_authorization_token(self) -> dict[str, Any]:
                token = b64encode(b"AWS:token").decode()
                return {
                    "authorizationData": [{"authorizationToken": token, "expiresAt": datetime(2026, 1, 1, tzinfo=UTC)}]
                }

        def client(service: str, region: str) -> Any:
            asked.append((service, region))
            return Ecr()

        found = logins_for(ECR, client)
        assert found is not None
        assert (found().username, found().password) == ("AWS", "token")
        assert asked[0] == ("ecr", "eu-west-1")

    def test_the_public_one_in_us_east_1(self) -> None:
        asked: list[tuple[str, str]] = []

        class EcrPublic:
            def get_authorization_token(self) -> dict[str, Any]:
                token = b64encode(b"AWS:public").decode()
                return {
                    "authorizationData": {"authorizationToken": token, "expiresAt": datetime(2026, 1, 1, tzinfo=UTC)}
                }

        def client(service: str, region: str) -> Any:
            asked.append((service, region))
            return EcrPublic()

        found = logins_for("public.ecr.aws", client)
        assert found is not None
        assert found().password == "public"
        assert asked == [("ecr-public", "us-east-1")]


class TestUploadFiles:
    def test_a_session_is_kept_for_its_owner_alone(self, tmp_path: Path) -> None:
        files, upload = UploadFiles(tmp_path / "state"), Upload("team/web", "https://x/y?secret", 7, 5, sticky=True)
        files.save("x.example", DIGEST, upload)
        (file,) = (tmp_path / "state").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
        assert UploadFiles(tmp_path / "state").load("x.example", "team/web", DIGEST) == upload
        assert files.load("y.example", "team/web", DIGEST) is None
        files.forget("x.example", "team/web", DIGEST)
        assert list((tmp_path / "state").iterdir()) == []

    def test_an_old_one_is_forgotten(self, tmp_path: Path) -> None:
        files = UploadFiles(tmp_path)
        files.save("x.example", DIGEST, Upload("team/web", "https://x"))
        (file,) = tmp_path.glob("*.json")
        os.utime(file, (0, 0))
        assert files.load("x.example", "team/web", DIGEST) is None
        assert not file.exists()

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"repository": "a"}', "7"])
    def test_what_cannot_be_read_is_nothing(self, tmp_path: Path, content: str) -> None:
        files = UploadFiles(tmp_path)
        files.save("x.example", DIGEST, Upload("team/web", "https://x"))
        (file,) = tmp_path.glob("*.json")
        file.write_text(content)
        assert files.load("x.example", "team/web", DIGEST) is None

    def test_a_session_that_another_process_is_at_is_left_to_it(self, tmp_path: Path) -> None:
        files, upload = UploadFiles(tmp_path), Upload("team/web", "https://x", 7)
        files.save("x.example", DIGEST, upload)
        (file,) = tmp_path.glob("*.json")
        item = json.loads(file.read_text())
        assert item["process"] == os.getpid()
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
            file.write_text(json.dumps({**item, "process": other.pid}))
            assert files.load("x.example", "team/web", DIGEST) is None
            other.communicate()
        assert files.load("x.example", "team/web", DIGEST) == upload, "it has ended"
        for nobody in (None, "7", 1 << 70):  # as the version before wrote it, or anything else
            file.write_text(json.dumps({**item, "process": nobody}))
            assert files.load("x.example", "team/web", DIGEST) == upload

    def test_what_cannot_be_written_is_not_kept(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        files = UploadFiles(tmp_path / "file" / "below")
        files.save("x.example", DIGEST, Upload("team/web", "https://x"))
        assert files.load("x.example", "team/web", DIGEST) is None


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 * 1024**3, "3.0 GiB"), (5 * 1024**5, "5120.0 TiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text


def test_lines_come_now_and_then() -> None:
    from longshore.manifests import Descriptor
    from longshore.mirror.orders import Item

    written: list[str] = []
    seconds = iter([0.0, 1.0, 2.0, 6.0, 6.0, 7.0])
    lines = Lines(written.append, lambda: next(seconds))
    blob = Descriptor("x", DIGEST, 2_048)
    lines.planned([blob, blob])
    lines.placed(blob, "there")
    for _ in range(3):
        lines.moved(512)
    lines.finished(Item("1.0", "1.0"), "copied")
    assert written == ["1.5 KiB of 2.0 KiB", "1.0: copied"]


def test_the_bar_counts_what_was_there_as_done() -> None:
    import io

    from rich.console import Console
    from rich.progress import Progress

    from longshore.manifests import Descriptor
    from longshore.mirror.orders import Item
    from longshore_cli.copy_progress import Bar

    out = io.StringIO()
    progress = Progress(console=Console(file=out, force_terminal=True, width=80, highlight=False))
    blobs = [Descriptor("x", DIGEST, 1_000), Descriptor("x", DIGEST, 500)]
    with Bar(progress) as bar:
        bar.planned(blobs)
        bar.moved(500)
        bar.placed(blobs[1], "sent")
        bar.placed(blobs[0], "mounted")
        bar.finished(Item("1.0", "2.0"), "copied")
        bar.note("\x1b[2Jnoted " + "x" * 90)
    (task,) = progress.tasks
    assert (task.completed, task.total) == (1_500, 1_500)
    assert "1.0 as 2.0: copied" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue(), "somebody else's text drives no terminal"
    assert "[2Jnoted " + "x" * 90 in out.getvalue(), "a line is as long as it is"
