"""Who owns a workload, by what its platform says of it: one table, every row of it (redeploy 8.14)."""

from __future__ import annotations

import pytest

from longshore.owners import (
    LOGICAL_ID,
    MANAGER,
    RECOGNISERS,
    STACK_ID,
    STACK_NAME,
    Owner,
    OwnerKind,
    is_mark,
    recognise,
)
from longshore.workloads import POLICY_TAG, PlatformKind, Workload

STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-prod-web/0c0f"
OWNED = {STACK_NAME: "shop-prod-web", STACK_ID: STACK, LOGICAL_ID: "Service"}
COPILOT = {"copilot-application": "shop", "copilot-environment": "prod", "copilot-service": "web"}
PROTON = {
    "aws:proton:service": "arn:aws:proton:eu-west-1:123456789012:service/shop",
    "aws:proton:service-instance": "arn:aws:proton:eu-west-1:123456789012:service/shop/service-instance/prod",
}
BEARING = {"(?i:true|yes|1)": "True", "(?i:terraform|opentofu)": "Terraform", "[A-Za-z0-9]+[0-9A-F]{8}": "WebD69D759B"}


@pytest.mark.parametrize(
    ("marks", "owner"),
    [
        ({}, None),
        ({POLICY_TAG: "digest", "team": "shop"}, None),
        (OWNED, Owner(OwnerKind.CLOUDFORMATION, "shop-prod-web", "shop-prod-web", STACK, "Service")),
        ({STACK_ID: STACK}, Owner(OwnerKind.CLOUDFORMATION, "", "shop-prod-web", STACK)),
        (
            {**OWNED, LOGICAL_ID: "WebServiceD69D759B"},
            Owner(OwnerKind.CDK, "shop-prod-web", "shop-prod-web", STACK, "WebServiceD69D759B"),
        ),
        (
            {**OWNED, LOGICAL_ID: "WebServiced69d759b"},  # CDK's hash is in capitals
            Owner(OwnerKind.CLOUDFORMATION, "shop-prod-web", "shop-prod-web", STACK, "WebServiced69d759b"),
        ),
        ({**OWNED, **COPILOT}, Owner(OwnerKind.COPILOT, "shop/prod/web", "shop-prod-web", STACK, "Service")),
        ({**OWNED, **PROTON}, Owner(OwnerKind.PROTON, "prod/shop", "shop-prod-web", STACK, "Service")),
        ({"ManagedBy": "terraform"}, Owner(OwnerKind.TERRAFORM)),
        ({"managed-by": "OpenTofu"}, Owner(OwnerKind.TERRAFORM)),
        ({"Terraform": "true"}, Owner(OwnerKind.TERRAFORM)),
        ({"Terraform": "false"}, None),
        ({"ManagedBy": "somebody"}, None),
        ({**OWNED, "Terraform": "true"}, Owner(OwnerKind.CLOUDFORMATION, "shop-prod-web", "shop-prod-web", STACK, "Service")),
        ({"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/web"}, Owner(OwnerKind.ARGO_CD, "shop")),
        ({"helm.toolkit.fluxcd.io/name": "shop"}, Owner(OwnerKind.FLUX, "shop")),
        ({f"{MANAGER}kustomize-controller": ""}, Owner(OwnerKind.FLUX)),
        ({"aws.cdk.eks/prune-c8a2": ""}, Owner(OwnerKind.CDK)),
    ],
)  # fmt: skip
def test_who_owns_what_bears_these_marks(marks: dict[str, str], owner: Owner | None) -> None:
    assert recognise(marks) == owner


@pytest.mark.parametrize("row", RECOGNISERS, ids=lambda row: row.mark)
def test_every_row_recognises_its_owner_by_its_mark_alone(row: object) -> None:
    assert isinstance(row, tuple)
    owner, mark, value, _ = row
    found = recognise({mark.replace("*", "x"): BEARING.get(value, "x")})
    assert found is not None
    assert found.kind is owner


def test_every_owner_has_a_row_and_a_name() -> None:
    assert {row.owner for row in RECOGNISERS} == set(OwnerKind)
    assert len({kind.label for kind in OwnerKind}) == len(OwnerKind)


def test_only_gitops_undoes_what_others_change() -> None:
    assert {kind for kind in OwnerKind if kind.undoes} == {OwnerKind.ARGO_CD, OwnerKind.FLUX}


def test_the_index_keeps_the_marks_and_no_other_tags() -> None:
    tags = {POLICY_TAG: "digest", "team": "shop", **OWNED, **COPILOT}
    workload = Workload("arn", PlatformKind.ECS_SERVICE, "1", "r", "shop", "web", tags)
    assert workload.remembered.tags == {POLICY_TAG: "digest", **OWNED, **COPILOT}
    assert workload.remembered.owner == workload.owner
    assert not is_mark("team")
    assert (workload.subject.owner, workload.subject.stack) == ("copilot", "shop-prod-web")
