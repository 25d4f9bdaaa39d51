"""Functions of container images: a push is followed, prepared, moved to by the alias, and taken back (design 6.1)."""

from __future__ import annotations

import pytest

from longshore_local.images import multi_platform
from tests.functional.people_functions import Functions
from tests.functional.stage import Stage, uri

ROLLING = ["Deployment Started", "Deployment Succeeded"]


@pytest.fixture
def functions(stage: Stage) -> Functions:
    stage.push("prod", "one")
    return Functions(stage)


def clean(stage: Stage) -> None:
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_a_push_is_followed(stage: Stage, functions: Functions) -> None:
    arn = functions.create()
    second = stage.push("prod", "two")
    stage.run(minutes=10)
    assert (functions.running(), functions.declared()) == (second, uri("web:prod"))
    assert (stage.told(), functions.writes()) == (ROLLING, ["UpdateFunctionCode"])
    started, succeeded = stage.events()
    assert (started["workload"], started["platform"], started["action"]) == (arn, "lambda-function", "refresh")
    assert (succeeded["reason"], succeeded["workload_name"], succeeded["cluster"]) == ("verified", "resize", None)
    clean(stage)


def test_one_push_reaches_a_service_and_a_function(stage: Stage, functions: Functions) -> None:
    stage.service()
    functions.create()
    second = stage.push("prod", "two")
    stage.run(minutes=30)
    assert (functions.running(), stage.running()) == (second, second)
    assert sorted(stage.told()) == sorted(ROLLING * 2)
    clean(stage)


def test_a_new_version_is_written_and_an_older_one_is_not(stage: Stage, functions: Functions) -> None:
    stage.push("1.4.2", "one")
    functions.create(image="web:1.4.2", policy="profile:versions")
    newer = stage.push("1.5.0", "two")
    stage.run(minutes=10)
    assert (functions.running(), functions.declared()) == (newer, uri("web:1.5.0"))
    stage.forget()
    stage.push("1.4.3", "three")
    stage.run(minutes=10)
    assert (functions.running(), functions.writes()) == (newer, [])
    assert "downgrade" in stage.reasons("resize")


def test_of_an_index_the_functions_own_architecture_is_deployed_once(stage: Stage, functions: Functions) -> None:
    functions.create(Architectures=["arm64"])
    index = multi_platform("two")
    stage.push("prod", index)
    stage.run(minutes=10)
    arm = index.children[1].digest
    assert (functions.running(), functions.declared()) == (arm, uri(f"web@{arm}"))
    assert stage.told() == ROLLING
    stage.forget()
    stage.push("prod", index)
    stage.run(minutes=90)  # and a sweep
    assert (functions.writes(), stage.told()) == ([], [])
    second = multi_platform("three")
    stage.push("prod", second)  # the digest that is declared now stands for this tag
    stage.run(minutes=10)
    assert functions.running() == second.children[1].digest
    clean(stage)


def test_an_index_without_the_functions_architecture_is_held(stage: Stage, functions: Functions) -> None:
    functions.create(Architectures=["arm64"])
    stage.push("prod", multi_platform("two", ["linux/amd64"]))
    stage.run(minutes=10)
    assert (functions.writes(), stage.told()) == ([], ["Deployment Held"])
    assert stage.events()[0]["reason"] == "platform"


def test_who_did_not_opt_in_is_left_alone(stage: Stage, functions: Functions) -> None:
    functions.create(policy=None)
    stage.push("prod", "two")
    stage.run(minutes=90)
    assert functions.writes() == []
    stage.untouched()


def test_an_update_that_fails_is_taken_back(stage: Stage, functions: Functions) -> None:
    arn = functions.create()
    first = functions.running()
    bad = stage.push("prod", "two, without an entry point")
    stage.bundle.lambdas.fail(bad, "InvalidImage", "no entry point")
    stage.run(minutes=30)
    assert functions.running() == first
    assert stage.told() == ["Deployment Started", "Deployment Failed", "Deployment Started", "Deployment Succeeded"]
    failed = stage.events("Deployment Failed")[0]
    assert (failed["workload"], failed["reason"], failed["why"]) == (arn, "failed", "InvalidImage: no entry point")
    stage.forget()
    stage.push("prod", "one")
    stage.run(minutes=1)
    stage.push("prod", "two, without an entry point")
    stage.run(minutes=90)
    assert (functions.running(), functions.writes()) == (first, [])
    assert "quarantined" in stage.reasons("resize")
    clean(stage)


def test_an_image_that_lambda_refuses_is_told_once(stage: Stage, functions: Functions) -> None:
    functions.create()
    stage.faults.add("lambda", "UpdateFunctionCode", "InvalidParameterValueException", count=None)
    stage.push("prod", "two")
    stage.run(minutes=200)
    assert stage.told() == ["Deployment Failed"]
    clean(stage)


def test_throttled_and_repeated_calls_end_well(stage: Stage, functions: Functions) -> None:
    functions.create()
    for operation in ("GetFunction", "UpdateFunctionCode"):
        stage.faults.add("lambda", operation, "TooManyRequestsException")
    second = stage.push("prod", "two")
    stage.run(minutes=60)
    assert (functions.running(), stage.told()) == (second, ROLLING)
    assert stage.dead_letters() == 0


@pytest.mark.parametrize(("operation", "passes"), [("TagResource", 0), ("UpdateFunctionCode", 1), ("UpdateAlias", 0)])
def test_a_lost_answer_is_made_good(stage: Stage, functions: Functions, operation: str, passes: int) -> None:
    """Of UpdateFunctionCode the first call is a dry run."""
    functions.create()
    functions.alias()
    stage.faults.add("lambda", operation, "ServiceException", when="after", passes=passes)
    index = multi_platform("two")
    stage.push("prod", index)
    stage.run(minutes=60)
    assert (functions.running(alias="live"), stage.told()) == (index.children[0].digest, ROLLING)
    assert (functions.serves(), stage.dead_letters()) == ("2", 0)


def test_somebody_elses_update_ends_first(stage: Stage, functions: Functions) -> None:
    stage.push("other", "other")
    functions.create(policy="profile:written-digest")
    second = stage.push("prod", "two")
    functions.update("web:other")
    stage.run(minutes=15)
    assert "deployment-in-progress" in stage.reasons("resize")
    assert (functions.running(), functions.declared(), stage.told()) == (second, uri(f"web@{second}"), ROLLING)
    clean(stage)


def test_somebody_elses_update_during_ours_supersedes_it(stage: Stage, functions: Functions) -> None:
    other = stage.push("other", "other")
    functions.create()
    stage.push("prod", "two")
    stage.until_told("Deployment Started")
    stage.run(minutes=0.5)
    functions.update("web:other")
    stage.run(minutes=30)
    assert (functions.running(), stage.told()) == (other, ["Deployment Started", "Deployment Superseded"])
    clean(stage)


def test_a_human_way_back_is_a_hold(stage: Stage, functions: Functions) -> None:
    first = stage.push("old", "one")
    functions.create()
    stage.push("prod", "two")
    stage.run(minutes=10)
    stage.forget()
    functions.update("web:old")
    stage.run(minutes=120)
    assert (functions.running(), stage.told()) == (first, ["Hold Set"])
    stage.push("prod", "three")
    stage.run(minutes=10)
    assert (functions.running(), functions.writes()) == (first, [])
    assert "held" in stage.reasons("resize")
    clean(stage)


def test_the_alias_moves_once_the_version_is_ready(stage: Stage, functions: Functions) -> None:
    functions.create()
    functions.alias()
    first = functions.running(alias="live")
    second = stage.push("prod", "two")
    stage.until_told("Deployment Started")
    assert functions.running(alias="live") == first
    stage.run(minutes=10)
    assert (functions.running(alias="live"), functions.serves()) == (second, "2")
    assert (stage.told(), functions.writes()) == (ROLLING, ["UpdateFunctionCode", "UpdateAlias"])
    clean(stage)


def test_somebody_elses_way_back_of_the_alias_is_a_hold(stage: Stage, functions: Functions) -> None:
    functions.create()
    functions.alias()
    first = functions.running(alias="live")
    stage.push("prod", "two")
    assert stage.run(minutes=20, until=lambda: "UpdateAlias" in functions.writes())
    functions.client.update_alias(FunctionName="resize", Name="live", FunctionVersion="1")
    stage.run(minutes=120)
    assert functions.running(alias="live") == first
    assert stage.told()[:3] == ["Deployment Started", "Deployment Superseded", "Hold Set"]
    assert set(stage.told()[3:]) <= {"Deployment Held"}  # a sweep says once why the tag is not followed
    assert functions.writes() == ["UpdateFunctionCode", "UpdateAlias"]
    clean(stage)


def test_a_version_that_fails_never_gets_the_alias(stage: Stage, functions: Functions) -> None:
    functions.create()
    functions.alias()
    first = functions.running(alias="live")
    stage.bundle.lambdas.fail(stage.push("prod", "two"))
    stage.run(minutes=30)
    assert (functions.running(alias="live"), functions.running()) == (first, first)
    assert "Deployment Failed" in stage.told()
    assert "UpdateAlias" not in functions.writes()
    clean(stage)


def test_an_alias_that_may_not_be_moved_is_told_and_says_nothing_against_the_image(
    stage: Stage, functions: Functions
) -> None:
    functions.create()
    functions.alias()
    stage.faults.add("lambda", "UpdateAlias", "AccessDeniedException", count=None)
    stage.push("prod", "two")
    stage.run(minutes=30)
    assert stage.told() == ["Deployment Started", "Deployment Failed"]
    assert stage.events("Deployment Failed")[0]["reason"] == "refused"
    assert functions.serves() == "1"


def test_an_alias_that_is_missing_is_told(stage: Stage, functions: Functions) -> None:
    arn = functions.create()
    functions.client.tag_resource(Resource=arn, Tags={"longshore:alias": "live"})
    stage.push("prod", "two")
    stage.run(minutes=10)
    assert (stage.told(), stage.events()[-1]["reason"]) == (["Deployment Held"], "alias-missing")
    assert functions.writes() == []


def test_who_opts_in_later_is_found_by_its_tag(stage: Stage, functions: Functions) -> None:
    arn = functions.create(policy=None)
    functions.client.tag_resource(Resource=arn, Tags={"longshore:policy": "profile:steady"})
    stage.run(minutes=3)
    second = stage.push("prod", "two")
    stage.run(minutes=10)
    assert functions.running() == second
    functions.client.untag_resource(Resource=arn, TagKeys=["longshore:policy"])
    stage.push("prod", "three")
    stage.run(minutes=90)
    assert functions.running() == second
