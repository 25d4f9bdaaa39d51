"""Classes of what keeps a task from starting: capacity, network, resources, dependencies, runtime (recover 2.4).

Texts are Amazon ECS's and its agent's. Where upstream words are not verified they are anchored the more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longshore.recover.case import Case, Said
from longshore.recover.diagnosis import Remedy
from longshore.recover.entry import Entry, Found, Question, any_of, has, says
from longshore.recover.grounds import Ground
from longshore.recover.pulling import PULL

_NONE, _NOTIFY, _REPLACE, _ROLLBACK = Remedy.NONE, Remedy.NOTIFY, Remedy.REPLACE, Remedy.ROLLBACK

_LEAD = r"^(?:TaskFailedToStart:?\s*|unable to place (?:a )?task[^:]{0,80}:\s*)?"
"""What may stand before a code of placement: these are whole reasons, never words in the middle of one."""

CAPACITY = (
    Entry(
        "C1", "capacity", _REPLACE, _NOTIFY,
        "Offer more Availability Zones or another size of the task; on Spot, add FARGATE as a fallback.",
        says(rf"Capacity is unavailable at this time|{_LEAD}RESOURCE:FARGATE\b"),
    ),
    Entry(
        "C2", "placement: no room", _REPLACE, _NOTIFY,
        "No instance has the resource that it names: add instances, let the capacity provider scale, or ask for less.",
        says(
            rf"{_LEAD}(?:RESOURCE:(?:CPU|MEMORY|PORTS(?:_UDP)?|ENI|GPU)\b|EMPTY CAPACITY PROVIDER|NO ACTIVE INSTANCES)"
            r"|no container instances were found in your cluster|insufficient (?:CPU|memory) (?:units )?available"
        ),
    ),
    Entry(
        "C3", "placement: mismatch", _NOTIFY, _NOTIFY,
        "No instance fits: compare the task definition's attributes, architecture and placement constraints with them.",
        says(
            rf"{_LEAD}(?:ATTRIBUTE|LOCATION)\b|\bMemberOf\b.{{0,80}}(?:constraint|unsatisfied)|{_LEAD}MemberOf\b"
            r"|missing an attribute required by your task|not compatible with the selected compute strategy"
            r"|\b(?:PlatformTaskDefinitionIncompatibility|PlatformUnknown|UnsupportedFeature)(?:Exception|Error)?\b"
        ),
    ),
    Entry(
        "C4", "placement: agent disconnected", _REPLACE, _NOTIFY,
        "The instance's ECS agent is disconnected: look at the agent, its role and its way to ECS.",
        says(rf"{_LEAD}AGENT\s*(?:$|[.:;(-])"),
    ),
    Entry(
        "C5", "quota", _REPLACE, _NOTIFY,
        "An account quota is reached: ask for more of it in Service Quotas, or run fewer tasks at once.",
        says(
            r"limit on the number of (?:tasks|vCPUs)|number of tasks (?:that are )?in (?:the )?PROVISIONING"
            r"|vCPU (?:service )?(?:limit|quota)|(?:service )?quota[^.]{0,60}PROVISIONING"
        ),
    ),
)  # fmt: skip

_CREATE_ENI = r"Unexpected EC2 error while attempting to \w+(?: an?| the)? network interface"
_NO_ADDRESS = r"InsufficientFreeAddresses|(?:free|available|enough) (?:IP )?addresses|public IP assignment enabled"
_NOT_ALLOWED = r"TagPolicyViolation|UnauthorizedOperation|not authorized"


def _volume(pattern: str = "") -> Question:
    """Whether an EBS volume could not be created or attached, for a reason of a pattern."""

    def ask(case: Case) -> Found | None:
        for each in sorted(case.task.attachments, key=lambda found: str(found.get("id"))):
            if case.task.final and (each.get("type"), each.get("status")) == ("AmazonElasticBlockStorage", "FAILED"):
                said = Said("attachments[AmazonElasticBlockStorage].statusReason", _status_reason(each))
                if has(pattern, said.text):
                    return Found((said.line,))
        return None

    return ask


def _status_reason(attachment: Mapping[str, Any]) -> str:
    details = attachment.get("details")
    pairs = [each for each in details if isinstance(each, Mapping)] if isinstance(details, list | tuple) else []
    named = [each.get("value") for each in pairs if each.get("name") == "statusReason"]
    return next((text for text in (attachment.get("statusReason"), *named) if isinstance(text, str)), "")


NETWORK = (
    Entry(
        "N1", "network interface timeout", _REPLACE, _NONE,
        "EC2 was slow to make the network interface. Nothing to mend unless it happens again and again.",
        says(r"Timeout waiting for network interface provisioning|network interface provision(?:ing)? complete error"),
    ),
    Entry(
        "N2", "network interface refused", _NOTIFY, _NOTIFY,
        "A policy forbids the network interface or its tags: look at service control and tag policies.",
        says(_CREATE_ENI, also=_NOT_ALLOWED, unless=r"AuthFailure"),
    ),
    Entry(
        "N2", "network interface refused", _REPLACE, _NOTIFY,
        "The subnet has no free address: use another subnet, or a larger one.",
        says(_CREATE_ENI, also=_NO_ADDRESS),
    ),
    Entry(
        "N2", "network interface refused", _REPLACE, _NOTIFY,
        "EC2 refused the network interface, mostly for a moment: look at EC2's throttling and the service-linked role.",
        says(rf"{_CREATE_ENI}|Unable to attach network interface to unused device"),
    ),
    Entry(
        "N3", "ephemeral storage timeout", _REPLACE, _NONE,
        "Fargate was slow to make the storage. Nothing to mend unless it happens again and again.",
        says(r"Timeout waiting for EphemeralStorage provisioning"),
    ),
    Entry(
        "N4", "service discovery", _REPLACE, _NOTIFY,
        "Cloud Map did not register the task: look for stale instances and for the quota of instances per service.",
        says(r"Service Discovery instance could not be registered"),
    ),
    Entry(
        "N5", "volume: no capacity", _REPLACE, _NOTIFY,
        "The zone has no capacity for this EBS volume: use another zone or another type of volume.",
        _volume(r"capacity"),
    ),
    Entry(
        "N5", "volume", _NOTIFY, _NOTIFY,
        "The volume could not be attached or mounted: look at its role, its mount targets and the network.",
        any_of(_volume(), says(r"failed to invoke EFS utils")),
    ),
)  # fmt: skip

_INIT = r"\bResourceInitializationError\b"
_SECRETS = r"unable to (?:pull|retrieve) secrets? or registry auth|unable to (?:pull|retrieve) secrets?\b"
_SECRETS_REFUSED = (
    r"AccessDenied|ResourceNotFound|ParameterNotFound|not authorized|invalid (?:ssm )?parameters|InvalidParameter"
    r"|can't find the specified secret|did(?:n't| not) contain json key|unexpected ARN format|UnrecognizedClient"
)
_UNREACHED = (
    r"timeout|timed out|deadline exceeded|connection issue|request canceled|RequestCanceled|dial tcp|EOF|connection re"
    r"|cannot pull (?:registry auth|secrets)|Throttling"
)

RESOURCES = (
    Entry(
        "R1", "secrets or registry login", _NOTIFY, _NOTIFY,
        "The execution role may not read the secret, or there is no such secret, key or version.",
        says(_SECRETS, also=_SECRETS_REFUSED),
    ),
    Entry(
        "R1", "secrets or registry login", _REPLACE, _NOTIFY,
        "Secrets Manager, SSM or ECR was not reached: look at NAT, VPC endpoints, security groups and DNS.",
        says(_SECRETS, also=_UNREACHED),
    ),
    Entry(
        "R1", "secrets or registry login", _NOTIFY, _NOTIFY,
        "A secret or the login to the registry could not be had: look at the execution role and the network.",
        says(_SECRETS, also=_INIT),
    ),
    Entry(
        "R2", "log driver", _NOTIFY, _NOTIFY,
        "The log driver did not start: create its log group, or let the execution role write to it.",
        says(rf"{_INIT}.*(?:failed to \w+ (?:logging driver|logger))|failed to initialize logging driver"),
    ),
    Entry(
        "R3", "resource initialization", _REPLACE, _NOTIFY,
        "What the task needs could not be prepared: look at the reason, and at the VPC's DNS settings.",
        says(_INIT),
    ),
    Entry(
        "K1", "role not assumed", _NOTIFY, _NOTIFY,
        "ECS may not assume the role: its trust policy must name ecs-tasks.amazonaws.com, and the role must exist.",
        says(r"ECS was unable to assume the role"),
    ),
)  # fmt: skip

_DEPENDENCY = (
    r"\bTaskDependencyError\b|dependencies cannot be resolved|container ordering dependency"
    r"|dependency (?:container )?(?:exited|did not|failed)"
)

RUNTIME = (
    Entry(
        "D1", "dependency", _REPLACE, _NONE,
        "A container waited too long for one that it depends on: raise startTimeout, or make the other quicker.",
        says(_DEPENDENCY, also=r"timed out|timeout"),
    ),
    Entry(
        "D1", "dependency", _NOTIFY, _NONE,
        "A container that another one depends on failed: look at its log, and at dependsOn.",
        says(_DEPENDENCY),
    ),
    Entry(
        "T1", "runtime timeout", _REPLACE, _NOTIFY,
        "The container runtime did not answer in time: the instance is overloaded, or its disk or runtime is failing.",
        says(r"\b(?:Docker|ContainerRuntime)TimeoutError\b|Could not transition to (?:created|started|stopped)\b"),
    ),
    Entry(
        "T2", "container not created or started", _REPLACE, _ROLLBACK,
        "The runtime refused the container: look at its command, mounts, volumes, ulimits and host settings.",
        says(r"\b(?:CannotCreateContainerError|CannotStartContainerError|HostConfigError|InvalidVolumeError)\b"),
        Ground.NEW_REVISION,
    ),
    Entry(
        "T3", "agent internal", _REPLACE, _NONE,
        "The agent or the runtime lost the container. Nothing to mend unless it happens again and again.",
        says(
            r"\b(?:CannotInspectContainerError|ContainerVanishedError|TaskStoppedBeforePullBegin(?:Error)?)\b"
            rf"|{_LEAD}InternalError\b"
        ),
    ),
)  # fmt: skip

THROTTLED = (
    Entry(
        "C5", "quota: throttled", _REPLACE, _NOTIFY,
        "ECS, or EC2 for it, had too many requests. If it stays: find who calls that often, or ask for a higher rate.",
        says(r"\bRequestLimitExceeded\b|\bRequest limit exceeded\b|\bThrottling(?:Exception)?\b|\bRate exceeded\b"),
    ),
)  # fmt: skip
"""Asked last: who throttles whom tells more."""

STARTING = (*CAPACITY, *NETWORK, *PULL, *RESOURCES, *RUNTIME, *THROTTLED)
