"""The published repairs, on an instance small enough to be judged by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from bench import repairs
from bench.claim import Settings, Skipped

from standfast.model.policy import Policy
from standfast.plan.balance import balance_plan


def instance() -> dict[str, Any]:
    """Five hosts of 10 and 10, the last one lost; host 0 asks for 12 of CPU since VM 1's demand rose."""
    running = {0: [1, 2], 1: [3], 2: [4], 3: [5]}
    memory, cpu = {1: 2, 2: 3, 3: 2, 4: 2, 5: 2, 6: 4}, {1: 3, 2: 4, 3: 2, 4: 2, 5: 2, 6: 3}
    nodes = {str(node): 10 for node in range(5)}
    views = [
        {"id": "shareableResource", "rcId": name, "nodes": nodes, "defCapacity": 0, "defConsumption": 0}
        | {"vms": {str(guest): asked for guest, asked in of.items()}}
        for name, of in (("memory", memory), ("uCpu", cpu))
    ]
    mapping = {
        "onlineNodes": {str(node): {"runningVMs": vms, "sleepingVMs": []} for node, vms in running.items()},
        "offlineNodes": [4],
        "readyVMs": [6],
    }
    return {
        "model": {"mapping": mapping, "views": views},
        "constraints": [
            {"id": "preserve", "vm": 1, "rc": "uCpu", "amount": 8},
            {"id": "running", "vm": 6},
            {"id": "offline", "node": 4},
            {"id": "spread", "vms": [2, 3], "continuous": True},
            {"id": "among", "vms": [3, 6], "parts": [[0, 2], [1, 3]], "continuous": True},
        ],
    }


def test_a_repair_runs_what_was_lost_within_its_part_and_relieves_the_host_that_is_short() -> None:
    case = repairs.read(instance())
    assert case.again == (6,)
    assert repairs.overfull(case, case.at) == [(0, "uCpu")]
    plan = balance_plan(repairs.told(case), Policy(), now=0.0, goal=100.0)
    targets = {repairs._number(move.vm): repairs._number(move.target) for move in plan.rebalance}
    assert targets[6] in (1, 3)
    assert targets.get(2) != 1, "3 is there"
    assert repairs.wrong_at_the_end(case, {**case.at, **targets}) == []


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({6: 3}, "short of uCpu"),
        ({2: 2}, "6 does not run"),
        ({2: 2, 6: 4}, "6 does not run"),
        ({2: 1, 6: 3}, "not spread"),
        ({2: 3, 6: 2}, "several parts"),
    ],
)
def test_the_judge_finds_each_rule_that_a_placement_breaks(at: dict[int, int], said: str) -> None:
    case = repairs.read(instance())
    assert any(said in each for each in repairs.wrong_at_the_end(case, {**case.at, **at}))


def test_the_bench_measures_every_file_of_the_folder_and_names_one_that_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "btrplace-tdsc"
    folder.mkdir()
    with pytest.raises(Skipped, match="holds no"):
        repairs.measure(Settings(tmp_path))
    (folder / "small.json.gz").write_bytes(gzip.compress(json.dumps(instance()).encode()))
    claims = repairs.measure(Settings(tmp_path))
    assert [claim.holds for claim in claims] == [True, True]
    assert claims[0].instances[0]["moves"] == 2
    (folder / "torn.json.gz").write_bytes(b"torn")
    with pytest.raises(Skipped, match="torn"):
        repairs.measure(Settings(tmp_path))
