"""How long the simulated ECS takes for each step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds per step. One rolling batch takes about ten of them with the defaults.

    `queueing` is what a service deployment waits before it starts and what one needs to stop;
    `restart` is the first pause after repeated start failures, doubled up to `restart_limit`;
    `retention` is how long a stopped task stays visible (AWS promises an hour).
    """

    queueing: float = 1
    provisioning: float = 2
    pulling: float = 2
    starting: float = 1
    health: float = 2
    unhealthy: float = 5
    crash: float = 5
    stopping: float = 3
    deprovisioning: float = 1
    restart: float = 1
    restart_limit: float = 300
    alarm_check: float = 10
    retention: float = 3600
