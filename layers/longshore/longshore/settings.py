"""Settings of the functions, from the environment that template.yaml gives them. The only module that reads it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from longshore.errors import ConfigurationError
from longshore.places import Place, Places

_QUEUE_ARN = re.compile(r"arn:[a-z-]+:sqs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):.+")
_SPOKE_ROLE = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/[!-~]*-spoke-(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d{1,2})", re.ASCII
)


class Mode(StrEnum):
    """What a capability may do (design 7)."""

    OFF = "off"
    OBSERVE = "observe"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a function needs to know of its stack; what only some are told is empty in others."""

    account: str
    region: str
    mode: Mode
    table: str
    bus: str
    queue_url: str
    queue_arn: str
    watch_queue_url: str
    watch_queue_arn: str
    schedule_group: str
    scheduler_role_arn: str
    passable_role_arns: tuple[str, ...]
    config: str
    fallback_topic_arn: str = ""
    dead_letters_url: str = ""
    slack_url: str = ""
    scan_queue_url: str = ""
    scan_queue_arn: str = ""
    spokes: Mapping[Place, str] = field(default_factory=dict)
    """The roles to assume in further accounts and Regions."""
    updatable_stack_arns: tuple[str, ...] = ()
    loopback: bool = False
    registries: Mapping[str, str] = field(default_factory=dict)
    """Other hosts for some registries: the local bundle's, in the place of ECR and of upstreams."""

    @property
    def places(self) -> Places:
        """Where the stack is, and its spokes."""
        return Places(Place(self.account, self.region), tuple(self.spokes))

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Reads the environment. Raises ConfigurationError with the name of what is missing or wrong."""
        queue_arn = _required(env, "LONGSHORE_QUEUE_ARN")
        arn = _QUEUE_ARN.fullmatch(queue_arn)
        if arn is None:
            raise ConfigurationError("LONGSHORE_QUEUE_ARN", f"{queue_arn!r} is not the ARN of a queue")
        return cls(
            account=arn["account"],
            region=arn["region"],
            mode=_mode(env),
            table=_required(env, "LONGSHORE_TABLE"),
            bus=_required(env, "LONGSHORE_BUS"),
            queue_url=_required(env, "LONGSHORE_QUEUE_URL"),
            queue_arn=queue_arn,
            watch_queue_url=env.get("LONGSHORE_WATCH_QUEUE_URL") or _required(env, "LONGSHORE_QUEUE_URL"),
            watch_queue_arn=env.get("LONGSHORE_WATCH_QUEUE_ARN") or queue_arn,
            schedule_group=_required(env, "LONGSHORE_SCHEDULE_GROUP"),
            scheduler_role_arn=_required(env, "LONGSHORE_SCHEDULER_ROLE_ARN"),
            passable_role_arns=tuple(filter(None, env.get("LONGSHORE_PASSABLE_ROLE_ARNS", "").split(","))),
            updatable_stack_arns=tuple(filter(None, env.get("LONGSHORE_UPDATABLE_STACK_ARNS", "").split(","))),
            config=_required(env, "LONGSHORE_CONFIG"),
            fallback_topic_arn=env.get("LONGSHORE_FALLBACK_TOPIC_ARN", ""),
            dead_letters_url=env.get("LONGSHORE_DEAD_LETTERS_URL", ""),
            slack_url=env.get("LONGSHORE_SLACK_URL", ""),
            scan_queue_url=env.get("LONGSHORE_SCAN_QUEUE_URL", ""),
            scan_queue_arn=env.get("LONGSHORE_SCAN_QUEUE_ARN", ""),
            spokes=_spokes(env, Place(arn["account"], arn["region"])),
            loopback=env.get("LONGSHORE_LOOPBACK") == "true",
            registries=dict(each.split("=", 1) for each in env.get("LONGSHORE_REGISTRIES", "").split(",") if each),
        )


def load_config(path: str) -> Mapping[str, Any]:
    """The operator's compiled configuration. Raises ConfigurationError when it cannot be read."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"{path} cannot be read: {error}"
        raise ConfigurationError("LONGSHORE_CONFIG", problem, "deploy with its layer") from error
    if not isinstance(document, dict):
        raise ConfigurationError("LONGSHORE_CONFIG", f"{path} is not an object", "deploy with its layer")
    return document


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigurationError(name, "is not set", "the template sets it")
    return value


def _spokes(env: Mapping[str, str], home: Place) -> Mapping[Place, str]:
    """Of the template's parameter Spokes: the roles of spokes, whose ARNs tell their account and Region."""
    found: dict[Place, str] = {}
    for arn in filter(None, (each.strip() for each in env.get("LONGSHORE_SPOKES", "").split(","))):
        role = _SPOKE_ROLE.fullmatch(arn)
        place = Place(role["account"], role["region"]) if role else home
        problem = "" if role else f"{arn[:256]!r} is not the ARN of a spoke's role"
        if role and place == home:
            problem = f"{arn} is of the stack's own account and Region"
        elif place in found:
            problem = f"{place} is there twice"
        if problem:
            raise ConfigurationError("LONGSHORE_SPOKES", problem, "correct the parameter Spokes")
        found[place] = arn
    return found


def _mode(env: Mapping[str, str]) -> Mode:
    value = env.get("LONGSHORE_MODE", "")
    try:
        return Mode(value)
    except ValueError:
        raise ConfigurationError("LONGSHORE_MODE", f"{value!r} is no mode", "off, observe or auto") from None
