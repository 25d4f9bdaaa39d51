"""IAM, proved both ways: what the functions call is granted, what is granted is called (design 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

import build_layer
from longshore_local.bundle import ACCOUNT, REGION
from tests.functional import busy_account, busy_deployments, busy_scans, busy_tasks
from tests.functional.busy_account import PARAMETERS, BusyAccount
from tests.template.iam import Request, Role, Statement, denied, function_roles, roles, unused
from tests.template.rendered import Rendered
from tests.template.requests import requests
from tests.template.test_spoke_template import ITS_OWN, SPOKE

BY_THE_SERVICE = {
    "logs:CreateLogStream": "the Lambda runtime writes the log",
    "logs:PutLogEvents": "the Lambda runtime writes the log",
    "xray:PutTraceSegments": "Lambda's active tracing",
    "xray:PutTelemetryRecords": "Lambda's active tracing",
    "sqs:ReceiveMessage": "the event source mapping polls",
    "sqs:DeleteMessage": "the event source mapping polls",
    "sqs:GetQueueAttributes": "the event source mapping polls",
}
"""Granted and never called by our code, with who calls it instead."""
ELSEWHERE = frozenset({"MirrorRole"})
"""Roles whose grants test_mirror_iam.py proves, on registries of its own."""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BusyAccount]:
    """Everything has happened here."""
    steps = (*busy_deployments.STEPS, *busy_tasks.STEPS, *busy_scans.STEPS)
    yield from busy_account.live(tmp_path_factory.mktemp("busy"), steps)


@pytest.fixture(scope="module")
def rendered(account: BusyAccount) -> Rendered:
    """The template as the bundle deployed it."""
    stack = account.bundle.stack
    names = {name: id.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for name, id in stack.physical_ids.items()}
    return Rendered({**PARAMETERS, "AllowReplay": "true"}, names, stack.name)


@pytest.fixture(scope="module")
def asked(account: BusyAccount, rendered: Rendered) -> dict[str, list[Request]]:
    """Every IAM request that was made of a role, by the role's logical id."""
    of_function = function_roles(rendered)
    found: dict[str, list[Request]] = {name: [] for name in roles(rendered)}
    for call, place in account.calls:
        found[of_function[call.function]] += requests(call, place)
        if call.operation == "CreateSchedule":
            found["SchedulerRole"] += _delivered(call.params["Target"])
    for schedule in rendered.of_type("AWS::Scheduler::Schedule").values():
        found["SchedulerRole"] += _delivered(schedule["Target"])
    return found


def _delivered(to: Mapping[str, Any]) -> list[Request]:
    """What EventBridge Scheduler does in its role: it sends to the queue, and what it cannot to the dead letters."""
    dead = to.get("DeadLetterConfig", {}).get("Arn")
    return [Request("sqs:SendMessage", queue) for queue in (to["Arn"], dead) if queue]


def test_every_call_is_granted(rendered: Rendered, asked: dict[str, list[Request]]) -> None:
    refused = [each for name, role in roles(rendered).items() for each in denied(role, asked[name])]
    assert not refused, "\n".join(refused)


def test_every_grant_is_called(rendered: Rendered, asked: dict[str, list[Request]]) -> None:
    here = {name: role for name, role in roles(rendered).items() if name not in ELSEWHERE}
    idle = [each for name, role in here.items() for each in unused(_ours(role), asked[name])]
    assert not idle, "\n".join(idle)


def _ours(role: Role) -> Role:
    """The role without what only AWS itself calls in its name."""
    ours = [s for s in role.statements if not set(s.actions) <= set(BY_THE_SERVICE)]
    return Role(role.name, tuple(ours))


@pytest.fixture(scope="module")
def in_a_spoke(asked: dict[str, list[Request]], rendered: Rendered) -> list[Request]:
    """What the functions that act in spokes asked for of workloads, as if the hub's own place were a spoke."""
    acting = [(roles(rendered)[name], asked[name]) for name in ("RedeployRole", "WatchRole", "ScanRole")]
    home = [(Role(r.name, tuple(s for s in r.statements if s.sid in ITS_OWN)), requests) for r, requests in acting]
    return [request for own, requests in home for request in requests if not own.allows(request)]


@pytest.fixture(scope="module")
def spoke_role(rendered: Rendered) -> Role:
    """The role of a spoke's stack, in the hub's own place."""
    hub = ",".join(rendered.arn(name) for name in ("RedeployRole", "WatchRole", "ScanRole"))
    names = {"HubBusArn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/longshore", "HubRoleArns": hub}
    given = {name: PARAMETERS[name] for name in ("PassableRoleArns", "UpdatableStackArns")}
    return roles(Rendered({**names, **given}, stack="longshore-spoke", template=SPOKE))["SpokeRole"]


def test_a_spokes_role_grants_every_call(spoke_role: Role, in_a_spoke: list[Request]) -> None:
    assert len(in_a_spoke) > 100
    assert not denied(spoke_role, in_a_spoke)


def test_every_grant_of_a_spokes_role_is_called(spoke_role: Role, in_a_spoke: list[Request]) -> None:
    """But for one, which only a hub with spokes calls: test_accounts.py."""
    idle = [each for each in unused(spoke_role, in_a_spoke) if "ecr:DescribeImageReplicationStatus" not in each]
    assert not idle, "\n".join(idle)
    for statement, action in spoke_role.grants():
        if action != "ecr:DescribeImageReplicationStatus":
            assert denied(_without(spoke_role, statement, action), in_a_spoke), f"nobody would miss {action} in a spoke"


def test_a_role_without_one_of_its_actions_is_noticed(rendered: Rendered, asked: dict[str, list[Request]]) -> None:
    """The proof can fail: each action, taken away, is missed by some call."""
    for name, role in roles(rendered).items():
        if name in ELSEWHERE:
            continue
        for statement, action in _ours(role).grants():
            assert denied(_without(role, statement, action), asked[name]), f"nobody would miss {action} in {name}"


def _without(role: Role, statement: Statement, action: str) -> Role:
    rest = tuple(a for a in statement.actions if a != action)
    less = Statement(statement.sid, statement.allow, rest, statement.resources, statement.conditions)
    return Role(role.name, tuple(less if each is statement else each for each in role.statements))


def test_every_call_fits_the_models_that_the_layer_ships(account: BusyAccount) -> None:
    """The runtime's boto3 may know neither an operation nor a member; the layer's models must (design 11)."""
    shipped = build_layer.services()
    session = botocore.session.get_session()
    models = {service: session.get_service_model(service) for service in shipped}
    for call, _ in account.calls:
        where = f"{call.function} calls {call.service}:{call.operation}"
        assert call.service in shipped, f"{where}, whose model is not shipped: add it to services.txt"
        assert call.operation in (shipped[call.service] or models[call.service].operation_names), where
        report = ParamValidator().validate(
            call.params, models[call.service].operation_model(call.operation).input_shape
        )
        assert not report.has_errors(), f"{where}: {report.generate_report()}"
