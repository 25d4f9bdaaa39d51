"""The blast radius, whatever happens to a cluster (recover 2.4 E1)."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from longshore.recover.blast_radius import allowance, claimed, limits, recent
from longshore.recover.hosts import Cluster, ContainerInstance, Drains, HostState
from longshore.recover.instance_decision import Facts, Trouble, decide
from longshore.recover.upkeep import Measure, UpkeepPolicy, Why
from longshore.settings import Mode
from tests.fakes import START
from tests.recover_world import AUTO

POLICY = UpkeepPolicy()
TAGS = st.sampled_from([{}, AUTO, {"longshore:recover": "off"}, {"longshore:recover": "AUTO"}])


@given(
    size=st.integers(1, 400),
    asks=st.lists(st.tuples(st.integers(0, 399), st.integers(0, 1200)), max_size=120),
)
def test_no_window_ever_sees_more_than_one_or_a_tenth(size: int, asks: list[tuple[int, int]]) -> None:
    cluster, drains, now = Cluster("c", size, 0), Drains("c"), START
    drained: dict[str, list[float]] = {}
    for number, wait in asks:
        now += timedelta(seconds=wait)
        instance = f"i-{number % size}"
        if limits(cluster, instance, drains, POLICY, now) is None:
            if instance not in recent(drains, POLICY, now).at:
                drained.setdefault(instance, []).append((now - START).total_seconds())
            drains = claimed(instance, drains, POLICY, now)
    times = sorted(each for found in drained.values() for each in found)
    for begin in times:
        within = sum(begin <= each < begin + POLICY.drained_within for each in times)
        assert within <= max(1, size // 10) == allowance(cluster, POLICY)


@given(size=st.integers(1, 500), away=st.integers(0, 500))
def test_nothing_is_drained_when_more_than_three_tenths_are_away(size: int, away: int) -> None:
    cluster = Cluster("c", size, min(away, size))
    found = limits(cluster, "i-1", Drains("c"), POLICY, START)
    assert (found is Why.WIDESPREAD) == (min(away, size) / size > 0.3)


def test_a_claim_that_was_made_is_good_for_its_instance() -> None:
    cluster = Cluster("c", 5)
    drains = claimed("i-1", Drains("c"), POLICY, START)
    later = START + timedelta(seconds=60)
    assert limits(cluster, "i-1", drains, POLICY, later) is None
    assert limits(cluster, "i-2", drains, POLICY, later) is Why.BLAST_RADIUS
    assert claimed("i-1", drains, POLICY, later).at == {"i-1": START}
    assert limits(cluster, "i-2", drains, POLICY, START + timedelta(seconds=900)) is None


INSTANCES = st.builds(
    ContainerInstance,
    arn=st.just("arn"),
    cluster=st.just("c"),
    id=st.sampled_from(["i-1", "mi-1"]),
    status=st.sampled_from(["ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING"]),
    connected=st.booleans(),
    failing=st.sampled_from([(), ("CONTAINER_RUNTIME",), ("AGENT_CONNECTIVITY",), ("CONTAINER_RUNTIME", "DAEMON")]),
    tags=TAGS,
)
CLUSTERS = st.builds(
    lambda size, away, tags: Cluster("c", size, min(size, away), tags), st.integers(1, 50), st.integers(0, 50), TAGS
)
FACTS = st.builds(
    Facts,
    trouble=st.sampled_from(Trouble),
    instance=INSTANCES,
    cluster=CLUSTERS,
    host=st.sampled_from(HostState),
    repaired=st.booleans(),
    paused=st.booleans(),
)


@given(facts=FACTS, mode=st.sampled_from([Mode.AUTO, Mode.OBSERVE]))
def test_what_is_drained_was_opted_in_is_active_and_in_trouble(facts: Facts, mode: Mode) -> None:
    ruling, instance, cluster = decide(facts, POLICY, mode, START), facts.instance, facts.cluster
    if ruling.measure is not Measure.DRAIN or instance is None:
        return
    assert instance.tags.get("longshore:recover") == "auto", "IAM refuses the others"
    assert cluster.tags.get("longshore:recover") != "off"
    assert (mode, instance.status, facts.paused) == (Mode.AUTO, "ACTIVE", False)
    assert facts.trouble is not Trouble.REBALANCE
    if facts.trouble is Trouble.AGENT:
        assert not instance.connected
        assert facts.host in (HostState.IMPAIRED, HostState.STOPPED)
        assert not instance.on_premises
    if facts.trouble is Trouble.HEALTH:
        assert "CONTAINER_RUNTIME" in instance.failing
    if facts.trouble is not Trouble.INTERRUPTION:
        assert cluster.disconnected / cluster.instances <= 0.3
        assert not facts.repaired


@given(trouble=st.sampled_from(Trouble), host=st.sampled_from(HostState), paused=st.booleans())
def test_observe_decides_the_same_and_does_nothing(trouble: Trouble, host: HostState, paused: bool) -> None:
    instance = ContainerInstance("arn", "c", "i-1", connected=False, failing=("CONTAINER_RUNTIME",), tags=AUTO)
    facts = Facts(trouble, instance, Cluster("c", 10, 1), host, paused=paused)
    auto, observed = (decide(facts, POLICY, mode, START) for mode in (Mode.AUTO, Mode.OBSERVE))
    if auto.measure in (Measure.NOTIFY, Measure.NONE):
        assert observed == auto
    else:
        assert (observed.why, observed.would) == (Why.OBSERVE_ONLY, auto.why)


def test_a_rebalance_drains_where_it_is_configured() -> None:
    instance = ContainerInstance("arn", "c", "i-1", tags=AUTO)
    facts = Facts(Trouble.REBALANCE, instance, Cluster("c", 1, 0))
    assert decide(facts, POLICY, Mode.AUTO, START).why is Why.MAY_END
    assert decide(facts, POLICY._replace(rebalance_drains=True), Mode.AUTO, START).why is Why.INSTANCE_ENDS
