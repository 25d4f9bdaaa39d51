"""The AWS account that a command looks at, read only, and what the deployed stack says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from longshore_cli.output import note

_READS = ("Describe", "Get", "List", "Query", "BatchGet")
_PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
"""What IAM calls services that sign by another name."""
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    user_agent_extra="longshore-cli",
)


class WriteError(RuntimeError):
    """A command that only looks was about to change something: a defect, stopped before the call."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: its ledger's table, modes, its bus, and scan's queue.

    `passable` are the roles that it may pass, `updatable` the stacks of others that it may update.
    """

    name: str
    ledger: str
    passable: tuple[str, ...]
    mode: str
    scan: str = "auto"
    scan_queue: str = ""
    bus: str = ""
    updatable: tuple[str, ...] = ()


class Account:
    """Clients of the ordinary boto3 chain, one for each service and Region, none of which can write."""

    def __init__(self, region: str | None = None) -> None:
        self._session = boto3.session.Session(region_name=region)
        self._session.events.register("before-parameter-build", _refuse_writes)
        self._session.events.register("before-parameter-build", self._remember)
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._actions: dict[str, str] = {}
        self._called: set[str] = set()

    @property
    def region(self) -> str:
        """The Region of calls that name no other."""
        return str(self.client("ecs").meta.region_name)

    @property
    def id(self) -> str:
        """The twelve digits of the account."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` and so on."""
        return str(self._session.get_partition_for_region(self.region))

    def client(self, service: str, region: str | None = None) -> Any:
        """A client; made when first needed."""
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = self._session.client(service, region_name=region, config=_CONFIG)
        return self._clients[key]

    def action(self, operation: str) -> str:
        """The IAM action that an operation needed when it was called last; its own name if it never was."""
        return self._actions.get(operation, operation)

    @property
    def actions(self) -> frozenset[str]:
        """The IAM actions of every operation that was called."""
        return frozenset(self._called)

    def _remember(self, model: Any, **_: Any) -> None:
        service = str(model.service_model.signing_name)
        action = f"{_PREFIXES.get(service, service)}:{model.name}"
        self._actions[str(model.name)] = action
        self._called.add(action)

    def stack(self, name: str) -> Stack | None:
        """The deployed stack; None, and a note on standard error, when there is none to be seen."""
        try:
            (described,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            note(f"No stack {name} can be seen ({error.response['Error']['Code']}): decided without holds and history.")
            return None
        outputs = {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}
        if "LedgerName" not in outputs:
            note(f"The stack {name} has no output LedgerName: decided without holds and history.")
            return None
        return _stack(name, outputs, {p["ParameterKey"]: p["ParameterValue"] for p in described.get("Parameters", [])})


def _stack(name: str, outputs: Mapping[str, str], parameters: Mapping[str, str]) -> Stack:
    passable = tuple(filter(None, parameters.get("PassableRoleArns", "").split(",")))
    mode, scan = (parameters.get(f"{each}Mode", "auto") for each in ("Redeploy", "Scan"))
    queue, bus = (outputs.get(each, "") for each in ("ScanQueueUrl", "BusArn"))
    updatable = tuple(filter(None, parameters.get("UpdatableStackArns", "").split(",")))
    return Stack(name, outputs["LedgerName"], passable, mode, scan, queue, bus, updatable)


def _refuse_writes(model: Any, **_: Any) -> None:
    if not str(model.name).startswith(_READS):
        raise WriteError(f"{model.service_model.service_name}:{model.name} is not a read")
