"""Every ECS service of an account and Region, opted in or not, up to a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from longshore.aws.errors import aws_errors
from longshore_cli.checks.findings import batches


def active_services(ecs: Any, most: int) -> tuple[Sequence[Mapping[str, Any]], bool]:
    """The services as DescribeServices answers them with their tags, and whether there are more than `most`."""
    found: list[Mapping[str, Any]] = []
    with aws_errors():
        for cluster, ten in _named(ecs):
            if len(found) + len(ten) > most:
                return found, True
            answer = ecs.describe_services(cluster=cluster, services=list(ten), include=["TAGS"])
            found += [each for each in answer["services"] if each.get("status") == "ACTIVE"]
    return found, False


def _named(ecs: Any) -> Iterator[tuple[str, Sequence[str]]]:
    """The services of each cluster, ten at a time."""
    for page in ecs.get_paginator("list_clusters").paginate():
        for cluster in page["clusterArns"]:
            pages = ecs.get_paginator("list_services").paginate(cluster=cluster, PaginationConfig={"PageSize": 100})
            yield from ((cluster, ten) for some in pages for ten in batches(some["serviceArns"], 10))
