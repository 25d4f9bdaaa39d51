"""Lifecycle hooks of service deployments: PAUSE waits for an answer, AWS_LAMBDA asks a function (aws A3, B3)."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from longshore_local.ecs import identifiers
from longshore_local.ecs.deployments import LifecycleHook, ServiceDeployment
from longshore_local.ecs.engine import Engine

HookInvoker = Callable[[str, dict[str, Any]], Any]
"""(function ARN, event) -> the function's answer; may raise."""

DEFAULT_TIMEOUT_MINUTES = 1440
DEFAULT_CALLBACK_SECONDS = 30


class StageRunner(Protocol):
    """What hooks release or turn back."""

    def run_stage(self, deployment: ServiceDeployment) -> None:
        """All hooks of the stage have let the deployment pass."""
        ...

    def roll_back(self, deployment: ServiceDeployment, reason: str, *, breaker: bool) -> None:
        """A hook has refused."""
        ...


class Hooks:
    """The hooks that service deployments have reached and not passed."""

    def __init__(self, engine: Engine, runner: StageRunner) -> None:
        self._engine = engine
        self._runner = runner
        self.invoker: HookInvoker | None = None

    def reach(self, deployment: ServiceDeployment) -> bool:
        """Starts the hooks of the current stage; false when there are none."""
        configured = deployment.configuration.get("lifecycleHooks") or []
        reached = [hook for hook in configured if deployment.stage in hook.get("lifecycleStages", [])]
        for hook in reached:
            self._open(deployment, hook)
        return bool(reached)

    def answer(self, deployment: ServiceDeployment, hook: LifecycleHook, action: str) -> None:
        """ContinueServiceDeployment, or the time that ran out, or a function's verdict."""
        if hook.timer is not None:
            hook.timer.cancel()
        if action == "ROLLBACK":
            hook.status = "FAILED" if hook.status != "TIMED_OUT" else hook.status
            reason = f"Service deployment rolled back because of a lifecycle hook at {hook.stage}."
            self._runner.roll_back(deployment, reason, breaker=False)
            return
        hook.status = "SUCCEEDED" if hook.status != "TIMED_OUT" else hook.status
        if not any(_waits(entry) for entry in deployment.hooks):
            self._runner.run_stage(deployment)

    @staticmethod
    def drop(deployment: ServiceDeployment) -> None:
        """Forgets about hooks that still wait: their deployment is over."""
        for hook in deployment.hooks:
            if hook.timer is not None:
                hook.timer.cancel()
            if _waits(hook):
                hook.status = "FAILED"

    def _open(self, deployment: ServiceDeployment, configured: dict[str, Any]) -> None:
        timeout = configured.get("timeoutConfiguration") or {}
        minutes = timeout.get("timeoutInMinutes", DEFAULT_TIMEOUT_MINUTES)
        pause = configured.get("targetType") == "PAUSE"
        hook = LifecycleHook(
            id=identifiers.token(),
            configured=configured,
            status="AWAITING_ACTION" if pause else "IN_PROGRESS",
            expires_at=self._engine.now() + timedelta(minutes=minutes),
            timeout_action=timeout.get("action", "ROLLBACK"),
            stage=str(deployment.stage),
            details=configured.get("hookDetails") or {},
        )
        deployment.hooks.append(hook)
        hook.timer = self._engine.after(minutes * 60, partial(self._expire, deployment, hook))
        if not pause:
            self._engine.after(0, partial(self._invoke, deployment, hook), locked=False)

    def _expire(self, deployment: ServiceDeployment, hook: LifecycleHook) -> None:
        if _waits(hook):
            hook.status = "TIMED_OUT"
            self.answer(deployment, hook, hook.timeout_action)

    def _invoke(self, deployment: ServiceDeployment, hook: LifecycleHook) -> None:
        """Outside the lock: the function may call ECS from a thread of its own."""
        if not _waits(hook):
            return
        verdict: Any = None
        if self.invoker is not None:
            try:
                verdict = self.invoker(hook.configured["hookTargetArn"], _event(deployment, hook))
            except Exception:
                verdict = None
        with self._engine.step():
            if _waits(hook):
                self._take(deployment, hook, verdict if isinstance(verdict, dict) else {})

    def _take(self, deployment: ServiceDeployment, hook: LifecycleHook, verdict: dict[str, Any]) -> None:
        status = verdict.get("hookStatus")
        hook.details = verdict.get("hookDetails") or hook.details
        if status == "IN_PROGRESS":
            delay = verdict.get("callBackDelay", DEFAULT_CALLBACK_SECONDS)
            self._engine.after(delay, partial(self._invoke, deployment, hook), locked=False)
            return
        self.answer(deployment, hook, "CONTINUE" if status == "SUCCEEDED" else "ROLLBACK")


def _waits(hook: LifecycleHook) -> bool:
    return hook.status in ("AWAITING_ACTION", "IN_PROGRESS")


def _event(deployment: ServiceDeployment, hook: LifecycleHook) -> dict[str, Any]:
    target = deployment.target.revision.arn
    return {
        "executionId": hook.id,
        "lifecycleStage": hook.stage,
        "resourceArn": deployment.arn,
        "executionDetails": {
            "serviceArn": deployment.service.arn,
            "targetServiceRevisionArn": target,
            "testTrafficWeights": {target: int(deployment.test_weight)},
            "productionTrafficWeights": {target: int(deployment.weight)},
        },
        **({"hookDetails": hook.details} if hook.details else {}),
    }
