"""Writes the generated pages of the reference from the program itself: `./dev docs`, `--check` to compare.

docs/reference/cli.md from the command line, docs/reference/config.md from the config's schema and the policy,
docs/reference/findings.md from the doctor's catalogue. And the schema of a new store from its migrations.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

REFERENCE = Path(__file__).parent / "reference"
STORE = Path(__file__).parents[1] / "src/standfast/store"
HEAD = "<!-- Written by `./dev docs`. Change the program, not this page. -->\n\n"


# --- the command line ---------------------------------------------------------------------------------------


def cli_page() -> str:
    """Every command with its help, in the order of `standfast --help`."""
    from standfast.cli import cli

    parts = [HEAD + "# Command line\n\nData goes to stdout, progress and diagnostics to stderr.\n"]
    for words, command in _commands("standfast", cli):
        parts.append(f"## {words}\n\n```\n{_help(words, command)}\n```\n")
    return "\n".join(parts)


def _commands(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _commands(f"{words} {name}", inner)


def _help(words: str, command: click.Command) -> str:
    context = click.Context(command, info_name=words, terminal_width=100, max_content_width=100)
    return command.get_help(context).rstrip()


# --- the config ---------------------------------------------------------------------------------------------

EXAMPLE = """\
clusters:
  east:
    platform: libvirt
    shared_paths: [/srv/vm]
    hosts:
      kvm1: {uri: "qemu+ssh://root@kvm1/system", migration_address: 10.0.0.1, memory_bytes: 256GiB}
      kvm2: {uri: "qemu+ssh://root@kvm2/system", migration_address: 10.0.0.2, memory_bytes: 256GiB}
      kvm3: {uri: "qemu+ssh://root@kvm3/system", migration_address: 10.0.0.3, memory_bytes: 256GiB}
    rules:
      anti_affinity: {web: [web1, web2]}
      pins: {license-server: [kvm1, kvm2]}
      reserve_hosts: 1
    policy: {moves_at_once: 4, verify_stable_seconds: 120}
"""


def config_page() -> str:
    """Every key: what it may hold, its default, what it means."""
    from standfast.config import raw

    parts = [
        HEAD + "# Config\n\nYAML 1.2, one file: `--config`, else `STANDFAST_CONFIG`, else\n"
        "`/etc/standfast/standfast.yaml` as root and `$XDG_CONFIG_HOME/standfast/standfast.yaml` otherwise.\n"
        "Unknown keys are refused with file and line. `standfast config check` reads the file and asks no\n"
        "host; `standfast config schema` prints its JSON Schema for editors.\n",
        f"```yaml\n{EXAMPLE}```\n",
    ]
    sections: list[tuple[str, type[BaseModel]]] = [
        ("clusters.NAME", raw.RawCluster),
        ("clusters.NAME.hosts.NAME", raw.RawHost),
        ("clusters.NAME.rules", raw.RawRules),
        ("clusters.NAME.policy", raw.RawPolicy),
        ("clusters.NAME.simulated", raw.RawSim),
    ]
    parts += [_section(title, model) for title, model in sections]
    return "\n".join(parts)


def _section(title: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    needed = set(schema.get("required", ()))
    rows = []
    for key, about in schema["properties"].items():
        rows.append(f"| `{key}` | {_kind(about)} | {_default(key, about, needed)} | {about['description']} |")
    return (
        f"## `{title}`\n\n| Key | Holds | Default | Meaning |\n| --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n"
    )


def _kind(about: dict[str, Any]) -> str:
    """What a key may hold, in words."""
    if "anyOf" in about:
        return _kind(next(each for each in about["anyOf"] if each.get("type") != "null"))
    if "enum" in about:
        return " or ".join(f"`{value}`" for value in about["enum"])
    if "examples" in about:
        return f"a whole number, or text like `{about['examples'][0]}`"
    kinds = {
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "`true` or `false`",
        "array": "a list",
        "object": "names to values",
    }
    return kinds.get(str(about.get("type")), "keys below")


def _default(key: str, about: dict[str, Any], needed: set[str]) -> str:
    if key in needed:
        return "needed"
    default = about.get("default")
    if default is None or default in ("", []):
        return ""
    if isinstance(default, (list, tuple)):
        return "`[" + ", ".join(f"{each:g}" for each in default) + "]`"
    if isinstance(default, str):
        return f"`{default}`"
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default:g}`"


# --- the doctor's findings ----------------------------------------------------------------------------------


def findings_page() -> str:
    """Every finding by its severity: its code and what it means."""
    from standfast.doctor.findings import CATALOGUE, Severity

    parts = [
        HEAD
        + "# Findings\n\nWhat `standfast doctor` can find, and what a plan refuses or a host is held for "
        "under the same code. Codes are\nonly ever added. `policy: {accepted_findings: [CODE, …]}` takes one "
        "of a host as it is: it becomes a note, and no\nhost is held for it.\n",
    ]
    words = {
        Severity.ERROR: "Errors: a plan is refused, or a host held (exit code 5; 6 for keys and rights)",
        Severity.WARNING: "Warnings: may cost moves or time",
        Severity.NOTE: "Notes",
    }
    for severity, title in words.items():
        rows = [f"| `{code}` | {text} |" for code, (how, text) in CATALOGUE.items() if how is severity]
        parts.append(f"## {title}\n\n| Code | Meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


# --- the store's schema -------------------------------------------------------------------------------------


def store_schema() -> str:
    """What all migrations come to, so that a new store need not run them."""
    from standfast.store import engine, migrate, sqlite
    from standfast.store.schema import HEAD as NEWEST

    with tempfile.TemporaryDirectory() as where:
        path = Path(where) / "store.db"
        sqlite.make_file(path)
        database = engine.Database(sqlite.engine(path, read_only=False), path)
        with database.changing_schema() as connection:
            migrate.upgrade(connection, NEWEST)
        database.close()
        with closing(sqlite.connect(path, read_only=True)) as connection:
            return "-- Written by `./dev docs` from the migrations. Change those.\n" + sqlite.schema_of(
                connection
            )


PAGES = {
    REFERENCE / "cli.md": cli_page,
    REFERENCE / "config.md": config_page,
    REFERENCE / "findings.md": findings_page,
    STORE / "head.sql": store_schema,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which are out of date (exit code 1)."""
    stale = []
    for path, page in PAGES.items():
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path))
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    for each in stale:
        print(f"{each}: {'is out of date: run ./dev docs' if '--check' in arguments else 'written'}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
