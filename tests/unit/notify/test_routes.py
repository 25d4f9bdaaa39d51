"""Routes: who is told what; and that whatever is broken tells more, not less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.notify.reading import read
from longshore.notify.routes import FALLBACK, Destination, Routed, read_routing, route
from tests.notify_world import HOOK, OPS, TOPIC, NotifyWorld

if TYPE_CHECKING:
    from longshore.notices import Notice

WORLD = NotifyWorld()
TOPIC_OF_OURS = Destination(FALLBACK, "sns", TOPIC)
CHANNELS = {"ops": OPS, "teams": HOOK}


def notice(kind: str = "Deployment Failed", **detail: Any) -> Notice:
    read_notice = read(WORLD.event(kind, **detail))
    assert read_notice is not None
    return read_notice


def routed(given: Notice, *routes: Any, channels: Any = None) -> Routed:
    config = {"channels": CHANNELS if channels is None else channels, "routes": list(routes)}
    return route(given, read_routing(config, TOPIC_OF_OURS))


def to(given: Notice, *routes: Any, channels: Any = None) -> list[str]:
    found = routed(given, *routes, channels=channels)
    assert found.problems == ()
    return list(found.to)


def test_without_channels_warnings_and_worse_go_to_the_topic_of_the_stack() -> None:
    assert to(notice(), channels={}) == [FALLBACK]
    assert to(notice("Deployment Held", reason="downgrade"), channels={}) == [FALLBACK]
    assert to(notice("Deployment Started"), channels={}) == []
    assert to(notice("Deployment Succeeded", reason="steady"), channels={}) == []


def test_without_routes_every_channel_gets_everything() -> None:
    assert to(notice("Deployment Started")) == ["ops", "teams"]


MATCHES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"kind": "deployment-failed"}, True),
    ({"kind": "Deployment Failed"}, True),
    ({"kind": "deployment-*"}, True),
    ({"kind": ["task-*", "deployment-*"]}, True),
    ({"kind": "task-*"}, False),
    ({"severity": "error"}, True),
    ({"severity": ">=warning"}, True),
    ({"severity": ">= error"}, True),
    ({"severity": ">=critical"}, False),
    ({"severity": "warning"}, False),
    ({"severity": ["ok", "error"]}, True),
    ({"environment": "prod"}, True),
    ({"environment": "p*"}, True),
    ({"environment": "stg"}, False),
    ({"team": "shop"}, True),
    ({"team": "shops"}, False),
    ({"workload": "web"}, True),
    ({"workload": "we?"}, True),
    ({"workload": "arn:aws:ecs:*:service/prod/*"}, True),
    ({"workload": "api"}, False),
    ({"repository": "shop/web"}, True),
    ({"repository": "*.dkr.ecr.*/shop/*"}, True),
    ({"repository": "shop/api"}, False),
    ({"severity": ">=error", "team": "shop"}, True),
    ({"severity": ">=error", "team": "other"}, False),
]


@pytest.mark.parametrize(("match", "wanted"), MATCHES, ids=str)
def test_a_route_takes_what_all_of_its_patterns_match(match: dict[str, Any], wanted: bool) -> None:
    change = {"container": "web", "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:prod", "tag": "prod"}
    given = notice(team="shop", environment="prod", changes=[change])
    assert to(given, {"match": match, "to": ["ops"]}, {"to": ["teams"]}) == (["ops"] if wanted else ["teams"])


def test_what_a_notice_does_not_have_matches_no_pattern() -> None:
    given = notice("Events Missed", workload=None, repository="r", count=1)
    assert to(given, {"match": {"team": "*"}, "to": ["ops"]}, {"to": ["teams"]}) == ["teams"]


def test_the_first_route_decides_unless_it_goes_on() -> None:
    first = {"match": {"severity": ">=error"}, "to": ["teams"], "mention": "@here"}
    assert to(notice(), first, {"to": ["ops"]}) == ["teams"]
    both = routed(notice(), {**first, "continue": True}, {"to": ["ops", "teams"]})
    assert both.to == {"teams": "@here", "ops": ""}


def test_a_muted_notice_goes_nowhere() -> None:
    assert to(notice(), {"match": {"kind": "deployment-*"}, "mute": True}, {"to": ["ops"]}) == []


def test_what_no_route_takes_goes_to_the_topic_when_it_matters() -> None:
    only_tasks = {"match": {"kind": "task-*"}, "to": ["ops"]}
    assert to(notice(), only_tasks) == [FALLBACK]
    assert to(notice("Deployment Started"), only_tasks) == []


def test_the_tag_of_a_workload_names_its_channel() -> None:
    by_tag = {"to": ["tag:longshore:channel"], "continue": True}
    assert to(notice(channel="teams"), by_tag, {"to": ["ops"]}) == ["teams", "ops"]
    assert to(notice(), by_tag, {"to": ["ops"]}) == ["ops"]


def test_a_route_that_leads_to_nobody_keeps_nothing_from_the_others() -> None:
    by_tag = {"match": {"severity": ">=warning"}, "to": ["tag:longshore:channel"]}
    assert to(notice(), by_tag) == [FALLBACK]
    assert to(notice(), by_tag, {"to": ["ops"]}) == ["ops"]
    assert to(notice(), {"to": []}) == [FALLBACK]
    assert to(notice(channel="teams"), by_tag, {"to": ["ops"]}) == ["teams"]
    assert to(notice(), {**by_tag, "mute": True}, {"to": ["ops"]}) == []


def test_a_channel_by_tag_alone_does_not_hide_that_it_failed() -> None:
    failed = notice("Channel Failed", workload=None, destination="ops", channel_type="slack")
    assert to(failed, {"to": ["tag:longshore:channel"]}) == [FALLBACK]


def test_a_tag_that_names_no_channel_goes_to_the_topic_and_is_a_problem() -> None:
    found = routed(notice(channel="Teams"), {"to": ["tag:longshore:channel"]})
    assert list(found.to) == [FALLBACK]
    assert [each.key for each in found.problems] == ["longshore:channel"]


BROKEN: list[dict[str, Any]] = [
    {"channels": [], "routes": [{"to": ["ops"]}]},
    {"channels": {"ops": {"type": "pigeon"}}},
    {"channels": {"ops": None}},
    {"channels": {"fallback": OPS}},
    {"channels": CHANNELS, "routes": {"to": ["ops"]}},
    {"channels": CHANNELS, "routes": ["ops"]},
    {"channels": CHANNELS, "routes": [{"match": {"colour": "red"}, "to": ["ops"]}]},
    {"channels": CHANNELS, "routes": [{"match": {"severity": ">=bad"}, "to": ["ops"]}]},
    {"channels": CHANNELS, "routes": [{"match": "all", "to": ["ops"]}]},
    {"channels": CHANNELS, "routes": [{"to": ["opps"]}]},
]


@pytest.mark.parametrize("config", BROKEN, ids=str)
@pytest.mark.parametrize("kind", ["Deployment Failed", "Deployment Succeeded"])
def test_a_broken_configuration_tells_the_topic_everything_and_is_said(config: dict[str, Any], kind: str) -> None:
    found = route(notice(kind, reason="steady"), read_routing(config, TOPIC_OF_OURS))
    assert FALLBACK in found.to
    assert found.problems


def test_a_broken_route_leaves_the_others_as_they_are() -> None:
    found = routed(notice(), {"match": {"colour": "red"}, "to": ["teams"]}, {"to": ["ops"]})
    assert set(found.to) == {"ops", FALLBACK}


def test_a_channel_is_not_told_of_its_own_failure() -> None:
    failed = notice("Channel Failed", workload=None, destination="ops", channel_type="slack")
    assert to(failed, {"to": ["ops", "teams"]}) == ["teams"]
    assert to(failed, {"to": ["ops"]}) == [FALLBACK]
    of_the_topic = notice("Channel Failed", workload=None, destination=FALLBACK)
    assert to(of_the_topic, channels={}) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "channels": json_values | st.dictionaries(st.sampled_from(["ops", "a"]), json_values),
            "routes": json_values
            | st.lists(
                st.dictionaries(
                    st.sampled_from(["match", "to", "continue", "mute", "mention"]),
                    json_values | st.dictionaries(st.sampled_from(["kind", "severity", "team"]), json_values),
                )
            ),
        }
    )
)
def test_no_configuration_can_stop_a_notice_from_being_routed(config: dict[str, Any]) -> None:
    found = route(notice(), read_routing(config, TOPIC_OF_OURS))
    assert set(found.to) <= {*read_routing(config, TOPIC_OF_OURS).destinations}
