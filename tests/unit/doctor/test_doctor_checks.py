"""Each check of `longshore doctor`: a state in which it finds something, and one in which it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import EndpointConnectionError

from longshore.decisions import Decision, Reason
from longshore.images import Repository
from longshore.owners import Drift
from longshore.ports import Good, Record
from longshore.redeploy.policy import Options, Profile, Write
from longshore.workloads import Action as Act
from longshore.workloads import Controller, Deployment, DeploymentStatus, Hold, Plan
from longshore_cli.checks.findings import Finding, NothingToLookAtError, examine
from longshore_cli.checks.sight import MOST_SERVICES, Resource, Sight
from longshore_cli.checks.table import CHECKS
from tests.doctor_world import (
    ACCOUNT,
    CLUSTER,
    DIGEST,
    FUNCTION_ARN,
    IMAGE,
    NOW,
    REGION,
    ROLE,
    SERVICE,
    Answers,
    ago,
    definition,
    denied,
    observation,
    service,
    sight,
)

BY_CODE = {check.code: check for check in CHECKS}
CHANNEL_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:slack-AbCdEf"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/slack"
OLD = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/web"
REPOSITORY = Repository(ACCOUNT, REGION, "web")


class Case(NamedTuple):
    """One check in two states; `at` is the resource that the finding names, `says` what its text or fix contains."""

    code: str
    ill: Callable[[], Sight]
    well: Callable[[], Sight]
    at: str
    says: str


def resource(name: str, type: str, id: str = "") -> Resource:
    return Resource(name, f"AWS::{type}", id or name)


def queue(messages: int, name: str = "RedeployDeadLetters") -> Sight:
    got = {"ApproximateNumberOfMessages": str(messages), "QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"}
    answers: Answers = {"sqs.get_queue_attributes": {"Attributes": got}}
    return sight(
        answers=answers, resources=[resource(name, "SQS::Queue", "https://q"), resource("RedeployQueue", "SQS::Queue")]
    )


def alarm(state: str) -> Sight:
    answers: Answers = {"cloudwatch.describe_alarms": {"MetricAlarms": [{"AlarmName": "a-1", "StateValue": state}]}}
    return sight(answers=answers, resources=[resource("ChannelFailedAlarm", "CloudWatch::Alarm", "a-1")])


def topic(*arns: str) -> Sight:
    subscribed = [{"SubscriptionArn": arn, "Protocol": "email", "Endpoint": "ann@example.com"} for arn in arns]
    answers: Answers = {"sns.list_subscriptions_by_topic": {"Subscriptions": subscribed}}
    return sight(answers=answers, outputs={"AlarmTopicArn": "arn:aws:sns:eu-west-1:1:alarms"})


def rule(answer: Mapping[str, Any] | Exception) -> Sight:
    rules = [
        resource("ImageMoved", "Events::Rule", "longshore-ImageMoved-1"),
        resource("Bus", "Events::EventBus", "own"),
    ]
    return sight(answers={"events.describe_rule": answer}, resources=rules)


def function(*, state: str = "Enabled", runtime: str = "python3.13") -> Sight:
    mapping = {"UUID": "u-1", "State": state, "EventSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:redeploy"}
    answers: Answers = {
        "lambda.list_event_source_mappings": {"EventSourceMappings": [mapping]},
        "lambda.get_function_configuration": {"Runtime": runtime},
    }
    return sight(answers=answers, resources=[resource("RedeployFunction", "Lambda::Function", "f-1")])


def schedules(when: str, name: str = "defer-1") -> Sight:
    answers: Answers = {
        "scheduler.list_schedules": {"Schedules": [{"Name": name}, {"Name": "sweep"}]},
        "scheduler.get_schedule": {"ScheduleExpression": f"at({when})"},
    }
    own = [
        resource("Schedules", "Scheduler::ScheduleGroup", "longshore"),
        resource("Sweep", "Scheduler::Schedule", "sweep"),
    ]
    return sight(answers=answers, resources=own)


def keys(*found: str, arn: str = SERVICE, value: str = "auto") -> Sight:
    def carrying(params: Mapping[str, Any]) -> Mapping[str, Any]:
        key = params["TagFilters"][0]["Key"]
        held = [{"ResourceARN": arn, "Tags": [{"Key": key, "Value": value}]}] if key in found else []
        return {"ResourceTagMappingList": held}

    answers: Answers = {
        "resourcegroupstaggingapi.get_tag_keys": {"TagKeys": list(found)},
        "resourcegroupstaggingapi.get_resources": carrying,
    }
    return sight(answers=answers, tagged={arn: value} if "longshore:policy" in found else {})


def with_record(**members: Any) -> Sight:
    return sight(observation(), records=[Record(SERVICE, **members)])


def deployment(*, minutes: int) -> Deployment:
    plan = Plan(SERVICE, Act.REFRESH, (), "moved", "c-1")
    return Deployment(plan, DeploymentStatus.STARTED, ago(hours=9), ago(minutes=minutes))


def registry(status: str | None, frequency: str = "SCAN_ON_PUSH") -> Sight:
    """ECR says of the image that it was scanned like that; None: there is no such image."""
    image = {"imageDigest": DIGEST, "imageTags": ["prod"], "imagePushedAt": ago(days=1), "imageManifestMediaType": ""}
    configured = {"repositoryName": "web", "repositoryArn": "arn:web", "scanFrequency": frequency}
    found: Mapping[str, Any] = {"imageScanStatus": {"status": status}, "imageScanFindings": {}}
    answers: Answers = {
        "ecr.batch_get_repository_scanning_configuration": {"scanningConfigurations": [configured]},
        "ecr.describe_images": {"imageDetails": [image]}
        if status
        else denied("DescribeImages", "ImageNotFoundException"),
        "ecr.describe_image_scan_findings": found,
    }
    return sight(observation(), answers=answers)


def lifecycle(days: int) -> Sight:
    selection = {"tagStatus": "any", "countType": "sinceImagePushed", "countNumber": days, "countUnit": "days"}
    text = json.dumps({"rules": [{"rulePriority": 4, "selection": selection, "action": {"type": "expire"}}]})
    image = {"imageDigest": DIGEST, "imageTags": ["prod"], "imagePushedAt": ago(days=20)}
    answers: Answers = {
        "ecr.get_lifecycle_policy": {"lifecyclePolicyText": text},
        "ecr.describe_images": {"imageDetails": [image]},
    }
    return sight(observation(), answers=answers)


def pulls(policy: object) -> Sight:
    answer: Mapping[str, Any] | Exception = {"policyText": json.dumps(policy)}
    if policy is None:
        answer = denied("GetRepositoryPolicy", "RepositoryPolicyNotFoundException")
    seen = observation(arn=FUNCTION_ARN, images={"function": IMAGE}, running={"function": DIGEST})
    return sight(seen, answers={"ecr.get_repository_policy": answer})


LETS_LAMBDA = {
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownload*"],
    }
}


def cluster(*, private: bool = False, subnets: str = "", entries: tuple[str, ...] = (ROLE,)) -> Sight:
    described = {
        "arn": CLUSTER,
        "endpoint": "https://x",
        "certificateAuthority": {"data": "YQ=="},
        "resourcesVpcConfig": {"endpointPublicAccess": not private},
    }
    answers: Answers = {
        "eks.describe_cluster": {"cluster": described},
        "eks.list_access_entries": {"accessEntries": list(entries)},
    }
    outputs, parameters = {"RedeployRoleArn": ROLE}, {"SubnetIds": subnets}
    return sight(answers=answers, tagged={CLUSTER: "annotations"}, outputs=outputs, parameters=parameters)


def channels(secret: str = CHANNEL_SECRET, allowed: str = "", answers: Answers | None = None) -> Sight:
    config = {"channels": {"ops": {"type": "teams", "secret": f"{secret}:url::" if ":secret:" in secret else secret}}}
    return sight(config=config, parameters={"ChannelSecretArns": allowed}, answers=answers)


def secret(answer: Mapping[str, Any] | Exception) -> Sight:
    return channels(answers={"secretsmanager.describe_secret": answer})


def evaluated(reason: Reason) -> Sight:
    proposal = SimpleNamespace(leading=Decision(reason))
    return sight(observation(), evaluate=lambda _: SimpleNamespace(proposal=proposal))


def running(*images: str, **members: Any) -> Sight:
    return sight(services=[service()], answers=definition(*images, **members))


def owned(**tags: str) -> Sight:
    return sight(services=[service(tags=[{"key": key, "value": value} for key, value in tags.items()])])


def rollout(**members: Any) -> Sight:
    primary = {"status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": ago(hours=3), **members}
    return sight(services=[service(deployments=[primary])])


def runner(*arns: str) -> Sight:
    return sight(answers={"apprunner.list_services": {"ServiceSummaryList": [{"ServiceArn": arn} for arn in arns]}})


def clair(value: str) -> Sight:
    return sight(answers={"ecr.get_account_setting": {"name": "BASIC_SCAN_TYPE_VERSION", "value": value}})


def absent() -> Sight:
    made = sight()
    del vars(made)["_once_description"]
    made.account = sight(
        answers={"cloudformation.describe_stacks": denied("DescribeStacks", "ValidationError")}
    ).account
    return made


def written() -> dict[str, Profile]:
    return {"w": Profile("w", "digest", Options(declared_write=Write.DIGEST))}


NO_TAGS: Answers = {"resourcegroupstaggingapi.get_resources": {"ResourceTagMappingList": []}}
STEADY = Good({"app": DIGEST}, ago(days=3))
DRIFT = Drift("app", "Image", "web:1", "web:2", "cloudformation", "shop")
CASES = (
    Case("stack-missing", absent, sight, "longshore", "sam deploy --stack-name longshore"),
    Case(
        "stack-unsettled", lambda: sight(status="UPDATE_ROLLBACK_FAILED"), sight, "longshore", "UPDATE_ROLLBACK_FAILED"
    ),
    Case(
        "stack-unsettled",
        lambda: sight(status="UPDATE_ROLLBACK_COMPLETE"),
        lambda: sight(status="UPDATE_IN_PROGRESS"),
        "longshore",
        "before",
    ),
    Case(
        "mode",
        lambda: sight(parameters={"RedeployMode": "observe"}),
        lambda: sight(parameters={"RedeployMode": "auto"}),
        "RedeployMode",
        "RedeployMode=auto",
    ),
    Case("dead-letters", lambda: queue(3), lambda: queue(0), "RedeployDeadLetters", "start-message-move-task"),
    Case(
        "dead-letters",
        lambda: queue(1, "WatchUndelivered"),
        lambda: queue(9, "WatchQueue"),
        "WatchUndelivered",
        "purge-queue",
    ),
    Case(
        "alarm-firing",
        lambda: alarm("ALARM"),
        lambda: alarm("INSUFFICIENT_DATA"),
        "ChannelFailedAlarm",
        "operations.md#alarms",
    ),
    Case(
        "unheard", lambda: topic("PendingConfirmation"), lambda: topic("arn:aws:sns:s"), "AlarmTopicArn", "AlertEmail"
    ),
    Case(
        "unconfirmed",
        lambda: topic("PendingConfirmation"),
        lambda: topic("arn:aws:sns:s"),
        "AlarmTopicArn",
        "ann@example.com",
    ),
    Case(
        "rule-off",
        lambda: rule({"State": "DISABLED"}),
        lambda: rule({"State": "ENABLED"}),
        "ImageMoved",
        "aws events enable-rule",
    ),
    Case(
        "rule-off",
        lambda: rule(denied("DescribeRule", "ResourceNotFoundException")),
        lambda: rule({"State": "ENABLED"}),
        "ImageMoved",
        "deleted",
    ),
    Case(
        "configured-off",
        lambda: sight(config={"profiles": {"w": {"gates": ["scan"]}}}, parameters={"ScanMode": "off"}),
        lambda: sight(config={"profiles": {"w": {"gates": ["scan"]}}}, parameters={"ScanMode": "observe"}),
        "ScanMode",
        "all is held",
    ),
    Case(
        "configured-off",
        lambda: sight(config={"mirrors": [{"name": "m"}]}, parameters={"MirrorMode": "observe"}),
        lambda: sight(config={"mirrors": []}, parameters={"MirrorMode": "observe"}),
        "MirrorMode",
        "copy nothing",
    ),
    Case(
        "spoke-unseen",
        lambda: sight(parameters={"Spokes": ROLE}),
        lambda: sight(parameters={"Spokes": ""}),
        ROLE,
        "not looked at from here",
    ),
    Case("poller-off", lambda: function(state="Disabled"), function, "RedeployFunction", "--uuid u-1 --enabled"),
    Case("runtime-ending", lambda: function(runtime="python3.10"), function, "RedeployFunction", "2026-10-31"),
    Case(
        "schedule-orphaned",
        lambda: schedules("2026-11-23T09:00:00"),
        lambda: schedules("2026-11-23T11:30:00"),
        "defer-1",
        "delete-schedule",
    ),
    Case("paused", lambda: sight(paused="incident 4711"), sight, "pause", "incident 4711"),
    Case(
        "policy-invalid",
        lambda: sight(observation({"longshore:policy": "semver:mayor"})),
        lambda: sight(observation()),
        SERVICE,
        "semver:mayor",
    ),
    Case(
        "profile-unknown",
        lambda: sight(observation({"longshore:policy": "profile:x"}), config={}),
        lambda: sight(observation({"longshore:policy": "profile:w"}), config={}, profiles=written()),
        SERVICE,
        "longshore.yaml",
    ),
    Case(
        "tag-misspelt",
        lambda: keys("longshore:polcy"),
        lambda: keys("longshore:policy", "team"),
        SERVICE,
        "longshore:policy=auto",
    ),
    Case(
        "tag-value",
        lambda: keys("longshore:recover", value="yes"),
        lambda: keys("longshore:recover"),
        SERVICE,
        "longshore:recover=auto",
    ),
    Case(
        "tag-value",
        lambda: sight(observation({"longshore:containers": "nginx"}), answers=NO_TAGS),
        lambda: sight(observation({"longshore:containers": "app"}), answers=NO_TAGS),
        SERVICE,
        "nginx",
    ),
    Case(
        "tag-in-vain",
        lambda: keys("longshore:policy", arn=f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web"),
        lambda: keys("longshore:policy"),
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web",
        "untag-resources",
    ),
    Case(
        "tag-in-vain",
        lambda: keys("longshore:policy", arn=OLD),
        lambda: keys("longshore:policy", arn=CLUSTER),
        OLD,
        "nothing that Longshore",
    ),
    Case(
        "channel-unknown",
        lambda: sight(observation({"longshore:channel": "opps"}), config={"channels": {"ops": {}}}),
        lambda: sight(observation({"longshore:channel": "ops"}), config={"channels": {"ops": {}}}),
        SERVICE,
        "ops",
    ),
    Case(
        "pass-role-not-granted",
        lambda: sight(observation({"longshore:policy": "semver:minor"}, roles=(ROLE,))),
        lambda: sight(
            observation({"longshore:policy": "semver:minor"}, roles=(ROLE,)), passable=("arn:aws:iam::*:role/w*",)
        ),
        SERVICE,
        f"PassableRoleArns={ROLE}",
    ),
    Case(
        "pass-role-not-granted",
        lambda: sight(observation({"longshore:policy": "profile:w"}, roles=(ROLE,)), profiles=written()),
        lambda: sight(observation(roles=(ROLE,))),
        SERVICE,
        ROLE,
    ),
    Case(
        "pass-role-not-granted",
        lambda: sight(observation({"longshore:policy": "digest:live"}, roles=(ROLE,))),
        lambda: sight(observation({"longshore:policy": "digest:prod"}, roles=(ROLE,))),
        SERVICE,
        ROLE,
    ),
    Case(
        "way-back-not-granted",
        lambda: sight(observation(roles=(ROLE,))),
        lambda: sight(observation({"longshore:policy": "pin"}, roles=(ROLE,))),
        SERVICE,
        ROLE,
    ),
    Case(
        "repository-policy",
        lambda: pulls(None),
        lambda: pulls(LETS_LAMBDA),
        f"{ACCOUNT}/{REGION}/web",
        "set-repository-policy",
    ),
    Case(
        "repository-policy",
        lambda: pulls({"Statement": [{**LETS_LAMBDA["Statement"], "Action": "ecr:BatchGetImage"}]}),
        lambda: pulls({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}),
        f"{ACCOUNT}/{REGION}/web",
        "resize",
    ),
    Case(
        "cross-account",
        lambda: sight(observation(images={"app": "210987654321.dkr.ecr.eu-west-1.amazonaws.com/web:1"})),
        lambda: sight(observation()),
        SERVICE,
        "210987654321",
    ),
    Case(
        "cluster-private",
        lambda: cluster(private=True),
        lambda: cluster(private=True, subnets="subnet-1"),
        CLUSTER,
        "SubnetIds",
    ),
    Case("access-entry-missing", lambda: cluster(entries=()), cluster, CLUSTER, f"--principal-arn {ROLE}"),
    Case(
        "secret-not-granted",
        channels,
        lambda: channels(allowed=CHANNEL_SECRET),
        CHANNEL_SECRET,
        f"ChannelSecretArns={CHANNEL_SECRET}",
    ),
    Case(
        "secret-not-granted",
        lambda: sight(config={"mirrors": {"m": {"from": {"repository": "r", "secret": PARAMETER}}}}),
        lambda: sight(
            config={"mirrors": {"m": {"from": {"secret": PARAMETER}}}}, parameters={"MirrorSecretArns": PARAMETER}
        ),
        PARAMETER,
        "MirrorSecretArns",
    ),
    Case(
        "secret-missing",
        lambda: secret(denied("DescribeSecret", "ResourceNotFoundException")),
        lambda: secret({"Name": "slack"}),
        CHANNEL_SECRET,
        "does not exist",
    ),
    Case("secret-missing", lambda: secret({"DeletedDate": NOW}), lambda: secret({}), CHANNEL_SECRET, "does not exist"),
    Case(
        "secret-missing",
        lambda: channels(PARAMETER, answers={"ssm.describe_parameters": {"Parameters": []}}),
        lambda: channels(PARAMETER, answers={"ssm.describe_parameters": {"Parameters": [{}]}}),
        PARAMETER,
        "does not exist",
    ),
    Case(
        "held",
        lambda: evaluated(Reason.CURRENT_NOT_COMPARABLE),
        lambda: evaluated(Reason.SAME_DIGEST),
        SERVICE,
        "longshore explain",
    ),
    Case(
        "held",
        lambda: evaluated(Reason.CONTROLLER_EXTERNAL),
        lambda: evaluated(Reason.PASS_ROLE_NOT_GRANTED),
        SERVICE,
        "external",
    ),
    Case(
        "follows-nothing",
        lambda: sight(observation(images={"app": "nginx:1"})),
        lambda: sight(observation()),
        SERVICE,
        "nginx:1",
    ),
    Case(
        "hold-standing",
        lambda: with_record(hold=Hold("incident", "ann", ago(days=8))),
        lambda: with_record(hold=Hold("incident", "ann", ago(days=6))),
        SERVICE,
        "delete-item",
    ),
    Case(
        "hold-standing",
        lambda: with_record(hold=Hold("incident", "ann", ago(days=8))),
        lambda: with_record(hold=Hold("x", "ann", ago(days=8), ago(days=1))),
        SERVICE,
        "ann",
    ),
    Case(
        "quarantine-standing",
        lambda: with_record(quarantined={DIGEST: ago(days=31)}),
        lambda: with_record(quarantined={DIGEST: ago(days=29)}),
        SERVICE,
        f"QUARANTINE#{DIGEST}",
    ),
    Case("no-baseline", with_record, lambda: with_record(goods=(STEADY,)), SERVICE, "no way back"),
    Case(
        "deployment-overdue",
        lambda: with_record(deployment=deployment(minutes=16)),
        lambda: with_record(deployment=deployment(minutes=14)),
        SERVICE,
        "should have ended",
    ),
    Case(
        "deployment-overdue",
        lambda: with_record(pending={(REPOSITORY, "prod"): ago(hours=3)}),
        lambda: with_record(pending={(REPOSITORY, "prod"): ago(hours=1)}),
        SERVICE,
        "'prod'",
    ),
    Case("deployment-stuck", rollout, lambda: rollout(createdAt=ago(minutes=50)), SERVICE, "describe-services"),
    Case("deployment-stuck", rollout, lambda: rollout(rolloutState="COMPLETED"), SERVICE, "in progress"),
    Case(
        "breaker-off",
        lambda: sight(observation(), services=[service(deploymentConfiguration={})]),
        lambda: sight(observation(), services=[service()]),
        SERVICE,
        "deploymentCircuitBreaker={enable=true,rollback=true}",
    ),
    Case(
        "breaker-off",
        lambda: sight(
            observation(), services=[service(deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True}})]
        ),
        lambda: sight(services=[service(deploymentConfiguration={})]),
        SERVICE,
        "without rollback",
    ),
    Case(
        "unpinned",
        lambda: running(IMAGE),
        lambda: running(f"{IMAGE}@{DIGEST}", "nginx:1"),
        SERVICE,
        "longshore:policy=digest",
    ),
    Case("drift", lambda: with_record(drifts=(DRIFT,)), with_record, SERVICE, "web:2"),
    Case("image-gone", lambda: registry(None), lambda: registry("COMPLETE"), f"{REPOSITORY}@{DIGEST}", SERVICE),
    Case(
        "repository-unscanned",
        lambda: registry("COMPLETE", "MANUAL"),
        lambda: registry("COMPLETE"),
        "arn:web",
        "put-image-scanning-configuration",
    ),
    Case(
        "image-unscanned",
        lambda: registry("UNSUPPORTED_IMAGE"),
        lambda: registry("COMPLETE"),
        f"{REPOSITORY}@{DIGEST}",
        "cannot read it",
    ),
    Case("lifecycle-expires", lambda: lifecycle(21), lambda: lifecycle(30), f"{REPOSITORY}@{DIGEST}", "rule 4"),
    Case(
        "app-mesh",
        lambda: running("app:1", proxyConfiguration={"containerName": "envoy"}),
        lambda: running("app:1"),
        SERVICE,
        "Service Connect",
    ),
    Case(
        "app-mesh",
        lambda: running("app:1", "840364872350.dkr.ecr.eu-west-1.amazonaws.com/aws-appmesh-envoy:v1"),
        lambda: running("envoyproxy/envoy:v1"),
        SERVICE,
        "c1",
    ),
    Case(
        "scanner-retired", lambda: clair("CLAIR"), lambda: clair("AWS_NATIVE"), "BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE"
    ),
    Case("app-runner", lambda: runner("arn:aws:apprunner:1"), runner, "arn:aws:apprunner:1", "Express Mode"),
    Case("copilot", lambda: owned(**{"copilot-application": "shop"}), lambda: owned(team="a"), SERVICE, "shop"),
    Case(
        "proton",
        lambda: owned(**{"aws:proton:service": "arn:aws:proton:eu-west-1:1:service/web"}),
        lambda: owned(team="a"),
        SERVICE,
        "2026-10-07",
    ),
    Case(
        "code-deploy",
        lambda: sight(services=[service(deploymentController={"type": "CODE_DEPLOY"})]),
        lambda: sight(services=[service()]),
        SERVICE,
        "BLUE_GREEN",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_check_finds_what_is_wrong(case: Case) -> None:
    report = examine(case.ill(), [BY_CODE[case.code]])
    assert not report.skipped
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.resource) == (case.code, BY_CODE[case.code].severity, case.at)
    assert case.says in f"{finding.message}\n{finding.fix}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_and_nothing_where_nothing_is(case: Case) -> None:
    report = examine(case.well(), [BY_CODE[case.code]])
    assert (report.findings, report.skipped, report.checked) == ([], [], [case.code])


def test_every_check_has_a_case() -> None:
    assert {case.code for case in CASES} == set(BY_CODE)
    assert len(BY_CODE) == len(CHECKS)


def test_app_runner_is_not_missed_where_it_is_not() -> None:
    made = sight(answers={"apprunner.list_services": EndpointConnectionError(endpoint_url="https://x")})
    report = examine(made, [BY_CODE["app-runner"]])
    assert report.skipped == [("app-runner", "App Runner is not in this Region")]
    assert report.is_well


def test_a_cluster_without_access_entries_is_told_as_unseen() -> None:
    refusal = denied("ListAccessEntries", "InvalidRequestException")
    made = sight(answers={"eks.list_access_entries": refusal}, tagged={CLUSTER: ""}, outputs={"RedeployRoleArn": ROLE})
    ((code, why),) = examine(made, [BY_CODE["access-entry-missing"]]).skipped
    assert code == "access-entry-missing"
    assert "aws-auth" in why


def test_code_deploy_services_need_no_breaker() -> None:
    other = service(deploymentConfiguration={}, deploymentController={"type": Controller.CODE_DEPLOY.value})
    assert not examine(sight(observation(), services=[other]), [BY_CODE["breaker-off"]]).findings


def test_without_longshore_yaml_what_it_says_is_not_looked_at() -> None:
    made = sight(observation({"longshore:policy": "profile:x"}))
    vars(made)["_once_configuration"] = None, NothingToLookAtError("no longshore.yaml is here")
    report = examine(made, [BY_CODE["profile-unknown"], BY_CODE["policy-invalid"]])
    assert (report.findings, report.skipped) == ([], [("profile-unknown", "no longshore.yaml is here")])


def told(code: str, made: Sight) -> list[Finding]:
    return examine(made, [check for check in CHECKS if check.code == code]).findings


def test_a_misspelt_tag_beside_the_right_one_is_only_taken_away() -> None:
    made = keys("longshore:polcy", "longshore:policy", value="digest")
    (finding,) = told("tag-misspelt", made)
    assert "as well" in finding.message
    assert "untag-resources" in finding.fix
    assert " tag-resources" not in finding.fix


def test_containers_that_are_named_wrongly_are_told_once() -> None:
    made = sight(observation({"longshore:containers": "nginx"}))
    assert told("follows-nothing", made) == []


def test_an_external_controller_is_not_said_to_have_no_image_in_ecr() -> None:
    assert told("follows-nothing", sight(observation(images={}, controller=Controller.EXTERNAL))) == []


def test_services_past_the_most_are_told_and_the_first_are_looked_at() -> None:
    names = [f"{SERVICE}{place}" for place in range(MOST_SERVICES + 1)]
    made = sight(
        answers={
            "ecs.list_clusters": {"clusterArns": ["shop"]},
            "ecs.list_services": {"serviceArns": names},
            "ecs.describe_services": lambda params: {"services": [service(serviceArn=a) for a in params["services"]]},
        }
    )
    del vars(made)["_once__listed"]
    assert len(made.services) == MOST_SERVICES
    report = examine(made, [check for check in CHECKS if check.code == "deployment-stuck"])
    assert report.skipped == [("deployment-stuck", "only the first 2000 ECS services were looked at")]
