"""The last exam before a host is touched: its errors hold it, each under its own code."""

from __future__ import annotations

from dataclasses import replace

from standfast.doctor.before import holding
from standfast.model.exam import Exam
from standfast.model.reasons import Reason
from standfast.model.run import HostRow
from standfast.run.actions import WAIT, Action, Ask, Question
from standfast.run.seen import View
from standfast.run.steps import calls, hold_for

FRESH_SECONDS = 60.0
"""How old an exam may be when the first VM is moved off the host."""


def ask_ahead(view: View, row: HostRow) -> tuple[Action, ...]:
    """Have a host examined whose turn is about to come, so that nobody waits for the answer then."""
    exam = view.seen.exams.get(row.host)
    question = Ask(row.host, Question.EXAM)
    known = exam is not None and _young(view, exam)
    return calls(question) if not known and view.free_to_call(row, question.key) else ()


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
    reasons = _reasons(view, row, exam)
    if not reasons:
        return ()
    first, more = reasons[0], len(reasons) - 1
    if more:
        first = replace(first, mend=f"{first.mend} `standfast doctor` finds {more} more.".strip())
    return hold_for(view, row, first)


def _reasons(view: View, row: HostRow, exam: Exam) -> tuple[Reason, ...]:
    targets = frozenset(view.run.plan.targets.get(row.host, {}).values())
    ids = {host.name: host.id for host in view.snapshot.hosts if host.reachable}
    return holding(exam, ids, targets, view.policy)


def _fresh(view: View, row: HostRow) -> Exam | None:
    """A young exam of this turn; in the first one also one made ahead of it, if it found nothing.

    An operator who resumes has mended something since the exam that held the host, and what was found ahead
    may have been mended by now: both are looked at again before the host is held.
    """
    exam = view.seen.exams.get(row.host)
    if exam is None or not _young(view, exam):
        return None
    if exam.taken_at >= row.since or (row.attempt == 1 and not _reasons(view, row, exam)):
        return exam
    return None


def _young(view: View, exam: Exam) -> bool:
    return exam.taken_at >= view.now - FRESH_SECONDS
