"""The pages that show code: it runs as it stands, and what they name is there."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

from standfast.codec import read_file
from standfast.model.cluster import Snapshot
from standfast.platforms.simulated import FileWorld, SimSpec
from standfast.platforms.simulated.faults import Faults

from .conftest import Place

PAGE = Path(__file__).parents[2] / "docs/how-to/simulated.md"


def test_the_code_on_the_page_about_the_simulated_platform_runs(place: Place) -> None:
    place.run("snapshot", "save", "cluster.json")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    rehearse, faults = blocks
    _python(place, rehearse)
    saved = read_file(place.path / "cluster.json", "snapshot", Snapshot)
    assert set(FileWorld(place.path / "world.json").names) == {host.id for host in saved.hosts}
    FileWorld.create(place.path / "world.json", SimSpec(hosts=4, vms=10))
    _python(place, faults)
    with FileWorld(place.path / "world.json").open(write=False) as state:
        assert sum(vm.fail_moves for vm in state.vms.values()) == 2


def _python(place: Place, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place.path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_every_fault_that_is_told_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_]+)\(", text)
    assert len(named) > 10
    assert [name for name in named if not inspect.isfunction(getattr(Faults, name, None))] == []
