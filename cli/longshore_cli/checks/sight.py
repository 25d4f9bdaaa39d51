"""What the checks look at: the account, the stack, its ledger and its workloads, each asked for once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.clock import SystemClock
from longshore.aws.ecs_definitions import TaskDefinitions
from longshore.aws.errors import aws_errors
from longshore.aws.ledger import LedgerRecords
from longshore.aws.switches import LedgerSwitches
from longshore.aws.table import Table
from longshore.errors import GoneError, LongshoreError
from longshore.redeploy.policy import PolicyError, parse_policy
from longshore.workloads import POLICY_TAG, WorkloadId
from longshore_cli.checks.findings import COULD_NOT, NothingToLookAtError, Unseen, why_not
from longshore_cli.checks.once import once
from longshore_cli.checks.services import active_services
from longshore_cli.config import DEFAULT, compiled
from longshore_cli.evaluation import Evaluator, evaluator

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.ports import Clock, Record
    from longshore.redeploy.policy import Policy
    from longshore.workloads import Observation, PlatformKind, Workload
    from longshore_cli.account import Account, Stack

_KUBERNETES: Final = ("deployment", "statefulset", "daemonset", "cronjob")
MOST_SERVICES: Final = 2000
"""ECS services that are looked at, in the order of their clusters' names."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the stack."""

    name: str
    type: str
    id: str


class Sight:
    """One account and Region at one moment, read only."""

    def __init__(
        self, account: Account, stack_name: str, config_file: Path | None = None, clock: Clock | None = None
    ) -> None:
        self.account = account
        self.stack_name = stack_name
        self._file = config_file or (DEFAULT if DEFAULT.is_file() else None)
        self.now = (clock or SystemClock()).now()
        self._clock = clock or SystemClock()

    def client(self, service: str, region: str | None = None) -> Any:
        """See `Account.client`."""
        return self.account.client(service, region)

    def action(self, operation: str) -> str:
        """See `Account.action`."""
        return self.account.action(operation)

    # -- the stack --------------------------------------------------------------------------------------------------

    @once
    def description(self) -> Mapping[str, Any]:
        """What DescribeStacks says of the stack. Raises GoneError when there is none."""
        with aws_errors(gone=("ValidationError",)):
            (found,) = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        return dict(found)

    @once
    def resources(self) -> Sequence[Resource]:
        """The resources of the stack. Raises NothingToLookAtError without a stack."""
        self._needs_stack()
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.stack_name)
        with aws_errors():
            return [
                Resource(each["LogicalResourceId"], each["ResourceType"], each["PhysicalResourceId"])
                for page in pages
                for each in page["StackResourceSummaries"]
                if each.get("PhysicalResourceId")
            ]

    def of_type(self, type: str) -> Sequence[Resource]:
        """The stack's resources of a CloudFormation type."""
        return [each for each in self.resources if each.type == type]

    def parameter(self, name: str) -> str:
        """A parameter of the stack; empty where it has none of that name."""
        self._needs_stack()
        given = self.description.get("Parameters", [])
        return next((str(each["ParameterValue"]) for each in given if each["ParameterKey"] == name), "")

    def output(self, name: str) -> str:
        """An output of the stack; empty where it has none of that name."""
        self._needs_stack()
        given = self.description.get("Outputs", [])
        return next((str(each["OutputValue"]) for each in given if each["OutputKey"] == name), "")

    @once
    def stack(self) -> Stack:
        """What the other commands know of the stack. Raises NothingToLookAtError without one."""
        self._needs_stack()
        found = self.account.stack(self.stack_name)
        if found is None:
            raise NothingToLookAtError(f"the stack {self.stack_name} has no output LedgerName")
        return found

    def _needs_stack(self) -> None:
        try:
            _ = self.description
        except GoneError as error:
            raise NothingToLookAtError(f"there is no stack {self.stack_name} here") from error

    # -- its ledger -------------------------------------------------------------------------------------------------

    @once
    def _table(self) -> Table:
        return Table(self.client("dynamodb"), self.stack.ledger)

    @cached_property
    def _records(self) -> dict[str, Record]:
        return {}

    def record(self, arn: str) -> Record:
        """What the ledger knows of a workload."""
        if arn not in self._records:
            self._records[arn] = LedgerRecords(self._table, self._clock).get(arn)
        return self._records[arn]

    @once
    def paused(self) -> str | None:
        """The reason of the global pause."""
        return LedgerSwitches(self._table, self.account.id, self.account.region).paused()

    # -- the configuration ------------------------------------------------------------------------------------------

    @once
    def configuration(self) -> Mapping[str, Any]:
        """longshore.yaml as the build compiles it. Raises NothingToLookAtError where none is at hand."""
        if self._file is None:
            raise NothingToLookAtError("no longshore.yaml is here: give it as --config")
        return compiled(self._file)

    def check_configuration(self) -> None:
        """Raises WrongError with every problem of longshore.yaml, where one is at hand."""
        if self._file is not None:
            _ = self.configuration

    @once
    def looking(self) -> Evaluator:
        """What decides as redeploy would."""
        return evaluator(self.account, self.stack_name, self._file)

    def policy(self, workload: Workload) -> Policy | None:
        """The policy that the workload is under; None where it has none that can be read."""
        try:
            return parse_policy(workload.policy or "", self.looking.profiles)
        except PolicyError:
            return None

    # -- workloads --------------------------------------------------------------------------------------------------

    @once
    def tagged(self) -> Mapping[str, str]:
        """Everything that carries `longshore:policy`, by ARN, whether it may or not."""
        return dict(self.carrying(POLICY_TAG))

    def carrying(self, key: str) -> Iterator[tuple[str, str]]:
        """The ARN and the value of everything that carries a tag."""
        tagging = self.client("resourcegroupstaggingapi").get_paginator("get_resources")
        with aws_errors():
            for page in tagging.paginate(TagFilters=[{"Key": key}]):
                for each in page["ResourceTagMappingList"]:
                    values = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
                    yield str(each["ResourceARN"]), str(values.get(key, ""))

    @once
    def _discovered(self) -> tuple[Sequence[str], Sequence[Unseen]]:
        """Every workload that opted in, as redeploy discovers it, and why it could not look everywhere."""
        platform = self.looking.platform
        found: set[str] = set()
        unseen: list[Unseen] = []
        for kind in platform.kinds:
            try:
                found |= set(platform.arns_of(kind))
            except LongshoreError as error:
                unseen.append(Unseen(f"{kind}: {why_not(error, self.action)}"))
        for cluster in filter(is_cluster, self.tagged):
            whys = dict.fromkeys(platform.unseen(f"{cluster}/default/{kind}/any") for kind in _KUBERNETES)
            unseen += [Unseen(f"{COULD_NOT} into {cluster}: {why}") for why in whys if why]
        return sorted(found), unseen

    @property
    def arns(self) -> Sequence[str]:
        """Every workload that opted in."""
        return self._discovered[0]

    @once
    def _surveyed(self) -> tuple[Sequence[Observation], Sequence[Unseen]]:
        kinds: dict[PlatformKind, list[str]] = {}
        for arn in self.arns:
            kinds.setdefault(WorkloadId.parse(arn).platform, []).append(arn)
        seen: list[Observation] = []
        unseen: list[Unseen] = []
        for kind, named in kinds.items():
            try:
                seen += self.looking.platform.survey(named)
            except LongshoreError as error:
                unseen.append(Unseen(f"{kind}: {why_not(error, self.action)}"))
        return [each for each in seen if each.active], unseen

    @property
    def unseen(self) -> Sequence[Unseen]:
        """Why some workloads that opted in are not among the observations."""
        return [*self._discovered[1], *self._surveyed[1]]

    @property
    def observations(self) -> Sequence[Observation]:
        """Every active workload that opted in and can be looked at."""
        return self._surveyed[0]

    @once
    def in_use(self) -> Mapping[tuple[Repository, Digest], str]:
        """The images that run, each with the ARN of a workload that runs it."""
        return {
            (reference.origin, digest): each.workload.arn
            for each in self.observations
            for name, reference in each.workload.followed.items()
            if reference.origin and (digest := each.running.get(name))
        }

    def at_home(self, repository: Repository) -> bool:
        """Whether a repository is in the registry of this account and Region."""
        return (repository.account, repository.region) == (self.account.id, self.account.region)

    @once
    def services(self) -> Sequence[Mapping[str, Any]]:
        """Every ECS service here, opted in or not, as DescribeServices answers it with its tags."""
        return self._listed[0]

    @property
    def unlisted(self) -> Sequence[Unseen]:
        """Why some ECS services are not among them."""
        return [Unseen(f"only the first {MOST_SERVICES} ECS services were looked at")] if self._listed[1] else []

    @once
    def _listed(self) -> tuple[Sequence[Mapping[str, Any]], bool]:
        return active_services(self.client("ecs"), MOST_SERVICES)

    @cached_property
    def _definitions(self) -> TaskDefinitions:
        return TaskDefinitions(self.client("ecs"), MOST_SERVICES)

    def definition(self, service: Mapping[str, Any]) -> Mapping[str, Any]:
        """The task definition of an ECS service, or that of its primary task set or deployment; empty without one."""
        kept = (*(service.get("taskSets") or []), *(service.get("deployments") or []))
        primary = (each.get("taskDefinition") for each in kept if each.get("status") == "PRIMARY")
        arn = next(primary, None) or service.get("taskDefinition")
        return self._definitions.get(str(arn))[0] if arn else {}


def is_cluster(arn: str) -> bool:
    """Whether it is an EKS cluster: there the tag opens the door to annotations."""
    return arn.split(":")[2:3] == ["eks"] and ":cluster/" in arn
