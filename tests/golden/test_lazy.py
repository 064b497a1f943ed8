"""A thin client: what a verb does not need is not imported."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pydantic", "sqlalchemy", "alembic", "ruamel", "rich", "structlog", "libvirt", "ulid")
ROOMS = ("config", "plan", "predict", "run", "store", "platforms", "updates", "transports", "wiring", "lab")


def imported(code: str) -> set[str]:
    """Modules in a fresh interpreter after `code`."""
    script = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_command_line_imports_no_room_and_no_library_but_click() -> None:
    found = imported("import standfast.cli")
    assert not found & set(HEAVY)
    assert not {
        name
        for name in found
        if name.split(".")[:1] == ["standfast"] and name.split(".")[1:2] and name.split(".")[1] in ROOMS
    }


def test_help_imports_no_verb() -> None:
    found = imported("from standfast.cli.root import call\ntry: call(['--help'])\nexcept SystemExit: pass")
    verbs = {"init", "scan", "plan", "apply", "run", "serve", "snapshot", "lab", "demo"}
    assert not {f"standfast.cli.{verb}" for verb in verbs} & found
    assert not found & set(HEAVY)
