"""Events: what is read of AWS's and Longshore's own, and that nothing else than a BadEventError comes of any input."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longshore.envelopes import DEFERRAL
from longshore.errors import BadEventError
from longshore.events import (
    Cause,
    DeploymentChanged,
    Event,
    ImageMoved,
    Irrelevant,
    RedeployRequested,
    SweepDue,
    WatchDue,
    WorkloadTagged,
)
from longshore.images import Repository
from tests.conftest import EVENTS, LoadEvent

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"
DIGEST = "sha256:" + "a" * 64
READ = {
    "ECR Image Action",
    "ECR Replication Action",
    "ECR Pull Through Cache Action",
    "Tag Change on Resource",
    "ECS Deployment State Change",
    "CloudFormation Stack Status Change",
    "Redeploy Requested",
    "Gate Opened",
    "Gate Closed",
    "Image Mirrored",
    "AppRunner Service Operation Status Change",
    "CodeDeploy Deployment State-change Notification",
    "ECS Daemon Deployment State Change",
}


def samples() -> list[Path]:
    return sorted(EVENTS.glob("*/*.json"))


def envelope(kind: str = "ECR Image Action", detail: Any = None, **members: Any) -> dict[str, Any]:
    pushed = {"result": "SUCCESS", "action-type": "PUSH", "repository-name": "team/web", "image-digest": DIGEST}
    return {
        "version": "0",
        "id": "event-1",
        "detail-type": kind,
        "source": "aws.ecr",
        "account": "123456789012",
        "region": "eu-west-1",
        "time": "2026-11-23T09:00:00Z",
        "resources": [],
        "detail": {**pushed, "image-tag": "prod"} if detail is None else detail,
        **members,
    }


def test_there_are_samples() -> None:
    assert len(samples()) > 50


@pytest.mark.parametrize("path", samples(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_sample_is_read_or_refused_by_its_kind(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    refusal = None if body.get("detail-type") in READ else "detail-type"
    if refusal is None and "EXAMPLE" in body["detail"].get("image-digest", ""):
        refusal = "detail.image-digest"  # AWS documents this one with a placeholder
    if "detail-type" not in body:
        refusal = "id"  # a lifecycle hook's input is no event
    if refusal is None:
        event = Event.parse(body)
        assert (event.id, event.account, event.region) == (body["id"], body["account"], body["region"])
        assert event.time.tzinfo is UTC
        return
    with pytest.raises(BadEventError) as refused:
        Event.parse(body)
    assert refused.value.field == refusal


@pytest.mark.parametrize(
    ("name", "cause", "tagged"),
    [
        ("ecr/image-push", Cause.PUSH, True),
        ("ecr/image-push-index", Cause.PUSH, True),
        ("ecr/image-restore", Cause.RESTORE, None),
        ("ecr/replication-complete", Cause.REPLICATION, True),
        ("ecr/pull-through-cache-success", Cause.PULL_THROUGH_CACHE, None),
    ],
)
def test_an_image_that_became_available_is_one_fact(
    load_event: LoadEvent, name: str, cause: Cause, tagged: bool | None
) -> None:
    body = load_event(name)
    if "EXAMPLE" in body["detail"].get("image-digest", ""):
        body["detail"]["image-digest"] = DIGEST
    fact = Event.parse(body).fact
    assert isinstance(fact, ImageMoved)
    assert fact.cause is cause
    assert fact.repository == Repository(body["account"], body["region"], body["detail"]["repository-name"])
    assert fact.tag == body["detail"].get("image-tag")
    assert fact.digest == body["detail"].get("image-digest")
    assert fact.media_type == body["detail"].get("manifest-media-type")
    if tagged:
        assert fact.tag


@pytest.mark.parametrize("name", ["ecr/image-delete", "ecr/image-archive"])
def test_what_makes_no_image_available_is_irrelevant(load_event: LoadEvent, name: str) -> None:
    assert isinstance(Event.parse(load_event(name)).fact, Irrelevant)


@pytest.mark.parametrize("name", ["ecr/image-push", "ecr/replication-complete"])
def test_what_failed_is_irrelevant(load_event: LoadEvent, name: str) -> None:
    body = load_event(name)
    body["detail"]["result"] = "FAILURE"
    assert isinstance(Event.parse(body).fact, Irrelevant)


def test_a_cache_that_was_not_refreshed_is_irrelevant(load_event: LoadEvent) -> None:
    body = load_event("ecr/pull-through-cache-success")
    body["detail"]["sync-status"] = "FAILURE"
    assert isinstance(Event.parse(body).fact, Irrelevant)


def test_facts_of_workloads(load_event: LoadEvent) -> None:
    completed = load_event("ecs/deployment-completed")
    completed["resources"] = [ARN]
    tagged = load_event("tag/tag-change-on-service")
    assert Event.parse(completed).fact == DeploymentChanged(ARN, "SERVICE_DEPLOYMENT_COMPLETED")
    assert Event.parse(tagged).fact == WorkloadTagged(tagged["resources"][0])
    tagged["detail"]["resource-type"] = "cluster"
    assert isinstance(Event.parse(tagged).fact, Irrelevant)


def test_a_functions_tags_and_the_tag_that_longshore_writes_itself(load_event: LoadEvent) -> None:
    tagged = load_event("tag/tag-change-on-function")
    assert Event.parse(tagged).fact == WorkloadTagged("arn:aws:lambda:eu-west-1:123456789012:function:resize")
    tagged["detail"]["changed-tag-keys"] = ["longshore:tag"]
    assert isinstance(Event.parse(tagged).fact, Irrelevant)


@pytest.mark.parametrize("arn", [ARN, "arn:aws:lambda:eu-west-1:123456789012:function:resize:7", "resize"])
def test_a_tag_change_must_name_a_workload_of_its_service(load_event: LoadEvent, arn: str) -> None:
    tagged = load_event("tag/tag-change-on-function")
    tagged["resources"] = [arn]
    with pytest.raises(BadEventError) as caught:
        Event.parse(tagged)
    assert caught.value.field == "resources[0]"


def test_a_service_arn_without_its_cluster_is_left_to_the_sweep() -> None:
    old = "arn:aws:ecs:eu-west-1:123456789012:service/web"
    body = envelope("ECS Deployment State Change", {"eventName": "SERVICE_DEPLOYMENT_COMPLETED"}, resources=[old])
    assert isinstance(Event.parse(body).fact, Irrelevant)


def test_longshores_own_messages() -> None:
    requested = {"workload": ARN, "reason": "heal", "correlation": "event-0"}
    event = Event.parse(envelope("Redeploy Requested", requested))
    assert event.fact == RedeployRequested(ARN, "heal", "event-0")
    assert event.correlation == "event-0"
    assert Event.parse(envelope("Watch Due", {"workload": ARN})).fact == WatchDue(ARN)
    assert Event.parse(envelope("Sweep Due", {})).fact == SweepDue()
    assert Event.parse(envelope("Sweep Due", {"workloads": [ARN]})).fact == SweepDue((ARN,))
    web = Repository("123456789012", "eu-west-1", "team/web")
    assert Event.parse(envelope("Sweep Due", {"repository-name": "team/web"})).fact == SweepDue(repository=web)


def test_what_was_mirrored_to_ecr_public_is_a_move_there_in_the_same_story(load_event: LoadEvent) -> None:
    body = load_event("longshore/image-mirrored")
    assert isinstance(Event.parse(body).fact, Irrelevant), "private ECR tells of it itself"
    body["detail"]["downstream"] = "public.ecr.aws/a1b2c3d4/team/nginx"
    event = Event.parse(body)
    assert isinstance(event.fact, ImageMoved)
    assert event.fact.repository == Repository.public("a1b2c3d4/team/nginx")
    assert (event.fact.tag, event.fact.digest) == (body["detail"]["tag"], body["detail"]["digest"])
    assert event.fact.cause is Cause.MIRROR
    assert event.correlation == body["detail"]["correlation"]
    swept = event.message("Sweep Due", {"public-repository": "a1b2c3d4/team/nginx"}, event.time)
    assert Event.parse(swept).fact == SweepDue(repository=Repository.public("a1b2c3d4/team/nginx"))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("downstream", "public.ecr.aws/nginx"),
        ("downstream", "public.ecr.aws/A1/../nginx"),
        ("downstream", None),
        ("tag", "a b"),
        ("tag", None),
        ("digest", "sha256:1"),
        ("correlation", 7),
    ],
)
def test_a_mirrored_image_that_names_nothing_is_refused_with_its_field(
    load_event: LoadEvent, member: str, value: object
) -> None:
    body = load_event("longshore/image-mirrored")
    body["detail"] |= {"downstream": "public.ecr.aws/a1b2c3d4/nginx", member: value}
    with pytest.raises(BadEventError) as refused:
        Event.parse(body)
    assert refused.value.field == f"detail.{member}"


def test_what_waited_for_another_deployment_is_a_story_of_its_own() -> None:
    requested = {"workload": ARN, "reason": "pending", "correlation": "event-0"}
    assert Event.parse(envelope("Redeploy Requested", requested)).correlation == "event-1"


HOSTILE = [
    "../../etc/passwd",
    "team/../web",
    "/team/web",
    "team//web",
    "Team/Web",
    "team/web\n",
    "team/web\x00",
    "team/\ud800",
    "team/\u202eweb",
    "t",
    "x" * 257,
    "arn:aws:ecr:eu-west-1:123456789012:repository/team/web",
    "team/web:prod",
    "\uff54\uff45\uff41\uff4d/web",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_repository_name_is_refused(name: str) -> None:
    body = envelope()
    body["detail"]["repository-name"] = name
    with pytest.raises(BadEventError) as refused:
        Event.parse(body)
    assert refused.value.field == "detail.repository-name"
    str(refused.value).encode()


@pytest.mark.parametrize(
    "tag", ["", " ", "-prod", ".prod", "a/b", "prod\n", "x" * 129, "\u0661", "prod\ud800", 5, ["a"]]
)
def test_a_hostile_tag_is_refused(tag: object) -> None:
    body = envelope()
    body["detail"]["image-tag"] = tag
    with pytest.raises(BadEventError) as refused:
        Event.parse(body)
    assert refused.value.field == "detail.image-tag"


@pytest.mark.parametrize("digest", ["sha256:" + "A" * 64, "sha256:" + "a" * 63, "sha512:" + "a" * 64, "\u0661" * 71, 7])
def test_a_hostile_digest_is_refused(digest: object) -> None:
    body = envelope()
    body["detail"]["image-digest"] = digest
    with pytest.raises(BadEventError) as refused:
        Event.parse(body)
    assert refused.value.field == "detail.image-digest"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("account", "\u0661" * 12),
        ("account", "12345678901"),
        ("account", 123456789012),
        ("region", "eu-west-\u0661"),
        ("region", "eu_west_1"),
        ("region", "../eu-west-1"),
        ("time", "yesterday"),
        ("time", ""),
        ("time", 0),
        ("time", "0001-01-01T00:00:00+14:00"),
        ("id", ""),
        ("id", "x" * 257),
        ("id", "a\nb"),
        ("id", "\ud800"),
        ("detail-type", "Unknown"),
        ("detail", []),
        ("detail", None),
        ("detail", "text"),
        ("resources", "text"),
        ("resources", [1]),
    ],
)
def test_a_bad_member_is_named(member: str, value: Any) -> None:
    with pytest.raises(BadEventError) as refused:
        Event.parse({**envelope(), member: value})
    assert refused.value.field == member
    str(refused.value).encode()


@pytest.mark.parametrize("member", ["id", "account", "region", "time", "detail-type", "detail"])
def test_a_missing_member_is_named(member: str) -> None:
    body = envelope()
    del body[member]
    with pytest.raises(BadEventError) as refused:
        Event.parse(body)
    assert refused.value.field == member


LOOKALIKES = [
    "arn:aws:ecs:eu-west-1:123456789012:service/shop/web/extra",
    "arn:aws:ecs:eu-west-1:123456789012:task/shop/web",
    "arn:aws:ecs:eu-west-1:\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661:service/shop/web",
    "arn:evil:ecs:eu-west-1:123456789012:service/shop/web",
    ARN + "\n",
    " " + ARN,
    ARN + "/../other",
    "arn:aws:ecs:eu-west-1:123456789012:service/shop/",
    "",
]


@pytest.mark.parametrize("arn", LOOKALIKES)
def test_what_only_looks_like_a_workload_is_refused(arn: str) -> None:
    for kind in ("Watch Due", "Redeploy Requested"):
        with pytest.raises(BadEventError) as refused:
            Event.parse(envelope(kind, {"workload": arn, "reason": "heal"}))
        assert refused.value.field == "detail.workload"
    with pytest.raises(BadEventError) as refused:
        Event.parse(envelope("Sweep Due", {"workloads": [ARN, arn]}))
    assert refused.value.field == "detail.workloads"
    with pytest.raises(BadEventError) as refused:
        Event.parse(envelope("ECS Deployment State Change", {"eventName": "X"}, resources=[arn]))
    assert refused.value.field == "resources[0]"


def test_a_deployment_of_nothing_is_refused() -> None:
    with pytest.raises(BadEventError) as refused:
        Event.parse(envelope("ECS Deployment State Change", {"eventName": "X"}))
    assert refused.value.field == "resources"


# -- waiting --------------------------------------------------------------------------------------------------------


def deferral(**members: Any) -> dict[str, Any]:
    times = {"not_before": NOW.isoformat(), "first": NOW.isoformat()}
    return {**times, "deferrals": 1, "reason": "settling", **members}


def test_a_deferred_event_is_the_same_event_later() -> None:
    event = Event.parse(envelope())
    once = Event.parse(json.loads(json.dumps(event.deferred(NOW + timedelta(seconds=5), "settling", NOW))))
    assert (once.fact, once.correlation, once.time) == (event.fact, event.correlation, event.time)
    assert once.deferral is not None
    assert (once.deferral.not_before, once.deferral.deferrals) == (NOW + timedelta(seconds=5), 1)
    later = NOW + timedelta(seconds=5)
    twice = Event.parse(dict(once.deferred(later + timedelta(seconds=5), "settling", later)))
    assert twice.deferral is not None
    assert (twice.deferral.deferrals, twice.deferral.first) == (2, NOW)


def test_waiting_for_another_reason_begins_anew() -> None:
    once = Event.parse(dict(Event.parse(envelope()).deferred(NOW, "settling", NOW)))
    later = NOW + timedelta(seconds=5)
    other = Event.parse(dict(once.deferred(later, "incomplete-index", later))).deferral
    assert other is not None
    assert (other.deferrals, other.first) == (1, later)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("deferrals", -1),
        ("deferrals", True),
        ("deferrals", "1"),
        ("deferrals", 1.0),
        ("deferrals", 10**4000),
        ("not_before", "soon"),
        ("first", None),
        ("reason", ""),
        ("reason", "a\x00"),
    ],
)
def test_a_bad_deferral_is_named(member: str, value: object) -> None:
    with pytest.raises(BadEventError) as refused:
        Event.parse({**envelope(), DEFERRAL: deferral(**{member: value})})
    assert refused.value.field == f"{DEFERRAL}.{member}"


def test_a_message_to_longshore_itself_is_an_event_with_the_same_correlation() -> None:
    event = Event.parse(envelope())
    sent = Event.parse(json.loads(json.dumps(event.message("Watch Due", {"workload": ARN}, NOW))))
    assert sent.fact == WatchDue(ARN)
    assert sent.correlation == event.correlation


# -- any input ------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([*HOSTILE, *LOOKALIKES, ARN, "x" * 10_000, "SUCCESS", "9999-12-31T23:59:59.999999-14:00"])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
KINDS = sorted(READ | {"Sweep Due", "Watch Due"})
MEMBERS = sorted(
    {
        "result",
        "action-type",
        "repository-name",
        "image-tag",
        "image-digest",
        "manifest-media-type",
        "artifact-media-type",
        "target-storage-class",
        "sync-status",
        "service",
        "resource-type",
        "eventName",
        "workload",
        "workloads",
        "reason",
        "correlation",
    }
)


def survives(body: object) -> None:
    try:
        event = Event.parse(body)
    except BadEventError as error:
        assert error.field
        str(error).encode()
        return
    event.correlation.encode()
    json.dumps(event.deferred(NOW, "settling", NOW))
    json.dumps(event.message("Watch Due", {}, NOW))


@given(JSON)
@example({})
@example([])
@example(None)
def test_any_json_is_an_event_or_a_bad_event(body: object) -> None:
    survives(body)


@given(
    kind=st.sampled_from(KINDS) | SCALARS,
    detail=st.dictionaries(st.sampled_from(MEMBERS), JSON) | JSON,
    members=st.dictionaries(st.sampled_from([*envelope(), DEFERRAL]), JSON, max_size=3),
)
def test_any_member_of_any_type_is_an_event_or_a_bad_event(kind: Any, detail: Any, members: dict[str, Any]) -> None:
    survives({**envelope(kind, detail), **members})


@given(data=st.data())
def test_any_damage_to_a_sample_is_an_event_or_a_bad_event(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(samples()))
    body = copy.deepcopy(json.loads(path.read_text(encoding="utf-8")))
    inside = data.draw(st.sampled_from([body, body.get("detail") or body]))
    key = data.draw(st.sampled_from(sorted(inside)))
    if data.draw(st.booleans()):
        del inside[key]
    else:
        inside[key] = data.draw(JSON)
    survives(body)


@pytest.mark.parametrize("name", ["DeploymentFailed", "UpdateServiceCompletedSuccessfully"])
def test_an_operation_of_app_runner_names_its_service(load_event: LoadEvent, name: str) -> None:
    body = load_event("apprunner/operation-deployment-failed")
    body["detail"]["operationStatus"] = name
    body["account"] = "999999999999"  # in AWS's own sample it is not the account of the ARN
    assert Event.parse(body).fact == DeploymentChanged(body["resources"][0], name)


def test_an_operation_of_something_else_is_refused(load_event: LoadEvent) -> None:
    body = load_event("apprunner/operation-deployment-failed")
    body["resources"] = ["arn:aws:ecs:eu-west-1:123456789012:service/shop/web"]
    with pytest.raises(BadEventError, match="app-runner-service"):
        Event.parse(body)


def test_a_tag_of_an_app_runner_service_changed(load_event: LoadEvent) -> None:
    body = load_event("tag/tag-change-on-app-runner-service")
    assert Event.parse(body).fact == WorkloadTagged(body["resources"][0])
