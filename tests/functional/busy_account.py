"""An account in which everything happens that makes redeploy, watch and notify call AWS; told step by step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, ROOT, Bundle, Sources
from longshore_local.bus import envelope
from longshore_local.slack import Fault

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
    "PassableRoleArns": f"{ROLES}*",
    "ChannelSecretArns": f"{PARAMETER}*,{SECRET}-??????",
    "ChannelTopicArns": TOPIC,
}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
Tags = dict[str, dict[str, str]]


@dataclass
class BusyAccount:
    """A bundle with what its functions called, each call with the tags that services had at that time."""

    bundle: Bundle
    calls: list[tuple[Call, Tags]] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self.ecs, self.ecr = self.bundle.client("ecs"), self.bundle.client("ecr")
        self.ecs.create_cluster(clusterName=CLUSTER)

    def image(self, name: str, tag: str, content: str) -> str:
        """Pushes an image; makes the repository with the first."""
        if name not in {r["repositoryName"] for r in self.ecr.describe_repositories()["repositories"]}:
            self.ecr.create_repository(repositoryName=name)
        return images.push(self.ecr, name, tag, images.single(content))

    def service(self, name: str, tag: str, policy: str, cluster: str = CLUSTER, **more: Any) -> str:
        """A tagged service of one container that declares `name:tag`; answers its ARN."""
        image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}:{tag}"
        self.ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": "app", "image": image, "memory": 128}],
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            networkMode="awsvpc",
            taskRoleArn=f"{ROLES}{name}",
            executionRoleArn=f"{ROLES}execution",
            tags=[{"key": "team", "value": "shop"}],
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
        tags = self._tags()
        self.bundle.run(until=until, limit=timedelta(minutes=minutes))
        recorded = self.bundle.recorder.calls
        self.calls += [(call, tags) for call in recorded[self._seen :]]
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

    def _tags(self) -> Tags:
        found = {}
        clusters = self.ecs.describe_clusters(clusters=self.ecs.list_clusters()["clusterArns"])["clusters"]
        for cluster in [c["clusterArn"] for c in clusters if c["status"] == "ACTIVE"]:
            for arn in self.ecs.list_services(cluster=cluster)["serviceArns"]:
                tags = self.ecs.list_tags_for_resource(resourceArn=arn)["tags"]
                found[arn] = {tag["key"]: tag["value"] for tag in tags}
        return found


def breaker(*, rollback: bool) -> dict[str, Any]:
    """Settings of a service whose failing deployment ECS ends by itself."""
    return {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}}}


def _refreshed(account: BusyAccount) -> None:
    account.image("web", "prod", "web 1")
    account.service("web", "prod", "digest", **breaker(rollback=True))
    second = account.image("web", "prod", "web 2")
    account.run(2)
    account.image("web", "prod", "web 3")  # while the second one soaks: remembered, and looked at afterwards
    account.run(30)
    assert account.running("web") != second


def _revised(account: BusyAccount) -> None:
    account.image("api", "1.0.0", "api 1")
    account.service("api", "1.0.0", "profile:written", **breaker(rollback=True))
    newer = account.image("api", "1.1.0", "api 2")
    account.run(30)
    assert account.running("api") == newer


def _stopped(account: BusyAccount) -> None:
    """Without a circuit breaker ECS tries forever; the watch has it stopped."""
    good = account.image("slow", "prod", "slow 1")
    account.service("slow", "prod", "digest")
    account.bundle.ecs.fail(account.image("slow", "prod", "slow 2"), "exit-1")
    account.run(60)
    assert account.running("slow") == good


def _taken_back(account: BusyAccount) -> None:
    """A circuit breaker that does not roll back leaves the way back to Longshore."""
    account.image("shop", "prod", "shop 1")
    account.service("shop", "prod", "profile:quick", **breaker(rollback=False))
    good = account.image("shop", "prod", "shop 2")
    account.run(15)
    account.bundle.ecs.fail(account.image("shop", "prod", "shop 3"), "exit-1")
    account.run(30)
    assert account.running("shop") == good


def _answer_lost(account: BusyAccount) -> None:
    """The answer to UpdateService is lost, so the deployment is looked for and adopted."""
    account.image("lost", "prod", "lost 1")
    account.service("lost", "prod", "profile:quick", **breaker(rollback=True))
    account.bundle.recorder.faults.add("ecs", "UpdateService", "ServerException", when="after")
    wanted = account.image("lost", "prod", "lost 2")
    account.run(40)
    assert account.running("lost") == wanted


def _beginner_died(account: BusyAccount) -> None:
    """Redeploy never gets to record its deployment; the watch finds it when its time is up."""
    account.image("dead", "prod", "dead 1")
    account.service("dead", "prod", "profile:quick", **breaker(rollback=True))
    account.bundle.recorder.faults.add(
        "events", "PutEvents", "InternalFailure", count=None, function="RedeployFunction"
    )
    wanted = account.image("dead", "prod", "dead 2")
    account.run(20)
    account.bundle.recorder.faults.clear()
    account.run(60)
    assert account.running("dead") == wanted


def _restored(account: BusyAccount) -> None:
    """An image comes back from the archive; the event names only its digest."""
    detail = {
        "action-type": "UPDATE_STORAGE_CLASS",
        "target-storage-class": "STANDARD",
        "result": "SUCCESS",
        "repository-name": "web",
        "image-digest": account.running("web"),
    }
    now = account.bundle.timeline.now()
    account.bundle.emit(envelope("aws.ecr", "ECR Image Action", detail, account=ACCOUNT, region=REGION, moment=now))
    account.run(5)


def _let_go(account: BusyAccount) -> None:
    """A service opts out; another is deleted with its cluster, and an event of it comes late."""
    api = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/api"
    account.ecs.untag_resource(resourceArn=api, tagKeys=["longshore:policy"])
    account.run(5)
    account.ecs.create_cluster(clusterName="gone")
    account.image("last", "prod", "last 1")
    arn = account.service("last", "prod", "digest", cluster="gone")
    account.ecs.delete_service(cluster="gone", service="last", force=True)
    account.run(5)
    account.ecs.delete_cluster(cluster="gone")
    detail = {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/1"}
    now = account.bundle.timeline.now()
    where: dict[str, Any] = {"account": ACCOUNT, "region": REGION, "moment": now, "resources": [arn]}
    account.bundle.emit(envelope("aws.ecs", "ECS Deployment State Change", detail, **where))
    account.run(90)  # and a sweep


def _told(account: BusyAccount) -> None:
    """What the steps before led to was told to everybody, each its own way."""
    texts = [message.text for message in account.bundle.slack.messages(CHANNEL)]
    assert any("live" in text for text in texts), texts


def _told_elsewhere(account: BusyAccount) -> None:
    """A channel's secret is gone, so its notice is put aside and goes to the fallback."""
    account.bundle.client("ssm").delete_parameter(Name="/longshore/gone")
    _publish(account, "hold-set")
    account.run(5)
    assert "Channel Failed" in account.told()


def _told_late(account: BusyAccount) -> None:
    """Slack has notify wait for longer than a queue can delay a message."""
    before = len(account.bundle.slack.messages(CHANNEL))
    account.bundle.slack.script([Fault.throttle(1200)])
    _publish(account, "events-missed")
    account.run(30)
    assert len(account.bundle.slack.messages(CHANNEL)) == before + 1


def _publish(account: BusyAccount, name: str) -> None:
    event = json.loads((ROOT / "events/longshore" / f"{name}.json").read_text(encoding="utf-8"))
    entry = {
        "EventBusName": account.bundle.stack.name,
        "Source": "longshore",
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Time": account.bundle.timeline.now(),
    }
    account.bundle.client("events").put_events(Entries=[entry])


STEPS = (
    _refreshed,
    _revised,
    _stopped,
    _taken_back,
    _answer_lost,
    _beginner_died,
    _restored,
    _told,
    _told_elsewhere,
    _told_late,
    _let_go,
)


def live(directory: Path) -> Iterator[BusyAccount]:
    """Lets everything happen, then hands out the account."""
    config = directory / "longshore.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    with Bundle.start(parameters=PARAMETERS, sources=Sources(config=config)) as bundle:
        bundle.client("sns").create_topic(Name=TOPIC.rsplit(":", 1)[-1])
        account = BusyAccount(bundle)
        for step in STEPS:
            step(account)
        yield account
