"""From the AWS calls about scheduled tasks to the IAM requests that AWS makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tests.template.iam import Request

if TYPE_CHECKING:
    from tests.template.requests import Place

Requests = Iterator[Request]


def _tags(service: str, member: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        yield Request(f"{service}:ListTagsForResource", params[member], place.tagged(params[member]))

    return of


def _passed(target: Mapping[str, Any], service: str) -> Request:
    return Request("iam:PassRole", target["RoleArn"], {"iam:PassedToService": service})


def _targets(params: Mapping[str, Any], place: Place) -> Requests:
    bus = params.get("EventBusName")
    arn = place.arn("events", f"rule/{f'{bus}/' if bus else ''}{params['Rule']}")
    yield Request("events:PutTargets", arn, place.tagged(arn))
    for target in params["Targets"]:
        yield _passed(target, "events.amazonaws.com")


def _updated(params: Mapping[str, Any], place: Place) -> Requests:
    yield Request(
        "scheduler:UpdateSchedule", place.arn("scheduler", f"schedule/{params['GroupName']}/{params['Name']}")
    )
    yield _passed(params["Target"], "scheduler.amazonaws.com")


SCHEDULED: Mapping[tuple[str, str], Callable[[Mapping[str, Any], Place], Requests]] = {
    ("events", "ListTagsForResource"): _tags("events", "ResourceARN"),
    ("events", "PutTargets"): _targets,
    ("scheduler", "ListTagsForResource"): _tags("scheduler", "ResourceArn"),
    ("scheduler", "UpdateSchedule"): _updated,
}
