"""CloudFormation as Longshore asks it: one parameter is set, and nothing else of a stack is changed."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from longshore.aws.parameters import Parameters
from longshore.aws.stacks import Stacks
from longshore.errors import AccessDeniedError, GoneError, LongshoreError, TransientError, UnsupportedError
from longshore.redeploy.ownership import Stack

ARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"
DESCRIBED = {
    "StackName": "shop-web",
    "StackStatus": "UPDATE_COMPLETE",
    "Parameters": [{"ParameterKey": "Size", "ParameterValue": "512"}, {"ParameterKey": "WebImage", "ParameterValue": "x"}],
    "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    "RoleARN": "arn:aws:iam::123456789012:role/deploys",
}  # fmt: skip


class Account:
    """One stack; `refusal` is what UpdateStack answers instead."""

    def __init__(self, refusal: tuple[str, str] | None = None, **members: Any) -> None:
        self.stack = {**DESCRIBED, **members}
        self.refusal = refusal
        self.updates: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def __call__(self, arn: str) -> Account:
        self.asked.append(arn)
        return self

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName != self.stack["StackName"]:
            raise _error("ValidationError", f"Stack with id {StackName} does not exist", "DescribeStacks")
        return {"Stacks": [self.stack]}

    def update_stack(self, **request: Any) -> None:
        if self.refusal:
            raise _error(*self.refusal, "UpdateStack")
        self.updates.append(request)

    def put_parameter(self, **request: Any) -> None:
        if self.refusal:
            raise _error(*self.refusal, "PutParameter")
        self.updates.append(request)


def _error(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def test_what_matters_of_a_stack() -> None:
    account = Account()
    keys = frozenset({"Size", "WebImage"})
    assert Stacks(account).get(ARN, "shop-web") == Stack("shop-web", "UPDATE_COMPLETE", keys, role=True)
    assert Stacks(account).get(ARN, "other") is None
    assert account.asked == [ARN, ARN]
    nested = Account(RootId="arn:aws:cloudformation:eu-west-1:123456789012:stack/root/1", RoleARN=None)
    assert Stacks(nested).get(ARN, "shop-web") == Stack("shop-web", "UPDATE_COMPLETE", keys, nested=True)


def test_a_parameter_that_holds_the_name_of_an_ssm_parameter_is_known_as_such() -> None:
    named = {"ParameterKey": "WebImage", "ParameterValue": "/shop/image", "ResolvedValue": "x"}
    found = Stacks(Account(Parameters=[DESCRIBED["Parameters"][0], named])).get(ARN, "shop-web")
    assert found is not None
    assert found.parameters == {"Size", "WebImage"}
    assert found.resolved == {"WebImage"}


def test_one_parameter_is_set_and_everything_else_is_kept() -> None:
    account = Account()
    Stacks(account).update(ARN, "shop-web", {"WebImage": "y"}, "request")
    Stacks(account).update(ARN, "shop-web", {"WebImage": "y"}, "request")
    (first, again) = account.updates
    assert first.pop("ClientRequestToken") == again.pop("ClientRequestToken")  # the same one is done once
    assert first == {
        "StackName": "shop-web",
        "UsePreviousTemplate": True,
        "Parameters": [
            {"ParameterKey": "Size", "UsePreviousValue": True},
            {"ParameterKey": "WebImage", "ParameterValue": "y"},
        ],
        "Capabilities": DESCRIBED["Capabilities"],
    }


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (("ValidationError", "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated."), TransientError),
        (("ValidationError", "No updates are to be performed."), UnsupportedError),
        (("ValidationError", "Parameters: [WebImage] is too long"), UnsupportedError),
        (("AccessDenied", "is not authorized to perform: cloudformation:UpdateStack"), AccessDeniedError),
        (("ThrottlingException", "Rate exceeded"), TransientError),
        (("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]"), UnsupportedError),
    ],
)
def test_what_an_update_may_answer(refusal: tuple[str, str], error: type[LongshoreError]) -> None:
    with pytest.raises(error):
        Stacks(Account(refusal)).update(ARN, "shop-web", {"WebImage": "y"}, "request")


@pytest.mark.parametrize(
    "refusal",
    [
        ("ValidationError", "No updates are to be performed."),
        ("TokenAlreadyExistsException", "A client request token already exists."),
    ],
)
def test_who_died_after_asking_finds_nothing_left_to_do(refusal: tuple[str, str]) -> None:
    account = Account(refusal)
    Stacks(account).update(ARN, "shop-web", {"WebImage": "y"}, "request", resumed=True)


def test_what_is_not_there_cannot_be_set() -> None:
    with pytest.raises(UnsupportedError, match="no parameter Image"):
        Stacks(Account()).update(ARN, "shop-web", {"Image": "y"}, "request")
    with pytest.raises(GoneError):
        Stacks(Account()).update(ARN, "other", {"WebImage": "y"}, "request")


def test_a_parameter_is_written_whatever_was_there() -> None:
    account = Account()
    Parameters(account).publish(ARN, "/longshore/shop/web/image", "web:1.1.0")
    (request,) = account.updates
    assert {k: request[k] for k in ("Name", "Value", "Type", "Overwrite")} == {
        "Name": "/longshore/shop/web/image",
        "Value": "web:1.1.0",
        "Type": "String",
        "Overwrite": True,
    }


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", AccessDeniedError),
        ("ParameterLimitExceeded", UnsupportedError),
        ("HierarchyTypeMismatchException", UnsupportedError),
        ("TooManyUpdates", TransientError),
        ("InternalServerError", TransientError),
    ],
)
def test_what_writing_may_answer(code: str, error: type[LongshoreError]) -> None:
    with pytest.raises(error):
        Parameters(Account((code, "why"))).publish(ARN, "/longshore/shop/web/image", "web:1.1.0")
