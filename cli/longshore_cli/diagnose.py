"""`longshore diagnose`: what befell a task, a service or an instance, from an event alone, without AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from longshore_cli.output import WrongError, json_option, note, write_json

if TYPE_CHECKING:
    from longshore.recover.diagnosis import Diagnosis

_DEFINITION = frozenset({"taskDefinitionArn", "containerDefinitions", "family"})
_SERVICE = frozenset({"serviceArn", "serviceName", "schedulingStrategy", "deploymentController", "taskDefinition"})
_FILE = click.File("r", encoding="utf-8")


@click.command(short_help="What befell a task, from its event, without AWS.")
@click.argument("event", type=_FILE)
@click.option("--task-definition", "definition_file", type=_FILE, help="What DescribeTaskDefinition answers.")
@click.option("--service", "service_file", type=_FILE, help="What DescribeServices answers.")
@click.option("--tags", "tags_file", type=_FILE, help="The task's tags: a list of {key, value}.")
@json_option
def diagnose(event: Any, definition_file: Any, service_file: Any, tags_file: Any, as_json: bool) -> None:
    """Who owns what EVENT tells of, what befell it, and what recover would do about it if it had opted in.

    EVENT is a file with one EventBridge event of ECS, AWS Health, EC2 or EKS as JSON, or - for standard input. What no
    event tells is given as files in the API's own JSON; without them less is concluded. Exit 0 whenever there is a
    diagnosis, whatever it is; an event or a file that cannot be read is exit 2.
    """
    from longshore.errors import BadEventError
    from longshore.recover.observations import diagnose_event

    body = _load(event)
    definition, definition_tags = _definition(definition_file)
    service = _service(service_file, body)
    tags = _tags(tags_file)
    try:
        found = diagnose_event(body, definition, service, tags, definition_tags)
    except BadEventError as error:
        raise WrongError(f"{_name(event)}: {error}") from error
    if as_json:
        write_json(_document(found))
    else:
        _tell(found)


def _document(found: Diagnosis) -> Mapping[str, Any]:
    return {
        "owner": found.owner.value,
        "class": found.cls,
        "name": found.name,
        "remedy": found.remedy.value,
        "reason": found.reason,
        "evidence": list(found.evidence),
    }


def _tell(found: Diagnosis) -> None:
    from longshore.recover.grounds import Ground

    click.secho(f"{found.cls} {found.name}".strip(), bold=True)
    click.echo(f"  owner     {found.owner.value}")
    meaning = next(ground.meaning for ground in Ground if ground.value == found.reason)
    click.echo(f"  remedy    {found.remedy.value}: {meaning} [{found.reason}]")
    if found.culprit:
        click.echo(f"  container {found.culprit}")
    for index, line in enumerate(found.evidence):
        click.echo(f"  {'because' if index == 0 else '':9} {line}")
    if found.hint:
        click.echo(f"  fix       {found.hint}")


def _definition(file: Any) -> tuple[Mapping[str, Any] | None, Mapping[str, str] | None]:
    """The task definition and its tags, from DescribeTaskDefinition's answer or the definition alone."""
    if file is None:
        return None, None
    answer = _mapping(file)
    definition = answer.get("taskDefinition", answer)
    if not isinstance(definition, Mapping) or not _DEFINITION & definition.keys():
        raise WrongError(f'{_name(file)}: expected {{"taskDefinition": {{...}}}}, as DescribeTaskDefinition answers')
    tags = answer.get("tags")
    return definition, None if tags is None else _pairs(tags, f"{_name(file)}: tags")


def _service(file: Any, event: object) -> Mapping[str, Any] | None:
    """The service, from DescribeServices' answer or the service alone; of several the one that the event names."""
    if file is None:
        return None
    answer = _mapping(file)
    services = answer.get("services", [answer.get("service", answer)])
    listed = services if isinstance(services, list) else [services]
    if not listed or not all(isinstance(each, Mapping) and _SERVICE & each.keys() for each in listed):
        raise WrongError(f'{_name(file)}: expected {{"services": [{{...}}]}}, as DescribeServices answers')
    named = _named_service(event)
    matching = [each for each in listed if each.get("serviceName", named) == named]
    if len(listed) > 1 and len(matching) != 1:
        names = ", ".join(str(each.get("serviceName")) for each in listed)
        raise WrongError(f"{_name(file)}: has {names}, and the event names {named or 'no service'}")
    if named and not matching:
        note(f"{_name(file)} describes {listed[0].get('serviceName')}, the event is about {named}.")
    return dict((matching or listed)[0])


def _named_service(event: object) -> str:
    """The name of the service that an event is about, wherever it is."""
    body = event if isinstance(event, Mapping) else {}
    detail = body.get("detail")
    members: Mapping[str, Any] = detail if isinstance(detail, Mapping) else {}
    group = members.get("group")
    if isinstance(group, str) and group.startswith("service:"):
        return group.removeprefix("service:")
    resources = body.get("resources")
    first = resources[0] if isinstance(resources, list) and resources else ""
    found = members.get("serviceName") or members.get("service") or (first if ":service/" in str(first) else "")
    return str(found).rpartition("/")[2]


def _tags(file: Any) -> Mapping[str, str] | None:
    """The task's tags, from a list or from ListTagsForResource's answer."""
    if file is None:
        return None
    answer = _load(file)
    return _pairs(answer.get("tags") if isinstance(answer, Mapping) else answer, _name(file))


def _pairs(value: object, where: str) -> Mapping[str, str]:
    from longshore.tasks import pairs

    found = pairs(value)
    if not isinstance(value, list) or len(found) != len(value):
        raise WrongError(f'{where}: expected a list of {{"key": ..., "value": ...}}, each key once')
    return found


def _mapping(file: Any) -> Mapping[str, Any]:
    answer = _load(file)
    if not isinstance(answer, Mapping):
        raise WrongError(f"{_name(file)} must hold an object, not {type(answer).__name__}")
    return answer


def _load(file: Any) -> object:
    try:
        return json.load(file)
    except (ValueError, RecursionError) as error:
        raise WrongError(f"{_name(file)} is not JSON: {error}") from error


def _name(file: Any) -> str:
    return str(getattr(file, "name", "-"))
