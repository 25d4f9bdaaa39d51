"""An account in which everything happens that makes functions call AWS, with what was tagged at each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle, Sources
from longshore_local.ecr_public_registry import HOST as GALLERY
from tests.functional.jobs import Jobs
from tests.functional.stage import Stage
from tests.functional.test_mirror_bundle import free_port
from tests.template.requests import Place

if TYPE_CHECKING:
    from longshore_local.recorder import Call

CLUSTER = "busy"
ROLES = f"arn:aws:iam::{ACCOUNT}:role/workloads/"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/longshore/"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:longshore/hook"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:team"
CHANNEL = "C0123456789"
CONFIG = f"""
profiles:
  quick: {{policy: digest, timeout: 10m, soak: 1m, cooldown: 0s}}
  written: {{policy: "semver:minor", write: digest, cooldown: 0s}}
  stack: {{policy: "semver:minor", owned: stack-parameter, image_parameters: {{app: WebImage}}, soak: 0s, cooldown: 0s}}
  gated: {{policy: "digest:prod", write: digest, soak: 0s, cooldown: 0s, gates: {{scan: {{wait: 2h}}}}}}
channels:
  ops: {{type: slack, channel: {CHANNEL}, secret: "{PARAMETER}slack"}}
  gone: {{type: slack, channel: C9999999999, secret: "{PARAMETER}gone"}}
  hook: {{type: slack-webhook, secret: "{SECRET}"}}
  team: {{type: sns, topic: "{TOPIC}"}}
routes:
  - {{match: {{kind: "hold-*"}}, to: [gone]}}
  - {{to: [ops, hook, team]}}
"""
PARAMETERS = {
    "RecoverMode": "auto",
    "FollowCloudTrail": "true",
    "PassableRoleArns": f"{ROLES}*",
    "UpdatableStackArns": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop-web/*",
    "ChannelSecretArns": f"{PARAMETER}*,{SECRET}-??????",
    "ChannelTopicArns": TOPIC,
}
ROLE_MEMBERS = ("taskRoleArn", "executionRoleArn")
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
Step = Callable[["BusyAccount"], None]


@dataclass
class BusyAccount:
    """A bundle with what its functions called, each call with what was tagged at that time."""

    bundle: Bundle
    calls: list[tuple[Call, Place]] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self.ecs, self.ecr = self.bundle.client("ecs"), self.bundle.client("ecr")
        self.ecs.create_cluster(clusterName=CLUSTER)

    @cached_property
    def jobs(self) -> Jobs:
        """Tasks of no service, in a cluster of their own."""
        return Jobs(Stage(self.bundle, {}))

    def image(self, name: str, tag: str, content: str) -> str:
        """Pushes an image; makes the repository with the first."""
        if name not in {r["repositoryName"] for r in self.ecr.describe_repositories()["repositories"]}:
            self.ecr.create_repository(repositoryName=name)
        return images.push(self.ecr, name, tag, images.single(content))

    def service(
        self,
        name: str,
        tag: str,
        policy: str,
        cluster: str = CLUSTER,
        definition_tags: Sequence[Mapping[str, str]] = (),
        uri: str = "",
        **more: Any,
    ) -> str:
        """A tagged service of one container that declares `name:tag` of the private registry, else `uri:tag`."""
        image = f"{uri or f'{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}'}:{tag}"
        self.ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": "app", "image": image, "memory": 128}],
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            networkMode="awsvpc",
            taskRoleArn=f"{ROLES}{name}",
            executionRoleArn=f"{ROLES}execution",
            tags=[{"key": "team", "value": "shop"}, *definition_tags],
        )
        created = self.ecs.create_service(
            cluster=cluster,
            serviceName=name,
            taskDefinition=name,
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            tags=[{"key": "longshore:policy", "value": policy}],
            **more,
        )
        self.run(5)
        return str(created["service"]["serviceArn"])

    def run(self, minutes: float, until: Callable[[], bool] | None = None) -> None:
        """Lets time pass, and keeps what was called in it."""
        place = self._place()
        self.bundle.run(until=until, limit=timedelta(minutes=minutes))
        recorded = self.bundle.recorder.calls
        self.calls += [(call, place) for call in recorded[self._seen :]]
        self._seen = len(recorded)

    def running(self, name: str) -> str:
        """The digest that a service's newest deployment runs."""
        service = self.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
        revision = service["currentServiceRevisions"][0]["arn"]
        answer = self.ecs.describe_service_revisions(serviceRevisionArns=[revision])
        return str(answer["serviceRevisions"][0]["containerImages"][0]["imageDigest"])

    def told(self) -> list[str]:
        """The detail-types on Longshore's bus so far."""
        return [event["detail-type"] for event in self.bundle.events]

    def _daemons(self, cluster: str) -> list[dict[str, Any]]:
        return list(self.ecs.list_daemons(clusterArn=cluster)["daemonSummariesList"])

    def _rules(self) -> dict[str, dict[str, str]]:
        events = self.bundle.client("events")
        arns = [rule["Arn"] for rule in events.list_rules()["Rules"]]
        tagged = {arn: events.list_tags_for_resource(ResourceARN=arn)["Tags"] for arn in arns}
        return {arn: {tag["Key"]: tag["Value"] for tag in tags} for arn, tags in tagged.items()}

    def _place(self) -> Place:
        """What is tagged: services, container instances, task definitions; and the roles of these."""
        found: dict[str, dict[str, str]] = {}
        roles: dict[str, dict[str, str]] = {}
        clusters = self.ecs.describe_clusters(clusters=self.ecs.list_clusters()["clusterArns"])["clusters"]
        for cluster in [c["clusterArn"] for c in clusters if c["status"] == "ACTIVE"]:
            for arn in self.ecs.list_services(cluster=cluster)["serviceArns"]:
                found[arn] = _mapping(self.ecs.list_tags_for_resource(resourceArn=arn)["tags"])
            managed = self.ecs.list_services(cluster=cluster, resourceManagementType="ECS")["serviceArns"]
            for arn in (*managed, *(each["daemonArn"] for each in self._daemons(cluster))):
                found[arn] = _mapping(self.ecs.list_tags_for_resource(resourceArn=arn)["tags"])
            for arn in managed:
                service = self.ecs.describe_express_gateway_service(serviceArn=arn)["service"]
                settings = service["activeConfigurations"][0]
                roles[arn] = {name: settings[name] for name in ROLE_MEMBERS if settings.get(name)}
            if arns := self.ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]:
                answer = self.ecs.describe_container_instances(
                    cluster=cluster, containerInstances=arns, include=["TAGS"]
                )
                found |= {each["containerInstanceArn"]: _mapping(each["tags"]) for each in answer["containerInstances"]}
        for arn in self.ecs.list_task_definitions()["taskDefinitionArns"]:
            answer = self.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
            found[arn] = _mapping(answer.get("tags", []))
            roles[arn] = {name: str(answer["taskDefinition"].get(name) or "") for name in ROLE_MEMBERS}
        functions = self.bundle.client("lambda")
        for each in functions.list_functions()["Functions"]:
            arn = each["FunctionArn"].removesuffix(":$LATEST")
            found[arn] = functions.list_tags(Resource=arn)["Tags"]
        for service in self.bundle.app_runner.services.values():
            found[service.arn] = dict(service.tags)
        found |= self._rules()
        eks = self.bundle.client("eks")
        for name in eks.list_clusters()["clusters"]:
            cluster = eks.describe_cluster(name=name)["cluster"]
            found[cluster["arn"]] = cluster["tags"]
        return Place(ACCOUNT, REGION, found, roles)


def _mapping(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in tags}


def breaker(*, rollback: bool) -> dict[str, Any]:
    """Settings of a service whose failing deployment ECS ends by itself."""
    return {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}}}


def live(directory: Path, steps: Sequence[Step]) -> Iterator[BusyAccount]:
    """Lets everything happen, then hands out the account."""
    config = directory / "longshore.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    port = free_port()
    environment = {"LONGSHORE_REGISTRIES": f"{GALLERY}=127.0.0.1:{port}", "LONGSHORE_LOOPBACK": "true"}
    with Bundle.start(parameters=PARAMETERS, sources=Sources(config=config, environment=environment)) as bundle:
        bundle.ecr_public.serve(port=port)
        bundle.client("sns").create_topic(Name=TOPIC.rsplit(":", 1)[-1])
        account = BusyAccount(bundle)
        for step in steps:
            step(account)
        yield account
