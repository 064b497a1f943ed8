"""`state backup | restore | verify | export`: what is kept of runs, kept safe."""

from __future__ import annotations

import json
from pathlib import Path

import click

from standfast.cli.out import plural, say, show, show_json
from standfast.cli.session import Session, make_state_dir, verb
from standfast.model.errors import RefusedError

FAILED = 1
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def state() -> None:
    """Back up, restore and verify what is kept of runs."""


@state.add_command
@verb(name="backup")
@click.argument("file", type=FILE)
def backup(session: Session, file: Path) -> None:
    """Write a complete copy of the store to FILE, also while runs are at work."""
    from standfast.files import check_writable
    from standfast.store import keeping

    check_writable(file, "copy")
    keeping.back_up(session.store_path, file)
    found = keeping.look(file)
    head = found.chain.head if found.chain else ""
    if session.json:
        show_json({"file": str(file), "schema": found.schema, "head": head})
    else:
        say(f"Wrote {file}. Head of its audit trail: {head or 'none'}.")


@state.add_command
@verb(name="restore")
@click.argument("file", type=FILE)
def restore(session: Session, file: Path) -> None:
    """Put the copy FILE in the place of the store. What was there is kept beside it.

    Refused while a controller is at work here: stop `standfast serve` first. What happened since the copy was
    made is not known to it: look at the hosts before a run that was active then is resumed.
    """
    from standfast.run.serve import only_one_here
    from standfast.store import keeping

    make_state_dir(session.state_dir)
    try:
        with only_one_here(session.state_dir):
            kept = keeping.restore(file, session.store_path)
    except RefusedError as error:
        if error.code != "already_serving":
            raise
        raise RefusedError(
            "already_serving",
            "the store is in use",
            where=str(session.state_dir),
            why="a controller is at work here",
            do="Stop `standfast serve`, then restore.",
        ) from error
    if session.json:
        show_json({"store": str(session.store_path), "kept": str(kept) if kept else None})
        return
    say(f"{session.store_path} is now as in {file}." + (f" What was there is in {kept}." if kept else ""))


@state.add_command
@verb(name="verify")
@click.option("--head", metavar="DIGEST", help="A head printed earlier that must be part of the trail.")
def verify(session: Session, head: str | None) -> int:
    """Check every page of the store and the whole audit trail. Exit code 1 if something is wrong.

    The trail's head is printed: kept elsewhere and given with --head later, it proves that nothing from
    before was rewritten.
    """
    from standfast.store import keeping

    found = keeping.look(session.store_path)
    chain = found.chain
    wrong = [f"The file is damaged: {fault}." for fault in found.faults]
    if chain is None and not wrong:
        wrong = [f"The store has schema {found.schema}, of an older release: its audit trail has no digests."]
    if chain is not None and chain.broken_at is not None:
        wrong.append(
            f"Event {chain.broken_at} is not what was recorded, or one before it is missing: the first "
            f"{plural(chain.events, 'event')} can be trusted."
        )
    if chain is not None and head is not None and head not in chain.heads:
        wrong.append(f"No event has the digest {head}: events were rewritten or taken out since.")
    if session.json:
        facts = {"events": chain.events, "head": chain.head, "broken_at": chain.broken_at} if chain else {}
        show_json({"store": str(session.store_path), "schema": found.schema, "wrong": wrong, **facts})
    else:
        for sentence in wrong:
            show(sentence)
        if not wrong and chain is not None:
            events = plural(chain.events, "event")
            show(f"{session.store_path} is whole: {events}, head {chain.head or 'none'}.")
    return FAILED if wrong else 0


@state.add_command
@verb(name="export")
def export(session: Session) -> None:
    """Print the audit trail as one JSON object a line, oldest first, each with its digest."""
    if not session.store_path.exists():
        return
    for event in session.store.trail():
        show(json.dumps(event, ensure_ascii=False))
