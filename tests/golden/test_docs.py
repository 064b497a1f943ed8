"""Generated pages are what the program says of itself, and no page names what is not there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from standfast.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_only_commands_and_files_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for words in re.findall(
        r"(?:^|`|\$ )(?:\./dev )?standfast((?: [a-z]+(?:-[a-z]+)*)+)", text, flags=re.MULTILINE
    ):
        assert _command_exists(words.split()), f"standfast{words}"
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def _command_exists(words: list[str]) -> bool:
    """Whether the words begin with a command; what follows a command are its arguments."""
    command: click.Command | None = cli
    for word in words:
        if not isinstance(command, click.Group):
            return True
        command = command.get_command(click.Context(command), word)
        if command is None:
            return False
    return True


def test_the_readme_and_the_script_agree_on_its_verbs() -> None:
    script = (ROOT / "dev").read_text(encoding="utf-8")
    for verb in re.findall(r"\./dev ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert f"\n{verb})" in script, verb
