"""The scenarios of the demo: each tells what happens and asserts how it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from longshore_local.demo.applications import Applications
from longshore_local.demo.branches import Branch
from longshore_local.demo.clusters import Cluster
from longshore_local.demo.functions import Functions
from longshore_local.demo.managed import Managed
from longshore_local.demo.nightly import Nightly
from longshore_local.demo.sentences import short
from longshore_local.demo.shifted import Shifted
from longshore_local.demo.stacks import Stack
from longshore_local.demo.stage import CLUSTER, UPSTREAM, UPSTREAM_REPOSITORY, Stage
from longshore_local.images import artifact, multi_platform, signature, signature_tag, single
from longshore_local.scanning.vulnerabilities import Vulnerability

__all__ = ["SCENARIOS", "Scenario"]

WEB = "shop/web"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario: its name on the command line, what it shows, and how it is played."""

    name: str
    shows: str
    play: Callable[[Stage], None]


def push(stage: Stage) -> None:
    """The same tag, pushed again: the service follows."""
    image = stage.repository(WEB)
    stage.stock(WEB, "prod", single("web, build 1"))
    stage.service({"web": f"{image}:prod"}, "digest")
    build = single("web, build 2")
    stage.push("CI", WEB, "prod", build)
    stage.until(stage.announced("Deployment Succeeded"), "the deployment is verified")
    stage.verify(stage.digests() == {"web": build.digest}, f"the service runs {short(build.digest)}")
    stage.conclude()


def rollback(stage: Stage) -> None:
    """A bad image: the breaker trips, the old image comes back, the bad one stays out."""
    image = stage.repository(WEB)
    good, bad = single("web, build 1"), single("web, build 2, which crashes")
    stage.stock(WEB, "prod", good)
    stage.service({"web": f"{image}:prod"}, "digest")
    stage.fail(bad, "exit-1")
    stage.push("CI", WEB, "prod", bad, "it exits as soon as it starts")
    stage.until(stage.announced("Deployment Rolled Back"), "the bad image is rolled back")
    stage.verify(stage.digests() == {"web": good.digest}, f"the service is back on {short(good.digest)}")
    stage.conclude()
    stage.wait(minutes=10)
    deployments = stage.deployments()
    stage.push("Dev", WEB, "prod", good, "takes the tag back")
    stage.wait(minutes=1)
    stage.push("CI", WEB, "prod", bad, "the very same image once more")
    stage.wait(minutes=10)
    stage.verify("quarantined" in stage.reasons(), "the second push of the bad image is refused")
    stage.verify(stage.deployments() == deployments, "nothing was deployed after the rollback")
    stage.conclude()


def ignored(stage: Stage) -> None:
    """Pushes that nothing should follow, each with its reason."""
    image = stage.repository(WEB)
    current = single("web 1.4.2")
    stage.stock(WEB, "1.4.2", current)
    stage.service({"web": f"{image}:1.4.2"}, "semver:minor")
    pushes = [
        ("1.4.1", single("web 1.4.1, rebuilt"), "an older version, rebuilt", "downgrade"),
        ("1.5.0-rc.1", single("web 1.5.0-rc.1"), "a release candidate", "prerelease"),
        ("1.4.3-alpine", single("web 1.4.3 on Alpine"), "another base image", "variant"),
        ("2.0.0", single("web 2.0.0"), "a new major version", "out-of-range"),
        (signature_tag(current.digest), signature(current), "a signature, as cosign stores it", "artifact"),
        ("1.4.2-sbom", artifact("sbom", "application/spdx+json"), "an SBOM", "artifact"),
        (None, single("web 1.4.3, one platform of it"), "a child of an index that comes later", "untagged"),
    ]
    for tag, pushed, note, reason in pushes:
        stage.push("CI", WEB, tag, pushed, note)
        stage.wait(seconds=30)
        stage.verify(stage.reasons()[-1:] == [reason], f"the push of {tag or 'no tag'} is refused as {reason}")
    stage.verify(stage.digests() == {"web": current.digest}, "the service still runs 1.4.2")
    stage.verify(stage.deployments() == 1, "nothing was deployed")
    stage.conclude()


def multi_arch(stage: Stage) -> None:
    """An image for several platforms: only what the service's own platform runs counts."""
    image = stage.repository(WEB)
    first = multi_platform("web, build 1", attestations=False)
    stage.stock(WEB, "prod", first)
    stage.service({"web": f"{image}:prod"}, "digest")
    attested = multi_platform("web, build 1")
    stage.push("CI", WEB, "prod", attested, "an index: the same amd64 and arm64 images, attestations added")
    stage.wait(minutes=2)
    stage.verify(stage.deployments() == 1, "attestations alone deploy nothing")
    stage.verify("same-content" in stage.reasons(), "the push is recognised as the same content")
    arm = multi_platform("web, build 2", ["linux/arm64"])
    stage.push("CI", WEB, "prod", arm, "an index without linux/amd64, which the service needs")
    stage.wait(minutes=2)
    stage.verify("platform" in stage.reasons(), "an index without the service's platform is held")
    second = multi_platform("web, build 2")
    stage.push("CI", WEB, "prod", second, "the whole index of build 2")
    stage.until(stage.announced("Deployment Succeeded"), "the new index is deployed")
    stage.verify(stage.digests()["web"] in (second.digest, second.children[0].digest), "build 2 runs")
    stage.conclude()


def semver(stage: Stage) -> None:
    """A new version: a new revision, in which only the container with that image changes."""
    image, proxy = stage.repository(WEB), stage.repository("shop/proxy")
    new, sidecar = single("web 1.5.0"), single("proxy 3.1.0")
    stage.stock(WEB, "1.4.2", single("web 1.4.2"))
    stage.stock("shop/proxy", "3.1.0", sidecar)
    stage.service({"web": f"{image}:1.4.2", "proxy": f"{proxy}:3.1.0"}, "semver:minor")
    before = stage.definition()
    stage.push("CI", WEB, "1.5.0", new)
    stage.until(stage.announced("Deployment Succeeded"), "1.5.0 is deployed")
    stage.verify(stage.definition() != before, "there is a new revision of the task definition")
    declared = {"web": f"{image}:1.5.0", "proxy": f"{proxy}:3.1.0"}
    stage.verify(stage.declared() == declared, "only the image of web changed")
    stage.verify(stage.digests() == {"web": new.digest, "proxy": sidecar.digest}, "1.5.0 runs beside the same proxy")
    stage.conclude()


def coalesce(stage: Stage) -> None:
    """Three pushes while a deployment is under way: the newest one follows, once."""
    image = stage.repository(WEB)
    stage.stock(WEB, "prod", single("web, build 1"))
    stage.service({"web": f"{image}:prod"}, "digest")
    stage.push("CI", WEB, "prod", single("web, build 2"))
    stage.until(stage.announced("Deployment Started"), "build 2 is being deployed")
    stage.wait(seconds=3)
    for number in (3, 4, 5):
        stage.push(
            "CI", WEB, "prod", single(f"web, build {number}"), f"build {number}, while build 2 is still on its way"
        )
        stage.wait(seconds=8)
    newest = single("web, build 5")
    stage.until(lambda: stage.digests() == {"web": newest.digest}, "the newest push is deployed")
    stage.until(stage.announced("Deployment Succeeded"), "the newest push is verified")
    stage.verify(stage.deployments() == 3, "builds 3 and 4 were never deployed")
    stage.conclude()


def watchdog(stage: Stage) -> None:
    """No circuit breaker and an image that hangs: Longshore stops the deployment at its deadline."""
    image = stage.repository(WEB)
    good, hanging = single("web, build 1"), single("web, build 2, which hangs")
    stage.stock(WEB, "prod", good)
    stage.service({"web": f"{image}:prod"}, "digest", breaker=False)
    stage.narrator.say("You", "have no deployment circuit breaker on it, so ECS alone would try for hours")
    stage.fail(hanging, "hang")
    stage.push("CI", WEB, "prod", hanging, "its tasks never become healthy")
    stage.until(stage.announced("Deployment Rolled Back"), "the hanging deployment is stopped and rolled back")
    stage.verify(stage.digests() == {"web": good.digest}, f"the service is back on {short(good.digest)}")
    stage.conclude()


def gate(stage: Stage) -> None:
    """An image with a critical finding is kept out; the mended one is let in as soon as it is scanned."""
    scanner = stage.bundle.scanner
    scanner.use("enhanced")
    image = stage.repository(WEB)
    first, bad = single("web, build 1"), single("web, build 2, with an old openssl")
    stage.stock(WEB, "prod", first)
    stage.service({"web": f"{image}:prod"}, "profile:gated")
    stage.narrator.say(
        "You", "let nothing in that Inspector finds P1 or P2 in (profile gated), and wait 30 minutes for it"
    )
    found = Vulnerability("CVE-2026-31337", "CRITICAL", "openssl", "3.0.13", fixed_in="3.0.14", exploit=True, score=9.8)
    scanner.found(WEB, bad.digest, [found])
    stage.push("CI", WEB, "prod", bad)
    stage.until(stage.announced("Gate Closed"), "the gate is shut")
    stage.wait(minutes=10)
    stage.verify(stage.digests() == {"web": first.digest}, "the service still runs build 1")
    stage.verify("gate-failed" in stage.reasons(), "build 2 is held")
    mended = single("web, build 3, with a new openssl")
    stage.push("CI", WEB, "prod", mended, "with openssl 3.0.14")
    stage.until(stage.announced("Gate Opened"), "the gate opens for build 3")
    stage.until(stage.announced("Deployment Succeeded"), "build 3 is deployed")
    stage.verify(stage.digests() == {"web": mended.digest}, "build 3 runs")
    stage.conclude()


def replace(stage: Stage) -> None:
    """A task that nobody else would start again: out of memory, run again with more, until it ends well."""
    image = stage.repository("shop/etl")
    stage.stock("shop/etl", "v1", single("etl"))
    stage.bundle.ecs.fail("etl", "oom", below_memory=2048, after=40)
    task = stage.job("etl", f"{image}:v1", stage.network(), recover="auto", retry="idempotent")
    stage.until(stage.announced("Task Replaced"), "the task is run again")
    stage.until(stage.announced("Task Replaced"), "with twice the memory it dies again, and is run once more")
    stage.wait(minutes=3)
    (running,) = stage.tasks("etl")
    stage.verify(running["memory"] == "2048", "what runs now has four times the memory")
    stage.verify(running["tags"]["longshore:root-task"] == task, "and says whom it replaces")
    stage.conclude_job("etl")


def left_alone(stage: Stage) -> None:
    """What another try would not mend is told once, with what a person can do."""
    image = stage.repository("shop/report")
    stage.stock("shop/report", "v1", single("report"))
    stage.job("report", f"{image}:v2", stage.network(), recover="auto", retry="idempotent")
    stage.until(stage.announced("Task Failed"), "the failure is told")
    stage.wait(minutes=10)
    stage.verify(stage.tasks("report") == [], "nothing is run again")
    stage.conclude_job("report")


def mirror(stage: Stage) -> None:
    """Somebody else's image, kept in a registry of one's own: it moves upstream, and what runs it follows."""
    image, first, second = stage.public("proxy"), multi_platform("proxy 3"), multi_platform("proxy 3, mended")
    stage.offer(UPSTREAM_REPOSITORY, "stable", first)
    stage.until(stage.announced("Image Mirrored"), "the image is in ECR Public")
    stage.service({"proxy": f"{image}:stable"}, "digest", name="proxy")
    stage.narrator.say("You", f"have {UPSTREAM}/{UPSTREAM_REPOSITORY} mirrored there: Longshore looks every hour")
    stage.release("Acme", UPSTREAM_REPOSITORY, "stable", second, "and tells nobody; ECR Public sends no events either")
    stage.until(stage.announced("Deployment Succeeded"), "what was mirrored is deployed")
    stage.verify(stage.published("proxy") == {"stable": second.digest}, "ECR Public has the very bytes of upstream")
    runs = stage.digests("proxy")["proxy"]
    stage.verify(runs in (second.digest, *(each.digest for each in second.children)), "the service runs them")
    stage.conclude("proxy")


def function(stage: Stage) -> None:
    """A function with an alias: the image of an index that fits it, and callers moved only to what is ready."""
    image, functions = stage.repository("shop/resize"), Functions(stage)
    first, second = single("resize, build 1", platform="linux/arm64"), multi_platform("resize, build 2")
    stage.stock("shop/resize", "prod", first)
    functions.create("resize", f"{image}:prod", "digest", alias="live")
    stage.push("CI", "shop/resize", "prod", second, "an index, which Lambda does not take: its arm64 image is")
    stage.until(stage.announced("Deployment Succeeded"), "build 2 is deployed")
    arm = second.children[1].digest
    stage.verify(functions.running("resize", "live") == arm, "callers get the arm64 image of build 2")
    bad = single("resize, build 3, without an entry point", platform="linux/arm64")
    functions.fail(bad)
    stage.wait(minutes=10)
    stage.push("CI", "shop/resize", "prod", bad, "it has no entry point")
    stage.until(stage.announced("Deployment Failed"), "Lambda cannot run build 3")
    stage.wait(minutes=30)
    stage.verify(functions.running("resize", "live") == arm, "callers never got build 3")
    stage.verify(functions.running("resize") == arm, "the unpublished code is back on build 2")
    functions.conclude("resize", "live")


def scheduled(stage: Stage) -> None:
    """A schedule moves to a revision with the new version and keeps all else; a first run that fails is taken back."""
    image, nightly = stage.repository("shop/report"), Nightly(stage)
    stage.stock("shop/report", "1.4.2", single("report 1.4.2"))
    nightly.create("report", f"{image}:1.4.2", "semver:minor")
    before = nightly.target("report")
    newer = single("report 1.5.0")
    stage.push("CI", "shop/report", "1.5.0", newer)
    stage.until(stage.announced("Deployment Succeeded"), "the first run of 1.5.0 ends well")
    stage.verify(nightly.declared("report") == "shop/report:1.5.0", "the target names a revision with 1.5.0")
    stage.verify(nightly.target("report") == before, "nothing else in the target changed")
    bad = single("report 1.6.0, without its entry point")
    stage.fail(bad, "cannot-start")
    stage.wait(minutes=10)
    stage.push("CI", "shop/report", "1.6.0", bad, "it has no entry point")
    stage.until(stage.announced("Deployment Failed"), "the first run of 1.6.0 does not start")
    stage.until(stage.announced("Deployment Succeeded"), "the way back runs")
    stage.verify(nightly.declared("report") == f"shop/report@{newer.digest}", "the target is back on 1.5.0's digest")
    nightly.conclude("report")


def kubernetes(stage: Stage) -> None:
    """A Deployment in EKS: its image is patched and nothing else, and a bad one goes back to what was verified."""
    image, cluster = stage.repository("shop/pods"), Cluster(stage)
    proxy = stage.repository("shop/sidecar")
    first = single("pods 1.4.2")
    stage.stock("shop/pods", "1.4.2", first)
    sidecar = single("sidecar")
    stage.stock("shop/sidecar", "1.0.0", sidecar)
    cluster.apply("pods", {"app": f"{image}:1.4.2", "sidecar": f"{proxy}:1.0.0"}, "semver:minor")
    second = single("pods 1.5.0")
    stage.push("CI", "shop/pods", "1.5.0", second)
    stage.until(stage.announced("Deployment Succeeded"), "1.5.0 is verified")
    good = {"app": second.digest, "sidecar": sidecar.digest}
    stage.verify(cluster.running("pods") == good, "the pods run 1.5.0 beside the same sidecar")
    bad = single("pods 1.6.0, which crashes")
    cluster.fail(bad)
    stage.wait(minutes=10)
    stage.push("CI", "shop/pods", "1.6.0", bad, "it crashes")
    stage.until(stage.announced("Deployment Failed"), "1.6.0 makes no progress")
    stage.until(stage.announced("Deployment Succeeded"), "the way back is verified")
    stage.verify(cluster.running("pods") == good, "the pods run 1.5.0 again")
    cluster.conclude("pods")


def app_runner(stage: Stage) -> None:
    """App Runner does not tell what runs: Longshore remembers what it deployed, and what failed it leaves alone."""
    image, applications = stage.repository(WEB), Applications(stage)
    stage.stock(WEB, "prod", single("web, build 1"))
    applications.create("shop", f"{image}:prod", "digest")
    applications.create("blog", f"{image}:prod", "digest", automatic=True)
    good = single("web, build 2")
    stage.push("CI", WEB, "prod", good)
    stage.until(stage.announced("Deployment Succeeded"), "build 2 is verified")
    stage.verify(applications.running("shop") == good.digest, "shop runs build 2")
    stage.verify(applications.running("blog") == good.digest, "App Runner itself brought blog to build 2")
    stage.wait(minutes=10)
    bad = single("web, build 3, which does not start")
    applications.fail(bad)
    stage.push("CI", WEB, "prod", bad, "it does not start")
    stage.until(stage.announced("Deployment Rolled Back"), "build 3 is rolled back")
    stage.verify(applications.running("shop") == good.digest, "shop runs build 2 again")
    applications.conclude("shop")


def express(stage: Stage) -> None:
    """Express Mode: the canary is ECS's own, and so is the way back."""
    image, managed = stage.repository(WEB), Managed(stage)
    stage.stock(WEB, "1.4.2", single("web 1.4.2"))
    managed.express("web", f"{image}:1.4.2", "semver:minor")
    good = single("web 1.5.0")
    stage.push("CI", WEB, "1.5.0", good)
    stage.until(stage.announced("Deployment Succeeded"), "1.5.0 is verified")
    stage.verify(stage.digests() == {"Main": good.digest}, "the service runs 1.5.0")
    stage.verify(managed.colour("web") == "blue", "its environment is as it was")
    stage.wait(minutes=10)
    bad = single("web 1.6.0, which crashes")
    stage.fail(bad, "exit-1")
    stage.push("CI", WEB, "1.6.0", bad, "it crashes")
    stage.until(stage.announced("Deployment Rolled Back"), "ECS takes 1.6.0 back")
    stage.verify(stage.digests() == {"Main": good.digest}, "the service runs 1.5.0 again")
    stage.narrator.say("Now", f"web: it runs {short(good.digest)}")


def daemon(stage: Stage) -> None:
    """A daemon: instance by instance to the new image, and back when its circuit breaker trips."""
    image, managed = stage.repository("shop/agent"), Managed(stage)
    stage.stock("shop/agent", "prod", single("agent, build 1"))
    managed.daemon("agent", f"{image}:prod", "digest", machines=3)
    good = single("agent, build 2")
    stage.push("CI", "shop/agent", "prod", good)
    stage.until(stage.announced("Deployment Succeeded"), "build 2 is verified")
    stage.verify(managed.running("agent") == [good.digest] * 3, "each instance runs build 2")
    stage.wait(minutes=10)
    bad = single("agent, build 3, which crashes")
    stage.fail(bad, "exit-1")
    stage.push("CI", "shop/agent", "prod", bad, "it crashes")
    stage.until(stage.announced("Deployment Rolled Back"), "ECS takes build 3 back")
    stage.verify(managed.running("agent") == [good.digest] * 3, "each instance runs build 2 again")
    stage.narrator.say("Now", f"agent: each of 3 instances runs {short(good.digest)}")


def code_deploy(stage: Stage) -> None:
    """Blue/green by CodeDeploy: traffic moves to what is healthy, and a hook's no is a rollback."""
    image, shifted = stage.repository(WEB), Shifted(stage)
    stage.stock(WEB, "prod", single("web, build 1"))
    shifted.create("web", f"{image}:prod", "digest")
    good = single("web, build 2")
    stage.push("CI", WEB, "prod", good)
    stage.until(stage.announced("Deployment Succeeded"), "build 2 is verified")
    stage.verify(shifted.running("web") == good.digest, "the primary task set runs build 2")
    stage.wait(minutes=10)
    bad = single("web, build 3, which the smoke test refuses")
    stage.bundle.code_deploy.fail(bad.digest)
    stage.push("CI", WEB, "prod", bad, "its smoke test fails")
    stage.until(stage.announced("Deployment Rolled Back"), "CodeDeploy rolled build 3 back")
    stage.verify(shifted.running("web") == good.digest, "the primary task set runs build 2 again")
    shifted.conclude("web")


def owned(stage: Stage) -> None:
    """A service of a stack: what is deployed beside the stack is told as drift, and a way back by the stack is held."""
    image, stack = stage.repository(WEB), Stack(stage)
    old, new = single("web 1.4.2"), single("web 1.5.0")
    stage.stock(WEB, "1.4.2", old)
    stack.create(f"{image}:1.4.2", "semver:minor")
    stage.push("CI", WEB, "1.5.0", new)
    stage.until(stage.announced("Deployment Succeeded"), "1.5.0 is deployed beside the stack")
    told = [event["detail"] for event in stage.bundle.events if event["detail-type"] == "Deployment Succeeded"]
    now = [(each["was"], each["now"]) for each in told[-1]["drift"]]
    stage.verify(now == [(f"{image}:1.4.2", f"{image}:1.5.0")], "the drift is told: the stack still declares 1.4.2")
    published = stage.client("ssm").get_parameter(Name=f"/longshore/{CLUSTER}/web/image")["Parameter"]["Value"]
    stage.verify(published == f"{image}:1.5.0", "the stack may read the truth in an SSM parameter")
    stage.wait(minutes=10)
    stack.deploy(f"{image}:1.4.2", "another size, and the image that it still declares")
    stage.until(stage.announced("Hold Set"), "the stack brought back 1.4.2, which holds the service")
    stage.verify(stage.digests() == {"web": old.digest}, "nobody fights about it: 1.4.2 runs")
    stage.conclude()


def accounts(stage: Stage) -> None:
    """A push in the hub: another account pulls it from there, another Region deploys when its replica has arrived."""
    image = stage.repository(WEB)
    far = f"{stage.bundle.account}.dkr.ecr.us-east-1.amazonaws.com/{WEB}:prod"
    to = {"region": "us-east-1", "registryId": stage.bundle.account}
    stage.client("ecr").put_replication_configuration(replicationConfiguration={"rules": [{"destinations": [to]}]})
    stage.stock(WEB, "prod", single("web, build 1"))
    stage.service({"web": f"{image}:prod"}, "digest")
    account, region = (Branch(stage, spoke) for spoke in stage.spokes)
    account.create(f"{image}:prod", "digest")
    region.create(far, "digest")
    build = single("web, build 2")
    stage.bundle.replication.delay = timedelta(minutes=12)
    stage.push("CI", WEB, "prod", build, "which ECR takes twelve minutes to replicate to us-east-1")
    stage.until(lambda: stage.told("Deployment Succeeded") == 2, "the hub's and the other account's are verified")
    stage.verify({*stage.digests().values(), account.running()} == {build.digest}, "both run build 2")
    stage.verify(region.running() != build.digest, "us-east-1 waits for its replica")
    stage.until(stage.announced("Deployment Succeeded"), "us-east-1 deployed its replica")
    stage.verify(region.running() == build.digest, "us-east-1 runs build 2")
    stage.conclude()
    account.conclude()
    region.conclude()


def platforms(stage: Stage) -> None:
    """One push, and whatever runs that image follows, wherever it runs."""
    image, functions, cluster = stage.repository(WEB), Functions(stage), Cluster(stage)
    applications = Applications(stage)
    stage.stock(WEB, "prod", single("web, build 1"))
    stage.service({"web": f"{image}:prod"}, "digest")
    functions.create("thumbnails", f"{image}:prod", "digest", architecture="x86_64")
    cluster.apply("pods", {"app": f"{image}:prod"}, "digest")
    applications.create("shop", f"{image}:prod", "digest")
    build = multi_platform("web, build 2")
    stage.push("CI", WEB, "prod", build, "for linux/amd64 and linux/arm64")
    stage.until(lambda: stage.told("Deployment Succeeded") == 4, "four deployments are verified")
    stage.verify(stage.digests() == {"web": build.digest}, "the service runs build 2")
    stage.verify(functions.running("thumbnails") == build.children[0].digest, "the function runs build 2 for x86_64")
    stage.verify(cluster.running("pods") == {"app": build.digest}, "the pods run build 2")
    stage.verify(applications.running("shop") == build.digest, "the App Runner service runs build 2")
    stage.conclude()
    functions.conclude("thumbnails")
    cluster.conclude("pods")
    applications.conclude("shop")


_ALL = (
    Scenario("push", "an image is pushed, the service that runs it follows", push),
    Scenario("rollback", "a bad image is rolled back and stays out", rollback),
    Scenario("ignored", "pushes that nothing should follow, each explained", ignored),
    Scenario("multi-arch", "of an image for many platforms, only the service's own counts", multi_arch),
    Scenario("semver", "a new version changes one image of the task definition, and nothing else", semver),
    Scenario("coalesce", "three pushes during a deployment: the newest wins", coalesce),
    Scenario("watchdog", "a deployment that hangs is stopped at its deadline", watchdog),
    Scenario("gate", "a push held by a critical finding, and released by a clean one", gate),
    Scenario("replace", "a task that ran out of memory is run again with more", replace),
    Scenario("mirror", "an upstream image is kept in ECR Public, what runs it there follows", mirror),
    Scenario(
        "function", "a function gets the image of an index that fits it, its alias moves when it is ready", function
    ),
    Scenario("kubernetes", "a Deployment in EKS follows versions, its sidecar stays, a bad one goes back", kubernetes),
    Scenario("app-runner", "an App Runner service follows a tag, one that deploys itself is left to it", app_runner),
    Scenario("code-deploy", "blue/green by CodeDeploy, and what its hooks refuse goes back", code_deploy),
    Scenario("owned", "a stack's service is deployed beside it: the drift is told, its way back is held", owned),
    Scenario("express", "an Express Mode service follows versions through the canary of ECS", express),
    Scenario("daemon", "an ECS daemon follows a tag from instance to instance, a bad one goes back", daemon),
    Scenario("scheduled", "a scheduled task moves to the new version, a first run that fails goes back", scheduled),
    Scenario("accounts", "one push is followed in another account, and in another Region once it is there", accounts),
    Scenario("platforms", "one push is followed on every platform that runs the image", platforms),
    Scenario("left-alone", "a failure that another try would not mend is told, once", left_alone),
)
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
