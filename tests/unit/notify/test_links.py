"""Links: right in each partition, quoted whatever the event names."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.notices import Link
from longshore.notify.links import Console, quoted
from longshore.workloads import PlatformKind, WorkloadId

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MS = 1795428000000
PARTITIONS = [
    ("eu-west-1", "arn:aws:ecs:eu-west-1:123456789012:service/c/s", "https://eu-west-1.console.aws.amazon.com"),
    ("cn-north-1", "arn:aws-cn:ecs:cn-north-1:123456789012:service/c/s", "https://cn-north-1.console.amazonaws.cn"),
    (
        "us-gov-west-1",
        "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:service/c/s",
        "https://us-gov-west-1.console.amazonaws-us-gov.com",
    ),
]


def service(cluster: str, name: str) -> WorkloadId:
    return WorkloadId("", PlatformKind.ECS_SERVICE, "aws", "123456789012", "eu-west-1", cluster, name)


def url(link: Link | None) -> str:
    assert link
    return link.url


@pytest.mark.parametrize(("region", "arn", "base"), PARTITIONS)
@pytest.mark.parametrize("known", [True, False])
def test_every_page_in_every_partition(region: str, arn: str, base: str, known: bool) -> None:
    console = Console(region, arn if known else "")
    digest = "sha256:" + "a" * 64
    window = f"$3Fstart$3D{MS - 120_000}$26end$3D{MS + 120_000}"
    assert [
        url(console.workload(service("core", "web"))),
        url(console.deployments(service("core", "web"))),
        url(console.task("core", "0123abc")),
        url(console.repository("123456789012", "shop/web")),
        url(console.image("123456789012", "shop/web", digest)),
        url(console.logs("/ecs/web", "web/app/0123", AT)),
        url(console.logs("/ecs/web", "", AT)),
        url(console.alarm("web 5xx")),
    ] == [
        f"{base}/ecs/v2/clusters/core/services/web/health?region={region}",
        f"{base}/ecs/v2/clusters/core/services/web/deployments?region={region}",
        f"{base}/ecs/v2/clusters/core/tasks/0123abc/configuration?region={region}",
        f"{base}/ecr/repositories/private/123456789012/shop/web?region={region}",
        f"{base}/ecr/repositories/private/123456789012/shop/web/_/image/{digest}/details?region={region}",
        f"{base}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/$252Fecs$252Fweb/log-events/web$252Fapp$252F0123{window}",
        f"{base}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/$252Fecs$252Fweb/log-events{window}",
        f"{base}/cloudwatch/home?region={region}#alarmsV2:alarm/web%205xx",
    ]


@pytest.mark.parametrize(
    ("arn", "label", "page"),
    [
        (
            "lambda:eu-west-1:123456789012:function:resize",
            "link.function",
            "/lambda/home?region=eu-west-1#/functions/resize",
        ),
        (
            "eks:eu-west-1:123456789012:cluster/shop/web/deployment/api",
            "link.cluster",
            "/eks/clusters/shop?region=eu-west-1",
        ),
    ],
)
def test_other_platforms_have_pages_of_their_own(arn: str, label: str, page: str) -> None:
    workload = WorkloadId.parse(f"arn:aws:{arn}")
    link = Console("eu-west-1").workload(workload)
    assert link == Link(label, f"https://eu-west-1.console.aws.amazon.com{page}")
    assert Console("eu-west-1").deployments(workload) is None


@pytest.mark.parametrize("region", ["", "evil.com/#", "eu-west-1.evil.com", "EU-WEST-1", "eu-west-1\n", "é-west-1"])
def test_a_region_that_is_none_gives_no_link(region: str) -> None:
    assert Console(region).workload(service("c", "s")) is None


@pytest.mark.parametrize("arn", ["arn:aws-iso:ecs:us-iso-east-1:1:x", "arn:evil:ecs:r:a:x"])
def test_a_partition_without_a_public_console_gives_no_link(arn: str) -> None:
    assert Console("eu-west-1", arn).workload(service("c", "s")) is None
    assert Console("us-iso-east-1").workload(service("c", "s")) is None


@pytest.mark.parametrize("account", ["", "12345678901", "1234567890123", "12345678901x", "../../evil"])
def test_an_account_that_is_none_gives_no_link(account: str) -> None:
    assert Console("eu-west-1").repository(account, "shop/web") is None


@given(st.text(max_size=60).filter(bool))
def test_hostile_names_stay_inside_their_place(name: str) -> None:
    console = Console("eu-west-1")
    for link in (
        console.workload(service(name, name)),
        console.deployments(service(name, name)),
        console.task(name, name),
        console.repository("123456789012", name),
        console.image("123456789012", "web", name),
        console.logs(name, name, AT),
        console.alarm(name),
    ):
        assert link
        parts = urlsplit(link.url)
        assert (parts.scheme, parts.hostname, parts.query) == (
            "https",
            "eu-west-1.console.aws.amazon.com",
            "region=eu-west-1",
        )
        assert re.fullmatch(r"[A-Za-z0-9._~%:/?#=$-]+", link.url)
        assert not {".", ".."} & set(parts.path.split("/"))
        assert json.loads(json.dumps(link.url)) == link.url


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_quoting_is_percent_encoding(text: str) -> None:
    assert unquote(quoted(text)) == text
    if text not in (".", ".."):
        assert quoted(text) == quote(text, safe="")
