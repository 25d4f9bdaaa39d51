"""docs/events.md and events/longshore/ are true: every kind is listed, and schemas hold for samples and for what is sent."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from longshore.aws.bus import Bus
from longshore.decisions import Reason, Verdict
from longshore.envelopes import SOURCE
from longshore.errors import AccessDeniedError, ConfigurationError, UnsupportedError
from longshore.events import Event, Kind
from longshore.mirror.errors import IntegrityError
from longshore.notify.telling import Teller
from longshore.ports import Good
from longshore.workloads import Hold, RolloutStatus
from longshore_local.patterns import compile_pattern
from tests.mirrors_world import MirrorWorld
from tests.mirrors_world import digest as mirrored
from tests.notify_world import MemoryThreads
from tests.recover_stories import STORIES as RECOVER_STORIES
from tests.scan_stories import STORIES as SCAN_STORIES
from tests.world import WEB, World, digest, one_service

if TYPE_CHECKING:
    from tests.recover_world import RecoverWorld
    from tests.scan_world import ScanWorld

    Told = World | RecoverWorld | MirrorWorld | ScanWorld

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
SAMPLES = ROOT / "events"
NOT_EVENTS = "lifecycle-hook-"  # what ECS calls a hook's function with
PUBLISHED, RESERVED = PAGE.split("## What comes later")
TWO = digest("two")


def name_of(kind: Kind) -> str:
    return kind.value.lower().replace(" ", "-")


def published_kinds() -> set[Kind]:
    """The kinds that the capabilities name in their code."""
    package = ROOT / "layers" / "longshore" / "longshore"
    sources = [
        *(package / "redeploy").glob("*.py"),
        *(package / "recover").glob("*.py"),
        package / "notify" / "telling.py",
        package / "mirror" / "telling.py",
        package / "scan" / "telling.py",
    ]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))]
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Kind"}
    return {Kind[name] for name in named}


def schema_of(kind: Kind) -> dict[str, Any]:
    text = (ROOT / "docs" / "events" / f"{name_of(kind)}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def problems(kind: Kind, detail: Mapping[str, Any]) -> list[str]:
    validator = Draft202012Validator(schema_of(kind), format_checker=Draft202012Validator.FORMAT_CHECKER)
    found = [error.message for error in validator.iter_errors(detail)]
    parameters_of_the_reason = kind is Kind.DEPLOYMENT_HELD  # documented with the reasons, not listed in the schema
    unknown = set() if parameters_of_the_reason else detail.keys() - schema_of(kind)["properties"].keys()
    return found + [f"{name} is not in the schema" for name in sorted(unknown)]


# -- what leads to each announcement --------------------------------------------------------------------------------


def pushed(**members: Any) -> tuple[World, str]:
    world, arn = one_service(**members)
    world.push("prod", TWO)
    world.run(1)
    return world, arn


def planned() -> World:
    return pushed(observe_only=True)[0]


def held() -> World:
    world, arn = one_service()
    world.records.hold(arn, Hold("looking into it", "alice", world.clock.now()))
    world.push("prod", TWO)
    world.run(1)
    return world


def never_whole() -> World:
    world, _ = one_service()
    world.push("prod", TWO, index=True, platforms={"linux/amd64": digest("child")}, complete=False)
    world.run(15)
    return world


def misspelt() -> World:
    world, _ = one_service("semver:minr")
    world.push("prod", TWO)
    world.run(1)
    return world


def unpassable() -> World:
    world, _ = one_service("newest", passable=())
    world.platform.change(next(iter(world.platform.services)), roles=("arn:aws:iam::123456789012:role/web",))
    world.push("release", TWO)
    world.run(1)
    return world


def refused() -> World:
    world, _ = one_service()

    def refuse(*_: Any, **__: Any) -> str:
        raise UnsupportedError("UpdateService: InvalidParameterException: no such capacity provider")

    world.platform.apply = refuse  # type: ignore[method-assign]
    world.push("prod", TWO)
    world.run(1)
    return world


def verified() -> World:
    world, arn = pushed()
    world.platform.succeed(arn)
    world.run(10)
    return world


def alarmed() -> World:
    world, arn = pushed()
    world.platform.succeed(arn)
    world.platform.alarm(arn, "web-5xx")
    world.run(10)
    return world


def unsteady() -> World:
    world, arn = pushed()
    world.platform.succeed(arn)
    world.platform.change(arn, steady=False)
    world.run(60)
    return world


def failed() -> World:
    world, arn = pushed()
    world.platform.end(arn, RolloutStatus.FAILED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(1)
    return world


def timed_out() -> World:
    world, arn = pushed()
    world.run(25)
    world.platform.roll_back(arn)
    world.run(1)
    return world


def rolled_back() -> World:
    world, arn = pushed()
    world.platform.roll_back(arn)
    world.run(1)
    return world


def overtaken() -> World:
    world, arn = pushed()
    world.platform.deploy(arn)
    world.platform.succeed(arn)
    world.run(10)
    return world


def removed() -> World:
    world, arn = pushed()
    world.platform.succeed(arn)
    world.run(1)
    del world.platform.services[arn]
    world.run(10)
    return world


def raced() -> World:
    world, arn = pushed()
    id = str(world.platform.services[arn].observation.rollout)
    world.platform.rollouts[id] = type(world.platform.rollouts[id])(
        id, RolloutStatus.RUNNING, digests={"app": digest("three")}
    )
    world.platform.succeed(arn)
    world.run(1)
    return world


def taken_back() -> World:
    world, arn = one_service()
    now = world.clock.now()
    world.records.good(arn, [Good({"app": TWO}, now), Good({"app": digest("one")}, now)])
    world.platform.deploy(arn)
    world.platform.succeed(arn)
    world.run(1)
    return world


def missed() -> World:
    world, _ = one_service()
    world.push("prod", TWO, send=False)
    world.deliver(world.envelope("Sweep Due", {"repository-name": WEB.name}))
    return world


def unreachable() -> World:
    world = World()
    Teller(MemoryThreads(), world.publisher, world.clock).failed("ops", "slack", "invalid_auth", "a refusal", "id")
    return world


def misconfigured() -> World:
    world = World()
    wrong = ConfigurationError("routes", "names the channel 'opps', which there is not", "ops")
    Teller(MemoryThreads(), world.publisher, world.clock).reject([wrong], "id")
    return world


def mirroring(**rules: Any) -> MirrorWorld:
    world = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:web", "every": "1h", **rules})
    world.upstream().tags.update({"v1": mirrored("one"), "v2": mirrored("two")})
    world.sweep()
    return world


def mirrored_all() -> MirrorWorld:
    world = mirroring()
    world.run()
    return world


def mirrored_in_part() -> MirrorWorld:
    world = mirroring()
    world.refuses["v1"] = [IntegrityError("source quay.io/org/web: GET blob: another digest")]
    world.run()
    world.upstream().down = AccessDeniedError("source quay.io/org/web: GET tags: 401")
    world.clock.advance(3600)
    world.sweep()
    world.run()
    return world


def mirror_kept() -> MirrorWorld:
    world = mirroring(on_move="keep")
    world.run()
    world.upstream().tags["v1"] = mirrored("another")
    world.clock.advance(3600)
    world.sweep()
    world.run()
    return world


def mirror_observed() -> MirrorWorld:
    world = MirrorWorld(observe=True, web={"from": "quay.io/org/web", "to": "ecr:web"})
    world.upstream().tags["v1"] = mirrored("one")
    world.sweep()
    world.run()
    return world


STORIES: tuple[Callable[[], Told], ...] = (
    *RECOVER_STORIES,
    *SCAN_STORIES,
    planned,
    held,
    never_whole,
    misspelt,
    unpassable,
    refused,
    verified,
    alarmed,
    unsteady,
    failed,
    timed_out,
    rolled_back,
    overtaken,
    removed,
    raced,
    taken_back,
    missed,
    unreachable,
    misconfigured,
    mirrored_all,
    mirrored_in_part,
    mirror_kept,
    mirror_observed,
)


class _Entries:
    def __init__(self) -> None:
        self.put: list[dict[str, Any]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.put += Entries
        return {}


def on_the_bus(world: Told) -> list[tuple[Kind, dict[str, Any]]]:
    """What a rule on the bus would see of all that was announced."""
    entries = _Entries()
    Bus(lambda: entries, "longshore", world.clock).publish(world.publisher.published)
    return [(Kind(entry["DetailType"]), json.loads(entry["Detail"])) for entry in entries.put]


# -- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_what_is_announced_holds_the_schema(story: Callable[[], Told]) -> None:
    told = on_the_bus(story())
    assert told
    assert [(kind.value, found) for kind, detail in told if (found := problems(kind, detail))] == []


def test_the_stories_lead_to_every_kind_and_every_end() -> None:
    told = [each for story in STORIES for each in on_the_bus(story())]
    assert {kind for kind, _ in told} == published_kinds()
    for kind in (Kind.DEPLOYMENT_SUPERSEDED, Kind.DEPLOYMENT_ROLLED_BACK):
        assert {d["reason"] for k, d in told if k is kind} == set(schema_of(kind)["properties"]["reason"]["enum"])


def test_the_page_explains_every_way_to_fail() -> None:
    rows = re.findall(r"^\| (`[a-z, `-]+`) \| ", PAGE.split("### How a deployment fails")[1].split("##")[0], re.M)
    explained = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}
    assert explained == set(schema_of(Kind.DEPLOYMENT_FAILED)["properties"]["reason"]["enum"])


def test_every_kind_is_in_its_place_on_the_page() -> None:
    published = {Kind(found) for found in re.findall(r"^\| `([A-Z][A-Za-z ]+)` \| .*schema\.json", PUBLISHED, re.M)}
    reserved = {Kind(found) for found in re.findall(r"`([A-Z][a-z]+(?: [A-Z][a-z]+)+)`", RESERVED.split("##")[0])}
    assert published == published_kinds()
    assert published | reserved == set(Kind)
    assert not published & reserved


@pytest.mark.parametrize("kind", sorted(published_kinds()))
def test_the_sample_holds_the_schema(kind: Kind) -> None:
    sample = json.loads((SAMPLES / "longshore" / f"{name_of(kind)}.json").read_text(encoding="utf-8"))
    assert (sample["detail-type"], sample["source"]) == (kind.value, SOURCE)
    assert sample["resources"] == [arn for arn in [sample["detail"]["workload"]] if arn]
    assert problems(kind, sample["detail"]) == []
    Draft202012Validator.check_schema(schema_of(kind))


def test_a_later_stage_has_a_sample_and_its_own_members() -> None:
    sample = json.loads((SAMPLES / "longshore" / "deployment-started-soaking.json").read_text(encoding="utf-8"))
    soaking = sample["detail"]
    assert (sample["detail-type"], soaking["stage"]) == (Kind.DEPLOYMENT_STARTED.value, "soaking")
    assert problems(Kind.DEPLOYMENT_STARTED, soaking) == []
    for member in ("soaks_until", "began"):
        assert problems(Kind.DEPLOYMENT_STARTED, {k: v for k, v in soaking.items() if k != member})
    assert problems(Kind.DEPLOYMENT_STARTED, {**soaking, "stage": "rolling"})
    told = {d["stage"] for story in STORIES for kind, d in on_the_bus(story()) if kind is Kind.DEPLOYMENT_STARTED}
    assert told == {"rolling", "soaking"}


OTHERS = (
    "task-failed-left-alone",
    "task-failed-observed",
    "crash-loop-opened-family",
    "findings-reported-expiring",
    "findings-reported-digest",
)


@pytest.mark.parametrize("name", OTHERS)
def test_further_samples_hold_the_schema_of_their_kind(name: str) -> None:
    sample = json.loads((SAMPLES / "longshore" / f"{name}.json").read_text(encoding="utf-8"))
    assert problems(Kind(sample["detail-type"]), sample["detail"]) == []


def test_every_shape_of_a_report_is_told_and_has_its_own_members() -> None:
    told = [detail for story in SCAN_STORIES for kind, detail in on_the_bus(story()) if kind is Kind.FINDINGS_REPORTED]
    assert {each["report"] for each in told} == {"scan", "expiring", "digest"}
    assert {each["reason"] for each in told} == set(schema_of(Kind.FINDINGS_REPORTED)["properties"]["reason"]["enum"])
    for detail in told:
        members = set(detail) - {"workload", "verdict"}
        assert all(problems(Kind.FINDINGS_REPORTED, {k: v for k, v in detail.items() if k != m}) for m in members)


def test_every_end_of_findings_is_told() -> None:
    told = [detail for story in SCAN_STORIES for kind, detail in on_the_bus(story()) if kind is Kind.FINDINGS_RESOLVED]
    assert {each["reason"] for each in told} == set(schema_of(Kind.FINDINGS_RESOLVED)["properties"]["reason"]["enum"])


def test_every_reason_and_class_of_recover_is_explained() -> None:
    """In its page, by code; what was told in the stories and in the samples."""
    page = (ROOT / "docs" / "recover.md").read_text(encoding="utf-8")
    told = [each for story in RECOVER_STORIES for each in on_the_bus(story())]
    rows = set(re.findall(r"^\| `?([A-Za-z0-9-]+)`? \| ", page, re.M))
    own = {"launched", "recovered"}  # of `Task Replaced` and `Crash Loop Resolved`, which their schemas list
    for kind, detail in told:
        if kind is not Kind.REDEPLOY_REQUESTED:
            assert detail["reason"] in rows | own, (kind, detail["reason"])
            assert detail.get("class", "Z") in rows, (kind, detail["class"])


def test_samples_of_one_incident_share_its_root() -> None:
    names = ("task-failed", "task-replaced", "task-given-up")
    samples = [json.loads((SAMPLES / "longshore" / f"{name}.json").read_text(encoding="utf-8")) for name in names]
    assert len({sample["detail"]["root_task"] for sample in samples}) == 1
    assert sorted(samples, key=lambda sample: str(sample["time"])) == samples


def test_a_schema_refuses_what_the_page_rules_out() -> None:
    started = json.loads((SAMPLES / "longshore" / "deployment-started.json").read_text(encoding="utf-8"))["detail"]
    assert problems(Kind.DEPLOYMENT_STARTED, {**started, "reason": "because"})
    assert problems(Kind.DEPLOYMENT_STARTED, {k: v for k, v in started.items() if k != "correlation"})
    assert problems(Kind.DEPLOYMENT_STARTED, {**started, "unheard": 1})


def test_a_reason_that_is_told_as_held_is_a_hold() -> None:
    told = [d for story in STORIES for kind, d in on_the_bus(story()) if kind is Kind.DEPLOYMENT_HELD]
    verdicts = {reason.value: reason.verdict for reason in Reason}
    assert {verdicts[d["reason"]] for d in told} <= {Verdict.HOLD, Verdict.WAIT}
    assert {d["reason"] for d in told} >= {"held", "incomplete-index", "invalid-policy", "pass-role-not-granted"}


def test_the_example_rule_matches_what_it_says() -> None:
    text = re.findall(r"```json\n(.*?)```", PAGE, re.S)[0]
    rule = compile_pattern(json.loads(text))
    samples = {f.stem: json.loads(f.read_text(encoding="utf-8")) for f in (SAMPLES / "longshore").glob("*.json")}
    matched = {name for name, sample in samples.items() if rule.matches(sample)}
    assert matched == {"deployment-failed", "deployment-rolled-back"}


def test_every_sample_is_a_whole_event_in_the_folder_of_its_source() -> None:
    for file in SAMPLES.glob("*/*.json"):
        event = json.loads(file.read_text(encoding="utf-8"))
        if file.name.startswith(NOT_EVENTS):
            continue
        assert event["source"].removeprefix("aws.") == file.parent.name, file
        assert {"version", "id", "detail-type", "account", "time", "region", "resources", "detail"} <= event.keys(), (
            file
        )
        assert event["account"] == "123456789012", file


def test_the_list_of_samples_is_complete() -> None:
    page = (SAMPLES / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z0-9/-]+\.json)` \| (official|wrapped|derived|ours) \|", page, re.M)
    assert sorted(name for name, _ in listed) == sorted(str(f.relative_to(SAMPLES)) for f in SAMPLES.glob("*/*.json"))


@pytest.mark.parametrize(
    "name", ["tag/tag-change-on-service", "tag/tag-change-on-function", "cloudformation/stack-status-change"]
)
def test_the_samples_of_the_stacks_own_rules_are_read(name: str) -> None:
    Event.parse(json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8")))
