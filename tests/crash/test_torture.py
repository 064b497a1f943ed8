"""A few seeds of `./dev bench torture`: whole runs with faults, deaths and operators, judged by the world."""

from __future__ import annotations

import pytest
from bench import torture
from bench._scenario import scenario


@pytest.mark.parametrize("seed", range(1, 13))
def test_a_run_with_faults_and_deaths_keeps_the_promise_and_ends(seed: int) -> None:
    verdict = torture.play(seed)
    told = "\n".join(verdict.story[-40:])
    assert verdict.violations == (), told
    assert not verdict.stuck, f"{verdict.ended}\n{told}"


def test_a_seed_tells_the_same_story_twice() -> None:
    deadly = next(seed for seed in range(100) if scenario(seed).death_chance > 0.05)
    once, again = torture.play(deadly), torture.play(deadly)
    assert once.kills > 0
    assert once.story == again.story


def test_one_object_counts_what_was_found() -> None:
    good = torture.Outcome(1, "completed", 3, 0, stuck=False, violations=())
    bad = torture.Outcome(2, "stuck", 2, 1, stuck=True, violations=("a", "b"))
    told = torture.summary([good, bad], 1.0)
    assert {key: told[key] for key in ("runs", "kills", "violations", "held", "completed", "stuck")} == {
        "runs": 2,
        "kills": 5,
        "violations": 2,
        "held": 1,
        "completed": 1,
        "stuck": 1,
    }
    assert told["bad_seeds"] == [2]
