"""Rehearsals that are remembered, in a file beside the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from standfast.cli.out import say
from standfast.cli.session import Session, make_state_dir

if TYPE_CHECKING:
    from standfast.model.failover import Rehearsal, Rehearsals

FILE = "rehearsals.json"
MOST_KEPT = 100


def keep(session: Session, found: Rehearsal) -> None:
    """Remember it beside the store. What can't be kept is said, and does not undo what was seen."""
    from standfast.codec import write_file
    from standfast.model.errors import StandfastError
    from standfast.model.failover import Rehearsals

    try:
        make_state_dir(session.state_dir)
        kept = (*_kept(session).kept, found)[-MOST_KEPT:]
        write_file(session.state_dir / FILE, "rehearsals", Rehearsals(kept))
    except StandfastError as error:
        say(f"This rehearsal is not remembered: {error}")


def _kept(session: Session) -> Rehearsals:
    from standfast.codec import read_file
    from standfast.model.failover import Rehearsals

    path = session.state_dir / FILE
    return read_file(path, "rehearsals", Rehearsals) if path.exists() else Rehearsals()


def last_of(session: Session, cluster: str) -> tuple[Rehearsal, ...]:
    """The last rehearsal of each network of that cluster; none where none is known."""
    from standfast.model.errors import StandfastError

    try:
        return _kept(session).last(cluster)
    except StandfastError as error:
        say(f"Former rehearsals can't be told: {error}")
        return ()


def told(found: Rehearsal) -> dict[str, Any]:
    """Everything for a program; null for what is not known."""
    from standfast.codec import to_plain
    from standfast.doctor.failover import sentences

    plain: dict[str, Any] = to_plain(found)
    return plain | {"held": found.held, "sentences": list(sentences(found))}
