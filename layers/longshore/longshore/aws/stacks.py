"""CloudFormation: how an owner's stack stands, and setting its image parameters; nothing else of it is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError, LongshoreError, UnsupportedError, UpstreamError
from longshore.redeploy.ownership import Stack

_INVALID = {"ValidationError": UnsupportedError, "InsufficientCapabilitiesException": UnsupportedError}
_BUSY = "_IN_PROGRESS state"
_DONE = ("No updates are to be performed", "TokenAlreadyExistsException")
"""What is answered where the very update was asked for before."""


class Stacks:
    """See `redeploy.ports.Stacks`."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        """`client` answers the CloudFormation client of the account and Region where an ARN is."""
        self._client = client

    def get(self, arn: str, name: str) -> Stack | None:
        """DescribeStacks; None for a stack that is gone, or was never there."""
        found = self._described(arn, name)
        if found is None:
            return None
        parameters = found.get("Parameters", [])
        return Stack(
            name,
            str(found["StackStatus"]),
            frozenset(str(each["ParameterKey"]) for each in parameters),
            role=bool(found.get("RoleARN")),
            nested=bool(found.get("RootId")),
            resolved=frozenset(str(each["ParameterKey"]) for each in parameters if "ResolvedValue" in each),
        )

    def update(
        self, arn: str, name: str, parameters: Mapping[str, str], request: str, *, resumed: bool = False
    ) -> None:
        """UpdateStack with the previous template, the previous values of all other parameters, and its capabilities.

        The stack keeps its service role, its tags and its topics, as UpdateStack leaves what it is not given.
        """
        found = self._described(arn, name)
        if found is None:
            raise GoneError(f"the stack {name} does not exist")
        keys = [str(each["ParameterKey"]) for each in found.get("Parameters", [])]
        if missing := sorted(set(parameters) - set(keys)):
            raise UnsupportedError(f"the stack {name} has no parameter {', '.join(missing)}")
        given = [
            {"ParameterKey": key, "ParameterValue": parameters[key]}
            if key in parameters
            else {"ParameterKey": key, "UsePreviousValue": True}
            for key in keys
        ]
        token = "longshore-" + hashlib.sha256(f"{request} {sorted(parameters.items())}".encode()).hexdigest()[:40]
        try:
            with aws_errors(kinds=_INVALID):
                self._client(arn).update_stack(
                    StackName=name,
                    UsePreviousTemplate=True,
                    Parameters=given,
                    Capabilities=found.get("Capabilities", []),
                    ClientRequestToken=token,
                )
        except LongshoreError as error:
            _tolerate(error, resumed=resumed)

    def _described(self, arn: str, name: str) -> Mapping[str, Any] | None:
        try:
            with aws_errors(kinds={"ValidationError": GoneError}):
                stacks = self._client(arn).describe_stacks(StackName=name)["Stacks"]
        except GoneError:
            return None
        return next(iter(stacks), None)


def _tolerate(error: LongshoreError, *, resumed: bool) -> None:
    """A stack that is being changed may be asked again; who died after asking finds that nothing is left to do."""
    if _BUSY in str(error):
        raise UpstreamError(str(error)) from error
    if not (resumed and any(answer in str(error) for answer in _DONE)):
        raise error
