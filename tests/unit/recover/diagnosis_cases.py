"""Stopped tasks as ECS tells of them, and the table of what each is diagnosed as (recover 2.2 to 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

ACCOUNT = "arn:aws:ecs:eu-west-1:123456789012"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:1.4.2"
DIGEST = "sha256:" + "3f" * 32
PULL = "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
INIT = "ResourceInitializationError: "
UNPULLED = "unable to pull secrets or registry auth: execution resource retrieval failed: "
EXITED, FAILED = "EssentialContainerExited", "TaskFailedToStart"
SCHEDULER, USER = "ServiceSchedulerInitiated", "UserInitiated"
MAINTENANCE = "ECS is performing maintenance on the underlying infrastructure hosting the task."
SPOT_TEXT = "Your Spot Task was interrupted."

Json = Mapping[str, Any]


def container(name: str = "web", code: int | None = None, reason: str = "", **more: Any) -> dict[str, Any]:
    """A container that stopped."""
    made: dict[str, Any] = {"name": name, "image": IMAGE, "lastStatus": "STOPPED", **more}
    if code is not None:
        made |= {"exitCode": code, "runtimeId": f"{name}-1"}
    return made | ({"reason": reason} if reason else {})


def task(
    code: str = FAILED,
    reason: str = "",
    containers: Sequence[Json] | None = None,
    *,
    ran: bool | None = None,
    fargate: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """The detail of a standalone task that stopped; it ran when its stop code says so, unless `ran` says."""
    started = ran if ran is not None else code not in (FAILED, "")
    made: dict[str, Any] = {
        "taskArn": f"{ACCOUNT}:task/shop/0123456789abcdef0123456789abcdef",
        "clusterArn": f"{ACCOUNT}:cluster/shop",
        "taskDefinitionArn": f"{ACCOUNT}:task-definition/report:7",
        "group": "family:report",
        "launchType": "FARGATE" if fargate else "EC2",
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stopCode": code,
        "stoppedReason": reason,
        "createdAt": "2026-11-01T12:00:00Z",
        "stoppingAt": "2026-11-01T13:00:00Z",
        "executionStoppedAt": "2026-11-01T13:00:02Z",
        "stoppedAt": "2026-11-01T13:00:20Z",
        "containers": [container()] if containers is None else list(containers),
        "version": 5,
    }
    if started:
        made["startedAt"] = "2026-11-01T12:01:00Z"
    if not fargate:
        made["containerInstanceArn"] = f"{ACCOUNT}:container-instance/shop/b54a2a04"
    return made | more


def of_service(detail: Json, name: str = "web") -> dict[str, Any]:
    """The same task, started by a service."""
    return {**detail, "group": f"service:{name}", "startedBy": "ecs-svc/1234567890123456789"}


def ended(*containers: Json, reason: str = "Essential container in task exited", **more: Any) -> dict[str, Any]:
    """A task that ended because a container of it did."""
    return task(EXITED, reason, containers, **more)


def event(detail: Json, kind: str = "ECS Task State Change", source: str = "aws.ecs", **more: Any) -> dict[str, Any]:
    """An event of EventBridge."""
    return {
        "version": "0",
        "id": "0b1f3c1e-0000-4000-8000-000000000001",
        "detail-type": kind,
        "source": source,
        "account": "123456789012",
        "time": "2026-11-01T13:00:21Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": dict(detail),
    } | more


class Expected(NamedTuple):
    """A task's detail, and what it is diagnosed as: standalone, and as a task of a service."""

    id: str
    detail: Json
    cls: str
    alone: str
    service: str
    idempotent: str = ""
    """The remedy of a standalone task that may be run again, where it is another."""


def row(id: str, detail: Json, cls: str, alone: str, service: str, idempotent: str = "") -> Expected:
    """One row of the table."""
    return Expected(id, detail, cls, alone, service, idempotent)


def pulled(id: str, text: str, cls: str, alone: str, service: str) -> Expected:
    """A pull that failed."""
    return row(id, task(reason=PULL + text), cls, alone, service)


def failed(id: str, text: str, cls: str, alone: str, service: str) -> Expected:
    """A task that did not start."""
    return row(id, task(reason=text, containers=[]), cls, alone, service)


_VOLUME = {"id": "v", "type": "AmazonElasticBlockStorage", "status": "FAILED"}


def _volume(reason: str) -> dict[str, Any]:
    return {**_VOLUME, "details": [{"name": "statusReason", "value": reason}]}


STOPS = [
    row("a1 console", task(USER, "Task stopped by user"), "A1", "none", "none"),
    row("a1 with exit 137", task(USER, "bye", [container(code=137)]), "A1", "none", "none"),
    row("a1 with oom text", task(USER, "OutOfMemoryError: testing"), "A1", "none", "none"),
    row("a1 without a code", task("", "Task stopped by user", ran=True), "A1", "none", "none"),
    row("a1 ours", task(USER, "longshore: stuck"), "A1", "none", "none"),
    row("a1 quotes the scheduler", task(USER, "Scaling activity initiated by me"), "A1", "none", "none"),
    row("a1 says spot", task(USER, SPOT_TEXT), "A1", "none", "none"),
    row("a2", task(SCHEDULER, "Scaling activity initiated by (deployment ecs-svc/1)"), "A2", "none", "none"),
    row("a2 bare", task(SCHEDULER, "Scaling activity initiated by deployment ecs-svc/1"), "A2", "none", "none"),
    row(
        "a2 with exit 137",
        task(SCHEDULER, "Scaling activity initiated by (deployment ecs-svc/1)", [container(code=137)]),
        "A2",
        "none",
        "none",
    ),
    row("a2 zones", task(SCHEDULER, "Task stopped by availability zone rebalancing"), "A2", "none", "none"),
    row("a2 silent", task(SCHEDULER, ""), "A2", "none", "none"),
    row("s2", task("SpotInterruption", SPOT_TEXT), "S2", "notify", "none", "replace"),
    row("s2 other code", task("TerminationNotice", SPOT_TEXT), "S2", "notify", "none", "replace"),
    row("s2 text alone", task("", SPOT_TEXT, ran=True), "S2", "notify", "none", "replace"),
    row("s2 with 137", task("SpotInterruption", "", [container(code=137)]), "S2", "notify", "none", "replace"),
    row("s2 never started", task("SpotInterruption", SPOT_TEXT, ran=False), "S2", "replace", "none"),
    row(
        "s1",
        task("SpotInterruption", SPOT_TEXT, lastStatus="RUNNING"),
        "S1",
        "notify",
        "none",
        "replace",
    ),
    row("s1 notice", task("TerminationNotice", "", lastStatus="RUNNING"), "S1", "notify", "none", "replace"),
    row("s1 stopping", task("SpotInterruption", "", lastStatus="STOPPING"), "S1", "notify", "none", "replace"),
    row(
        "i1 terminated",
        task("", "Host EC2 (instance i-0123456789) terminated.", ran=True, fargate=False),
        "I1",
        "notify",
        "none",
        "replace",
    ),
    row("i1 stopped", task(FAILED, "Host EC2 (instance i-1) stopped."), "I1", "replace", "none"),
    row(
        "i1 deregistered",
        task("", "Container instance deregistration forced by user", ran=True),
        "I1",
        "notify",
        "none",
        "replace",
    ),
    row("i2", task("", MAINTENANCE, ran=True), "I2", "notify", "none", "replace"),
    row("i2 as a termination", task("TerminationNotice", MAINTENANCE), "I2", "notify", "none", "replace"),
    row("i2 by the scheduler", task(SCHEDULER, MAINTENANCE), "I2", "notify", "none", "replace"),
    row("i3", task("InfrastructureHealth", "whatever"), "I3", "notify", "none", "replace"),
    row("i3 silent, 137", task("InfrastructureHealth", "", [container(code=137)]), "I3", "notify", "none", "replace"),
]

CAPACITY = [
    failed("c1", "Capacity is unavailable at this time. Please try again later or in a different availability zone", "C1", "replace", "notify"),
    failed("c2 memory", "TaskFailedToStart: RESOURCE:MEMORY", "C2", "replace", "notify"),
    failed("c2 gpu", "TaskFailedToStart: RESOURCE:GPU", "C2", "replace", "notify"),
    failed("c2 provider", "TaskFailedToStart: EMPTY CAPACITY PROVIDER", "C2", "replace", "notify"),
    failed("c2 instances", "NO ACTIVE INSTANCES", "C2", "replace", "notify"),
    failed("c2 lower case", "taskfailedtostart: resource:cpu", "C2", "replace", "notify"),
    failed("c3 attribute", "TaskFailedToStart: ATTRIBUTE", "C3", "notify", "notify"),
    failed("c3 location", "TaskFailedToStart: LOCATION", "C3", "notify", "notify"),
    failed("c3 constraint", "TaskFailedToStart: MemberOf placement constraint unsatisfied.", "C3", "notify", "notify"),
    failed("c3 platform", "PlatformTaskDefinitionIncompatibilityException: no", "C3", "notify", "notify"),
    failed("c3 strategy", "The selected task definition is not compatible with the selected compute strategy", "C3", "notify", "notify"),
    failed("c4", "TaskFailedToStart: AGENT", "C4", "replace", "notify"),
    failed("c5 tasks", "You've reached the limit on the number of tasks you can run concurrently", "C5", "replace", "notify"),
    failed("c5 vcpus", "You've reached the limit on the number of vCPUs you can run concurrently", "C5", "replace", "notify"),
    failed("not c2: words in a sentence", "the application wrote RESOURCE:MEMORY and left", "G5", "replace", "none"),
    failed("not c3: a word", "an attribute was missing from the weather", "G5", "replace", "none"),
    failed("not c4: a word", "the agent of change", "G5", "replace", "none"),
    failed("not c4: in a sentence", "Could not reach the AGENT", "G5", "replace", "none"),
]  # fmt: skip

ENI = "Unexpected EC2 error while attempting to Create Network Interface"
NETWORK = [
    failed("n1", "Timeout waiting for network interface provisioning to complete.", "N1", "replace", "none"),
    failed("n1 other", "network interface provision complete error", "N1", "replace", "none"),
    failed("n2 auth", f"{ENI} in subnet 'subnet-1': AuthFailure", "N2", "replace", "notify"),
    failed("n2 addresses", f"{ENI} in subnet 'subnet-1': InsufficientFreeAddressesInSubnet", "N2", "replace", "notify"),
    failed("n2 public", f"{ENI} with public IP assignment enabled in subnet 'subnet-1'", "N2", "replace", "notify"),
    failed("n2 policy", "Unexpected EC2 error while attempting to tag the network interface: TagPolicyViolation", "N2", "notify", "notify"),
    failed("n3", "Timeout waiting for EphemeralStorage provisioning to complete.", "N3", "replace", "none"),
    failed("n4", "Service Discovery instance could not be registered.", "N4", "replace", "notify"),
    row("n5 capacity", task(attachments=[_volume("InsufficientVolumeCapacity")]), "N5", "replace", "notify"),
    row("n5 role", task(attachments=[_volume("role may not create volumes")]), "N5", "notify", "notify"),
    row("n5 member", task(attachments=[{**_VOLUME, "statusReason": "no capacity here"}]), "N5", "replace", "notify"),
    failed("n5 efs", f"{INIT}failed to invoke EFS utils commands to set up EFS volumes: timed out", "N5", "notify", "notify"),
    row("not n5: attached", task(attachments=[{**_volume("x"), "status": "DELETED"}]), "G5", "replace", "none"),
    row("not n5: an interface", task(attachments=[{**_volume("x"), "type": "eni"}]), "G5", "replace", "none"),
]  # fmt: skip

RESOLVE = f"failed to resolve ref {IMAGE}"
PULLS = [
    pulled("p1 timeout", f"{RESOLVE}: dial tcp 52.1.1.1:443: i/o timeout", "P1", "replace", "none"),
    pulled("p1 eof", f"failed to copy: {IMAGE}: unexpected EOF", "P1", "replace", "none"),
    pulled("p1 argument", "write /x: invalid argument", "P1", "replace", "none"),
    pulled("p1 tls", "net/http: TLS handshake timeout", "P1", "replace", "none"),
    pulled("p1 reset", "read tcp 10.0.0.1:1->2.2.2.2:443: connection reset by peer", "P1", "replace", "none"),
    pulled("p1 canceled", "net/http: request canceled while waiting for connection", "P1", "replace", "none"),
    pulled("p1 dns", f"{RESOLVE}: failed to do request: Head: dial tcp: lookup x: no such host", "P1", "replace", "none"),
    pulled("p1 dns of a digest", f"failed to resolve ref {IMAGE.partition(':')[0]}@{DIGEST}: lookup x: no such host", "P1", "replace", "none"),
    pulled("p1 docker dns", "API error (500): Get https://x/v1/_ping: dial tcp: lookup x: no such host", "P1", "replace", "none"),
    pulled("p1 refused", f"{RESOLVE}: dial tcp 10.0.0.1:443: connect: connection refused", "P1", "replace", "none"),
    pulled("p1 client", "request canceled (Client.Timeout exceeded while awaiting headers)", "P1", "replace", "none"),
    pulled("p1 context", "context canceled", "P1", "replace", "none"),
    pulled("p1 503", "unexpected status code 503", "P1", "replace", "none"),
    pulled("p1 502", "502 Bad Gateway", "P1", "replace", "none"),
    pulled("p1 connection", "There is a connection issue between the task and the registry.", "P1", "replace", "none"),
    pulled("p2 tag", f"{RESOLVE}: {IMAGE}: not found", "P2", "notify", "rollback"),
    pulled("p2 manifest", "manifest unknown: Requested image not found", "P2", "notify", "rollback"),
    pulled("p2 repository", "name unknown: The repository with name 'x' does not exist in the registry with id '1'", "P2", "notify", "rollback"),
    pulled("p2 digest", f"failed to resolve ref {IMAGE.partition(':')[0]}@{DIGEST}: not found", "P2", "notify", "redeploy"),
    pulled("p2 digest, silent", f"failed to resolve ref {IMAGE.partition(':')[0]}@{DIGEST}", "P2", "notify", "redeploy"),
    pulled("p2 unresolved", "failed to resolve ref", "P2", "notify", "redeploy"),
    pulled("p3 denied", "pull access denied for shop/web, repository does not exist or may require login", "P3", "notify", "notify"),
    pulled("p3 403", f"{RESOLVE}: unexpected status from HEAD request: 403 Forbidden", "P3", "notify", "notify"),
    pulled("p3 403 of a digest", f"failed to resolve ref {IMAGE.partition(':')[0]}@{DIGEST}: 403 Forbidden", "P3", "notify", "notify"),
    pulled("p3 policy", "user is not authorized to perform: ecr:BatchGetImage", "P3", "notify", "notify"),
    pulled("p3 basic", "no basic auth credentials", "P3", "notify", "notify"),
    pulled("p3 401", f"{RESOLVE}: unexpected status code 401", "P3", "notify", "notify"),
    pulled("p3 x509", "failed to do request: Head: x509: certificate signed by unknown authority", "P3", "notify", "notify"),
    pulled("p3 x509 resolving", f"{RESOLVE}: tls: failed to verify certificate: x509: certificate has expired", "P3", "notify", "notify"),
    pulled("p4 hub", "toomanyrequests: You have reached your pull rate limit.", "P4", "replace", "notify"),
    pulled("p4 429", f"{RESOLVE}: 429 Too Many Requests", "P4", "replace", "notify"),
    pulled("p4 throttled", "ThrottlingException: Rate exceeded", "P4", "replace", "notify"),
    pulled("p5 space", "failed to register layer: write /usr/lib/x: no space left on device", "P5", "replace", "notify"),
    row("p5 on an instance", task(reason=PULL + "no space left on device", fargate=False), "P5", "replace", "drain"),
    row("p5 thin pool", task(containers=[container(reason="CannotCreateContainerError: devmapper: Thin Pool has 1 free data blocks")]), "P5", "replace", "notify"),
    pulled("p6 manifest", "no matching manifest for linux/arm64/v8 in the manifest list entries", "P6", "notify", "rollback"),
    pulled("p6 says not found", f"{RESOLVE}: no match for platform in manifest: not found", "P6", "notify", "rollback"),
    pulled("p6 descriptor", "image Manifest does not contain descriptor matching platform 'linux/amd64'", "P6", "notify", "rollback"),
    row("p6 exec format", ended(container(code=255, reason="exec /app: exec format error")), "P6", "notify", "rollback"),
    row("p2 in a container", task(containers=[container(reason=f"CannotPullContainerError: {IMAGE}: not found")]), "P2", "notify", "rollback"),
    row("p1 in the second container", task(containers=[container("a"), container("z", reason=PULL + "i/o timeout")]), "P1", "replace", "none"),
    row("not p3: an image called denied", task(reason=f"{PULL}failed to resolve ref quay.io/x/denied:401: not found", containers=[{"name": "web", "image": "quay.io/x/denied:401"}]), "P2", "notify", "rollback"),
    row("not p1: a port", task(reason=PULL + "failed to resolve ref registry:503/web: not found", containers=[{"name": "web", "image": "registry:503/web"}]), "P2", "notify", "rollback"),
    row("not p*: an application's words", ended(container(code=1, reason="config not found, access denied, EOF")), "G4", "notify", "none"),
    pulled("not p3: the tag of an image that is not listed", "failed to resolve ref quay.io/x/y:401: not found", "P2", "notify", "rollback"),
    pulled("p2 not found by ecs", "The task cannot find the image 'x'.", "P2", "notify", "rollback"),
    pulled("pull of no known kind", "something odd", "P1", "replace", "notify"),
]  # fmt: skip

RESOURCES = [
    failed("r1 refused", f"{INIT}{UNPULLED}AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue", "R1", "notify", "notify"),
    failed("r1 missing", f"{INIT}{UNPULLED}ResourceNotFoundException: Secrets Manager can't find the specified secret.", "R1", "notify", "notify"),
    failed("r1 network", f"{INIT}{UNPULLED}RequestError: send request failed: dial tcp 1.1.1.1:443: i/o timeout", "R1", "replace", "notify"),
    failed("r1 deadline", f"{INIT}{UNPULLED}context deadline exceeded", "R1", "replace", "notify"),
    failed("r1 neither", f"{INIT}{UNPULLED}somehow", "R1", "notify", "notify"),
    failed("r2", f"{INIT}failed to initialize logging driver: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.", "R2", "notify", "notify"),
    failed("r2 arguments", f"{INIT}failed to validate logger args: create stream has been retried 1 times", "R2", "notify", "notify"),
    failed("r3", f"{INIT}failed to configure ENI: failed to setup regular eni: netplugin failed", "R3", "replace", "notify"),
    failed("k1", "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x' that was provided for this task.", "K1", "notify", "notify"),
    row("d1 failed", task(containers=[container(reason="TaskDependencyError: dependencies cannot be resolved")]), "D1", "notify", "none"),
    row("d1 exit", task(containers=[container("init", 1), container(reason="dependency graph: failed to resolve container ordering dependency [init] for target [web] as dependency did not exit successfully.")], ran=True), "D1", "notify", "none"),
    row("d1 timeout", task(containers=[container(reason="dependency graph: container ordering dependency [init] for target [web] has timed out.")]), "D1", "replace", "none"),
    row("t1", task(containers=[container(reason="DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s")], fargate=False), "T1", "replace", "notify"),
    row("t1 runtime", task(containers=[container(reason="ContainerRuntimeTimeoutError: Could not transition to started")]), "T1", "replace", "notify"),
    row("t1 stop", ended(container(code=137, reason="DockerTimeoutError: Could not transition to stopped")), "T1", "notify", "notify", "replace"),
    row("t2 create", task(containers=[container(reason="CannotCreateContainerError: API error (400): invalid mount config")]), "T2", "replace", "rollback"),
    row("t2 start", task(containers=[container(reason="CannotStartContainerError: failed to create shim task")]), "T2", "replace", "rollback"),
    row("t2 host", task(containers=[container(reason="HostConfigError: x")]), "T2", "replace", "rollback"),
    row("t3 inspect", task(containers=[container(reason="CannotInspectContainerError: Could not inspect")]), "T3", "replace", "none"),
    row("t3 vanished", ended(container(reason="ContainerVanishedError: x")), "T3", "notify", "none", "replace"),
    failed("t3 internal", "InternalError: eni attachment", "T3", "replace", "none"),
    failed("not t3: a word", "an InternalError: was seen somewhere", "G5", "replace", "none"),
]  # fmt: skip

RUNNING = [
    row("m1", ended(container(code=137, reason="OutOfMemoryError: Container killed due to memory usage")), "M1", "notify", "notify", "replace"),
    row("m1 short name", ended(container(code=137, reason="OutOfMemory: Container killed due to memory usage")), "M1", "notify", "notify", "replace"),
    row("m1 without a code", ended(container(reason="OutOfMemoryError: Container killed due to memory usage")), "M1", "notify", "notify", "replace"),
    row("m1 beside another", ended(container("a", 143), container("z", 137, "OutOfMemoryError: x")), "M1", "notify", "notify", "replace"),
    row("not m1: 137 alone", ended(container(code=137)), "G2", "notify", "none", "replace"),
    row("not m1: java", ended(container(code=1, reason="java.lang.OutOfMemoryErrorLike")), "G4", "notify", "none"),
    row("not m1: a program's name", ended(container(code=1, reason="OutOfMemoryKiller: said no")), "G4", "notify", "none"),
    row("h1", task(SCHEDULER, "Task failed container health checks", [container(code=137)]), "H1", "notify", "none", "replace"),
    row("h2", task(SCHEDULER, "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:x)", [container(code=137)]), "H2", "notify", "none"),
    row("h2 classic", task(SCHEDULER, "Task failed ELB health checks in (elb web)"), "H2", "notify", "none"),
    row("g1 139", ended(container(code=139)), "G1", "notify", "none", "replace"),
    row("g1 132", ended(container(code=132)), "G1", "notify", "none", "replace"),
    row("g1 134", ended(container(code=134)), "G1", "notify", "none", "replace"),
    row("g2 beside sigterm", ended(container("a", 143), container("b", 137)), "G2", "notify", "none", "replace"),
    row("g3 126", ended(container(code=126)), "G3", "notify", "rollback"),
    row("g3 127", ended(container(code=127)), "G3", "notify", "rollback"),
    row("g4 1", ended(container(code=1)), "G4", "notify", "none"),
    row("g4 125", ended(container(code=125)), "G4", "notify", "none"),
    row("g4 255", ended(container(code=255)), "G4", "notify", "none"),
    row("g4 before sigkill", ended(container("a", 137), container("b", 3)), "G4", "notify", "none"),
    row("g4 before sigterm", ended(container("a", 143), container("b", 3)), "G4", "notify", "none"),
    row("g4 before 0", ended(container("a", 0), container("b", 3)), "G4", "notify", "none"),
    row("g4 without a stop code", task("", "Essential container in task exited", [container(code=2)], ran=True), "G4", "notify", "none"),
    row("g5", ended(container()), "G5", "notify", "none", "replace"),
    row("g5 never started", task(reason=""), "G5", "replace", "none"),
    row("g5 no containers", task(reason="", containers=[]), "G5", "replace", "none"),
    row("g5 beside 0", ended(container("a", 0), container("b")), "G5", "notify", "none", "replace"),
    row("z 143", ended(container(code=143)), "Z", "notify", "notify"),
    row("z 130", ended(container(code=130)), "Z", "notify", "notify"),
    row("z 200", ended(container(code=200)), "Z", "notify", "notify"),
    row("z negative", ended(container(code=-1073741510)), "Z", "notify", "notify"),
    row("z unknown code", task("MoonPhase", "the moon was full", [container(code=1)]), "Z", "notify", "notify"),
    row("z unknown code, no code", task("MoonPhase", "", [container()]), "Z", "notify", "notify"),
    row("z scheduler", task(SCHEDULER, "for a reason of its own", [container(code=1)]), "Z", "notify", "notify"),
    row("unknown code, known text", task("MoonPhase", MAINTENANCE), "I2", "notify", "none", "replace"),
]  # fmt: skip

LATE = {"stoppingAt": "2026-11-01T13:00:00Z", "executionStoppedAt": "2026-11-01T13:00:30Z"}
NOTHING = [
    row("exit 0", ended(container(code=0)), "", "none", "none"),
    row("all exit 0", ended(container("a", 0), container("b", 0)), "", "none", "none"),
    row("exit 0, then sigterm", ended(container("a", 0), container("b", 143)), "", "none", "none"),
    row("exit 0, then sigint", ended(container("a", 0), container("b", 130)), "", "none", "none"),
    row("exit 0, then sigkill after stopTimeout", ended(container("a", 0), container("b", 137), **LATE), "", "none", "none"),
    row("exit 0 beside a guard", ended(container(code=0), container("aws-guardduty-agent-x")), "", "none", "none"),
    row("running", task("", "", lastStatus="RUNNING", desiredStatus="RUNNING", ran=True), "", "none", "none"),
    row("pending", task("", "", lastStatus="PENDING", desiredStatus="RUNNING", createdAt="2026-11-01T12:59:00Z"), "", "none", "none"),
    row("stopping with 137", task(EXITED, "", [container(code=137)], lastStatus="DEPROVISIONING"), "", "none", "none"),
    row("stopping at health checks", task(SCHEDULER, "Task failed container health checks", lastStatus="STOPPING"), "", "none", "none"),
    row("stopping for lack of memory", task(EXITED, "", [container(code=137, reason="OutOfMemoryError: x")], lastStatus="STOPPING"), "", "none", "none"),
    row("no status", task(EXITED, "", [container(code=1)], lastStatus=None), "", "none", "none"),
]  # fmt: skip

TABLE = [*STOPS, *CAPACITY, *NETWORK, *PULLS, *RESOURCES, *RUNNING, *NOTHING]
