"""The way into a cluster: what is described once, signed now and then, and spoken over TLS."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials
from urllib3.exceptions import ProtocolError

from longshore.aws.eks_access import Cluster, Clusters, Tokens, presigned_token
from longshore.aws.kubernetes import Kubernetes, NotConnectedError, UntrustedError
from longshore.errors import AmbiguousError, ConflictError, UnsupportedError, UpstreamError
from longshore_local.certificates import Certificate, make_certificate
from longshore_local.kubernetes.cluster import KubernetesCluster
from longshore_local.kubernetes.kinds import CONFIG_MAP
from longshore_local.timeline import VirtualTimeline
from tests.fakes import FakeClock

ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/shop"
SHOP = Cluster(ARN, "shop", "eu-west-1", "https://127.0.0.1:1", "", False)
DEPLOYMENTS = "/apis/apps/v1/deployments"


class Eks:
    """DescribeCluster."""

    def __init__(self, **members: Any) -> None:
        authority = {"data": base64.b64encode(b"PEM").decode()}
        self.cluster = {"arn": ARN, "endpoint": "https://abc.eks", "certificateAuthority": authority, **members}
        self.calls = 0

    def describe_cluster(self, *, name: str) -> dict[str, Any]:
        self.calls += 1
        return {"cluster": self.cluster}


def test_a_cluster_is_described_once_in_five_minutes() -> None:
    clock, eks = FakeClock(), Eks(resourcesVpcConfig={"endpointPublicAccess": False})
    clusters = Clusters(lambda: eks, clock)
    found = clusters.get("shop")
    assert (found.region, found.endpoint, found.authority, found.is_private) == (
        "eu-west-1",
        "https://abc.eks",
        "PEM",
        True,
    )
    clock.advance(299)
    assert clusters.get("shop") == found
    assert eks.calls == 1
    clock.advance(2)
    clusters.get("shop")
    assert eks.calls == 2
    clusters.forget("shop")
    clusters.get("shop")
    assert eks.calls == 3


@pytest.mark.parametrize(
    "members",
    [{"endpoint": None}, {"certificateAuthority": {}}, {"certificateAuthority": {"data": "no base64"}}],
)
def test_a_cluster_that_is_being_made_cannot_be_asked(members: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError):
        Clusters(lambda: Eks(**members), FakeClock()).get("shop")


@pytest.mark.parametrize(
    ("network", "private"),
    [
        ({}, False),
        ({"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}, False),
        ({"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}, True),
        ({"endpointPublicAccess": False}, True),
    ],
)
def test_an_endpoint_that_does_not_answer_everyone_is_private(network: dict[str, Any], private: bool) -> None:
    assert Clusters(lambda: Eks(resourcesVpcConfig=network), FakeClock()).get("shop").is_private is private


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-west-1", "sts.eu-west-1.amazonaws.com"),
        ("aws-cn", "cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("aws-eusc", "eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
        ("aws-iso-b", "us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_a_token_is_a_presigned_url(partition: str, region: str, host: str) -> None:
    token = presigned_token(Credentials("AKIA", "secret", "session" * 100), "shop", region, partition)
    assert token.startswith("k8s-aws-v1.")
    assert len(token) <= 4096
    encoded = token.removeprefix("k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = parse_qs(url.query)
    assert (url.scheme, url.netloc, url.path) == ("https", host, "/")
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["X-Amz-Security-Token"] == ["session" * 100]


def test_a_token_is_kept_for_fourteen_minutes() -> None:
    clock, signed = FakeClock(), [0]

    def credentials() -> Credentials:
        signed[0] += 1
        return Credentials(f"AKIA{signed[0]}", "secret")

    tokens = Tokens(credentials, clock)
    first = tokens.get(SHOP)
    clock.advance(14 * 60 - 1)
    assert tokens.get(SHOP) == first
    assert tokens.get(SHOP._replace(arn=ARN.replace("shop", "other"))) != first
    clock.advance(1)
    second = tokens.get(SHOP)
    assert second != first
    tokens.forget(SHOP)
    assert tokens.get(SHOP) != second


# -- the client ------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def cluster(certificate: Certificate) -> Iterator[KubernetesCluster]:
    made = KubernetesCluster("shop", VirtualTimeline(), lambda image: None, certificate=certificate, secured=False)
    with made:
        yield made


Connect = Callable[..., Kubernetes]


@pytest.fixture
def connect(cluster: KubernetesCluster, certificate: Certificate) -> Iterator[Connect]:
    made: list[Kubernetes] = []

    def one(**members: Any) -> Kubernetes:
        made.append(Kubernetes(cluster.url, certificate.ca.read_text(), lambda: "token", **members))
        return made[-1]

    yield one
    for each in made:
        each.close()


def test_an_answer_is_bounded(cluster: KubernetesCluster, connect: Connect) -> None:
    cluster.create(CONFIG_MAP, "default", {"metadata": {"name": "big"}, "data": {"x": "y" * 100_000}})
    path = "/api/v1/namespaces/default/configmaps/big"
    assert connect().get(path)["data"]
    with pytest.raises(UnsupportedError, match="more than 50000 bytes"):
        connect(limit=50_000).get(path)


def test_time_is_bounded(cluster: KubernetesCluster, connect: Connect) -> None:
    moments = iter([0.0, 11.0])
    with pytest.raises(UpstreamError, match="no time left"):
        connect(monotonic=lambda: next(moments)).get(DEPLOYMENTS)
    moments = iter([0.0, 11.0])
    with pytest.raises(AmbiguousError):
        connect(monotonic=lambda: next(moments)).patch(DEPLOYMENTS + "/x", {})


def test_lists_are_read_page_after_page(cluster: KubernetesCluster, connect: Connect) -> None:
    for number in range(251):
        cluster.create(CONFIG_MAP, "default", {"metadata": {"name": f"m{number:03}"}})
    found = [each["metadata"]["name"] for each in connect().list("/api/v1/configmaps", metadata=True)]
    assert found == [f"m{number:03}" for number in range(251)]
    assert len(cluster.server.requests) == 2


def test_another_authority_is_not_trusted(cluster: KubernetesCluster, tmp_path: Path) -> None:
    other = make_certificate(tmp_path / "other")
    client = Kubernetes(cluster.url, other.ca.read_text(), lambda: "token")
    with pytest.raises(UntrustedError):
        client.get(DEPLOYMENTS)
    client.close()


def test_certificates_as_eks_makes_them_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without key identifiers, which Python 3.13 asks for unless told otherwise (kubernetes-client/python#2394)."""
    plain = make_certificate(tmp_path, identified=False)
    default = ssl.create_default_context

    def strict(*args: Any, **members: Any) -> ssl.SSLContext:
        context = default(*args, **members)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    with KubernetesCluster("shop", VirtualTimeline(), lambda image: None, certificate=plain, secured=False) as made:
        client = Kubernetes(made.url, plain.ca.read_text(), lambda: "token")
        assert client.get(DEPLOYMENTS)["items"] == []
        client.close()
        other = make_certificate(tmp_path / "other", identified=False)
        client = Kubernetes(made.url, other.ca.read_text(), lambda: "token")
        with pytest.raises(UntrustedError):
            client.get(DEPLOYMENTS)
        client.close()
        client = Kubernetes(made.url.replace("127.0.0.1", "127.0.0.2"), plain.ca.read_text(), lambda: "token")
        with pytest.raises((UntrustedError, NotConnectedError)):
            client.get(DEPLOYMENTS)
        client.close()


def test_a_connection_that_was_given_up_is_made_anew_to_read_and_not_to_write(
    cluster: KubernetesCluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect()
    pool = client._pool  # what it holds is what the other side gives up
    send, cuts = pool.request, [1]

    def cut(*args: Any, **members: Any) -> Any:
        if cuts:
            cuts.pop()
            raise ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
        return send(*args, **members)

    monkeypatch.setattr(pool, "request", cut)
    assert client.get(DEPLOYMENTS)["items"] == []
    cuts += [1, 1]
    with pytest.raises(UpstreamError):
        client.get(DEPLOYMENTS)
    assert cuts == []
    cuts.append(1)
    with pytest.raises(AmbiguousError):
        client.patch(DEPLOYMENTS + "/x", {})
    assert [method for method, _ in cluster.server.requests] == ["GET"]


def test_nobody_there_is_told_from_no_answer(cluster: KubernetesCluster, connect: Connect) -> None:
    client = connect()
    cluster.close()
    with pytest.raises(NotConnectedError):
        client.get(DEPLOYMENTS)


@pytest.mark.parametrize(("endpoint", "authority"), [("http://127.0.0.1", "x"), ("nothing", "x"), ("https://h", "x")])
def test_only_https_with_an_authority(endpoint: str, authority: str) -> None:
    with pytest.raises(UpstreamError):
        Kubernetes(endpoint, authority, lambda: "token")


def test_a_gateway_that_speaks_no_kubernetes_is_an_upstream_error(cluster: KubernetesCluster, connect: Connect) -> None:
    cluster.server.fault = lambda method, path: (502, {})
    with pytest.raises(UpstreamError, match="502"):
        connect().get(DEPLOYMENTS)


def test_deleting_names_the_very_pod(cluster: KubernetesCluster, connect: Connect) -> None:
    made = cluster.create(CONFIG_MAP, "default", {"metadata": {"name": "one"}})
    path = "/api/v1/namespaces/default/configmaps/one"
    with pytest.raises(ConflictError):
        connect().delete(path, "another")
    connect().delete(path, made["metadata"]["uid"])
    assert cluster.store.all(CONFIG_MAP) == []
