"""The pages are true: what they say of policies, the ledger, the stack, the roles and the commands is what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from longshore.aws import topic
from longshore.aws.gates import LedgerGates
from longshore.aws.ledger import LedgerHeads, LedgerIndex, LedgerRecords
from longshore.aws.machines import LedgerMachines
from longshore.aws.mirror_manifests import LedgerManifests
from longshore.aws.mirrors import LedgerJobs, LedgerLeases, LedgerMemory, LedgerPulls, LedgerUploads
from longshore.aws.recovery import LedgerBreakers, LedgerRecipes, LedgerRecoveries
from longshore.aws.scans import LedgerAcceptances, LedgerReports
from longshore.aws.switches import LedgerSwitches
from longshore.aws.table import Table
from longshore.aws.threads import LedgerThreads, LedgerTurns
from longshore.aws.troubles import LedgerTroubles
from longshore.aws.watched import LedgerDrains, LedgerRefused, LedgerWatches
from longshore.decisions import Reason, Verdict
from longshore.errors import AccessDeniedError, AmbiguousError, ConfigurationError, ThrottledError, UpstreamError
from longshore.events import Event, Kind, RedeployRequested, SweepDue
from longshore.gates import GateQuestion, GateTerms
from longshore.images import Endpoint, Repository
from longshore.manifests import Manifest
from longshore.mirror.plan import Known, Sighting
from longshore.mirror.ports import RateLimit, Upload
from longshore.notices import Severity
from longshore.notify.failing import reason_of
from longshore.notify.routes import FALLBACK, Destination, read_routing
from longshore.notify.telling import UNHEARD
from longshore.notify.threads import Call, State, Thread, Waiting
from longshore.owners import Drift
from longshore.ports import Good, Head
from longshore.recover.breaker import Breaker
from longshore.recover.hosts import Drains, Watch
from longshore.recover.recipe import LaunchRecipe
from longshore.recover.recovery import Attempt, AttemptKind, AttemptState, Failure, Recovery
from longshore.recover.refused_tasks import RefusedLaunch
from longshore.recover.troubles import ONCE, Trouble
from longshore.redeploy.decide import Candidate, Current, decide
from longshore.redeploy.pacing import Pacing
from longshore.redeploy.policy import Options, Write, parse_policy
from longshore.redeploy.profiles import read_profiles
from longshore.scan.findings import Key
from longshore.scan.ports import Reported
from longshore.scan.suppressions import Origin, Suppression
from longshore.workloads import (
    Action,
    Change,
    Deployment,
    DeploymentStatus,
    Hold,
    Plan,
    PlatformKind,
    Subject,
    Workload,
)
from longshore_cli.main import main
from longshore_config.check import check
from longshore_config.compile import compile_config
from longshore_local.images import multi_platform

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "events" / "README.md", *ROOT.glob("docs/**/*.md")})
TEMPLATE: Mapping[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/prod/web"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REPOSITORY = Repository("123456789012", "eu-west-1", "shop/web")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The body of the first table after a heading, cell by cell."""
    after = text.split(f"{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", after, re.M)
    assert table, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[0].splitlines()[2:]]


def code(cell: str) -> str:
    return cell.strip("| ").strip("`")


# -- policies.md ----------------------------------------------------------------------------------------------------


def test_every_reason_is_listed_in_order_with_its_verdict_and_meaning() -> None:
    listed = [
        (code(c), verdict, meaning.rstrip(" |")) for c, verdict, meaning in rows(page("docs/policies.md"), "## Reasons")
    ]
    assert listed == [(r.value, r.verdict.value, r.meaning) for r in Reason]


def test_every_verdict_is_listed() -> None:
    assert [row[0].strip("| ") for row in rows(page("docs/policies.md"), "## Verdicts")] == [v.value for v in Verdict]


@pytest.mark.parametrize("row", rows(page("docs/policies.md"), "## Truth table"), ids=" ".join)
def test_the_truth_table_is_what_is_decided(row: list[str]) -> None:
    profiles = read_profiles(
        {"rc": {"policy": "semver:minor", "prerelease": "channel:rc"}, "range": {"policy": "semver:>=1.2 <2"}}
    )
    current, pushed, policy, verdict, reason = map(code, row)
    decision = decide(parse_policy(policy, profiles), Current(current, A), Candidate(pushed, B))
    assert (decision.verdict.value, decision.reason.value) == (verdict, reason)


@pytest.mark.parametrize(("name", "heading"), [("docs/policies.md", "## Grammar"), ("README.md", "## Policies")])
def test_every_policy_of_the_grammar_can_be_read(name: str, heading: str) -> None:
    profiles = read_profiles({"web": {"policy": "digest"}})
    listed = [text for row in rows(page(name), heading) for text in re.findall(r"`([^`]+)`", row[0])]
    assert [str(parse_policy(text, profiles)) for text in listed] == listed
    kinds = {text.partition(":")[0] for text in listed}
    assert kinds == {"digest", "semver", "newest", "numeric", "calver", "pin", "profile"}


def test_every_option_of_a_profile_is_listed_with_its_default() -> None:
    schema = json.loads(page("layers/config/schema.json"))["$defs"]["profile"]["properties"]
    listed = {code(row[0]): row[1].strip("`") for row in rows(page("docs/policies.md"), "## Profiles")}
    assert listed.keys() == schema.keys()
    options, pacing = Options(), Pacing()
    assert options.write is Write.DECLARED
    for name in ("prerelease", "immutable_retag", "on_unknown", "redeploy_on", "write", "max_major_jump"):
        assert listed[name] == str(getattr(options, name)), name
    for name in ("soak", "timeout", "cooldown"):
        assert timedelta(minutes=int(listed[name].removesuffix("m"))) == timedelta(seconds=getattr(pacing, name)), name
    assert listed["limits"] == f"{{per_push: {pacing.per_push}, per_hour: {pacing.per_hour}}}"


# -- architecture.md ------------------------------------------------------------------------------------------------


class _Recorder:
    """A DynamoDB client that keeps what is written, and reads one item at most."""

    def __init__(self, item: dict[str, Any] | None = None) -> None:
        self.items: list[dict[str, Any]] = []
        self._item = item

    def get_item(self, Key: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"Item": self._item} if self._item and Key == {name: self._item[name] for name in ("pk", "sk")} else {}

    def query(self, ExpressionAttributeValues: dict[str, Any], **_: Any) -> dict[str, Any]:
        mine = self._item and ExpressionAttributeValues[":pk"] == self._item["pk"]
        return {"Items": [self._item] if mine else []}

    def put_item(self, Item: dict[str, Any], **_: Any) -> None:
        self.items.append(Item)

    def update_item(self, Key: dict[str, Any], ExpressionAttributeValues: dict[str, Any], **_: Any) -> None:
        self.items.append({**Key, "expires": ExpressionAttributeValues[":expires"], "times": {"N": "1"}})

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:
        self.items += [write["Put"]["Item"] for write in TransactItems]


class _Clock:
    def now(self) -> datetime:
        return NOW


def written() -> list[dict[str, Any]]:
    """One item of every kind, as the stores write it, with every optional member."""
    recorder = _Recorder()
    table = Table(recorder, "ledger")
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:prod"
    LedgerHeads(table).observe(Head(REPOSITORY, "prod", A, NOW, NOW, NOW, previous=B), 120)
    LedgerIndex(table).put(
        Workload(ARN, PlatformKind.ECS_SERVICE, "123456789012", "eu-west-1", "prod", "web", {}, {"web": image}, "web:1")
    )
    records = LedgerRecords(table, _Clock())
    plan = Plan(ARN, Action.REFRESH, (Change("web", "web:prod", B, "prod"),), "moved", "id")
    whole = Deployment(
        plan, DeploymentStatus.VERIFIED, NOW, NOW, lease=NOW, soaking=NOW, rollout="r", before="b", ended=NOW
    )
    records.begin(whole, None)
    records.good(ARN, [Good({"web": A}, NOW)])
    records.quarantine(ARN, [B], "failed", NOW)
    records.hold(ARN, Hold("why", "who", NOW, NOW))
    records.tell(ARN, "what")
    records.drift(ARN, [Drift("web", "Image", "web:1", "web:2", "cloudformation", "shop", NOW, "web:2")])
    records.published(ARN, {"/longshore/shop/web/image": "web:2"})
    records.remember(ARN, REPOSITORY, "prod", NOW)
    LedgerSwitches(table, "123456789012", "eu-west-1").count("all", NOW, 1)
    _write_notices(table)
    _write_mirrors(table)
    _write_recoveries(table)
    _write_troubles(table)
    _write_upkeep(table)
    _write_scans(table)
    return recorder.items


def _write_mirrors(table: Table) -> None:
    place, endpoint = ("123456789012", "eu-west-1"), Endpoint("public.ecr.aws", "a1/web")
    memory = LedgerMemory(table, _Clock(), *place)
    memory.remember("web", endpoint, Known("v1", A, B, "|all", "x", 2, NOW, NOW, A, "told", NOW))
    memory.sight("web", {"v1": Sighting(A, NOW)})
    memory.arrive("web", {"v1": NOW})
    pulls = LedgerPulls(table, *place)
    pulls.settle("hub#anonymous", "", RateLimit(100, 50, 21_600), NOW)
    LedgerLeases(table, *place).take("mirror web", NOW, NOW)
    LedgerJobs(table, *place).begin("job", [A], NOW)
    manifest = Manifest.parse(multi_platform("x").manifest)
    LedgerManifests(table, _Clock(), *place).keep(Endpoint("registry-1.docker.io", "library/web"), [manifest])
    LedgerUploads(table, _Clock(), *place).save("public.ecr.aws", A, Upload("a1/web", "/x", 1, 2, True))


def _write_recoveries(table: Table) -> None:
    task = "arn:aws:ecs:eu-west-1:123456789012:task/prod/0123"
    LedgerRecipes(table, _Clock()).put(task, LaunchRecipe(source="task"))
    failure = Failure(NOW, "M1", task)
    launched = Attempt(1, AttemptKind.APP, failure, NOW, "ls-1", state=AttemptState.LAUNCHED, task=f"{task}4")
    cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"
    recovery = Recovery(task, "etl", cluster, NOW, attempts=(launched,), waits=NOW)
    LedgerRecoveries(table, _Clock(), "123456789012", "eu-west-1").save(recovery)
    LedgerBreakers(table, _Clock()).save(recovery.cluster, "etl", Breaker(failures=1))


def _write_troubles(table: Table) -> None:
    trouble = Trouble(ARN, "LOOP#ecs-svc/1").begun(NOW, ONCE, {})
    LedgerTroubles(table, _Clock(), "123456789012", "eu-west-1").save(trouble)


def _write_scans(table: Table) -> None:
    place = "123456789012", "eu-west-1"
    question = GateQuestion(ARN, REPOSITORY, A, "prod", (A,), (B,), GateTerms(), NOW, "id", Subject())
    LedgerGates(table, _Clock()).ask(question)
    reports = LedgerReports(table, _Clock(), *place)
    reports.put(Reported(REPOSITORY, A, "print", True, NOW, "id", {"runs": True}))
    reports.seen(REPOSITORY, [Key("CVE-2026-1", "OS", "openssl", "")], NOW)
    reports.once("what", NOW, NOW + timedelta(days=7))
    reports.keep_digest("shop", {}, NOW)
    LedgerAcceptances(table, _Clock(), *place).put(Suppression("id", Origin.SWITCH, "CVE-2026-1", expires=NOW))


class _Ecs:
    def describe_container_instances(self, **_: object) -> dict[str, object]:
        return {"containerInstances": [{"containerInstanceArn": "arn", "ec2InstanceId": "i-1"}]}


def _write_upkeep(table: Table) -> None:
    cluster, task = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod", "arn:aws:ecs:eu-west-1:123456789012:task/prod/r"
    LedgerWatches(table, _Clock(), "123456789012", "eu-west-1").save(Watch("agent x", NOW))
    LedgerDrains(table, _Clock()).save(Drains(cluster, {"i-1": NOW}))
    LedgerMachines(_Ecs(), table, _Clock(), "123456789012", "eu-west-1").seen(cluster, ["arn"])
    LedgerRefused(table, _Clock()).put(RefusedLaunch(task, cluster, "etl", "events-rule/x", "AGENT", NOW))


def _write_notices(table: Table) -> None:
    threads = LedgerThreads(table, _Clock(), "123456789012", "eu-west-1")
    order = (NOW.isoformat(), 1)
    whole = State(
        lease=NOW,
        root="C/1",
        shown=order,
        gravest=Severity.ERROR,
        closed=order,
        last_kind=Kind.DEPLOYMENT_FAILED,
        last_at=NOW,
        call=Call("key", NOW, "id"),
        wake=NOW,
    )
    threads.add("ops", "deployment/web", Waiting(order, "id", {}, NOW))
    threads.save(Thread("ops", "deployment/web", whole))
    threads.open("arn:web", "ops", "deployment/web", NOW + timedelta(hours=6))
    threads.open("heard/deployment/arn:web", "ops", "deployment/arn:web", NOW + timedelta(days=90))
    threads.open("over/deployment/arn:web", "ops", f"{NOW.isoformat()}#003", NOW + timedelta(days=90))
    threads.say("configuration/4711", NOW + timedelta(days=1))
    LedgerTurns(table, "123456789012", "eu-west-1").take("post#ops", timedelta(seconds=1), NOW, waited=False)


def documented() -> list[tuple[re.Pattern[str], set[str], str]]:
    """Key, members and time kept of each item on the page."""
    found = []
    for _, pk, sk, members, kept, _ in rows(page("docs/architecture.md"), "## The ledger"):
        key = re.sub(r"<[a-z]+>", ".+", re.escape(f"{code(pk)} {code(sk)}").replace(r"\<", "<").replace(r"\>", ">"))
        found.append((re.compile(key), set(re.findall(r"`(\w+)`", members)), kept))
    return found


def test_every_item_of_the_ledger_is_documented_with_its_members_and_time() -> None:
    seen = []
    for item in written():
        key = f"{item['pk']['S']} {item['sk']['S']}"
        matching = [(members, kept) for pattern, members, kept in documented() if pattern.fullmatch(key)]
        assert len(matching) == 1, key
        members, kept = matching[0]
        assert item.keys() - {"pk", "sk", "schema", "expires"} == members, key
        assert _kept(item) == kept or (
            "expires" not in item and kept in ("while it follows", "while it is open", "until lifted")
        ), key
        seen.append(key)
    assert len(seen) == len(documented()) - 1  # the pause is set by people and only read


def _kept(item: Mapping[str, Any]) -> str:
    hours = (int(item.get("expires", {"N": 0})["N"]) - NOW.timestamp()) / 3600
    return f"{hours:.0f} hours" if hours < 24 else f"{hours / 24:.0f} days"


# -- operations.md --------------------------------------------------------------------------------------------------


def test_every_parameter_is_listed_with_its_default() -> None:
    listed = {
        code(row[0]): row[1].strip("`").replace("empty", "")
        for row in rows(page("docs/operations.md"), "## Parameters")
    }
    assert listed == {name: str(each["Default"]) for name, each in TEMPLATE["Parameters"].items()}


def test_every_alarm_is_listed() -> None:
    alarms = {name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert {code(row[0]) for row in rows(page("docs/operations.md"), "## Alarms")} == alarms


def _words(pattern: str, *folders: str) -> set[str]:
    """What a pattern finds in the sources of the product."""
    sources = [file for folder in folders for file in (ROOT / "layers/longshore/longshore" / folder).glob("*.py")]
    assert sources
    return {found for file in sources for found in re.findall(pattern, file.read_text(encoding="utf-8"), re.S)}


def test_every_reason_of_a_failed_channel_says_what_to_do() -> None:
    table = rows(page("docs/operations.md").split("## Notices\n", 1)[1], "on dead letters:\n")
    listed = {reason for row in table for reason in re.findall(r"`([\w-]+)`", row[0])}
    reasons = _words(r'DeliveryError\(\s*"([\w-]+)"', "channels", "aws") | set(topic._REFUSALS.values())
    reasons |= _words(r'_INVALID_KEY: Final = "([\w-]+)"', "channels")
    reasons |= _words(r'give_up\([^)]*?"([a-z-]+)"', "notify") | {UNHEARD}
    errors = (AccessDeniedError(), ConfigurationError("", ""), UpstreamError(), AmbiguousError(), ThrottledError())
    reasons |= {reason_of(error) for error in (*errors, ValueError())}
    assert len(reasons) > 15
    assert reasons <= listed, reasons - listed
    assert all(len(row) == 2 and len(row[1].strip(" |")) > 10 for row in table)


def test_resources_and_outputs_that_commands_name_exist() -> None:
    text = page("docs/operations.md")
    assert set(re.findall(r"\$\(output (\w+)\)", text)) <= TEMPLATE["Outputs"].keys()
    assert set(re.findall(r"\$\(physical (\w+)\)", text)) <= TEMPLATE["Resources"].keys()


def _json_of(text: str, option: str) -> list[Any]:
    return [
        json.loads(found.replace("'$ARN'", ARN)) for found in re.findall(rf"{option} '(\{{.*?\}})'$", text, re.M | re.S)
    ]


def test_messages_that_operators_send_are_understood() -> None:
    facts = [Event.parse(body).fact for body in _json_of(page("docs/operations.md"), "--message-body")]
    assert facts == [SweepDue(), RedeployRequested(ARN, "pending")]


def test_items_that_operators_write_are_read_by_the_stores() -> None:
    hold, pause = _json_of(page("docs/operations.md"), "--item")
    held = LedgerRecords(Table(_Recorder(hold), "ledger"), _Clock()).get(ARN).hold
    assert held == Hold("incident 4711", "alice", NOW, NOW + timedelta(days=1))
    assert held.stands(NOW)
    assert LedgerSwitches(Table(_Recorder(pause), "ledger"), "123456789012", "eu-west-1").paused() == "incident 4711"


# -- notify.md ------------------------------------------------------------------------------------------------------


def test_the_channels_and_routes_that_are_shown_are_a_good_configuration(tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", page("docs/notify.md"), re.S)
    file = tmp_path / "longshore.yaml"
    file.write_text("".join(shown), encoding="utf-8")
    assert len(shown) == 2
    assert check(file) == []


def test_the_bundle_has_the_channel_that_its_test_names() -> None:
    name, file = re.findall(r"longshore notify test (\w+) --config (\S+)", page("docs/notify.md"))[0]
    assert name in read_routing(compile_config(ROOT / file), Destination(FALLBACK, "sns")).destinations


# -- iam.md ---------------------------------------------------------------------------------------------------------


def _actions(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        granted = node.get("Action", []) if node.get("Effect") == "Allow" and "Principal" not in node else []
        yield from [granted] if isinstance(granted, str) else granted
        for each in node.values():
            yield from _actions(each)
    if isinstance(node, list):
        for each in node:
            yield from _actions(each)


@pytest.mark.parametrize("role", [n for n, r in TEMPLATE["Resources"].items() if r["Type"] == "AWS::IAM::Role"])
def test_the_page_lists_exactly_what_a_role_may_do(role: str) -> None:
    section = page("docs/iam.md").split(f"## {role}\n", 1)[1].split("\n## ", 1)[0]
    listed = {action for row in re.findall(r"^\| (`.*?) \|", section, re.M) for action in re.findall(r"`([^`]+)`", row)}
    assert listed == set(_actions(TEMPLATE["Resources"][role]))


# -- every page -----------------------------------------------------------------------------------------------------


def test_commands_on_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.M))
    for each in PAGES:
        text = each.read_text(encoding="utf-8")
        spans = [
            *re.findall(r"```sh\n(.*?)```", text, re.S),
            *re.findall(r"`([^`\n]+)`", text),
            *re.findall(r"^    \S.*$", text, re.M),
        ]
        for span in spans:
            assert set(re.findall(r"^(?:\s*)make ([a-z-]+)", span, re.M)) <= targets, each
            named = set(re.findall(r"^\s*(?:\.venv/bin/)?longshore ([a-z]+)\b(?! service)", span, re.M))
            assert named <= main.commands.keys(), each


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("each", PAGES, ids=lambda each: str(each.relative_to(ROOT)))
def test_links_lead_somewhere(each: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", each.read_text(encoding="utf-8")):
        if re.match(r"https://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (each.parent / path).resolve() if path else each
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target.read_text(encoding="utf-8")), link


def test_blocks_of_json_are_json() -> None:
    for each in PAGES:
        for block in re.findall(r"```json\n(.*?)```", each.read_text(encoding="utf-8"), re.S):
            json.loads(block)
