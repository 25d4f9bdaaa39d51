"""Remedies: Spot to on-demand, other subnets and instances, more memory and storage, each within its bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.recover.changes import Changes
from longshore.recover.memory import more_memory
from longshore.recover.recipe import Network, Provider
from longshore.recover.remedies import Failed, changes_for, subnet_of
from longshore.recover.retry import Fallback, MemoryStep, RetryPolicy, Symptom
from longshore.recover.sizes import MEMORY, Size, raised
from tests.unit.recover.recover_samples import DEFINITION, attempt, failed_task, recipe, recovery, spot_recipe

OOM: dict[str, Any] = {"containers": [{"name": "app", "exitCode": 137, "reason": "OutOfMemoryError: Container killed"}]}
ENI = [{"type": "eni", "details": [{"name": "subnetId", "value": "subnet-b"}]}]
POLICY = RetryPolicy()
SPOT: dict[str, Any] = {"launchType": "FARGATE", "capacityProviderName": "FARGATE_SPOT"}
ONE_SUBNET = Network(("subnet-a",))


def changes(cls: str, policy: RetryPolicy = POLICY, **members: Any) -> Changes | None:
    made: dict[str, Any] = {"cls": cls, "task": failed_task(), "recipe": recipe(), "definition": DEFINITION}
    return changes_for(Failed(**{**made, **members}), policy.rule_for(Symptom(cls, "etl", "jobs", "standalone")))


@pytest.mark.parametrize("cls", ["I2", "N1", "N3", "P1", "R3", "G2", "X1"])
def test_most_failures_are_simply_tried_again(cls: str) -> None:
    assert changes(cls) == Changes()


# -- Spot and capacity ----------------------------------------------------------------------------------------------


def test_a_spot_stop_goes_to_another_zone_and_the_second_to_on_demand() -> None:
    task, made = failed_task(**SPOT, attachments=ENI), spot_recipe()
    first = changes("S2", task=task, recipe=made)
    assert first == Changes(subnets=("subnet-a", "subnet-c"))
    second = changes("S2", task=task, recipe=made, recovery=recovery(attempt(1, "S2", changes=first)))
    assert second == Changes(on_demand=True)


def test_a_first_spot_stop_stays_on_spot_where_there_is_one_subnet() -> None:
    task = failed_task(**SPOT)
    made = recipe(launch_type=None, strategy=(Provider("FARGATE_SPOT", 1),), network=ONE_SUBNET)
    assert changes("S2", task=task, recipe=made) == Changes()
    again = changes("S2", task=task, recipe=made, recovery=recovery(attempt(1, "S2")))
    assert again == Changes(on_demand=True)


def test_what_went_to_on_demand_stays_there() -> None:
    history = recovery(attempt(1, "S2"), attempt(2, "S2", changes=Changes(on_demand=True, subnets=("subnet-a",))))
    assert changes("I2", recovery=history) == Changes(on_demand=True)


def test_want_of_capacity_is_met_by_subnet_then_on_demand_then_size() -> None:
    task, made = failed_task(**SPOT, attachments=ENI), spot_recipe()
    attempts: list[Any] = []
    found = []
    for number in range(1, 5):
        step = changes("C1", task=task, recipe=made, recovery=recovery(*attempts))
        assert step is not None
        found.append(step)
        attempts.append(attempt(number, "C1", changes=step))
    assert found == [
        Changes(subnets=("subnet-a", "subnet-c")),
        Changes(on_demand=True),
        Changes(on_demand=True, memory=1024),
        Changes(on_demand=True, memory=1024),
    ]


def test_where_the_subnet_is_not_known_one_after_the_other_is_left_out() -> None:
    history = recovery(attempt(1, "N2"))
    assert changes("N2") == Changes(subnets=("subnet-b", "subnet-c"))
    assert changes("N2", recovery=history) == Changes(subnets=("subnet-a", "subnet-c"))


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [((), Changes()), ((Fallback.ON_DEMAND,), Changes(on_demand=True)), ((Fallback.NEXT_SIZE,), Changes(memory=1024))],
)
def test_only_what_is_allowed_is_done(fallback: tuple[Fallback, ...], expected: Changes) -> None:
    task = failed_task(**SPOT)
    assert changes("C1", RetryPolicy(fallback=fallback), task=task, recipe=spot_recipe()) == expected


def test_the_next_size_is_not_above_the_cap() -> None:
    policy = RetryPolicy(fallback=(Fallback.NEXT_SIZE,), memory=MemoryStep(cap=512))
    assert changes("C1", policy) == Changes()


def test_attachments_of_any_form_are_read() -> None:
    odd = [{"type": "eni"}, {"details": None}, {"details": ["x"]}, {"details": [{"name": "subnetId"}]}]
    assert subnet_of(failed_task(attachments=odd)) == ""
    assert subnet_of(failed_task(attachments=ENI)) == "subnet-b"


# -- instances and storage ------------------------------------------------------------------------------------------


def test_the_instance_that_failed_is_avoided_and_those_before_it() -> None:
    task = failed_task(launchType="EC2", stoppedReason="Host EC2 (instance i-0123456789abcdef0) stopped.")
    assert changes("I1", task=task) == Changes(avoid=("i-0123456789abcdef0",))
    history = recovery(attempt(1, "T1", changes=Changes(avoid=("i-1",))))
    assert changes("T1", task=failed_task(launchType="EC2"), instance="i-2", recovery=history) == Changes(
        avoid=("i-1", "i-2")
    )
    assert changes("I2", task=failed_task(launchType="EC2"), recovery=history) == Changes()


@pytest.mark.parametrize("launch_type", ["FARGATE", "EXTERNAL", "MANAGED_INSTANCES"])
def test_elsewhere_instances_are_not_chosen(launch_type: str) -> None:
    assert changes("T1", task=failed_task(launchType=launch_type), instance="i-2") == Changes()


@pytest.mark.parametrize(("now", "then"), [(None, 42), (21, 42), (150, 200), (200, 200)])
def test_a_full_disk_on_fargate_is_doubled_within_its_bounds(now: int | None, then: int) -> None:
    storage: dict[str, Any] = {"ephemeralStorage": {"sizeInGiB": now}} if now else {}
    task = failed_task(**storage)
    assert changes("P5", task=task) == Changes(storage=then)


# -- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpu", "memory", "percent", "cap", "expected"),
    [
        (256, 512, 50, 8192, Changes(memory=1024)),
        (256, 1024, 50, 8192, Changes(memory=2048)),
        (256, 2048, 50, 8192, Changes(cpu=512, memory=3072)),
        (256, 2048, 300, 8192, Changes(cpu=1024, memory=8192)),
        (256, 2048, 300, 4096, Changes(cpu=512, memory=4096)),
        (256, 2048, 300, 3000, None),
        (1024, 8192, 50, 8192, None),
        (1024, 8192, 50, 16384, Changes(cpu=2048, memory=12288)),
        (16384, 122880, 50, 1_000_000, None),
        (256, 512, 0, 8192, Changes()),
        (256, 513, 1, 8192, Changes(memory=1024)),
    ],
)
def test_memory_is_raised_by_fargates_sizes(
    cpu: int, memory: int, percent: int, cap: int, expected: Changes | None
) -> None:
    task = failed_task(cpu=str(cpu), memory=str(memory), **OOM)
    assert more_memory(task, DEFINITION, "app", MemoryStep(percent, cap)) == expected


def limited(memory: int) -> dict[str, Any]:
    return {"containerDefinitions": [{"name": "log"}, {"name": "app", "memory": memory}]}


def test_a_container_with_a_limit_gets_more_of_its_own_and_the_task_holds_it() -> None:
    task = failed_task(cpu="256", memory="1024", **OOM)
    assert more_memory(task, limited(512), "app", MemoryStep()) == Changes(memory=2048, containers={"app": 768})


def test_the_limit_that_was_overridden_is_the_one_that_is_raised() -> None:
    task = failed_task(
        cpu="256", memory="1024", overrides={"containerOverrides": [{"name": "app", "memory": 800}]}, **OOM
    )
    found = more_memory(task, limited(512), "app", MemoryStep())
    assert found == Changes(memory=2048, containers={"app": 1200})


def test_the_container_that_ran_out_is_the_one_that_gets_more() -> None:
    containers = [{"name": "log", "exitCode": 1}, {"name": "app", "reason": "OutOfMemoryError: killed"}]
    found = more_memory(failed_task(cpu="256", memory="1024", containers=containers), limited(512), "log", MemoryStep())
    assert found is not None
    assert found.containers == {"app": 768}


def test_on_ec2_the_sum_of_the_containers_is_no_limit_of_the_task() -> None:
    on_ec2 = failed_task(launchType="EC2", cpu="", memory="512", **OOM)
    assert more_memory(on_ec2, limited(512), "app", MemoryStep()) == Changes(containers={"app": 768})
    assert more_memory(on_ec2, DEFINITION, "app", MemoryStep()) == Changes()
    again = failed_task(launchType="EC2", cpu="", memory="512", overrides={"memory": "512"}, **OOM)
    assert more_memory(again, DEFINITION, "app", MemoryStep()) == Changes(memory=768)


def test_on_ec2_any_size_goes() -> None:
    on_ec2 = failed_task(launchType="EC2", cpu="", memory="1000", **OOM)
    sized = {**DEFINITION, "memory": "1000"}
    assert more_memory(on_ec2, sized, "app", MemoryStep()) == Changes(memory=1500)
    assert more_memory(on_ec2, sized, "app", MemoryStep(cap=1200)) == Changes(memory=1200)
    assert more_memory(on_ec2, sized, "app", MemoryStep(cap=1000)) is None
    unsized = failed_task(launchType="EC2", cpu="", memory="", **OOM)
    assert more_memory(unsized, limited(512), "app", MemoryStep()) == Changes(containers={"app": 768})
    assert more_memory(unsized, limited(512), "app", MemoryStep(cap=512)) is None
    assert more_memory(unsized, DEFINITION, "app", MemoryStep()) == Changes()


SIZES = [Size(cpu, memory) for cpu, memories in MEMORY.items() for memory in memories]


@given(st.sampled_from(SIZES), st.integers(1, 1000), st.integers(1, 130_000), st.none() | st.integers(4, 130_000))
def test_memory_is_always_a_size_of_fargate_and_never_above_the_cap(
    size: Size, percent: int, cap: int, limit: int | None
) -> None:
    definition = limited(min(limit, size.memory)) if limit else DEFINITION
    task = failed_task(cpu=str(size.cpu), memory=str(size.memory), **OOM)
    found = more_memory(task, definition, "app", MemoryStep(percent, cap))
    if found is None:
        assert not [each for each in SIZES if each.cpu >= size.cpu and size.memory < each.memory <= cap]
        return
    assert size.memory < found.memory <= cap
    assert found.memory in MEMORY[found.cpu or size.cpu]
    assert found.cpu == 0 or found.memory > max(MEMORY[size.cpu])
    assert all(memory <= found.memory for memory in found.containers.values())


@given(st.sampled_from(SIZES), st.integers(1, 130_000), st.integers(1, 130_000))
def test_no_smaller_size_would_do(size: Size, wanted: int, cap: int) -> None:
    found = raised(size, wanted, cap)
    if found and found.memory >= wanted:
        same_cpu = [memory for memory in MEMORY[found.cpu] if size.memory < memory < found.memory]
        assert all(memory < wanted for memory in same_cpu)
