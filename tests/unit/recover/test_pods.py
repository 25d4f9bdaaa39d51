"""Pods of EKS on Fargate (issue 4)."""

from __future__ import annotations

import json
from pathlib import Path

from tests.platform_world import PlatformWorld

SAMPLE = {
    "clusterName": "apps",
    "fargateProfileName": "default",
    "podName": "web-1",
    "podNamespace": "shop",
    "evictErrorMessage": "Cannot evict pod as it would violate the pod's disruption budget",
    "scheduledTerminationTime": "2026-11-30T12:52:44.832Z[UTC]",
}


def test_a_pod_is_told_once() -> None:
    world = PlatformWorld()
    for _ in range(3):
        world.send(world.envelope("EKS Fargate Pod Scheduled Termination", SAMPLE, "shop/web-1"))
    world.run(1)
    assert world.told == ["Retirement Announced"]
    told = world.detail()
    assert (told["pod"], told["namespace"], told["cluster"]) == ("web-1", "shop", "apps")
    assert told["workload_name"] == "apps/shop/web-1"
    assert (told["class"], told["verdict"], told["reason"]) == ("I2", "notify", "owned-elsewhere")
    assert told["due"].startswith("2026-11-30T12:52:44")
    assert any("disruption budget" in each for each in told["evidence"])


def test_a_pod_without_a_time_is_told_too() -> None:
    world = PlatformWorld()
    detail = {name: value for name, value in SAMPLE.items() if name in ("clusterName", "podName", "podNamespace")}
    world.send(world.envelope("EKS Fargate Pod Scheduled Termination", detail))
    world.run(1)
    assert world.told == ["Retirement Announced"]
    assert "due" not in world.detail()


def test_another_date_is_news() -> None:
    world = PlatformWorld()
    for day in ("30", "29"):
        later = {**SAMPLE, "scheduledTerminationTime": f"2026-11-{day}T12:52:44.832Z[UTC]"}
        world.send(world.envelope("EKS Fargate Pod Scheduled Termination", later))
    world.run(1)
    assert world.told == ["Retirement Announced"] * 2


def test_the_event_that_aws_documents() -> None:
    path = Path(__file__).parents[3] / "events" / "eks" / "fargate-pod-scheduled-termination.json"
    body = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    world = PlatformWorld()
    world.send(body or world.envelope("EKS Fargate Pod Scheduled Termination", SAMPLE))
    world.run(1)
    assert world.told == ["Retirement Announced"]
