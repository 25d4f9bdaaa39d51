"""What each message leads to, and where the parts that heal, drain and retire plug in (design 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.outcomes import Outcome
from longshore.recover.facts import Fact, InstanceInterrupted, ReplacementDue, SweepDue
from longshore.recover.reading import REPLACEMENT_DUE, Message
from longshore.recover.service import Recoverer
from longshore.recover.unfinished import Unfinished
from tests.recover_world import IDEMPOTENT, RecoverWorld, running

if TYPE_CHECKING:
    from longshore.recover.telling import Incident


def test_a_fact_without_a_handler_leads_to_nothing() -> None:
    world = RecoverWorld()
    body = world.envelope("EC2 Spot Instance Interruption Warning", {"instance-id": "i-1234567890abcdef0"})
    assert world.deliver(body) == []
    assert world.steps == []


def test_other_parts_take_facts_of_their_own() -> None:
    world = RecoverWorld()
    seen: list[Fact] = []

    def drain(message: Message, fact: Fact) -> list[Outcome]:
        seen.append(fact)
        return [Outcome("none", "drained", message.correlation)]

    recoverer = Recoverer(world.ports, world.rules, {InstanceInterrupted: drain})
    body = world.envelope("EC2 Spot Instance Interruption Warning", {"instance-id": "i-1234567890abcdef0"})
    (outcome,) = recoverer.handle(Message.parse(body))
    assert (outcome.reason, outcome.correlation) == ("drained", body["id"])
    assert seen == [InstanceInterrupted("i-1234567890abcdef0", "", certain=True)]


def test_another_part_may_take_the_sweep_and_call_what_was_there() -> None:
    world = RecoverWorld()
    recoverer: Recoverer

    def sweep(message: Message, _: Fact) -> list[Outcome]:
        unfinished = Unfinished(world.ports, recoverer.replacer)
        return [Outcome("none", "swept", message.correlation), *unfinished.review(message)]

    recoverer = Recoverer(world.ports, world.rules, {SweepDue: sweep})
    outcomes = recoverer.handle(Message.parse(world.envelope("Sweep Due", {})))
    assert outcomes[0].reason == "swept"


def test_the_tasks_of_services_go_to_who_looks_after_services() -> None:
    world, arn = running(IDEMPOTENT, group="service:web", startedBy="ecs-svc/1")
    incidents: list[Incident] = []

    def loop(incident: Incident) -> list[Outcome]:
        incidents.append(incident)
        return []

    recoverer = Recoverer(world.ports, world.rules, of_service=loop)
    world.sending = False
    world.tasks.end(arn, exit_code=1)
    recoverer.handle(Message.parse(world.event(arn)))
    (incident,) = incidents
    assert (incident.task.arn, incident.diagnosis.owner.value) == (arn, "service")
    assert incident.definition["family"] == "etl"


def test_a_message_that_comes_too_early_is_put_off_again() -> None:
    world = RecoverWorld()
    first = Message.parse(world.envelope("Sweep Due", {}))
    due = world.clock.advance(0).replace(hour=12)
    assert world.deliver(dict(first.deferred(due, "log", world.clock.now()))) == []
    ((until, body),) = world.queue.waiting
    assert until == due
    assert body["longshore-deferral"]["deferrals"] == 1


def test_a_living_task_of_a_service_costs_no_call() -> None:
    world, arn = running(group="service:web", startedBy="ecs-svc/1")
    before = len(world.steps)
    world.send(world.event(arn))
    world.run(1)
    assert len(world.steps) == before


def test_word_of_a_recovery_that_nobody_knows_leads_to_nothing() -> None:
    world, arn = running()
    message = Message.parse(world.envelope("Sweep Due", {}))
    due = message.message(REPLACEMENT_DUE, {"root_task": arn, "attempt": 1}, world.clock.now())
    assert isinstance(Message.parse(due).fact, ReplacementDue)
    world.send(due)
    world.run(1)
    assert (world.told, world.tasks.requests) == ([], [])


def test_an_end_that_ecs_confirms_late_is_waited_for() -> None:
    """DescribeTasks may lag behind the event that it confirms."""
    world, arn = running()
    early = world.event(arn, lastStatus="STOPPED", desiredStatus="STOPPED", version=9)
    world.send(early)
    world.run(0)
    world.sending = False
    world.tasks.end(
        arn, code="TaskFailedToStart", reason="CannotPullContainerError: EOF", exit_code=None, started=False
    )
    world.run(2)
    assert len(world.replacements) == 1


def test_the_correlation_is_that_of_the_first_event() -> None:
    world, arn = running(IDEMPOTENT)
    world.tasks.end(arn, exit_code=137, container_reason="OutOfMemoryError: Container killed due to memory usage")
    ((_, event),) = world.queue.waiting
    world.run(10)
    assert world.told == ["Task Failed", "Task Replaced"]
    assert {each.correlation for each in world.publisher.published} == {event["id"]}
