"""Owners: who else declares what a workload runs, recognised by what its platform says of it (redeploy 8.14).

Infrastructure as code (CloudFormation and what stands on it, Terraform) declares an image once, and what Longshore
deploys in place then differs from it: a drift. GitOps (Argo CD, Flux) undoes whatever others change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple


class OwnerKind(StrEnum):
    """A closed set. A workload without an owner has None."""

    ARGO_CD = "argo-cd"
    FLUX = "flux"
    PROTON = "proton"
    COPILOT = "copilot"
    CDK = "cdk"
    CLOUDFORMATION = "cloudformation"
    TERRAFORM = "terraform"

    @property
    def label(self) -> str:
        """What people call it."""
        return _LABELS[self]

    @property
    def undoes(self) -> bool:
        """Whether it takes back what others change, so that its workloads are told of and never touched."""
        return self in (OwnerKind.ARGO_CD, OwnerKind.FLUX)


_LABELS: Final = {
    OwnerKind.ARGO_CD: "Argo CD",
    OwnerKind.FLUX: "Flux",
    OwnerKind.PROTON: "AWS Proton",
    OwnerKind.COPILOT: "AWS Copilot",
    OwnerKind.CDK: "AWS CDK",
    OwnerKind.CLOUDFORMATION: "CloudFormation",
    OwnerKind.TERRAFORM: "Terraform",
}


class Owner(NamedTuple):
    """Who owns a workload.

    `name` is what the owner calls it (``shop/prod/web`` in Copilot, the application in Argo CD). `stack`, `stack_id`
    and `logical_id` are CloudFormation's, of the stack that holds the workload: Copilot, CDK and Proton have one too.
    """

    kind: OwnerKind
    name: str = ""
    stack: str = ""
    stack_id: str = ""
    logical_id: str = ""


STACK_NAME: Final = "aws:cloudformation:stack-name"
STACK_ID: Final = "aws:cloudformation:stack-id"
LOGICAL_ID: Final = "aws:cloudformation:logical-id"
MANAGER: Final = "field-manager:"
"""What stands before the name of a Kubernetes field manager that owns parts of a spec, among the marks of an object."""


class Recogniser(NamedTuple):
    """One row: what bears `mark`, with a value of this pattern, is `owner`'s; `names` are marks to call it by.

    A mark is the key of an AWS tag, of a Kubernetes label or annotation, or a field manager after MANAGER; one that
    ends in a star stands for all that begin so.
    """

    owner: OwnerKind
    mark: str
    value: str = ".*"
    names: tuple[str, ...] = ()


_COPILOT = ("copilot-application", "copilot-environment", "copilot-service")
_PROTON = ("aws:proton:service-instance", "aws:proton:service", "aws:proton:environment")
_YES = "(?i:true|yes|1)"
_TERRAFORM = "(?i:terraform|opentofu)"

RECOGNISERS: Final = (
    Recogniser(OwnerKind.ARGO_CD, "argocd.argoproj.io/tracking-id", names=("argocd.argoproj.io/tracking-id",)),
    Recogniser(OwnerKind.ARGO_CD, "argocd.argoproj.io/instance", names=("argocd.argoproj.io/instance",)),
    Recogniser(OwnerKind.FLUX, "kustomize.toolkit.fluxcd.io/name", names=("kustomize.toolkit.fluxcd.io/name",)),
    Recogniser(OwnerKind.FLUX, "helm.toolkit.fluxcd.io/name", names=("helm.toolkit.fluxcd.io/name",)),
    Recogniser(OwnerKind.ARGO_CD, f"{MANAGER}argocd-controller"),
    Recogniser(OwnerKind.ARGO_CD, f"{MANAGER}argocd-application-controller"),
    Recogniser(OwnerKind.FLUX, f"{MANAGER}kustomize-controller"),
    Recogniser(OwnerKind.FLUX, f"{MANAGER}helm-controller"),
    Recogniser(OwnerKind.PROTON, "aws:proton:*", names=_PROTON),
    Recogniser(OwnerKind.COPILOT, "copilot-application", names=_COPILOT),
    Recogniser(OwnerKind.CDK, "aws-cdk:*", names=(STACK_NAME,)),
    Recogniser(OwnerKind.CDK, "aws.cdk.eks/prune-*"),
    Recogniser(OwnerKind.CDK, LOGICAL_ID, "[A-Za-z0-9]+[0-9A-F]{8}", (STACK_NAME,)),  # CDK ends ids in a hash
    Recogniser(OwnerKind.CLOUDFORMATION, STACK_NAME, names=(STACK_NAME,)),
    Recogniser(OwnerKind.CLOUDFORMATION, STACK_ID),
    *(Recogniser(OwnerKind.TERRAFORM, key, _YES) for key in ("terraform", "Terraform")),
    *(
        Recogniser(OwnerKind.TERRAFORM, key, _TERRAFORM)
        for key in ("managed-by", "managed_by", "ManagedBy", "managedBy", "Managed-By", "CreatedBy", "created-by")
    ),
)
"""Every way to recognise an owner; the first row that fits decides, so what stands on another comes before it.

Terraform leaves no mark of its own: its tags are those that people put there (redeploy 8.14).
"""

_READ: Final = frozenset(key for row in RECOGNISERS for key in (row.mark, *row.names)) | {STACK_ID}
_PREFIXES: Final = tuple(key[:-1] for key in _READ if key.endswith("*"))


def is_mark(key: str) -> bool:
    """Whether any row looks at it."""
    return key in _READ or key.startswith(_PREFIXES)


def recognise(marks: Mapping[str, str]) -> Owner | None:
    """Who owns what bears these marks; None for what nobody is known to own."""
    row = next((row for row in RECOGNISERS if _fits(row, marks)), None)
    if row is None:
        return None
    name = "/".join(text for key in row.names if (text := _plain(marks.get(key, ""))))
    stack = marks.get(STACK_NAME) or marks.get(STACK_ID, "").rpartition(":stack/")[2].partition("/")[0]
    return Owner(row.owner, name, stack, marks.get(STACK_ID, ""), marks.get(LOGICAL_ID, ""))


def _fits(row: Recogniser, marks: Mapping[str, str]) -> bool:
    if row.mark.endswith("*"):
        return any(key.startswith(row.mark[:-1]) for key in marks)
    return row.mark in marks and re.fullmatch(row.value, marks[row.mark], re.DOTALL) is not None


def _plain(value: str) -> str:
    """Proton's tags hold ARNs, Argo CD's tracking id what it tracks after a colon: only the name is wanted."""
    return value.rpartition("/")[2] if value.startswith("arn:") else value.partition(":")[0]


class Drift(NamedTuple):
    """What a workload declares otherwise than its owner does, since Longshore deployed in place.

    `property` is where the owner declares the image of `container`, `was` what it declares there, `now` what Longshore
    declared instead. `revision` is the task definition that says so, empty where the platform has none.
    """

    container: str
    property: str
    was: str
    now: str
    owner: str
    stack: str = ""
    since: datetime | None = None
    revision: str = ""

    def told(self) -> dict[str, str]:
        """What events say of it, beside the owner and its stack."""
        return {"container": self.container, "property": self.property, "was": self.was, "now": self.now}
