"""Places: who answers for a workload, whom an event may speak for, and what one spoke's trouble leaves alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import AccessDeniedError, BadEventError, ConfigurationError, GoneError, LongshoreError
from longshore.events import Event
from longshore.places import Place, Places
from longshore.redeploy.admission import admitted
from longshore.redeploy.by_place import PlatformsByPlace
from longshore.settings import Settings
from longshore.workloads import Observation, PlatformKind, Workload
from tests.template.rendered import ROOT

if TYPE_CHECKING:
    from longshore.redeploy.platforms import Adapter

HOME, SPOKE, OTHER = (
    Place.parse(p) for p in ("123456789012/eu-west-1", "210987654321/eu-west-1", "1" * 12 + "/eu-west-2")
)
PLACES = Places(HOME, (SPOKE,))


def arn(place: Place, name: str = "web") -> str:
    """A service in a place."""
    return f"arn:aws:ecs:{place.region}:{place.account}:service/shop/{name}"


class Platform:
    """The services of one place, or its trouble."""

    def __init__(self, place: Place, trouble: LongshoreError | None = None) -> None:
        self.place, self.trouble = place, trouble
        self.seen: list[str] = []

    def observe(self, arn: str) -> Observation:
        self.seen.append(arn)
        workload = Workload(arn, PlatformKind.ECS_SERVICE, *self.place, "shop", "web")
        return Observation(workload)

    def arns(self) -> Iterable[str]:
        yield arn(self.place)
        if self.trouble:
            raise self.trouble

    def unseen(self, arn: str) -> str:
        return ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        return [self.observe(arn) for arn in arns]


def platforms(*made: Platform) -> PlatformsByPlace:
    """These behind one."""
    return PlatformsByPlace(HOME, {each.place: lambda each=each: cast("Adapter", each) for each in made})  # type: ignore[misc]


def test_the_same_name_in_two_places_is_asked_of_two_platforms() -> None:
    here, there = Platform(HOME), Platform(SPOKE)
    both = platforms(here, there)
    both.observe(arn(HOME))
    both.survey([arn(SPOKE), arn(HOME, "api"), arn(OTHER)])
    assert here.seen == [arn(HOME), arn(HOME, "api")]
    assert there.seen == [arn(SPOKE)]
    assert list(both.arns()) == [arn(HOME), arn(SPOKE)]
    assert list(both.at(SPOKE).arns()) == [arn(SPOKE)]


def test_what_is_in_no_place_of_the_stack_is_gone() -> None:
    """So a spoke that was taken out is let go, and never mistaken for the hub's own of the same name."""
    with pytest.raises(GoneError, match="neither"):
        platforms(Platform(HOME)).observe(arn(SPOKE))
    assert platforms(Platform(HOME)).unseen(arn(SPOKE)) == ""


def test_a_spoke_that_cannot_be_reached_hides_no_other() -> None:
    three = platforms(Platform(HOME), Platform(SPOKE, AccessDeniedError("no")), Platform(OTHER))
    assert list(three.arns()) == [arn(HOME), arn(OTHER)]
    assert three.unseen(arn(SPOKE)) == "no"
    assert three.unseen(arn(OTHER)) == ""


def test_the_hub_itself_is_not_passed_over() -> None:
    with pytest.raises(AccessDeniedError):
        list(platforms(Platform(HOME, AccessDeniedError("no")), Platform(SPOKE)).arns())


def event(name: str, place: Place, **members: Any) -> Event:
    """A sample, as it would come from a place."""
    body = json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))
    return Event.parse({**body, "account": place.account, "region": place.region, **members})


accounts = st.sampled_from([HOME, SPOKE, OTHER])


@given(accounts, accounts)
def test_an_event_speaks_for_its_own_place_alone(told: Place, named: Place) -> None:
    tagged = event("tag/tag-change-on-service", told, resources=[arn(named)])
    if told == named and told in PLACES.all:
        assert admitted(tagged, PLACES) is tagged
    else:
        with pytest.raises(BadEventError):
            admitted(tagged, PLACES)


@given(accounts, accounts)
def test_our_own_messages_may_name_workloads_of_any_place(told: Place, named: Place) -> None:
    due = event("longshore/redeploy-requested", told, detail={"workload": arn(named), "reason": "pending"})
    if {told, named} <= set(PLACES.all):
        assert admitted(due, PLACES) is due
    else:
        with pytest.raises(BadEventError):
            admitted(due, PLACES)


@pytest.mark.parametrize("wrong", ["", "123456789012", "123456789012/", "12/eu-west-1", "123456789012/eu-west-1/x"])
def test_a_place_is_an_account_and_a_region(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not an account and a Region"):
        Place.parse(wrong)
    assert Place.parse(str(SPOKE)) == SPOKE == Place.of_arn(arn(SPOKE))


ENVIRONMENT = {
    "LONGSHORE_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:q",
    "LONGSHORE_MODE": "auto",
    **dict.fromkeys(("LONGSHORE_TABLE", "LONGSHORE_BUS", "LONGSHORE_QUEUE_URL", "LONGSHORE_CONFIG"), "x"),
    **dict.fromkeys(("LONGSHORE_SCHEDULE_GROUP", "LONGSHORE_SCHEDULER_ROLE_ARN"), "x"),
}
ROLE = "arn:aws:iam::210987654321:role/team/longshore-spoke-eu-west-1"


def test_spokes_are_read_from_the_arns_of_their_roles() -> None:
    assert Settings.from_env({**ENVIRONMENT, "LONGSHORE_SPOKES": ROLE}).spokes == {SPOKE: ROLE}
    assert Settings.from_env({**ENVIRONMENT, "LONGSHORE_SPOKES": ""}).places == Places(HOME)


@pytest.mark.parametrize(
    ("spokes", "problem"),
    [
        ("210987654321/eu-west-1", "not the ARN of a spoke's role"),
        (f"{ROLE},{ROLE}", "there twice"),
        (ROLE.replace("210987654321", "123456789012"), "the stack's own"),
    ],
)
def test_spokes_that_make_no_sense_are_refused(spokes: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Settings.from_env({**ENVIRONMENT, "LONGSHORE_SPOKES": spokes})
