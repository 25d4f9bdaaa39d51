"""Checks of the secrets and topics that longshore.yaml names: may they be used, and are they there?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError
from longshore.notify.routes import Destination, read_routing
from longshore.redeploy.plan import is_passable
from longshore_cli.checks.findings import Found, Unseen

if TYPE_CHECKING:
    from longshore_cli.checks.sight import Sight


def unusable(sight: Sight) -> Iterator[Found | Unseen]:
    """Secrets and topics of longshore.yaml that the stack may not use."""
    channels = ("ChannelSecretArns", sorted(_channel_secrets(sight))), ("ChannelTopicArns", sorted(_topics(sight)))
    for parameter, arns in (
        *channels,
        ("MirrorSecretArns", sorted(_mirror_secrets(sight.configuration.get("mirrors")))),
    ):
        patterns = [each.strip() for each in sight.parameter(parameter).split(",") if each.strip()]
        for arn in arns:
            if not is_passable(arn, patterns):
                fix = f"sam deploy --parameter-overrides {parameter}={quote(','.join([*patterns, arn]))}"
                yield Found(arn, f"longshore.yaml names it, and {parameter} does not: it may not be used", fix)


def missing(sight: Sight) -> Iterator[Found | Unseen]:
    """Secrets of longshore.yaml that do not exist; values are never read."""
    for arn in sorted({*_channel_secrets(sight), *_mirror_secrets(sight.configuration.get("mirrors"))}):
        _, _, service, region, account, _ = arn.split(":", 5)
        if (account, region) != (sight.account.id, sight.account.region):
            yield Unseen(f"{arn} is in another account or Region")
        elif not (_is_parameter(sight, arn) if service == "ssm" else _is_secret(sight, arn)):
            yield Found(arn, "longshore.yaml names it, and it does not exist", "create it, or correct longshore.yaml")


def _is_secret(sight: Sight, arn: str) -> bool:
    try:
        with aws_errors(gone=("ResourceNotFoundException",)):
            found = sight.client("secretsmanager").describe_secret(SecretId=arn)
    except GoneError:
        return False
    return not found.get("DeletedDate")


def _is_parameter(sight: Sight, arn: str) -> bool:
    name = arn.partition(":parameter")[2]
    names = [name, name.removeprefix("/")]  # an ARN does not tell whether the name begins with a slash
    with aws_errors():
        answer = sight.client("ssm").describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": names}]
        )
    return bool(answer["Parameters"])


def _destinations(sight: Sight) -> list[Destination]:
    nowhere = Destination("", "sns")
    return list(read_routing(sight.configuration, nowhere).destinations.values())


def _channel_secrets(sight: Sight) -> set[str]:
    return {_bare(each.secret) for each in _destinations(sight) if each.secret}


def _topics(sight: Sight) -> set[str]:
    return {each.place for each in _destinations(sight) if each.type == "sns" and each.place}


def _mirror_secrets(section: Any) -> set[str]:
    """Every `secret`, wherever it stands in the mirrors."""
    if isinstance(section, list):
        return set().union(*map(_mirror_secrets, section))
    if not isinstance(section, Mapping):
        return set()
    named = {_bare(value) for key, value in section.items() if key == "secret" and isinstance(value, str)}
    return named.union(*map(_mirror_secrets, section.values()))


def _bare(arn: str) -> str:
    """A secret's ARN without the member that stands behind it."""
    parts = arn.split(":")
    return ":".join(parts[:7]) if parts[2:3] == ["secretsmanager"] else arn
