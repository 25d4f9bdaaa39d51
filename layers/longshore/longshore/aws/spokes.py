"""Access to spokes: clients that sign with the role which a spoke's stack made for this one (template-spoke.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.session import Session
from botocore.credentials import DeferredRefreshableCredentials
from botocore.session import get_session

from longshore.aws.session import made

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SESSION_NAME = "longshore"
"""By which CloudTrail of a spoke's account tells the calls of the hub."""


class Access:
    """The way into one spoke: a Session of its own, in a role that is assumed when needed, and again before it ends."""

    def __init__(self, role_arn: str, region: str, sts: Callable[[], Any]) -> None:
        self._role_arn = role_arn
        self._region = region
        self._sts = sts
        self._session: Session | None = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client in the spoke, the same one each time."""
        if service not in self._clients:
            self._clients[service] = made(self._signed(), service, self._region)
        return self._clients[service]

    def credentials(self) -> Any:
        """Those that its clients sign with."""
        return self._signed().get_credentials()

    def _signed(self) -> Session:
        if self._session is None:
            core = get_session()
            core._credentials = DeferredRefreshableCredentials(self._assume, "assume-role")
            self._session = Session(botocore_session=core)
        return self._session

    def _assume(self) -> Mapping[str, str]:
        answer = self._sts().assume_role(RoleArn=self._role_arn, RoleSessionName=_SESSION_NAME)
        given = answer["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }
