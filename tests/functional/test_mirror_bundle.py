"""Mirror on the bundle: the stack's own rules, queue, function and ledger, between registries on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from longshore_cli.main import main
from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle, Sources
from longshore_local.image_shapes import composed, place
from longshore_local.images import OCI_LAYER, artifact, multi_platform, signature, signature_tag, single
from longshore_local.registry import SPEC_MANNERS, Registry
from longshore_local.registry_memory import MemoryStore

ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
UPSTREAM = "registry.example.com"
ELSEWHERE = "mirror.example.com"
CONFIG = f"""
mirrors:
  web:
    from: {UPSTREAM}/team/web
    to: ecr:mirror/web
    every: 1h
    tags: {{semver: ">=1", variants: ["", alpine]}}
    repository:
      tags: {{team: shop}}
      lifecycle: {{rules: [{{rulePriority: 1, selection: {{tagStatus: untagged, countType: imageCountMoreThan, countNumber: 9}}, action: {{type: expire}}}}]}}
    prune: {{after: 1d, most: 100}}
  published: {{from: "ecr:team/app", to: {ELSEWHERE}/app}}
"""


@dataclass
class Stage:
    """A stack with its registries."""

    bundle: Bundle
    upstream: Registry
    store: MemoryStore
    elsewhere: MemoryStore
    elsewhere_registry: Registry

    def place(self, tag: str, text: str, repository: str = "team/web") -> str:
        """An image of several platforms upstream."""
        return place(self.store, repository, tag, multi_platform(text))

    def run(self, minutes: float = 70) -> None:
        """Long enough for an hourly schedule."""
        self.bundle.run(limit=timedelta(minutes=minutes))

    def mirrored(self, repository: str = "mirror/web") -> dict[str, str]:
        """What is in ECR, by tag."""
        found = self.bundle.client("ecr").describe_images(repositoryName=repository)["imageDetails"]
        return {tag: image["imageDigest"] for image in found for tag in image.get("imageTags", [])}

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The details of events."""
        return [event["detail"] for event in self.bundle.events if event["detail-type"] == kind]

    def errors(self) -> list[str]:
        """What went wrong inside functions."""
        lines = [line for each in self.bundle.invocations for line in each.log if '"ERROR"' in line]
        return lines + [each.trace for each in self.bundle.invocations if each.error]

    def messages(self) -> int:
        """In mirror's queues, seen and unseen."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        sqs, total = self.bundle.client("sqs"), 0
        for queue in ("MirrorQueue", "MirrorDeadLetters", "MirrorUndelivered"):
            url = self.bundle.stack.physical_ids[queue]
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
            total += sum(int(count) for count in answer["Attributes"].values())
        return total


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The mirrors above."""
    with deployed(tmp_path, CONFIG, **getattr(request, "param", {})) as made:
        yield made


@contextmanager
def deployed(directory: Path, text: str, **more: str) -> Iterator[Stage]:
    """A deployed stack in front of an upstream, ECR and another downstream; `more` parameters of it."""
    config = directory / "longshore.yaml"
    config.write_text(text, encoding="utf-8")
    store, elsewhere, port = MemoryStore(), MemoryStore(), free_port()
    with (
        Registry(store, manners=SPEC_MANNERS) as upstream,
        Registry(elsewhere, manners=SPEC_MANNERS) as downstream,
    ):
        hosts = {UPSTREAM: upstream.url, ELSEWHERE: downstream.url, ECR: f"http://127.0.0.1:{port}"}
        environment = {
            "LONGSHORE_REGISTRIES": ",".join(f"{host}={url.removeprefix('http://')}" for host, url in hosts.items()),
            "LONGSHORE_LOOPBACK": "true",
        }
        parameters = {"NotifyMode": "off", "RedeployMode": "off", **more}
        sources = Sources(config=config, environment=environment)
        with Bundle.start(sources=sources, parameters=parameters) as bundle:
            bundle.ecr.serve(ACCOUNT, REGION, port=port)
            yield Stage(bundle, upstream, store, elsewhere, downstream)
        store.close()
        elsewhere.close()


def test_upstream_is_in_ecr_within_the_hour_and_stays_in_sync_for_a_head_each(stage: Stage) -> None:
    digests = {tag: stage.place(tag, tag) for tag in ("1.0.0", "1.1.0", "1.1.0-alpine")}
    stage.place("latest", "latest")
    stage.run()
    assert stage.mirrored() == digests
    assert [each["tag"] for each in stage.told("Image Mirrored")] == sorted(digests)
    (repository,) = stage.bundle.client("ecr").describe_repositories(repositoryNames=["mirror/web"])["repositories"]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    policy = stage.bundle.client("ecr").get_lifecycle_policy(repositoryName="mirror/web")["lifecyclePolicyText"]
    assert json.loads(policy)["rules"][0]["selection"]["countNumber"] == 9
    assert (stage.errors(), stage.messages()) == ([], 0)
    stage.upstream.tally.clear()
    stage.run(60)
    heads = [record for record in stage.upstream.tally.records if record.method == "HEAD"]
    assert len(heads) == 3
    assert [record for record in stage.upstream.tally.records if record.kind == "GET manifest"] == []
    assert len(stage.told("Image Mirrored")) == 3


def test_what_moves_is_copied_and_what_goes_is_pruned(stage: Stage) -> None:
    stage.place("1.0.0", "one")
    stage.place("2.0.0", "two")
    stage.run()
    moved = stage.place("1.0.0", "another")
    stage.store.delete_manifest("team/web", "2.0.0")
    stage.run()
    assert stage.mirrored()["1.0.0"] == moved
    assert "2.0.0" in stage.mirrored(), "it has its grace"
    stage.run(26 * 60)
    assert stage.mirrored() == {"1.0.0": moved}
    assert stage.told("Mirror Reported")[-1]["deleted"] == ["2.0.0"]
    assert stage.errors() == []


def test_a_push_to_a_private_repository_is_published_at_once(stage: Stage) -> None:
    ecr = stage.bundle.client("ecr")
    ecr.create_repository(repositoryName="team/app")
    image = single("app")
    images.push(ecr, "team/app", "7", image)
    stage.run(1)
    assert stage.elsewhere.manifest("app", "7").digest == image.digest
    (told,) = stage.told("Image Mirrored")
    assert (told["downstream"], told["tag"]) == (f"{ELSEWHERE}/app", "7")
    assert stage.errors() == []


def test_signatures_that_come_later_are_copied(stage: Stage) -> None:
    image = multi_platform("a")
    place(stage.store, "team/web", "1.0.0", image)
    stage.run()
    place(stage.store, "team/web", None, artifact("sbom", "application/spdx+json", image))
    stage.run(60)
    assert [each["reason"] for each in stage.told("Image Mirrored")] == ["new", "referrers"]
    found = stage.bundle.client("ecr").describe_images(repositoryName="mirror/web")["imageDetails"]
    assert [each for each in found if each.get("subjectManifestDigest") == image.digest]
    signed = signature_tag(image.digest)
    place(stage.store, "team/web", signed, signature(image))
    stage.run(60)
    assert [each["reason"] for each in stage.told("Image Mirrored")] == ["new", "referrers", "referrers"]
    assert stage.mirrored().keys() == {"1.0.0", signed}
    stage.run(60)
    assert len(stage.told("Image Mirrored")) == 3
    assert stage.errors() == []


def test_many_blobs_go_ahead_in_messages_of_their_own(stage: Stage) -> None:
    image = composed([(OCI_LAYER, f"layer {i}".encode()) for i in range(70)])
    place(stage.store, "team/web", "1.0.0", image)
    stage.run()
    assert stage.mirrored() == {"1.0.0": image.digest}
    reasons = [line for each in stage.bundle.invocations for line in each.log if "fanned-out" in line]
    assert len(reasons) == 1
    kinds = [json.loads(r["body"])["detail-type"] for each in stage.bundle.invocations for r in each.event["Records"]]
    assert kinds.count("Blobs Due") == 2, "fifty in one message"
    uploads = [record for record in stage.upstream.tally.records if record.kind == "GET blob"]
    assert len(uploads) == 71, "every blob is read once"
    assert (stage.errors(), stage.messages()) == ([], 0)


@pytest.mark.parametrize("stage", [{"MirrorMode": "observe"}], indirect=True)
def test_observe_copies_nothing_and_says_what_it_would(stage: Stage) -> None:
    stage.place("1.0.0", "one")
    stage.run()
    assert stage.bundle.client("ecr").describe_repositories()["repositories"] == []
    (report,) = stage.told("Mirror Reported")
    assert (report["due"], report["observed"], report["reason"]) == (1, True, "observe-only")


@pytest.mark.parametrize("stage", [{"MirrorMode": "off"}], indirect=True)
def test_off_is_off(stage: Stage) -> None:
    stage.place("1.0.0", "one")
    stage.run()
    assert "MirrorFunction" not in {each.function for each in stage.bundle.invocations}


def test_the_command_plans_and_runs_without_aws(tmp_path: Path) -> None:
    store, target = MemoryStore(), MemoryStore()
    config = tmp_path / "longshore.yaml"
    digest = place(store, "team/web", "1.0.0", multi_platform("a"))
    with Registry(store, manners=SPEC_MANNERS) as source, Registry(target, manners=SPEC_MANNERS) as destination:
        hosts = [each.url.removeprefix("http://") for each in (source, destination)]
        text = f"mirrors: {{web: {{from: '{hosts[0]}/team/web', to: '{hosts[1]}/web'}}}}"
        config.write_text(text, encoding="utf-8")

        def run(*words: str) -> tuple[int, Any]:
            environment = {"XDG_STATE_HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path), "AWS_ACCESS_KEY_ID": ""}
            result = CliRunner(env=environment).invoke(main, ["mirror", *words, "--config", str(config), "--json"])
            return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else result.output

        code, planned = run("plan")
        assert code == 0, planned
        (downstream,) = planned["mirrors"][0]["downstreams"]
        assert downstream["copies"] == 1
        assert downstream["bytes"] > 0
        assert downstream["requests"] > 0
        assert downstream["steps"][0]["reason"] == "new"
        code, done = run("run", "web")
        assert code == 0, done
        assert done["mirrors"][0]["copied"] == [{"downstream": f"{hosts[1]}/web", "tag": "1.0.0"}]
        assert target.manifest("web", "1.0.0").digest == digest
        assert run("plan")[1]["mirrors"][0]["downstreams"][0]["copies"] == 0
        assert run("plan", "other")[0] == 2
    store.close()
    target.close()
