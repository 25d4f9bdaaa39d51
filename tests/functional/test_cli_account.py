"""`longshore plan` and `longshore explain` on an account: what they say, and that they change nothing."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from click.testing import CliRunner

from longshore_cli.main import main
from longshore_local.bundle import CHANNELS, Bundle, Sources
from longshore_local.demo.applications import Applications
from longshore_local.demo.functions import Functions
from longshore_local.demo.stacks import Stack
from longshore_local.demo.stage import Stage
from longshore_local.demo.story import Narrator
from longshore_local.images import multi_platform, single
from longshore_local.registry_memory import MemoryStore

ROLE = "arn:aws:iam::123456789012:role/web"
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with Bundle.start(sources=Sources(config=CHANNELS)) as bundle, closing(MemoryStore()) as upstream:
        registry = bundle.ecr.serve(bundle.account, bundle.region)
        yield Stage(bundle, Narrator(bundle), registry, upstream)


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.bundle.clear()
    shared.narrator.begin(lambda line: None)
    return shared


def answer(*arguments: str) -> Any:
    result = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def everything(stage: Stage) -> tuple[Any, ...]:
    """What a write would change: the ledger, the service, its deployments, and the calls of functions."""
    table = stage.bundle.stack.outputs["LedgerName"]
    items = stage.bundle.client("dynamodb").scan(TableName=table)["Items"]
    described = stage.bundle.client("ecs").describe_services(cluster="shop", services=["web"])["services"]
    return sorted(map(str, items)), str(described), stage.deployments(), len(stage.bundle.invocations)


def serve_version(stage: Stage, policy: str = "semver:minor") -> str:
    image = stage.repository("shop/web")
    stage.stock("shop/web", "1.4.2", single("1.4.2"))
    stage.service({"web": f"{image}:1.4.2"}, policy)
    return image


def test_plan_says_what_a_push_would_do_and_does_nothing(stage: Stage) -> None:
    image = serve_version(stage)
    before = everything(stage)
    document = answer("plan", f"{image}:1.5.0")
    assert document == {
        "image": f"{image}:1.5.0",
        "digest": None,
        "decisions": [
            {
                "workload": ARN,
                "platform": "ecs-service",
                "verdict": "deploy",
                "reason": "newer",
                "detail": {"container": "web", "current": "1.4.2", "pushed": "1.5.0"},
            }
        ],
    }
    stage.wait(minutes=1)
    assert everything(stage) == before


@pytest.mark.parametrize(
    ("tag", "verdict", "reason"),
    [("1.4.2", "skip", "same-digest"), ("1.4.1", "skip", "downgrade"), ("1.4.3-rc.1", "skip", "prerelease")],
)
def test_plan_takes_a_repository_of_this_account_and_gives_each_reason(
    stage: Stage, tag: str, verdict: str, reason: str
) -> None:
    serve_version(stage)
    (decision,) = answer("plan", f"shop/web:{tag}")["decisions"]
    assert (decision["verdict"], decision["reason"]) == (verdict, reason)


def test_plan_agrees_with_what_the_push_then_does(stage: Stage) -> None:
    serve_version(stage)
    pushed = single("1.5.0")
    stage.stock("shop/web", "1.5.0", pushed)
    document = answer("plan", "shop/web:1.5.0")
    assert document["digest"] == pushed.digest
    assert [d["reason"] for d in document["decisions"]] == ["newer"]
    stage.until(stage.announced("Deployment Succeeded"), "the push is deployed")
    assert stage.digests() == {"web": pushed.digest}


def test_plan_and_explain_tell_of_functions_too(stage: Stage) -> None:
    image = stage.repository("shop/resize")
    stage.stock("shop/resize", "prod", single("resize 1", platform="linux/arm64"))
    Functions(stage).create("resize", f"{image}:prod", "digest", alias="live")
    stage.stock("shop/resize", "prod", multi_platform("resize 2"))
    (decision,) = answer("plan", "shop/resize:prod")["decisions"]
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:resize"
    assert (decision["workload"], decision["platform"], decision["reason"]) == (arn, "lambda-function", "moved")
    for name in ("resize", arn):
        document = answer("explain", name)
        assert (document["workload"], document["controller"], document["policy"]) == (arn, None, "digest")
        assert document["decision"]["reason"] == "moved"
    told = CliRunner().invoke(main, ["explain", "resize"])
    assert told.exit_code == 0
    assert told.stdout.startswith(f"resize  {arn}")
    assert "  state    steady\n" in told.stdout


def test_explain_tells_what_longshore_recorded_where_app_runner_cannot(stage: Stage) -> None:
    image = stage.repository("shop/web")
    first = single("1")
    stage.stock("shop/web", "prod", first)
    Applications(stage).create("shop", f"{image}:prod", "digest")
    (arn,) = stage.bundle.app_runner.services
    for name in (arn, "shop"):
        document = answer("explain", name)
        assert document["workload"] == arn
        assert (document["platform"], document["running"]) == ("app-runner-service", {"application": first.digest})
    stage.stock("shop/web", "prod", single("2"))
    (decision,) = answer("plan", "shop/web:prod")["decisions"]
    assert (decision["workload"], decision["reason"]) == (arn, "moved")


def test_a_name_of_two_workloads_asks_for_the_arn(stage: Stage) -> None:
    image = stage.repository("shop/web")
    stage.stock("shop/web", "prod", single("1", platform="linux/amd64"))
    Applications(stage).create("shop", f"{image}:prod", "digest")
    Functions(stage).create("shop", f"{image}:prod", "digest", alias="live")
    result = CliRunner().invoke(main, ["explain", "shop"])
    (service,) = stage.bundle.app_runner.services
    assert result.exit_code == 2
    assert service in result.stderr
    assert "arn:aws:lambda:eu-west-1:123456789012:function:shop" in result.stderr


def test_plan_compares_what_the_services_platform_runs(stage: Stage) -> None:
    image = stage.repository("shop/web")
    stage.stock("shop/web", "prod", multi_platform("1", attestations=False))
    stage.service({"web": f"{image}:prod"}, "digest")
    stage.stock("shop/web", "prod", multi_platform("1"))
    assert [d["reason"] for d in answer("plan", "shop/web:prod")["decisions"]] == ["same-content"]
    stage.stock("shop/web", "prod", multi_platform("2"))
    assert [d["reason"] for d in answer("plan", "shop/web:prod")["decisions"]] == ["moved"]


def test_plan_of_artifacts_and_of_digests_alone_follows_nothing(stage: Stage) -> None:
    image = serve_version(stage)
    digest = single("1.4.2").digest
    assert [d["reason"] for d in answer("plan", f"{image}:{digest.replace(':', '-')}.sig")["decisions"]] == ["artifact"]
    assert [d["reason"] for d in answer("plan", f"{image}@{digest}")["decisions"]] == ["untagged"]


def test_plan_without_followers_is_an_empty_answer(stage: Stage) -> None:
    serve_version(stage)
    assert answer("plan", "shop/other:1")["decisions"] == []
    result = CliRunner().invoke(main, ["plan", "shop/other:1"])
    assert "no workload with the tag longshore:policy follows shop/other" in result.stdout


def test_plan_knows_holds_and_quarantines_by_the_stacks_ledger(stage: Stage) -> None:
    image = stage.repository("shop/web")
    bad = single("bad")
    stage.stock("shop/web", "prod", single("good"))
    stage.service({"web": f"{image}:prod"}, "digest")
    stage.fail(bad, "exit-1")
    stage.stock("shop/web", "prod", bad)
    stage.until(stage.announced("Deployment Rolled Back"), "it is rolled back")
    stage.wait(minutes=10)
    assert [d["reason"] for d in answer("plan", "shop/web:prod")["decisions"]] == ["quarantined"]
    result = CliRunner().invoke(main, ["plan", "shop/web:prod", "--stack", "another", "--json"])
    assert [d["reason"] for d in json.loads(result.stdout)["decisions"]] == ["moved"]
    assert "No stack another can be seen" in result.stderr
    explained = answer("explain", ARN)
    assert [each["digest"] for each in explained["quarantined"]] == [bad.digest]
    assert explained["deployments"][0]["status"] == "rolled-back"
    assert explained["running"] == {"web": single("good").digest}


def test_plan_minds_the_roles_that_the_stack_may_pass(stage: Stage) -> None:
    serve_version(stage)
    ecs = stage.bundle.client("ecs")
    definition = ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    kept = ("family", "containerDefinitions", "requiresCompatibilities", "networkMode", "cpu", "memory")
    ecs.register_task_definition(**{key: definition[key] for key in kept}, taskRoleArn=ROLE)
    ecs.update_service(cluster="shop", service="web", taskDefinition="web")
    stage.wait(minutes=2)
    (decision,) = answer("plan", "shop/web:1.5.0")["decisions"]
    assert (decision["verdict"], decision["reason"]) == ("hold", "pass-role-not-granted")
    assert decision["detail"]["roles"] == [ROLE]


def test_explain_tells_all_of_a_workload_and_changes_nothing(stage: Stage) -> None:
    image = serve_version(stage)
    stage.stock("shop/web", "1.4.1", single("1.4.1"))
    stage.wait(minutes=1)
    before = everything(stage)
    document = answer("explain", "shop/web")
    assert document["workload"] == ARN
    assert document["policy"] == "semver:minor"
    assert document["declared"] == {"web": f"{image}:1.4.2"}
    assert document["running"] == {"web": single("1.4.2").digest}
    assert {c["tag"]: c["reason"] for c in document["candidates"]} == {"1.4.1": "downgrade", "1.4.2": "same-digest"}
    assert (document["gates"], document["holds"], document["windows"]) == ([], [], [])
    assert everything(stage) == before


def test_explain_in_words_names_policy_digest_and_reasons(stage: Stage) -> None:
    serve_version(stage)
    text = CliRunner().invoke(main, ["explain", "shop/web"]).stdout
    for expected in ("semver:minor", single("1.4.2").digest, "2 tasks wanted, steady", "[same-digest]"):
        assert expected in text


def test_explain_of_a_workload_that_did_not_opt_in_says_so(stage: Stage) -> None:
    serve_version(stage)
    stage.bundle.client("ecs").untag_resource(resourceArn=ARN, tagKeys=["longshore:policy"])
    assert answer("explain", "shop/web")["decision"]["reason"] == "not-opted-in"


def test_explain_of_nothing_is_exit_1(stage: Stage) -> None:
    serve_version(stage)
    result = CliRunner().invoke(main, ["explain", "shop/absent"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not exist" in result.stderr


def test_send_to_an_aws_that_is_not_the_bundle_replays(stage: Stage) -> None:
    event = {"source": "aws.ecr", "detail-type": "ECR Image Action", "detail": {"a": 1}, "resources": ["r"]}
    seen: list[dict[str, Any]] = []
    stage.bundle.bus.subscribe(lambda name, heard: seen.append(heard))
    result = CliRunner().invoke(main, ["send", "-", "--json"], input=json.dumps(event))
    assert result.exit_code == 0
    assert json.loads(result.stdout)["source"] == "longshore.replay"
    assert "AllowReplay" in result.stderr
    assert (seen[-1]["source"], seen[-1]["detail"], seen[-1]["resources"]) == ("longshore.replay", {"a": 1}, ["r"])


def test_plan_and_explain_tell_who_owns_a_workload_and_what_drifts(stage: Stage) -> None:
    image = stage.repository("shop/web")
    stage.stock("shop/web", "1.4.2", single("web 1.4.2"))
    Stack(stage).create(f"{image}:1.4.2", "semver:minor")
    try:
        stage.push("CI", "shop/web", "1.5.0", single("web 1.5.0"))
        stage.until(stage.announced("Deployment Succeeded"), "1.5.0 is deployed")
        explained = answer("explain", ARN)
        assert (explained["owner"]["kind"], explained["owner"]["stack"]) == ("cloudformation", "shop-web")
        (drift,) = explained["drift"]
        assert (drift["was"], drift["now"]) == (f"{image}:1.4.2", f"{image}:1.5.0")
        assert explained["published"] == {"/longshore/shop/web/image": f"{image}:1.5.0"}
        told = CliRunner().invoke(main, ["explain", ARN]).output
        assert "cloudformation shop-web" in told
        assert f"declared {image}:1.4.2, deployed {image}:1.5.0" in told
        (decision,) = answer("plan", "shop/web:1.6.0")["decisions"]
        assert (decision["detail"]["owner"], decision["detail"]["stack"]) == ("cloudformation", "shop-web")
    finally:
        stage.client("cloudformation").delete_stack(StackName="shop-web")
