"""Workload ids: one reading of every platform's ARNs, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from longshore.workloads import PlatformKind, WorkloadId

HERE = "eu-west-1:123456789012"
APPLICATION = f"arn:aws:apprunner:{HERE}:service/shop/8fe1e10304f84fd2b0df550fe98a71fa"
DEPLOYMENT = f"arn:aws:eks:{HERE}:cluster/shop/payments/deployment/web.v2"


@pytest.mark.parametrize(
    ("arn", "platform", "cluster", "name", "label"),
    [
        (f"arn:aws:ecs:{HERE}:service/shop/web", PlatformKind.ECS_SERVICE, "shop", "web", "web"),
        (f"arn:aws:lambda:{HERE}:function:resize", PlatformKind.LAMBDA_FUNCTION, "", "resize", "resize"),
        (APPLICATION, PlatformKind.APP_RUNNER_SERVICE, "", "shop", "shop"),
        (DEPLOYMENT, PlatformKind.EKS_WORKLOAD, "shop", "web.v2", "payments/deployment/web.v2"),
        (f"arn:aws:events:{HERE}:rule/nightly", PlatformKind.EVENTBRIDGE_RULE, "", "nightly", "nightly"),
        (
            f"arn:aws:events:{HERE}:rule/aws.partner/shop.example/orders/nightly",
            PlatformKind.EVENTBRIDGE_RULE,
            "",
            "nightly",
            "aws.partner/shop.example/orders/nightly",
        ),
        (
            f"arn:aws:scheduler:{HERE}:schedule/jobs/nightly",
            PlatformKind.EVENTBRIDGE_SCHEDULE,
            "",
            "nightly",
            "jobs/nightly",
        ),
        (
            f"{DEPLOYMENT}{'x' * 80}",
            PlatformKind.EKS_WORKLOAD,
            "shop",
            f"web.v2{'x' * 80}",
            f"payments/deployment/web.v2{'x' * 80}",
        ),
    ],
)
def test_who_a_workload_is(arn: str, platform: PlatformKind, cluster: str, name: str, label: str) -> None:
    found = WorkloadId.parse(arn)
    assert (found.arn, found.platform, found.cluster, found.name, found.label) == (arn, platform, cluster, name, label)
    assert (found.partition, found.account, found.region) == ("aws", "123456789012", "eu-west-1")


def test_what_kubernetes_alone_tells() -> None:
    found = WorkloadId.parse(DEPLOYMENT)
    assert (found.namespace, found.kind) == ("payments", "deployment")


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "web",
        f"arn:aws:ecs:{HERE}:service/web",
        f"arn:aws:ecs:{HERE}:task/shop/web",
        f"arn:aws:ecs:{HERE}:service/shop/web\n",
        f"arn:aws:ecs:{HERE}:service/shop/wéb",
        f"arn:aws:lambda:{HERE}:function:resize:7",
        f"arn:aws:lambda:{HERE}:function:resize:$LATEST",
        f"arn:aws:lambda:{HERE}:layer:resize",
        f"arn:aws:apprunner:{HERE}:service/shop",
        f"{APPLICATION}0",
        f"arn:aws:apprunner:{HERE}:connection/shop/8fe1e10304f84fd2b0df550fe98a71fa",
        f"arn:aws:eks:{HERE}:cluster/shop",
        f"arn:aws:eks:{HERE}:cluster/shop/payments/pod/web",
        f"arn:aws:eks:{HERE}:cluster/shop/Payments/deployment/web",
        f"arn:aws:eks:{HERE}:cluster/shop/payments/deployment/web.",
        f"arn:aws:eks:{HERE}:cluster/shop/payments/deployment/{'a.' * 127}b",
        f"arn:evil:ecs:{HERE}:service/shop/web",
        "arn:aws:ecs:eu-west-1:1234:service/shop/web",
    ],
)
def test_what_is_no_workload(arn: str) -> None:
    assert not WorkloadId.names(arn)
    with pytest.raises(ValueError, match="is not the ARN of a workload"):
        WorkloadId.parse(arn)


def test_only_text_names_a_workload() -> None:
    assert not WorkloadId.names(7)
