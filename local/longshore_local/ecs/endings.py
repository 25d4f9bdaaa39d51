"""How simulated tasks end, or fail to: one ending for each class of recover 2.4 and state of its sweep, as data."""

from dataclasses import dataclass
from typing import Literal

FailureMode = str
"""The name of an ending (`pull-rate-limit`) or the id of a class (`P4`), which means its first ending."""

Moment = Literal["request", "provisioning", "pending", "starting", "running", "unhealthy", "stopping", "stuck"]
"""When it strikes.

request: RunTask answers it as a failure and starts nothing; provisioning, pending: before any container runs;
starting: containers run and the task is not RUNNING yet; running: some time after RUNNING; unhealthy: the health check
fails; stopping: it changes how containers end when they are asked to; stuck: the task stays in `status` for ever.
"""

Culprit = Literal["main", "log-router", "proxy", "service-connect", "dependency", "all"]
"""Which container ends it: the first essential one, the FireLens router, the App Mesh or Service Connect proxy, ..."""

EXITED = "EssentialContainerExited"
NOT_STARTED = "TaskFailedToStart"
_EXITED_REASON = "Essential container in task exited"


class UnknownFailureModeError(ValueError):
    """A failure mode was asked for that the simulator does not have."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What befalls a task; texts may name {image}, {repository}, {task}, {instance}, {region}, {group} and {subnet}.

    `after` are seconds into its moment, `notice` seconds between the order to stop and the end (Spot: two minutes).
    `by_agent`: on EC2 the text is the container's and the task only failed to start (recover 0.8, 1).
    `empty`: no containers are shown; `lost`: no exit code is known; `attachment`: the kind of attachment that failed.
    """

    cls: str
    moment: Moment
    code: str = NOT_STARTED
    reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    culprit: Culprit = "main"
    after: float | None = None
    notice: float = 0
    by_agent: bool = False
    empty: bool = False
    lost: bool = False
    attachment: str = ""
    status: str = ""


def _pull(cls: str, text: str) -> Ending:
    return Ending(cls, "pending", reason=f"CannotPullContainerError: {text}", by_agent=True)


def _init(cls: str, text: str) -> Ending:
    return Ending(cls, "pending", reason=f"ResourceInitializationError: {text}")


def _agent(cls: str, text: str, moment: Moment = "pending") -> Ending:
    return Ending(cls, moment, reason=text, by_agent=True, lost=True)


def _exits(cls: str, code: int, *, culprit: Culprit = "main", reason: str = "", moment: Moment = "running") -> Ending:
    return Ending(cls, moment, EXITED, _EXITED_REASON, reason, code, culprit)


def _placement(text: str, cls: str = "C2") -> Ending:
    return Ending(cls, "provisioning", reason=f"TaskFailedToStart: {text}", after=1800, empty=True)


def _refused(cls: str, reason: str) -> Ending:
    return Ending(cls, "request", reason=reason)


def _reclaimed(code: str) -> Ending:
    return Ending("S2", "running", code, "Your Spot Task was interrupted.", exit_code=143, culprit="all", notice=120)


_OOM = "OutOfMemoryError: Container killed due to memory usage"
_RESOLVE = "pull image manifest has been retried 5 time(s): failed to resolve ref {image}: "
_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"

ENDINGS: dict[str, Ending] = {
    # the first seven are as old as the simulator; `crash` is `exit-1` some seconds after RUNNING
    "exit-1": _exits("G4", 1, moment="starting"),
    "oom": _exits("M1", 137, reason=_OOM, moment="starting"),
    "crash": _exits("G4", 1),
    "cannot-pull": _pull("P2", _RESOLVE + "{image}: not found"),
    "resource-init": _init("R1", "unable to pull secrets or registry auth: the task cannot pull registry "
                           "authentication from Amazon ECR"),
    "unhealthy": Ending("H1", "unhealthy"),
    "hang": Ending("W2", "stuck", status="PENDING"),
    "spot": _reclaimed("SpotInterruption"),
    "spot-termination-notice": _reclaimed("TerminationNotice"),
    "host-terminated": Ending("I1", "running", "TerminationNotice", "Host EC2 (instance {instance}) terminated.",
                              lost=True, culprit="all"),
    "host-stopped": Ending("I1", "running", "TerminationNotice", "Host EC2 (instance {instance}) stopped.",
                           lost=True, culprit="all"),
    "maintenance": Ending("I2", "running", "TerminationNotice", "ECS is performing maintenance on the underlying "
                          "infrastructure hosting the task.", exit_code=143, culprit="all", notice=30),
    "infrastructure-health": Ending("I3", "running", "InfrastructureHealth", "The underlying infrastructure of the "
                                    "task became impaired.", lost=True, culprit="all"),
    "capacity": _refused("C1", _CAPACITY),
    "capacity-stopped": Ending("C1", "provisioning", reason=_CAPACITY, after=5),
    "no-cpu": _refused("C2", "RESOURCE:CPU"),
    "placement-cpu": _placement("RESOURCE:CPU"),
    "placement-memory": _placement("RESOURCE:MEMORY"),
    "placement-ports": _placement("RESOURCE:PORTS"),
    "placement-eni": _placement("RESOURCE:ENI"),
    "placement-gpu": _placement("RESOURCE:GPU"),
    "placement-empty-provider": _placement("EMPTY CAPACITY PROVIDER"),
    "placement-no-instances": _placement("NO ACTIVE INSTANCES"),
    "constraint": _refused("C3", "MemberOf placement constraint unsatisfied."),
    "attribute": _refused("C3", "ATTRIBUTE"),
    "agent": _refused("C4", "AGENT"),
    "quota": _refused("C5", "You've reached the limit on the number of vCPUs you can run concurrently"),
    "eni-timeout": Ending("N1", "provisioning", reason="Timeout waiting for network interface provisioning to "
                          "complete.", after=180),
    "eni-create": Ending("N2", "provisioning", reason="Unexpected EC2 error while attempting to Create Network "
                         "Interface in subnet '{subnet}': AuthFailure", after=5),
    "eni-no-address": Ending("N2", "provisioning", reason="Unexpected EC2 error while attempting to Create Network "
                             "Interface in subnet '{subnet}': InsufficientFreeAddressesInSubnet", after=5),
    "ephemeral-storage-timeout": Ending("N3", "provisioning", reason="Timeout waiting for EphemeralStorage "
                                        "provisioning to complete.", after=180),
    "cloud-map": Ending("N4", "pending", reason="Service Discovery instance could not be registered."),
    "ebs": Ending("N5", "provisioning", reason="Task failed to start: Amazon EBS volume attachment failed",
                  attachment="AmazonElasticBlockStorage", after=5),
    "efs": _init("N5", "failed to invoke EFS utils commands to set up EFS volumes: stderr: mount.nfs4: "
                 "Connection reset by peer"),
    "pull-timeout": _pull("P1", _RESOLVE + "dial tcp: i/o timeout"),
    "pull-eof": _pull("P1", "unexpected EOF"),
    "pull-canceled": _pull("P1", "request canceled while waiting for connection"),
    "pull-not-found": _pull("P2", _RESOLVE + "{image}: not found"),
    "pull-digest-gone": _pull("P2", "failed to resolve ref {repository}@sha256:" + "0" * 64 + ": not found"),
    "pull-denied": _pull("P3", _RESOLVE + "unexpected status from HEAD request to {repository}: 403 Forbidden"),
    "pull-rate-limit": _pull("P4", "toomanyrequests: You have reached your pull rate limit."),
    "pull-no-space": _pull("P5", "failed to register layer: write /layer: no space left on device"),
    "pull-wrong-platform": _pull("P6", "image Manifest does not contain descriptor matching platform 'linux/arm64'"),
    "secrets-denied": _init("R1", "unable to pull secrets or registry auth: execution resource retrieval failed: "
                            "AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue"),
    "secrets-timeout": _init("R1", "unable to pull secrets or registry auth: execution resource retrieval failed: "
                             "RequestError: send request failed caused by: dial tcp: i/o timeout"),
    "log-driver": _init("R2", "failed to initialize logging driver: failed to create Cloudwatch log stream: "
                        "ResourceNotFoundException: The specified log group does not exist."),
    "resource-init-other": _init("R3", "failed to configure ENI: failed to setup regular eni"),
    "role": Ending("K1", "provisioning", reason="ECS was unable to assume the role that was provided for this task.",
                   after=5),
    "dependency": Ending("D1", "starting", EXITED, "TaskDependencyError: dependencies cannot be resolved: dependency "
                         "container exited", exit_code=1, culprit="dependency"),
    "dependency-timeout": Ending("D1", "pending", reason="TaskDependencyError: dependencies cannot be resolved: "
                                 "timed out waiting for a dependency", after=120),
    "runtime-timeout": _agent("T1", "DockerTimeoutError: Could not transition to created; timed out after 4m0s"),
    "start-timeout": _agent("T1", "ContainerRuntimeTimeoutError: Could not transition to started; timed out"),
    "cannot-create": _agent("T2", "CannotCreateContainerError: Error response from daemon: invalid mount config"),
    "cannot-start": _agent("T2", "CannotStartContainerError: Error response from daemon: failed to create shim task",
                           "starting"),
    "container-vanished": _agent("T3", "ContainerVanishedError: The container was removed unexpectedly"),
    "cannot-inspect": _agent("T3", "CannotInspectContainerError: could not transition to inspecting"),
    "oom-later": _exits("M1", 137, reason=_OOM),
    "log-router-exit": _exits("X1", 139, culprit="log-router"),
    "proxy-exit": _exits("X2", 1, culprit="proxy"),
    "service-connect": _exits("X3", 137, culprit="service-connect", reason="UnhealthyContainer: health check failed"),
    "exit-139": _exits("G1", 139),
    "exit-137": _exits("G2", 137),
    "exit-126": _exits("G3", 126),
    "exit-127": _exits("G3", 127),
    "lost": Ending("G5", "running", EXITED, _EXITED_REASON, lost=True),
    "unknown": Ending("Z", "running", EXITED, "Something that nobody has described yet", exit_code=-1073741819),
    "exit-0": _exits("done", 0),
    "killed-on-stop": Ending("A1", "stopping", exit_code=137),
    "clean-on-stop": Ending("A1", "stopping", exit_code=0),
    "stuck-provisioning": Ending("W1", "stuck", status="PROVISIONING"),
    "stuck-activating": Ending("W3", "stuck", status="ACTIVATING"),
    "stuck-stopping": Ending("W4", "stuck", status="STOPPING"),
    "stuck-deprovisioning": Ending("W5", "stuck", status="DEPROVISIONING"),
}  # fmt: skip

_FIRST = {ending.cls: name for name, ending in reversed(ENDINGS.items())} | {"G4": "crash", "M1": "oom", "S1": "spot"}


def ending_of(mode: FailureMode) -> Ending:
    """The ending that a name, a class id, or `exit-N` for any exit code means; raises UnknownFailureModeError."""
    name = mode if mode in ENDINGS else _FIRST.get(mode, mode)
    if name in ENDINGS:
        return ENDINGS[name]
    code = name.removeprefix("exit-")
    if code != name and code.isdecimal() and int(code) <= 255:
        return _exits("G4", int(code))
    known = ", ".join(sorted(ENDINGS))
    raise UnknownFailureModeError(
        f"mode must be one of {known}, exit-0 to exit-255, or a class such as P4; got {mode!r}"
    )
