"""What happens in the busy account to services and in channels: all that has redeploy, watch and notify call AWS."""

from __future__ import annotations

import json
from typing import Any

from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, ROOT
from longshore_local.bus import envelope
from longshore_local.slack import Fault
from tests.functional.busy_account import CHANNEL, CLUSTER, BusyAccount, breaker
from tests.functional.people_clusters import People
from tests.functional.stage import Stage


def _refreshed(account: BusyAccount) -> None:
    account.image("site", "prod", "site 1")
    account.service("site", "prod", "digest", **breaker(rollback=True))
    second = account.image("site", "prod", "site 2")
    account.run(2)
    account.image("site", "prod", "site 3")  # while the second one soaks: remembered, and looked at afterwards
    account.run(30)
    assert account.running("site") != second


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
        "repository-name": "site",
        "image-digest": account.running("site"),
    }
    now = account.bundle.timeline.now()
    account.bundle.emit(envelope("aws.ecr", "ECR Image Action", detail, account=ACCOUNT, region=REGION, moment=now))
    account.run(5)


def _published(account: BusyAccount) -> None:
    """A service whose image is in ECR Public, where a new one is mirrored."""
    gallery = account.bundle.session().client("ecr-public", region_name="us-east-1")
    uri = gallery.create_repository(repositoryName="shop/public")["repository"]["repositoryUri"]
    images.push(gallery, "shop/public", "prod", images.single("public 1"))
    account.service("public", "prod", "profile:quick", uri=uri)
    second = images.push(gallery, "shop/public", "prod", images.single("public 2"))
    detail = {"downstream": uri, "tag": "prod", "digest": second}
    entry = {"EventBusName": account.bundle.stack.name, "Source": "longshore", "DetailType": "Image Mirrored"}
    account.bundle.client("events").put_events(Entries=[{**entry, "Detail": json.dumps(detail)}])
    account.run(10)
    assert account.running("public") == second


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


def _functions(account: BusyAccount) -> None:
    """Functions with an alias: an index is deployed, an answer is lost, a version fails, and what follows is looked at."""
    account.image("resize", "prod", "resize 1")
    client = account.bundle.client("lambda")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = account.bundle.client("iam").create_role(RoleName="functions", AssumeRolePolicyDocument=trust)
    made = client.create_function(
        FunctionName="resize",
        PackageType="Image",
        Code={"ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/resize:prod"},
        Role=role["Role"]["Arn"],
        Tags={"longshore:policy": "profile:quick", "longshore:alias": "live"},
    )
    version = client.publish_version(FunctionName="resize")["Version"]
    client.create_alias(FunctionName="resize", Name="live", FunctionVersion=version)
    account.run(5)
    index = images.multi_platform("resize 2")
    images.push(account.ecr, "resize", "prod", index)
    account.run(15)
    faults = account.bundle.recorder.faults
    faults.add("lambda", "UpdateFunctionCode", "ServiceException", when="after", passes=1)  # the first is a dry run
    wanted = account.image("resize", "prod", "resize 3")
    account.run(60)
    account.bundle.lambdas.fail(account.image("resize", "prod", "resize 4"))
    account.run(30)
    found = client.get_function(FunctionName=made["FunctionArn"], Qualifier="live")
    assert found["Code"]["ResolvedImageUri"].endswith(wanted)


def _kubernetes(account: BusyAccount) -> None:
    """A Deployment is found by a sweep, followed and looked at."""
    account.image("pods", "prod", "pods 1")
    people = People(Stage(account.bundle, {}))
    people.apply("pods", "pods:prod", "profile:quick", settle=False)
    account.run(70)
    wanted = account.image("pods", "prod", "pods 2")
    account.run(30)
    assert people.running("pods") == wanted


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
    _published,
    _functions,
    _kubernetes,
    _told,
    _told_elsewhere,
    _told_late,
    _let_go,
)
