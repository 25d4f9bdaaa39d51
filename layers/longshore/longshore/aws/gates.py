"""Gates in the ledger: GATES#<repository> / <workload>@<digest>, a question of redeploy with the answer of scan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.table import Table, expiry
from longshore.errors import ConflictError
from longshore.gates import Gate, GateQuestion, GateReason, GateTerms, GateVerdict
from longshore.images import Repository
from longshore.workloads import Subject

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.ports import Clock

_KEEP: Final = timedelta(days=14)
_REASONS: Final = {reason.value: reason for reason in GateReason}


class LedgerGates:
    """See `ports.Gates`. An answer is written only beside the very question that it answers."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, repository: Repository, workload: str, digest: Digest) -> Gate | None:
        """See the port."""
        item = self._table.get(_pk(repository), _sk(workload, digest))
        return _gate(item) if item else None

    def of(self, repository: Repository) -> Sequence[Gate]:
        """One Query."""
        return [_gate(item) for item in self._table.query(_pk(repository))]

    def ask(self, question: GateQuestion) -> None:
        """See the port."""
        text = _written(question)
        self._table.put(
            {
                "pk": _pk(question.repository),
                "sk": _sk(question.workload, question.digest),
                "question": text,
                "mark": _mark(text),
                "expires": expiry(self._clock.now(), _KEEP),
            }
        )

    def judge(self, question: GateQuestion, verdict: GateVerdict) -> bool:
        """See the port."""
        answer = {
            "reason": verdict.reason.value,
            "at": verdict.at.isoformat(),
            "counts": dict(verdict.counts),
            "findings": [dict(each) for each in verdict.findings],
            "until": verdict.until.isoformat() if verdict.until else None,
            "since": verdict.since.isoformat() if verdict.since else None,
        }
        values = {
            ":verdict": json.dumps(answer),
            ":mark": _mark(_written(question)),
            ":expires": expiry(self._clock.now(), _KEEP),
        }
        try:
            self._table.update(
                _pk(question.repository),
                _sk(question.workload, question.digest),
                "SET verdict = :verdict, expires = :expires, #schema = :schema",
                values,
                "mark = :mark",
            )
        except ConflictError:
            return False
        return True

    def retire(self, question: GateQuestion) -> None:
        """See the port."""
        mark = {"mark": _mark(_written(question))}
        with suppress(ConflictError):
            self._table.delete(_pk(question.repository), _sk(question.workload, question.digest), mark)


def _pk(repository: Repository) -> str:
    return f"GATES#{repository}"


def _sk(workload: str, digest: Digest) -> str:
    return f"{workload}@{digest}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _written(question: GateQuestion) -> str:
    terms, subject = question.terms, question.subject
    return json.dumps(
        {
            "workload": question.workload,
            "repository": str(question.repository),
            "digest": question.digest,
            "tag": question.tag,
            "images": list(question.images),
            "running": list(question.running),
            "terms": {
                "priorities": sorted(terms.priorities),
                "severity": terms.severity,
                "fixable_only": terms.fixable_only,
                "new_only": terms.new_only,
                "wait": terms.wait.total_seconds(),
                "no_result": sorted(reason.value for reason in terms.no_result),
                "tell_only": terms.tell_only,
            },
            "asked": question.asked.isoformat(),
            "correlation": question.correlation,
            "subject": {
                "name": subject.name,
                "cluster": subject.cluster,
                "platform": subject.platform,
                "team": subject.team,
                "channel": subject.channel,
            },
        },
        sort_keys=True,
    )


def _gate(item: Mapping[str, Any]) -> Gate:
    raw, answer = json.loads(item["question"]), json.loads(item["verdict"]) if item.get("verdict") else None
    terms = raw["terms"]
    question = GateQuestion(
        workload=raw["workload"],
        repository=Repository.parse(raw["repository"]),
        digest=raw["digest"],
        tag=raw["tag"],
        images=tuple(raw["images"]),
        running=tuple(raw["running"]),
        terms=GateTerms(
            priorities=frozenset(terms["priorities"]),
            severity=terms["severity"],
            fixable_only=terms["fixable_only"],
            new_only=terms["new_only"],
            wait=timedelta(seconds=terms["wait"]),
            no_result=frozenset(_REASONS[code] for code in terms["no_result"]),
            tell_only=terms["tell_only"],
        ),
        asked=datetime.fromisoformat(raw["asked"]),
        correlation=raw["correlation"],
        subject=Subject(**raw["subject"]),
    )
    return Gate(question, _verdict(answer) if answer else None)


def _verdict(answer: Mapping[str, Any]) -> GateVerdict:
    return GateVerdict(
        _REASONS[answer["reason"]],
        datetime.fromisoformat(answer["at"]),
        answer["counts"],
        tuple(answer["findings"]),
        _moment(answer.get("until")),
        _moment(answer.get("since")),
    )


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
