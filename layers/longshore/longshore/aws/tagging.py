"""The Resource Groups Tagging API: who opted in by tag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.workload_ids import POLICY_TAG


def opted_in(tagging: Any, resource_type: str) -> Iterator[str]:
    """The ARNs of every resource of a type (``ecs:service``) that carries `longshore:policy`, page after page."""
    pages = tagging.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": POLICY_TAG}], ResourceTypeFilters=[resource_type]
    )
    with aws_errors():
        for page in pages:
            for found in page["ResourceTagMappingList"]:
                yield str(found["ResourceARN"])
