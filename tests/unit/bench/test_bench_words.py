"""What `./dev bench` says before anything is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *words]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_an_unknown_claim_is_refused_with_the_known_ones() -> None:
    done = bench("nonsense")
    assert done.returncode == 2
    assert "there is no claim nonsense; there are by_hand" in done.stderr


def test_a_data_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    done = bench("by_hand", "--data", str(tmp_path / "absent"))
    assert done.returncode == 2
    assert "is no directory" in done.stderr


def test_helpers_are_no_claims() -> None:
    assert " claim," not in bench("--help").stdout


def test_the_short_set_needs_no_lab_and_everything_else_is_there_by_name() -> None:
    from bench.__main__ import LONG, names, short_set

    left_out = set(names()) - set(short_set())
    assert {"by_hand", "lab_kills", "torture", "mutants"} <= left_out
    assert {"waves", "scale", "small_shops", "decommission"} <= set(short_set())
    assert set(names()) >= LONG, "one that is not there any more"


def test_a_cluster_is_told_to_htools_in_their_five_blocks() -> None:
    from bench._rebalancers import htools_text
    from bench.generated import fleet

    made = fleet(3, 0.5, 1)
    blocks = htools_text(made).split("\n\n")
    assert len(blocks[1].splitlines()) == 3
    assert len(blocks[2].splitlines()) == len(made.vms)
    assert [line.split("|")[7] for line in blocks[1].splitlines()] == ["M", "N", "N"]
    for line in blocks[1].splitlines():
        name, total, _, free, *_ = line.split("|")
        mine = [each.split("|") for each in blocks[2].splitlines() if each.split("|")[6] == name]
        assert int(total) - int(free) == sum(int(each[1]) for each in mine)


def test_every_deliberate_fault_has_one_place_in_the_source() -> None:
    from bench.mutants import MUTANTS, ROOT

    places = {
        each.name: (ROOT / "src/standfast" / each.file).read_text().count(each.before) for each in MUTANTS
    }
    assert {name: count for name, count in places.items() if count != 1} == {}
