"""How much is tried follows from the size of the cluster, also where it is nearly full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bench.generated import fleet

from standfast.model.policy import Policy
from standfast.plan.draft import Builder
from standfast.plan.grid import Flags
from standfast.plan.level import Leveller
from standfast.plan.make import make_plan
from standfast.plan.search import LEAST_TRIES
from standfast.plan.spare import Spare

POLICY = Policy(wave_hosts_max=2)


def counted(monkeypatch: pytest.MonkeyPatch, kind: type[Any], name: str) -> list[None]:
    """Calls of a method, which goes on as it did."""
    calls: list[None] = []
    real: Callable[..., Any] = getattr(kind, name)

    def counting(*words: Any, **named: Any) -> Any:
        calls.append(None)
        return real(*words, **named)

    monkeypatch.setattr(kind, name, counting)
    return calls


def test_a_cluster_with_no_way_is_not_drafted_more_often_than_one_with_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drafts = counted(monkeypatch, Builder, "draft")
    plan = make_plan(fleet(16, 0.85, 4, group_share=0.1), POLICY, now=0.0)
    assert plan.refusals
    assert len(drafts) <= LEAST_TRIES + 1


def test_a_host_that_can_not_take_a_vm_is_not_asked_for_larger_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a nearly full cluster most moves would break the reserve; each used to be packed out to see that."""
    asked: list[None] = []
    levelling: list[None] = []
    lacking, run = Spare.lacking, Leveller.run

    def asking(self: Spare, out: Flags) -> Any:
        asked.extend(levelling)
        return lacking(self, out)

    def running(self: Leveller, *words: Any, **named: Any) -> Any:
        levelling.append(None)
        try:
            return run(self, *words, **named)
        finally:
            levelling.clear()

    monkeypatch.setattr(Spare, "lacking", asking)
    monkeypatch.setattr(Leveller, "run", running)
    plan = make_plan(fleet(24, 0.84, 4, group_share=0.1), POLICY, now=0.0)
    assert plan.moves
    assert plan.rebalance
    assert 0 < len(asked) <= 3 * plan.bounds.moves
