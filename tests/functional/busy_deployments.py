"""What happens in the busy account to services and in channels: all that has redeploy, watch and notify call AWS."""

from __future__ import annotations

import json
from typing import Any

from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, ROOT
from longshore_local.bus import envelope
from longshore_local.slack import Fault
from tests.functional import people_stacks
from tests.functional.busy_account import CHANNEL, CLUSTER, ROLES, BusyAccount, breaker
from tests.functional.people_clusters import People
from tests.functional.people_schedules import Scheduled
from tests.functional.stage import Stage

BLUE = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/blue/0123456789abcdef"


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


def _applications(account: BusyAccount) -> None:
    """An App Runner service: its tag moves, and what cannot be rolled back is taken back by digest."""
    account.image("shops", "prod", "shops 1")
    repository = {
        "ImageIdentifier": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shops:prod",
        "ImageRepositoryType": "ECR",
    }
    made = account.bundle.client("apprunner").create_service(
        ServiceName="shops",
        SourceConfiguration={
            "ImageRepository": repository,
            "AuthenticationConfiguration": {"AccessRoleArn": f"{ROLES}shops"},
            "AutoDeploymentsEnabled": False,
        },
        Tags=[{"Key": "longshore:policy", "Value": "profile:quick"}],
    )
    account.run(10)
    wanted = account.image("shops", "prod", "shops 2")
    account.run(20)
    account.bundle.app_runner.fail(account.image("shops", "prod", "shops 3"), rolls_back=False)
    account.run(40)
    assert account.bundle.app_runner.of(made["Service"]["ServiceArn"]).running == wanted


def _express(account: BusyAccount) -> None:
    """An Express service whose policy writes digests: what people call one is kept on the service."""
    account.image("shopfront", "1.0.0", "shopfront 1")
    account.ecs.create_express_gateway_service(
        serviceName="shopfront",
        cluster=CLUSTER,
        infrastructureRoleArn=f"arn:aws:iam::{ACCOUNT}:role/infrastructure",
        executionRoleArn=f"{ROLES}execution",
        taskRoleArn=f"{ROLES}shopfront",
        primaryContainer={"image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shopfront:1.0.0"},
        tags=[{"key": "longshore:policy", "value": "profile:written"}],
    )
    account.run(10)
    wanted = account.image("shopfront", "1.1.0", "shopfront 2")
    account.run(40)
    assert account.running("shopfront") == wanted


def _daemons(account: BusyAccount) -> None:
    """A daemon: a push is followed, the answer to UpdateDaemon is lost, and a beginner dies."""
    account.image("agent", "prod", "agent 1")
    account.bundle.ecs.hosts.add(ACCOUNT, REGION, CLUSTER, capacity_provider_name="machines")
    containers = [
        {"name": "app", "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/agent:prod", "memory": 64},
    ]
    definition = account.ecs.register_daemon_task_definition(
        family="agent",
        containerDefinitions=containers,
        taskRoleArn=f"{ROLES}agent",
        executionRoleArn=f"{ROLES}execution",
        tags=[{"key": "team", "value": "shop"}],
    )
    account.ecs.create_daemon(
        daemonName="agent",
        clusterArn=CLUSTER,
        daemonTaskDefinitionArn=definition["daemonTaskDefinitionArn"],
        capacityProviderArns=[f"arn:aws:ecs:{REGION}:{ACCOUNT}:capacity-provider/machines"],
        deploymentConfiguration={"bakeTimeInMinutes": 3},
        tags=[{"key": "longshore:policy", "value": "profile:quick"}],
    )
    account.run(5)
    faults = account.bundle.recorder.faults
    faults.add("ecs", "UpdateDaemon", "ServerException", when="after")
    account.image("agent", "prod", "agent 2")
    account.run(40)
    faults.add("events", "PutEvents", "InternalFailure", count=None, function="RedeployFunction")
    account.image("agent", "prod", "agent 3")
    account.run(20)
    faults.clear()
    account.run(60)


def _shifted(account: BusyAccount) -> None:
    """Services of CodeDeploy: followed, told to go on, never healthy, with an answer lost and a beginner dead."""
    code_deploy, faults = account.bundle.client("codedeploy"), account.bundle.recorder.faults
    code_deploy.create_application(applicationName="shift", computePlatform="ECS")
    balancer = {"targetGroupArn": BLUE, "containerName": "app", "containerPort": 80}
    account.image("shift", "prod", "shift 1")
    account.service(
        "shift", "prod", "profile:quick", deploymentController={"type": "CODE_DEPLOY"}, loadBalancers=[balancer]
    )
    code_deploy.create_deployment_group(
        applicationName="shift",
        deploymentGroupName="shift",
        deploymentConfigName="CodeDeployDefault.ECSAllAtOnce",
        serviceRoleArn=f"{ROLES}shift",
        ecsServices=[{"clusterName": CLUSTER, "serviceName": "shift"}],
        blueGreenDeploymentConfiguration={
            "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 60}
        },
    )
    account.run(10)  # a search for groups is believed for five minutes
    faults.add("events", "PutEvents", "InternalFailure", count=None, function="RedeployFunction")
    account.image("shift", "prod", "shift 2")
    account.run(20)
    faults.clear()
    account.run(60)
    faults.add("codedeploy", "CreateDeployment", "ServiceException", when="after")
    faults.add("codedeploy", "ListDeployments", "ServiceException", count=None, function="WatchFunction")
    account.image("shift", "prod", "shift 3")
    account.run(10)
    faults.clear()
    account.run(40)
    wanted = account.image("shift", "prod", "shift 4")
    account.run(20)
    account.bundle.ecs.fail(account.image("shift", "prod", "shift 5"), "exit-1")
    account.run(40)
    tasks = account.ecs.list_tasks(cluster=CLUSTER, serviceName="shift")["taskArns"]
    told = account.ecs.describe_tasks(cluster=CLUSTER, tasks=tasks)["tasks"]
    assert {container["imageDigest"] for task in told for container in task["containers"]} == {wanted}


def _owned(account: BusyAccount) -> None:
    """A service that a stack declares is moved by the stack's parameter, then beside it, which the stack takes up."""
    account.image("owned", "1.0.0", "owned 1")
    uri = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/owned"
    stacks = account.bundle.client("cloudformation")
    people_stacks.create(stacks, f"{uri}:1.0.0", "profile:stack", Cluster=CLUSTER)
    account.run(10)
    wanted = account.image("owned", "1.1.0", "owned 2")
    account.run(30)
    assert account.running("web") == wanted
    service = account.ecs.describe_services(cluster=CLUSTER, services=["web"])["services"][0]["serviceArn"]
    account.ecs.tag_resource(resourceArn=service, tags=[{"key": "longshore:policy", "value": "semver:minor"}])
    account.image("owned", "1.2.0", "owned 3")
    account.run(30)
    given = {"WebImage": f"{uri}:1.2.0", "Size": "256"}  # the stack takes up what was deployed beside it
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    stacks.update_stack(StackName=people_stacks.NAME, UsePreviousTemplate=True, Parameters=parameters)
    account.run(30)


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


def _scheduled(account: BusyAccount) -> None:
    """A rule and a schedule: both are found by a sweep, moved to another revision, and their first runs looked at."""
    people = Scheduled(Stage(account.bundle, {}))
    definition = _nightly(account, people, "nightly 1", "1.0.0")
    target = people.target(definition)
    tags = [{"Key": "longshore:policy", "Value": "profile:written"}]
    people.events.put_rule(Name="nightly", ScheduleExpression="rate(10 minutes)", Tags=tags)
    people.events.put_targets(Rule="nightly", Targets=[target])
    people.scheduler.create_schedule_group(Name="jobs", Tags=tags)
    people.scheduler.create_schedule(
        Name="nightly",
        GroupName="jobs",
        ScheduleExpression="rate(10 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={key: value for key, value in target.items() if key != "Id"},
    )
    account.run(70)
    account.image("nightly", "1.1.0", "nightly 2")
    account.run(40)
    for found in (people.rule_target(), people.scheduled_target()):
        assert found["EcsParameters"]["TaskDefinitionArn"] != definition
    declared = people.target(_nightly(account, people, "nightly 2", "1.1.0"))  # by its tag: only runs tell what it is
    tags = [{"Key": "longshore:policy", "Value": "profile:quick"}]
    people.events.put_rule(Name="weekly", ScheduleExpression="rate(7 days)", State="DISABLED", Tags=tags)
    people.events.put_targets(Rule="weekly", Targets=[declared])
    people.events.disable_rule(Name="nightly")
    kept = people.scheduler.get_schedule(Name="nightly", GroupName="jobs")
    stated = {key: kept[key] for key in ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    people.scheduler.update_schedule(**stated, State="DISABLED")
    account.run(5)


def _nightly(account: BusyAccount, people: Scheduled, image: str, tag: str) -> str:
    account.image("nightly", tag, image)
    return people.definition(
        f"nightly:{tag}", "nightly", taskRoleArn=f"{ROLES}nightly", executionRoleArn=f"{ROLES}execution"
    )


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
    _owned,
    _applications,
    _express,
    _daemons,
    _scheduled,
    _shifted,
    _told,
    _told_elsewhere,
    _told_late,
    _let_go,
)
