"""`notify test`, and those who are told while `serve` acts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from standfast.cli.out import show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.model.notice import Notice
    from standfast.notify.receivers import Receiver
    from standfast.store import Lease


@click.group()
def notify() -> None:
    """Try out those who are told of runs."""


@notify.add_command
@verb(name="test")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def try_out(session: Session, names: tuple[str, ...]) -> int:
    """Tell each receiver of the config, or those named, that this is a test, and say how it went."""
    receivers = _chosen(session, names)
    notice = _notice(session)
    outcomes = [_tried(each, notice) for each in receivers]
    if session.json:
        show_json({"notice": notice.as_dict(), "receivers": outcomes})
    else:
        rows = [[each["name"], "told" if each["told"] else "failed", each["answer"]] for each in outcomes]
        show(table(("RECEIVER", "", "ANSWER"), rows))
    return 0 if all(each["told"] for each in outcomes) else 1


def _chosen(session: Session, names: tuple[str, ...]) -> list[Receiver]:
    """Raises UsageError where there is nobody to tell, or a name is not known."""
    from standfast.config.types import nearest
    from standfast.model.errors import UsageError
    from standfast.wiring import receivers_of

    receivers = {each.name: each for each in receivers_of(session.config)}
    if not receivers:
        raise UsageError(
            "nobody_to_tell",
            "the config names nobody to be told",
            where=str(session.config.path),
            do="Write them under `notify:`; docs/how-to/being-told.md shows each kind.",
        )
    for name in names:
        if name not in receivers:
            raise UsageError(
                "receiver_unknown",
                f"there is no receiver {name!r}",
                where=str(session.config.path),
                do=nearest(name, receivers, "Its receivers are"),
            )
    return [receivers[name] for name in dict.fromkeys(names)] or list(receivers.values())


def _tried(receiver: Receiver, notice: Notice) -> dict[str, Any]:
    from standfast.model.errors import StandfastError

    try:
        return {"name": receiver.name, "told": True, "answer": receiver.tell(notice)}
    except StandfastError as error:
        return {"name": receiver.name, "told": False, "answer": str(error)}


def _notice(session: Session) -> Notice:
    """One that says it is for trying out; each has a key of its own."""
    from ulid import ULID

    from standfast.model.notice import OCCASIONS, Notice

    clusters = ", ".join(session.config.clusters)
    return Notice(
        key=f"standfast-test-{ULID()}",
        occasions=OCCASIONS,
        at=session.now(),
        cluster=clusters,
        run="test",
        what="this is only a test",
        why=f"{session.actor()} typed `standfast notify test`.",
        do="Nothing: notices of this kind arrive.",
    )


def couriers(session: Session) -> Callable[[Callable[[], Lease]], AbstractContextManager[object]]:
    """What `serve` does beside driving runs. A config that can't be read now stops no run: nobody is told."""
    import structlog

    from standfast.model.errors import StandfastError
    from standfast.wiring import receivers_of

    try:
        receivers = receivers_of(session.config)
    except StandfastError as error:
        structlog.get_logger().error("nobody is told of runs", error=str(error))
        receivers = ()

    def beside(lease: Callable[[], Lease]) -> AbstractContextManager[object]:
        from standfast.notify.courier import Couriers

        return Couriers(session.store, receivers, lease) if receivers else nullcontext()

    return beside
