"""Platforms: each workload's own adapter answers, and none is made before it is needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from longshore.errors import AccessDeniedError, LongshoreError, UnsupportedError, UpstreamError
from longshore.redeploy.platforms import Platforms
from longshore.workloads import PlatformKind
from tests.fake_platform import WEB, FakePlatform, FakeRegistry, digest, image
from tests.fakes import FakeClock

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:resize"
DEPLOYMENT = "arn:aws:eks:eu-west-1:123456789012:cluster/shop/payments/deployment/web"


class Stage:
    """Two platforms; `made` are the kinds whose adapter was asked for."""

    def __init__(self) -> None:
        clock = FakeClock()
        registry = FakeRegistry(clock)
        registry.push(WEB, "prod", digest("one"))
        self.services, self.functions = FakePlatform(clock, registry), FakePlatform(clock, registry)
        self.service = self.services.create("web", {"app": image(WEB, "prod")}, {"longshore:policy": "digest"})
        self.function = FUNCTION
        made = self.functions.create("resize", {"function": image(WEB, "prod")}, {"longshore:policy": "digest"})
        self.functions.services[FUNCTION] = self.functions.services.pop(made)
        self.made: set[PlatformKind] = set()
        self.platforms = Platforms(
            {
                PlatformKind.ECS_SERVICE: self._maker(PlatformKind.ECS_SERVICE, self.services),
                PlatformKind.LAMBDA_FUNCTION: self._maker(PlatformKind.LAMBDA_FUNCTION, self.functions),
            }
        )

    def _maker(self, kind: PlatformKind, adapter: FakePlatform) -> Callable[[], FakePlatform]:
        def made() -> FakePlatform:
            self.made.add(kind)
            return adapter

        return made


def test_each_workload_is_observed_on_its_own_platform() -> None:
    stage = Stage()
    assert stage.platforms.observe(stage.service) == stage.services.observe(stage.service)
    assert stage.made == {PlatformKind.ECS_SERVICE}
    assert stage.platforms.observe(FUNCTION) == stage.functions.observe(FUNCTION)


def test_a_deployments_id_is_asked_of_its_workloads_platform() -> None:
    stage = Stage()
    id = str(stage.functions.observe(FUNCTION).rollout)
    assert stage.platforms.rollout(FUNCTION, id) == stage.functions.rollout(FUNCTION, id)
    stage.platforms.complete(FUNCTION, id)
    assert (stage.functions.completed, stage.services.completed) == ([id], [])


def test_a_survey_asks_each_platform_for_its_own() -> None:
    stage = Stage()
    seen = stage.platforms.survey([FUNCTION, stage.service, DEPLOYMENT])
    assert seen == [stage.functions.observe(FUNCTION), stage.services.observe(stage.service)]


def test_who_opted_in_anywhere_is_found() -> None:
    stage = Stage()
    assert set(stage.platforms.arns()) == {stage.service, FUNCTION}


def test_a_kind_that_cannot_be_asked_holds_up_no_other_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()

    def denied() -> list[str]:
        raise AccessDeniedError("no")

    monkeypatch.setattr(stage.functions, "arns", denied)
    assert list(stage.platforms.arns()) == [stage.service]
    assert stage.platforms.unasked == {"lambda-function": "no"}
    assert (stage.platforms.unseen(FUNCTION), stage.platforms.unseen(stage.service)) == ("no", "")
    monkeypatch.undo()
    assert set(stage.platforms.arns()) == {stage.service, FUNCTION}
    assert (stage.platforms.unasked, stage.platforms.unseen(FUNCTION)) == ({}, "")


def test_where_several_cannot_be_asked_and_nobody_is_found_the_error_is_raised_that_may_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    for adapter, error in ((stage.services, AccessDeniedError("no")), (stage.functions, UpstreamError("500"))):

        def failing(error: LongshoreError = error) -> list[str]:
            raise error

        monkeypatch.setattr(adapter, "arns", failing)
    with pytest.raises(UpstreamError):
        list(stage.platforms.arns())


def test_a_kind_without_an_adapter_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="eks-workload"):
        Stage().platforms.observe(DEPLOYMENT)
