"""Rules and schedules of moto with what it leaves out: they are found by their tags, and an update overwrites all."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from moto.core.resource_tagging import TaggedResource, make_tag_matcher, match_resource_type
from moto.events.models import EventsBackend
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend
from moto.scheduler.models import scheduler_backends
from moto.scheduler.responses import EventBridgeSchedulerResponse

from longshore_local.overriding import override

_GROUP = "scheduler:schedule-group"


@contextmanager
def installed() -> Iterator[None]:
    """While open, moto is so."""
    with ExitStack() as stack:
        tagged = EventsBackend.iter_tagged_resources
        listed = ResourceGroupsTaggingAPIBackend._get_resources_generator
        updated = EventBridgeSchedulerResponse.update_schedule

        def rules(backend: EventsBackend) -> Iterator[TaggedResource]:
            yield from tagged(backend)
            for bus in list(backend.event_buses.values()):
                for rule in list(bus.rules.values()):
                    yield TaggedResource(rule.arn, backend.tagger.get_tag_dict_for_resource(rule.arn), "events:rule")

        def resources(backend: ResourceGroupsTaggingAPIBackend, *positional: Any, **named: Any) -> Any:
            yield from listed(backend, *positional, **named)
            yield from _groups(backend.account_id, backend.region_name, *positional, **named)

        def update_schedule(response: EventBridgeSchedulerResponse) -> str:
            answer = updated(response)
            name = response.uri.split("?")[0].split("/")[-1]
            schedule = response.scheduler_backend.get_schedule(response._get_param("GroupName"), name)
            schedule.state = response._get_param("State") or "ENABLED"  # what is left out gets its default
            schedule.action_after_completion = response._get_param("ActionAfterCompletion") or "NONE"
            return answer

        stack.enter_context(override(EventsBackend, "iter_tagged_resources", rules))
        stack.enter_context(override(ResourceGroupsTaggingAPIBackend, "_get_resources_generator", resources))
        stack.enter_context(override(EventBridgeSchedulerResponse, "update_schedule", update_schedule))
        yield


def _groups(
    account: str,
    region: str,
    tag_filters: list[dict[str, Any]] | None = None,
    resource_type_filters: list[str] | None = None,
    resource_arn_list: list[str] | None = None,
) -> Iterator[TaggedResource]:
    backend = scheduler_backends[account][region]
    matches = make_tag_matcher(tag_filters)
    for group in list(backend.schedule_groups.values()):
        tags = backend.tagger.get_tag_dict_for_resource(group.arn)
        wanted = not resource_arn_list or group.arn in resource_arn_list
        if tags and wanted and matches(tags) and match_resource_type(_GROUP, resource_type_filters):
            yield TaggedResource(group.arn, tags, _GROUP)
