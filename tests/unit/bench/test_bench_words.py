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
