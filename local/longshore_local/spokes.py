"""Spokes of a bundle: further accounts and Regions with a stack of template-spoke.yaml each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from longshore_local import stack
from longshore_local.bundle import ROOT, Bundle
from longshore_local.cleaning import Leftovers

TEMPLATE = ROOT / "template-spoke.yaml"
_PEOPLE = "people"
"""The role in which whoever plays the user of a spoke's account works there."""


def role_arn(account: str, region: str, prefix: str = "longshore") -> str:
    """The role that a spoke's stack makes: a member of the hub's parameter Spokes."""
    return f"arn:aws:iam::{account}:role/{prefix}-spoke-{region}"


@dataclass(slots=True)
class Spoke:
    """A deployed spoke."""

    account: str
    region: str
    stack: stack.Stack
    _leftovers: Leftovers
    _hub: Bundle

    @classmethod
    def join(cls, hub: Bundle, account: str, region: str, parameters: Mapping[str, str] | None = None) -> "Spoke":
        """Deploys the spoke's stack, with the hub's own outputs for parameters."""
        outputs = hub.stack.outputs
        roles = ",".join(outputs[f"{each}RoleArn"] for each in ("Redeploy", "Watch", "Scan"))
        given = {"HubBusArn": outputs["BusArn"], "HubRoleArns": roles, **(parameters or {})}
        made = stack.deploy(TEMPLATE, name="longshore-spoke", account=account, region=region, parameters=given)
        return cls(account, region, made, Leftovers(account, region), hub)

    def client(self, service: str) -> Any:
        """A client for whoever plays the user in this account and Region."""
        given = self._hub.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{self.account}:role/{_PEOPLE}", RoleSessionName=_PEOPLE
        )["Credentials"]
        session = boto3.Session(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=self.region
        )
        return session.client(service, config=Config(retries={"total_max_attempts": 1}))

    def clear(self) -> None:
        """Removes what people and functions left there."""
        self._leftovers.clear()
