"""How long the simulated ECS takes for each step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds per step. One rolling batch takes about ten of them with the defaults.

    `queueing` is what a service deployment waits before it starts and what one needs to stop;
    `placing` is what the scheduler waits after it could place no task;
    `restart` is the first pause after repeated start failures, doubled up to `restart_limit`;
    `trailing` is what CloudTrail needs to tell of a call (minutes on AWS);
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
    placing: float = 60
    restart: float = 1
    restart_limit: float = 300
    alarm_check: float = 10
    trailing: float = 5
    retention: float = 3600
