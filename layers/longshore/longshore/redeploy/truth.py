"""Telling others what runs: an SSM parameter for each verified image, for Terraform and CloudFormation (design 6.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.errors import PermanentError, TransientError
from longshore.events import Kind
from longshore.outcomes import Outcome
from longshore.redeploy.ownership import truth
from longshore.workloads import DeploymentStatus

if TYPE_CHECKING:
    from longshore.events import Event
    from longshore.ports import Clock, Index, Postponer, Record, Records
    from longshore.redeploy.ports import Truths
    from longshore.workloads import Deployment

_AGAIN = timedelta(minutes=10)
_PATIENCE = timedelta(days=1)
_WHY = 300
_FIX = "let the watch function's role call ssm:PutParameter there (docs/ownership.md), or remove what is in its place"


class TruthTeller:
    """Writes what a verified deployment declares; no failure of it fails the deployment."""

    def __init__(self, truths: Truths, index: Index, records: Records, reminder: Postponer, clock: Clock) -> None:
        self._truths = truths
        self._index = index
        self._records = records
        self._reminder = reminder
        self._clock = clock

    def again(self, event: Event, record: Record) -> list[Outcome]:
        """What could not be written when the last deployment was verified."""
        last = record.deployment
        verified = last is not None and last.status is DeploymentStatus.VERIFIED
        return self.publish(event, record, last) if last and verified else []

    def publish(self, event: Event, record: Record, deployment: Deployment) -> list[Outcome]:
        """Writes what differs from what was written before; what AWS refuses for now is tried again for a day."""
        workload = self._index.get(record.arn)
        if workload is None:
            return []
        declared = {change.container: change.image for change in deployment.plan.changes}
        wanted = truth(replace(workload, images={**workload.images, **declared}))
        if wanted == record.published:
            return []
        name = ""
        try:
            for name, image in wanted.items():
                if record.published.get(name) != image:
                    self._truths.publish(record.arn, name, image)
        except TransientError as error:
            return self._later(event, record, deployment, error)
        except PermanentError as error:
            detail = {"key": name, "problem": str(error)[:_WHY], "fix": _FIX}
            correlation = deployment.plan.correlation
            return [Outcome("hold", "invalid", correlation, kind=Kind.CONFIGURATION_REJECTED, detail=detail)]
        self._records.published(record.arn, wanted)
        return []

    def _later(self, event: Event, record: Record, deployment: Deployment, error: TransientError) -> list[Outcome]:
        now = self._clock.now()
        if now - (deployment.ended or now) < _PATIENCE:
            self._reminder.postpone(event.message("Watch Due", {"workload": record.arn}, now), now + _AGAIN)
        detail = {"why": str(error)[:_WHY]}
        return [Outcome("wait", "parameter-not-written", deployment.plan.correlation, record.arn, detail=detail)]
