"""Placement constraints: `memberOf` expressions of the cluster query language, and `distinctInstance`."""

import re

from longshore_local.ecs import errors
from longshore_local.ecs.instances import Instance

_TOKEN = re.compile(r"\s*(==|!=|>=|<=|=~|>|<|\(|\)|\[|\]|,|!|[^\s()\[\],=!<>~]+)")
_WORDS = {"==": "==", "equals": "==", "!=": "!=", "not_equals": "!=", "in": "in", "not_in": "not_in", "=~": "=~",
          "matches": "=~", "exists": "exists", "!exists": "!exists"}  # fmt: skip


def satisfies(instance: Instance, expression: str) -> bool:
    """Whether an instance is a member of what the expression selects; raises InvalidParameterException."""
    reader = _Reader(expression, instance)
    answer = reader.either()
    if reader.peek() is not None:
        raise _invalid(expression)
    return answer


class _Reader:
    """Reads and evaluates one expression: or, and, not, parentheses, comparisons."""

    def __init__(self, expression: str, instance: Instance) -> None:
        self._expression = expression
        self._instance = instance
        self._tokens = [match.group(1) for match in _TOKEN.finditer(expression)]

    def peek(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def either(self) -> bool:
        answer = self._both()
        while self.peek() in ("or", "||"):
            self._take()
            answer = self._both() or answer
        return answer

    def _both(self) -> bool:
        answer = self._single()
        while self.peek() in ("and", "&&"):
            self._take()
            answer = self._single() and answer
        return answer

    def _single(self) -> bool:
        if self.peek() in ("not", "!"):
            self._take()
            return not self._single()
        if self.peek() == "(":
            self._take()
            answer = self.either()
            self._expect(")")
            return answer
        return self._comparison()

    def _comparison(self) -> bool:
        actual = self._subject(self._take())
        if self.peek() == "!":  # `!exists` comes as two tokens
            self._take()
            self._expect("exists")
            return actual is None
        operator = _WORDS.get(self._take())
        match operator:
            case "exists":
                return actual is not None
            case "in":
                return actual in self._list()
            case "not_in":
                return actual not in self._list()
            case "==":
                return actual == self._take()
            case "!=":
                return actual != self._take()
            case "=~":
                return actual is not None and re.search(self._take(), actual) is not None
        raise _invalid(self._expression)

    def _subject(self, name: str) -> str | None:
        if name.startswith("attribute:"):
            return self._instance.attributes.get(name.removeprefix("attribute:"))
        known = {
            "ec2InstanceId": self._instance.ec2_instance_id,
            "agentConnected": str(self._instance.agent_connected).lower(),
            "runningTasksCount": str(self._instance.running_tasks_count),
        }
        if name not in known:
            raise _invalid(self._expression)
        return known[name]

    def _list(self) -> list[str]:
        self._expect("[")
        found: list[str] = []
        while self.peek() not in ("]", None):
            token = self._take()
            found += [token] if token != "," else []
        self._expect("]")
        return found

    def _take(self) -> str:
        if not self._tokens:
            raise _invalid(self._expression)
        return self._tokens.pop(0)

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise _invalid(self._expression)


def _invalid(expression: str) -> Exception:
    return errors.invalid_parameter(f"The following expression is not valid: {expression}")
