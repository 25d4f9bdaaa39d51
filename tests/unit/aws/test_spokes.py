"""Access to a spoke: one Session in its role, asked for when needed and again before its credentials end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from longshore.aws.errors import aws_errors
from longshore.aws.spokes import Access
from longshore.errors import AccessDeniedError

ROLE = "arn:aws:iam::210987654321:role/longshore-spoke-us-east-1"


class Sts:
    """Gives credentials that last so long, and remembers who asked."""

    def __init__(self, lasting: timedelta = timedelta(hours=1)) -> None:
        self.lasting = lasting
        self.asked: list[dict[str, str]] = []
        self.denies = False

    def assume_role(self, **request: str) -> dict[str, Any]:
        self.asked.append(request)
        if self.denies:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
        number = len(self.asked)
        expires = datetime.now(UTC) + self.lasting  # botocore refreshes by the machine's clock
        return {
            "Credentials": {
                "AccessKeyId": f"key-{number}",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": expires,
            }
        }


def access(sts: Sts) -> Access:
    """The way into a spoke in us-east-1."""
    return Access(ROLE, "us-east-1", lambda: sts)


def test_nothing_is_asked_before_it_is_needed() -> None:
    sts = Sts()
    client = access(sts).client("ecs")
    assert client.meta.region_name == "us-east-1"
    assert sts.asked == []


def test_credentials_are_asked_for_once_for_all_clients() -> None:
    sts = Sts()
    spoke = access(sts)
    assert spoke.client("ecs") is spoke.client("ecs")
    keys = {spoke.credentials().get_frozen_credentials().access_key for _ in range(3)}
    keys.add(spoke.client("ecr")._get_credentials().get_frozen_credentials().access_key)
    assert keys == {"key-1"}
    assert sts.asked == [{"RoleArn": ROLE, "RoleSessionName": "longshore"}]


def test_credentials_that_are_about_to_end_are_replaced() -> None:
    sts = Sts(lasting=timedelta(minutes=5))
    spoke = access(sts)
    assert spoke.credentials().get_frozen_credentials().access_key == "key-1"
    assert spoke.credentials().get_frozen_credentials().access_key == "key-2"


def test_a_role_that_may_not_be_assumed_is_an_error_of_ours_and_not_for_ever() -> None:
    sts = Sts()
    sts.denies = True
    spoke = access(sts)
    with pytest.raises(AccessDeniedError, match="AssumeRole"), aws_errors():
        spoke.credentials().get_frozen_credentials()
    sts.denies = False
    assert spoke.credentials().get_frozen_credentials().access_key == "key-2"
