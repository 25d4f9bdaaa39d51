"""Run-time suppressions in the ledger of a stack; scan is told when one comes or goes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from longshore.aws.clock import SystemClock
from longshore.aws.scans import LedgerAcceptances
from longshore.aws.table import Table
from longshore.envelopes import SOURCE
from longshore.images import is_repository_name
from longshore.scan.acceptance import read_suppressions
from longshore.scan.messages import SWEEP_DUE
from longshore.scan.openvex import read_documents
from longshore_cli.account import Account
from longshore_cli.config import DEFAULT, scan_policy_of
from longshore_cli.output import FailedError, note

if TYPE_CHECKING:
    from longshore.scan.suppressions import Suppression
    from longshore_cli.account import Stack

_WILD = frozenset("*?[")


class Acceptances:
    """What is accepted in an account and Region."""

    def __init__(self, stack: Stack, account: str, region: str) -> None:
        self._session = boto3.session.Session(region_name=region)
        self._stack = stack
        self._place = account, region
        self._clock = SystemClock()
        table = Table(self._session.client("dynamodb"), stack.ledger)
        self._ledger = LedgerAcceptances(table, self._clock, account, region)

    @classmethod
    def of(cls, stack_name: str) -> Acceptances:
        """Those of a stack. Raises FailedError without one."""
        account = Account()
        stack = account.stack(stack_name)
        if stack is None:
            raise FailedError("run-time suppressions rest in the ledger of a stack: name it with --stack")
        return cls(stack, account.id, account.region)

    def all(self, config_file: Path | None) -> Sequence[Suppression]:
        """Those of the ledger, and those of the configuration where there is one."""
        policy = scan_policy_of(config_file or (DEFAULT if DEFAULT.is_file() else None))
        return [*self._ledger.all(), *read_suppressions(policy.suppressions), *read_documents(policy.vex)]

    def put(self, suppression: Suppression) -> bool:
        """Sets one; whether it took the place of another."""
        replaced = any(each.id == suppression.id for each in self._ledger.all())
        self._ledger.put(suppression)
        return replaced

    def remove(self, identity: str) -> Suppression | None:
        """Ends one; None when there was none."""
        found = next((each for each in self._ledger.all() if each.id == identity), None)
        return found if self._ledger.remove(identity) else None

    def tell(self, suppression: Suppression) -> bool:
        """Has scan look at once at what a suppression is about; without that it looks within a day."""
        if self._stack.scan == "off" or not self._stack.scan_queue:
            note("Scan is off in this stack: it is recorded, and nobody looks.")
            return False
        try:
            self._session.client("sqs").send_message(
                QueueUrl=self._stack.scan_queue, MessageBody=json.dumps(self._message(suppression))
            )
        except (ClientError, BotoCoreError) as error:
            note(f"Scan could not be told ({error}): it looks by itself within a day.")
            return False
        return True

    def _message(self, suppression: Suppression) -> dict[str, Any]:
        account, region = self._place
        names = suppression.repositories
        one = names[0].removeprefix(f"{account}/{region}/") if len(names) == 1 and not _WILD & set(names[0]) else ""
        named = {"repository": f"{account}/{region}/{one}"} if is_repository_name(one) else {}
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": SWEEP_DUE,
            "source": SOURCE,
            "account": account,
            "time": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": [],
            "detail": named,
        }
