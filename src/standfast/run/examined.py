"""The last exam before a host is touched: its errors hold it, each under its own code."""

from __future__ import annotations

from dataclasses import replace

from standfast.doctor.before import holding
from standfast.model.exam import Exam
from standfast.model.run import HostRow
from standfast.run.actions import WAIT, Action, Ask, Question
from standfast.run.seen import View
from standfast.run.steps import calls, hold_for

FRESH_SECONDS = 60.0
"""How old an exam may be when the first VM is moved off the host."""


def ask(view: View, row: HostRow) -> tuple[Action, ...]:
    """Have the host examined, beside whatever else prepares it. Empty once there is a fresh exam."""
    if _fresh(view, row) is not None:
        return ()
    question = Ask(row.host, Question.EXAM)
    return calls(question) if view.free_to_call(row, question.key) else WAIT


def against(view: View, row: HostRow) -> tuple[Action, ...]:
    """Hold the host if the exam has an error against it. Empty where it has none."""
    exam = _fresh(view, row)
    if exam is None:
        return WAIT
    steps = (step for step in view.run.plan.steps if step.host == row.host)
    targets = frozenset(move.target for step in steps for move in step.moves)
    ids = {host.name: host.id for host in view.snapshot.hosts if host.reachable}
    reasons = holding(exam, ids, targets, view.policy)
    if not reasons:
        return ()
    first, more = reasons[0], len(reasons) - 1
    if more:
        first = replace(first, mend=f"{first.mend} `standfast doctor` finds {more} more.".strip())
    return hold_for(view, row, first)


def _fresh(view: View, row: HostRow) -> Exam | None:
    """An exam of this turn: an operator who resumes has mended something since the one that held the host."""
    exam = view.seen.exams.get(row.host)
    if exam is None or exam.taken_at < max(row.since, view.now - FRESH_SECONDS):
        return None
    return exam
