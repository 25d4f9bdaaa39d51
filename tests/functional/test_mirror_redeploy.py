"""From upstream to what runs: an image is mirrored to ECR or to ECR Public, and the services that run it follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner

from longshore.addresses import Reach
from longshore.aws.clock import SystemClock
from longshore.registries.auth import Login
from longshore.registries.connect import Network, connect
from longshore_cli import mirror_stage, registry_sides
from longshore_cli.main import main
from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle, Sources
from longshore_local.ecr_public_registry import HOST as GALLERY
from longshore_local.ecr_public_registry import REGION as GALLERY_REGION
from longshore_local.ecr_public_registry import alias_of
from longshore_local.image_shapes import place
from longshore_local.images import SyntheticImage, artifact, multi_platform, single
from longshore_local.registry import SPEC_MANNERS, Registry
from longshore_local.registry_memory import MemoryStore
from tests.functional.stage import BREAKER, CLUSTER, NETWORK
from tests.functional.test_mirror_bundle import ECR, UPSTREAM, free_port

if TYPE_CHECKING:
    from longshore.mirror.ports import Side
    from longshore.registries.client import DistributionRegistry

ALIAS = alias_of(ACCOUNT)
OTHER = "210987654321"
PRIVATE = f"{ECR}/mirror/web"
PUBLIC = f"{GALLERY}/{ALIAS}/web"
FOREIGN = f"{GALLERY}/{alias_of(OTHER)}/web"
CONFIG = f"""
profiles:
  quick: {{policy: digest, soak: 1m, cooldown: 0s}}
mirrors:
  private: {{from: {UPSTREAM}/team/web, to: "ecr:mirror/web", every: 1h}}
  public:
    from: {UPSTREAM}/team/web
    to: {PUBLIC}
    every: 1h
    catalog: {{description: A web server, architectures: [ARM 64, x86-64], operating_systems: [Linux]}}
"""


@dataclass
class Stage:
    """A stack that mirrors and redeploys, its registries, and one cluster."""

    bundle: Bundle
    upstream: MemoryStore
    gallery: Registry
    hosts: dict[str, str]
    config: Path

    def place(self, tag: str, image: SyntheticImage) -> str:
        """Puts an image upstream."""
        return place(self.upstream, "team/web", tag, image)

    def run(self, minutes: float) -> None:
        """Lets time pass."""
        self.bundle.run(limit=timedelta(minutes=minutes))

    def service(self, name: str, image: str, policy: str) -> None:
        """A tagged service of one container, steady and known to Longshore."""
        ecs = self.bundle.client("ecs")
        ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": "app", "image": image}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )
        ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=name,
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            deploymentConfiguration=BREAKER,
            tags=[{"key": "longshore:policy", "value": policy}],
        )
        self.run(3)

    def running(self, name: str) -> str:
        """The digest that a service's newest revision resolved."""
        ecs = self.bundle.client("ecs")
        (service,) = ecs.describe_services(cluster=CLUSTER, services=[name])["services"]
        revisions = [each["arn"] for each in service["currentServiceRevisions"]]
        (revision,) = ecs.describe_service_revisions(serviceRevisionArns=revisions[:1])["serviceRevisions"]
        return str(revision["containerImages"][0]["imageDigest"])

    def declared(self, name: str) -> str:
        """The image that a service declares now."""
        ecs = self.bundle.client("ecs")
        (service,) = ecs.describe_services(cluster=CLUSTER, services=[name])["services"]
        found = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        return str(found["containerDefinitions"][0]["image"])

    def api(self) -> Any:
        """The API of ECR Public."""
        return self.bundle.session().client("ecr-public", region_name=GALLERY_REGION)

    def led(self, host: str, side: Side, *_: Any, **__: Any) -> DistributionRegistry:
        """A command has no table of stand-ins, so its connections are led to them."""
        login = (lambda: Login("AWS", "token")) if host == GALLERY else None
        return connect(self.hosts[host], side, Network.of(SystemClock(), reach=Reach(loopback=True)), login)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The details of events."""
        return [event["detail"] for event in self.bundle.events if event["detail-type"] == kind]

    def outcomes(self) -> list[dict[str, Any]]:
        """What redeploy decided, in order."""
        lines = [line for each in self.bundle.invocations if each.function == "RedeployFunction" for line in each.log]
        return [json.loads(line)["outcome"] for line in lines if '"outcome"' in line]

    def errors(self) -> list[str]:
        """What went wrong inside functions."""
        lines = [line for each in self.bundle.invocations for line in each.log if '"ERROR"' in line]
        return lines + [each.trace for each in self.bundle.invocations if each.error]

    def calls(self, service: str) -> list[str]:
        """What redeploy asked of a service of AWS."""
        calls = self.bundle.recorder.calls
        return [each.operation for each in calls if (each.function, each.service) == ("RedeployFunction", service)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A deployed stack in front of an upstream, ECR and ECR Public."""
    config = tmp_path / "longshore.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    private, public = free_port(), free_port()
    with closing(MemoryStore()) as store, Registry(store, manners=SPEC_MANNERS) as upstream:
        hosts = {UPSTREAM: upstream.url.removeprefix("http://"), ECR: f"127.0.0.1:{private}"}
        hosts[GALLERY] = f"127.0.0.1:{public}"
        environment = {
            "LONGSHORE_REGISTRIES": ",".join("=".join(pair) for pair in hosts.items()),
            "LONGSHORE_LOOPBACK": "true",
        }
        sources = Sources(config=config, environment=environment)
        parameters = {"NotifyMode": "off", "PassableRoleArns": "*"}
        with Bundle.start(sources=sources, parameters=parameters) as bundle:
            bundle.ecr.serve(ACCOUNT, REGION, port=private)
            gallery = bundle.ecr_public.serve(port=public)
            bundle.client("ecs").create_cluster(clusterName=CLUSTER)
            yield Stage(bundle, store, gallery, hosts, config)


def test_a_service_on_private_ecr_follows_what_is_mirrored_there(stage: Stage) -> None:
    first = stage.place("1", multi_platform("one"))
    stage.run(70)
    stage.service("web", f"{PRIVATE}:1", "profile:quick")
    assert stage.running("web") == first
    second = stage.place("1", multi_platform("two"))
    stage.run(75)
    assert stage.running("web") == second
    assert {each["reason"] for each in stage.told("Deployment Started")} == {"moved"}
    assert stage.told("Deployment Succeeded")
    assert stage.errors() == []


def test_a_service_on_ecr_public_follows_what_is_mirrored_there(stage: Stage) -> None:
    first = stage.place("1", multi_platform("one"))
    stage.run(70)
    found = stage.api().get_repository_catalog_data(repositoryName="web")["catalogData"]
    assert (found["description"], found["architectures"]) == ("A web server", ["ARM 64", "x86-64"])
    stage.service("web", f"{PUBLIC}:1", "profile:quick")
    assert stage.running("web") == first
    second = stage.place("1", multi_platform("two"))
    stage.run(62)
    mirrored = next(each for each in stage.told("Image Mirrored")[::-1] if each["downstream"] == PUBLIC)
    assert stage.running("web") == second
    (started, *soaking) = stage.told("Deployment Started")
    assert (started["reason"], started["changes"][0]["digest"]) == ("moved", second)
    told = {each["correlation"] for each in (mirrored, started, *soaking)}
    assert len(told) == 1, "one story, from the look upstream to the deployment"
    stage.run(10)
    assert stage.told("Deployment Succeeded")
    assert stage.told("Events Missed") == []
    assert stage.errors() == []


def test_what_is_mirrored_by_hand_is_followed_as_well(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.place("1", single("one"))
    stage.run(70)
    stage.service("web", f"{PUBLIC}:1", "profile:quick")
    second = stage.place("1", single("two"))

    monkeypatch.setattr(mirror_stage, "registry", stage.led)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    arguments = ["mirror", "run", "public", "--config", str(tmp_path / "longshore.yaml")]
    result = CliRunner(env={"XDG_STATE_HOME": str(tmp_path)}).invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    stage.run(3)
    assert stage.running("web") == second
    mirrored = [each for each in stage.told("Image Mirrored") if each["digest"] == second]
    assert [each["downstream"] for each in mirrored] == [PUBLIC]


def test_the_commands_answer_for_images_on_ecr_public(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage.place("1", multi_platform("one"))
    stage.run(70)
    stage.service("web", f"{PUBLIC}:1", "profile:quick")
    monkeypatch.setattr(registry_sides, "registry", stage.led)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)

    def answer(*arguments: str) -> Any:
        config = ["--config", str(stage.config), "--json"]
        result = CliRunner().invoke(main, [*arguments, *config], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    planned = answer("plan", f"{PUBLIC}:1")
    assert planned["digest"] == first
    assert [each["reason"] for each in planned["decisions"]] == ["same-digest"]
    second = _push(stage, "1", single("two"))
    assert [each["reason"] for each in answer("plan", f"{PUBLIC}:1")["decisions"]] == ["moved"]
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/web"
    (candidate,) = answer("explain", arn)["candidates"]
    assert (candidate["tag"], candidate["digest"], candidate["reason"]) == ("1", second, "moved")
    stage.gallery.close()
    result = CliRunner().invoke(main, ["explain", arn, "--config", str(stage.config)])
    assert (result.exit_code, "cannot connect" in result.output) == (1, True)


def test_an_app_runner_service_on_ecr_public_follows_its_mirror(stage: Stage) -> None:
    """App Runner itself never follows ECR Public (aws 0.12)."""
    stage.place("1", single("one"))
    stage.run(70)
    image = {"ImageIdentifier": f"{PUBLIC}:1", "ImageRepositoryType": "ECR_PUBLIC"}
    made = stage.bundle.client("apprunner").create_service(
        ServiceName="shop",
        SourceConfiguration={"ImageRepository": image},
        Tags=[{"Key": "longshore:policy", "Value": "profile:quick"}],
    )
    stage.run(10)
    second = stage.place("1", single("two"))
    stage.run(80)
    assert stage.bundle.app_runner.of(made["Service"]["ServiceArn"]).running == second
    assert stage.errors() == []


def test_a_new_version_on_ecr_public_is_followed_by_its_policy(stage: Stage) -> None:
    stage.place("1.4.2", single("1.4.2"))
    stage.run(70)
    stage.service("web", f"{PUBLIC}:1.4.2", "semver:minor")
    newer = stage.place("1.5.0", single("1.5.0"))
    stage.place("2.0.0", single("2.0.0"))
    stage.place("1.5.1-sbom", artifact("sbom", "application/spdx+json"))
    stage.run(80)
    assert (stage.running("web"), stage.declared("web")) == (newer, f"{PUBLIC}:1.5.0")
    assert {each["reason"] for each in stage.outcomes()} >= {"newer", "artifact"}
    assert stage.errors() == []


def test_what_the_event_says_is_read_again(stage: Stage) -> None:
    first = stage.place("1", single("one"))
    stage.run(70)
    stage.service("web", f"{PUBLIC}:1", "profile:quick")
    forged = {**stage.told("Image Mirrored")[-1], "digest": "sha256:" + "e" * 64, "downstream": PUBLIC}
    events = stage.bundle.client("events")
    entry = {"EventBusName": stage.bundle.stack.name, "Source": "longshore", "DetailType": "Image Mirrored"}
    for detail in (forged, {**forged, "tag": "none"}, {**forged, "downstream": FOREIGN}):
        events.put_events(Entries=[{**entry, "Detail": json.dumps(detail)}])
    stage.run(5)
    assert stage.running("web") == first
    assert stage.told("Deployment Started") == []
    reasons = [each["reason"] for each in stage.outcomes()]
    assert {"same-digest", "image-missing", "not-followed"} <= set(reasons)


def test_what_nobody_mirrored_is_found_by_the_sweep(stage: Stage) -> None:
    api = stage.api()
    api.create_repository(repositoryName="web")
    _push(stage, "prod", single("one"))
    stage.run(5)
    stage.service("web", f"{PUBLIC}:prod", "profile:quick")
    second = _push(stage, "prod", single("two"))
    stage.run(75)
    assert stage.running("web") == second
    assert stage.told("Events Missed") == [], "there are none that could be missed"
    assert "DescribeImages" in stage.calls("ecr-public")
    assert stage.errors() == []


def test_a_repository_of_somebody_else_is_asked_for_the_tags_that_are_followed(stage: Stage) -> None:
    theirs = boto3.client(
        "ecr-public", region_name=GALLERY_REGION, aws_access_key_id=_key(), aws_secret_access_key="local"
    )
    theirs.create_repository(repositoryName="web")
    first = images.push(theirs, "web", "prod", single("theirs, one"))
    stage.service("web", f"{FOREIGN}:prod", "profile:quick")
    assert stage.running("web") == first
    second = images.push(theirs, "web", "prod", multi_platform("theirs, two"))
    images.push(theirs, "web", "other", single("theirs, another"))
    stage.run(75)
    assert stage.running("web") == second
    assert "DescribeImages" not in stage.calls("ecr-public"), "what is somebody else's may not be listed"
    assert stage.errors() == []


def _key() -> str:
    """An access key of the other account, as moto reads the account off it."""
    iam = boto3.client("sts", region_name=GALLERY_REGION, aws_access_key_id="local", aws_secret_access_key="local")
    role = iam.assume_role(RoleArn=f"arn:aws:iam::{OTHER}:role/publisher", RoleSessionName="other")
    return str(role["Credentials"]["AccessKeyId"])


def _push(stage: Stage, tag: str, image: SyntheticImage) -> str:
    return images.push(stage.api(), "web", tag, image)


def test_a_registry_that_does_not_answer_is_waited_for(stage: Stage) -> None:
    stage.place("1", single("one"))
    stage.run(70)
    stage.service("web", f"{PUBLIC}:1", "profile:quick")
    mirrored = stage.told("Image Mirrored")[-1]
    second = _push(stage, "1", single("two"))
    stage.gallery.close()
    entry = {"EventBusName": stage.bundle.stack.name, "Source": "longshore", "DetailType": "Image Mirrored"}
    detail = {**mirrored, "downstream": PUBLIC, "digest": second}
    stage.bundle.client("events").put_events(Entries=[{**entry, "Detail": json.dumps(detail)}])
    stage.run(5)
    waits = [each for each in stage.outcomes() if each["reason"] == "registry-unreachable"]
    assert {each["verdict"] for each in waits} == {"wait"}
    assert stage.told("Deployment Started") == []
    stage.gallery.start()
    stage.run(30)
    assert stage.running("web") == second
