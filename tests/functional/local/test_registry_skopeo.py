"""A real client against the registry: Debian's skopeo pushes, inspects, lists and pulls."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from longshore_local import images
from longshore_local.moto_ecr import install
from longshore_local.registry import ECR_MANNERS, OPEN, SPEC_MANNERS, Auth, Registry
from longshore_local.registry_memory import MemoryStore
from longshore_local.timeline import VirtualTimeline

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not on the PATH")


class Skopeo:
    """skopeo with a home of its own and no policy to ask."""

    def __init__(self, home: Path) -> None:
        self._environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(home)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["skopeo", "--insecure-policy", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)

    def ok(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


class EcrBundle:
    """An ECR registry with its API, its HTTP front and its events."""

    def __init__(self, registry: Registry, events: list[dict[str, Any]]) -> None:
        self.registry = registry
        self.events = events
        self.ecr = boto3.client("ecr", region_name="eu-west-1")
        self.ecr.create_repository(repositoryName="team/web")

    def digests(self) -> dict[str, str]:
        listed = self.ecr.list_images(repositoryName="team/web", filter={"tagStatus": "TAGGED"})["imageIds"]
        return {image_id["imageTag"]: image_id["imageDigest"] for image_id in listed}


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    return Skopeo(tmp_path)


@pytest.fixture(params=[OPEN, Auth("basic")], ids=["open", "basic"])
def bundle(request: pytest.FixtureRequest) -> Iterator[EcrBundle]:
    events: list[dict[str, Any]] = []
    with mock_aws(config={"core": {"reset_boto3_session": False}}), install(VirtualTimeline(), events.append) as ecr:
        registry = ecr.serve("123456789012", "eu-west-1", manners=ECR_MANNERS, auth=request.param)
        yield EcrBundle(registry, events)


def layout(directory: Path, image: images.SyntheticImage) -> str:
    images.write_layout(image, directory / "layout", "made")
    return f"oci:{directory / 'layout'}:made"


def pulled_digest(directory: Path) -> str:
    index = json.loads((directory / "index.json").read_text())
    return str(index["manifests"][0]["digest"])


def test_one_image_is_pushed_inspected_listed_and_pulled(skopeo: Skopeo, bundle: EcrBundle, tmp_path: Path) -> None:
    image = images.single("a", layers=2, layer_bytes=200_000)
    remote = f"docker://{bundle.registry.host}/team/web:1.0"
    to, at = ["--dest-tls-verify=false", "--dest-creds=AWS:x"], ["--tls-verify=false", "--creds=AWS:x"]

    skopeo.ok("copy", *to, layout(tmp_path, image), remote)

    assert bundle.digests() == {"1.0": image.digest}
    assert [event["detail"].get("image-tag") for event in bundle.events] == ["1.0"]
    assert json.loads(skopeo.ok("inspect", *at, remote))["Digest"] == image.digest
    listed = json.loads(skopeo.ok("list-tags", *at, remote.rpartition(":")[0]))
    assert listed["Tags"] == ["1.0"]
    back = tmp_path / "back"
    skopeo.ok("copy", "--src-tls-verify=false", "--src-creds=AWS:x", remote, f"oci:{back}:made")
    assert pulled_digest(back) == image.digest


def test_an_index_is_pushed_children_first_and_pulled(skopeo: Skopeo, bundle: EcrBundle, tmp_path: Path) -> None:
    index = images.multi_platform("a")
    remote = f"docker://{bundle.registry.host}/team/web:1.0"

    skopeo.ok("copy", "--all", "--dest-tls-verify=false", "--dest-creds=AWS:x", layout(tmp_path, index), remote)

    assert bundle.digests() == {"1.0": index.digest}
    told = [(event["detail"]["image-digest"], event["detail"].get("image-tag")) for event in bundle.events]
    assert told == [*((child.digest, None) for child in index.children), (index.digest, "1.0")]
    back = tmp_path / "back"
    skopeo.ok("copy", "--all", "--src-tls-verify=false", "--src-creds=AWS:x", remote, f"oci:{back}:made")
    assert pulled_digest(back) == index.digest


def test_a_repository_that_does_not_exist_is_refused(skopeo: Skopeo, bundle: EcrBundle, tmp_path: Path) -> None:
    remote = f"docker://{bundle.registry.host}/no/such:1.0"
    done = skopeo.run(
        "copy", "--dest-tls-verify=false", "--dest-creds=AWS:x", layout(tmp_path, images.single("a")), remote
    )
    assert done.returncode != 0
    assert "does not exist" in done.stderr
    assert bundle.events == []


def test_an_upstream_with_bearer_tokens(skopeo: Skopeo, tmp_path: Path) -> None:
    index = images.multi_platform("a")
    store = MemoryStore()
    auth = Auth("bearer", users={"joe": "secret"})
    with Registry(store, manners=SPEC_MANNERS, auth=auth) as registry:
        remote = f"docker://{registry.host}/library/nginx:1.27"
        source = layout(tmp_path, index)
        refused = skopeo.run("copy", "--all", "--dest-tls-verify=false", "--dest-creds=joe:no", source, remote)
        skopeo.ok("copy", "--all", "--dest-tls-verify=false", "--dest-creds=joe:secret", source, remote)
        back = tmp_path / "back"
        skopeo.ok("copy", "--all", "--src-tls-verify=false", remote, f"oci:{back}:made")
    store.close()

    assert refused.returncode != 0
    assert pulled_digest(back) == index.digest
