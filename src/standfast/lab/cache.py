"""Things that take long to make and never change once made: kept by the hash of their recipe, rebuilt when in
doubt.

An entry is built in a temporary directory, marked complete, and renamed: what has no mark is a leftover of a
crash and is removed. One builder at a time per entry (a lock file); others wait and find it ready.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from standfast.lab.errors import LabError
from standfast.lab.processes import remove_tree

_COMPLETE = ".complete"
_KEEP_SECONDS = 14 * 24 * 3600


def recipe_key(*parts: str | bytes) -> str:
    """Twelve hex digits that change when any part of a recipe changes."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()[:12]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file (made if need be); freed when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def get_or_build(
    cache: Path, name: str, build: Callable[[Path], None], must_have: Sequence[str] = ()
) -> Path:
    """The entry ``name`` of a cache, built by ``build(directory)`` if it is absent, partial or damaged.

    ``must_have`` are paths inside it whose absence means damage. Errors of ``build`` leave no entry behind.
    """
    entry = cache / name
    if _is_whole(entry, must_have):
        (entry / _COMPLETE).touch()  # when it was last used, for ``_remove_unused``
        return entry
    with locked(cache / f"{name}.lock"):
        if _is_whole(entry, must_have):
            return entry
        remove_tree(entry)
        making = cache / f"{name}.making"
        remove_tree(making)
        making.mkdir(parents=True)
        build(making)
        missing = [path for path in must_have if not (making / path).exists()]
        if missing:
            raise LabError(f"Building {entry} gave no {missing[0]}; look into {making}.")
        (making / _COMPLETE).touch()
        making.rename(entry)
    _remove_unused(cache)
    return entry


def _remove_unused(cache: Path) -> None:
    """Remove entries that nobody asked for in weeks and no mount uses: a root is 700 MB; recipes change."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    for mark in cache.glob(f"*/{_COMPLETE}"):
        unused = time.time() - mark.stat().st_mtime
        if unused > _KEEP_SECONDS and str(mark.parent) not in mounts:
            remove_tree(mark.parent)


def _is_whole(entry: Path, must_have: Sequence[str]) -> bool:
    return (entry / _COMPLETE).exists() and all((entry / path).exists() for path in must_have)
