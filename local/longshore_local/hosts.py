"""The handle on container instances: what a test or a demo lets happen to the machines under the tasks."""

from collections.abc import Callable
from functools import partial
from typing import Any

from moto.ec2.models import ec2_backends

from longshore_local import announcements
from longshore_local.ecs import identifiers
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.fleet import Fleet
from longshore_local.ecs.instances import EXTERNAL_PREFIX, Instance
from longshore_local.moto_ec2 import StatusChecks
from longshore_local.moto_ssm import ManagedInstances

_NOTICE = 120  # seconds between the warning and the end of a Spot instance
_AMI = "ami-12c6146b"  # one of those that moto knows


class Hosts:
    """Container instances by ARN: EC2 ones, which are instances of moto's EC2 too, and servers of ECS Anywhere."""

    def __init__(self, engine: Engine, fleet: Fleet, managed: ManagedInstances, checks: StatusChecks) -> None:
        self._engine = engine
        self._fleet = fleet
        self._managed = managed
        self._checks = checks

    def add(
        self,
        account: str,
        region: str,
        cluster: str,
        *,
        external: bool = False,
        zone: str | None = None,
        **members: Any,
    ) -> str:
        """Registers one and returns its ARN; `members` may be cpu, memory, capacity_provider_name, attributes, tags.

        SSM's agent answers on it as well.
        """
        with self._engine.step():
            where = zone or f"{region}a"
            if external:
                name = f"{EXTERNAL_PREFIX}0{identifiers.hexadecimal(16)}"
            else:
                name = _ec2_instance(account, region, where)
            instance = self._fleet.register(account, region, cluster, name, zone=where, **members)
            self._managed.ping(account, region, name)
            return instance.container_instance_arn

    def ec2_instance_id(self, arn: str) -> str:
        """`i-...` of an EC2 instance, `mi-...` of a server."""
        return self._find(arn).ec2_instance_id

    def disconnect(self, arn: str) -> None:
        """The agent is no longer heard of: its tasks go on, take no orders, and no new ones come (recover E1, E2)."""
        self._do(arn, lambda instance: self._fleet.connect(instance, connected=False))

    def reconnect(self, arn: str) -> None:
        """The agent is back."""
        self._do(arn, lambda instance: self._fleet.connect(instance, connected=True))

    def repeat(self, arn: str) -> None:
        """Sends the state of the instance once more, in the same version, as AWS does now and then."""
        self._do(arn, self._fleet.repeat)

    def fail_status_checks(self, arn: str) -> None:
        """EC2's own checks of the machine fail: DescribeInstanceStatus says impaired."""
        self._checks.failing.add(self.ec2_instance_id(arn))

    def pass_status_checks(self, arn: str) -> None:
        """EC2's own checks pass again."""
        self._checks.failing.discard(self.ec2_instance_id(arn))

    def terminate(self, arn: str) -> None:
        """The machine goes away without a word: tasks end as I1."""
        self._do(arn, self._fleet.lose)

    def stop(self, arn: str) -> None:
        """The machine is stopped: tasks end as I1, with the other text."""
        self._do(arn, lambda instance: self._fleet.lose(instance, "host-stopped"))

    def impair(self, arn: str, check: str = "CONTAINER_RUNTIME", reason: str = "") -> None:
        """A health check of ECS fails, which ECS tells (recover E3); ValueError for a check that ECS does not have."""
        self._do(arn, lambda instance: self._fleet.check(instance, check, "IMPAIRED", reason))

    def recover(self, arn: str, check: str = "CONTAINER_RUNTIME") -> None:
        """The health check passes again."""
        self._do(arn, lambda instance: self._fleet.check(instance, check, "OK"))

    def ping(self, arn: str, status: str) -> None:
        """Sets what SSM says of the machine: Online, ConnectionLost or Inactive."""
        instance = self._find(arn)
        self._managed.ping(instance.account, instance.region, instance.ec2_instance_id, status)

    def interrupt(self, arn: str) -> None:
        """EC2 takes a Spot instance back: the warning now, the end two minutes later."""

        def warn(instance: Instance) -> None:
            where = (instance.account, instance.region, instance.ec2_instance_id)
            self._engine.send(announcements.spot_interruption(*where, self._engine.now()))
            self._engine.after(_NOTICE, partial(self._fleet.lose, instance))

        self._do(arn, warn)

    def recommend_rebalance(self, arn: str) -> None:
        """EC2 says that a Spot instance is likely to be taken back."""

        def recommend(instance: Instance) -> None:
            where = (instance.account, instance.region, instance.ec2_instance_id)
            self._engine.send(announcements.rebalance(*where, self._engine.now()))

        self._do(arn, recommend)

    def _do(self, arn: str, change: Callable[[Instance], None]) -> None:
        with self._engine.step():
            change(self._find(arn))

    def _find(self, arn: str) -> Instance:
        _, _, _, region, account, _ = arn.split(":", 5)
        return self._fleet.find(account, region, arn)


def _ec2_instance(account: str, region: str, zone: str) -> str:
    backend = ec2_backends[account][region]
    made = backend.run_instances(
        _AMI, 1, None, [], instance_type="m5.large", placement=zone, region_name=region, is_instance_type_default=False
    )
    return str(made.instances[0].id)
