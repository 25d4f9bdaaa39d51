"""The way into an EKS cluster: endpoint, certificate authority, and the token that its API server takes (aws.md F)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from longshore.aws.errors import aws_errors
from longshore.errors import UpstreamError

if TYPE_CHECKING:
    from longshore.ports import Clock

_PREFIX = "k8s-aws-v1."
_ANYWHERE: Final = "0.0.0.0/0"
_KEPT: Final = timedelta(minutes=14)
"""A token is good for 15 minutes from its date, whatever its X-Amz-Expires."""
_EXPIRES: Final = 60
_SUFFIXES: Final = {
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}
"""Of host names, by partition, as botocore's endpoints have them; elsewhere amazonaws.com."""
_KNOWN: Final = timedelta(minutes=5)
"""For how long a cluster's description is believed: endpoint access can be changed, authorities are not."""


class Cluster(NamedTuple):
    """What DescribeCluster says: `authority` in PEM, `is_private` when its endpoint does not answer everyone."""

    arn: str
    name: str
    region: str
    endpoint: str
    authority: str
    is_private: bool


class Clusters:
    """Clusters of one Region by name; each described once in a while."""

    def __init__(self, eks: Callable[[], Any], clock: Clock) -> None:
        """`eks` answers the client; it is made once there is a cluster to describe."""
        self._eks = eks
        self._clock = clock
        self._known: dict[str, tuple[Cluster, datetime]] = {}

    def get(self, name: str) -> Cluster:
        """DescribeCluster. Raises GoneError for one that does not exist, UpstreamError while it has no endpoint."""
        known, until = self._known.get(name, (None, self._clock.now()))
        if known is None or self._clock.now() >= until:
            known = self._describe(name)
            self._known[name] = (known, self._clock.now() + _KNOWN)
        return known

    def forget(self, name: str) -> None:
        """Has it described anew: what was known did not work."""
        self._known.pop(name, None)

    def _describe(self, name: str) -> Cluster:
        with aws_errors(gone=("ResourceNotFoundException",)):
            found = self._eks().describe_cluster(name=name)["cluster"]
        arn = str(found["arn"])
        endpoint, authority = found.get("endpoint"), found.get("certificateAuthority", {}).get("data")
        if not endpoint or not authority:
            raise UpstreamError(f"{arn} is {found.get('status', 'unknown')} and has no endpoint yet")
        try:
            pem = base64.b64decode(authority, validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            raise UpstreamError(f"{arn}: its certificate authority is no base64") from None
        return Cluster(
            arn, name, arn.split(":")[3], str(endpoint), pem, _is_private(found.get("resourcesVpcConfig") or {})
        )


def _is_private(network: Mapping[str, Any]) -> bool:
    """Whether the endpoint answers inside the VPC alone, or only to some addresses of the internet."""
    sources = network.get("publicAccessCidrs") or [_ANYWHERE]
    return not network.get("endpointPublicAccess", True) or _ANYWHERE not in sources


class Tokens:
    """Bearer tokens by cluster: a presigned STS GetCallerIdentity that names the cluster in a signed header."""

    def __init__(self, credentials: Callable[[], Any], clock: Clock) -> None:
        """`credentials` answers botocore credentials; they may change, as a role's do."""
        self._credentials = credentials
        self._clock = clock
        self._known: dict[str, tuple[str, datetime]] = {}

    def get(self, cluster: Cluster) -> str:
        """The token, signed anew every 14 minutes."""
        known, until = self._known.get(cluster.arn, ("", self._clock.now()))
        if not known or self._clock.now() >= until:
            known = presigned_token(self._credentials(), cluster.name, cluster.region, cluster.arn.split(":")[1])
            self._known[cluster.arn] = (known, self._clock.now() + _KEPT)
        return known

    def forget(self, cluster: Cluster) -> None:
        """Has the next one signed anew: the API server did not take this one."""
        self._known.pop(cluster.arn, None)


def presigned_token(credentials: Any, cluster: str, region: str, partition: str) -> str:
    """The token that aws-iam-authenticator reads: ``k8s-aws-v1.`` and the URL in base64url without padding."""
    suffix = _SUFFIXES.get(partition, "amazonaws.com")
    url = f"https://sts.{region}.{suffix}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest(method="GET", url=url, headers={"x-k8s-aws-id": cluster})
    SigV4QueryAuth(credentials.get_frozen_credentials(), "sts", region, expires=_EXPIRES).add_auth(request)
    return _PREFIX + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")
