"""Files read up to a size, written whole or not at all, and the sentence for one that can't be."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from standfast.model.errors import StandfastError, UsageError


def check_writable(path: Path, what: str, *, option: str = "") -> None:
    """Before long work is done for it: raises UsageError if `what` can't be written to `path`.

    `option` is what the path was given with, for the way out.
    """
    why = _against(path)
    if why:
        do = f"Name another with {option}." if option else "Name another."
        raise UsageError(
            "output_unusable", f"the {what} can't be written there", where=str(path), why=why, do=do
        )


def _against(path: Path) -> str:
    """What is wrong with the path itself; empty where nothing is."""
    if not path.name:
        return "it names no file"
    try:
        if path.is_dir():
            return "it is a directory"
        if not path.parent.exists():
            return f"there is no directory {path.parent}"
        if not path.parent.is_dir():
            return f"{path.parent} is no directory"
    except (OSError, ValueError) as error:  # a name that is too long, or holds what no name can
        return getattr(error, "strerror", None) or str(error)
    return "" if os.access(path.parent, os.W_OK | os.X_OK) else f"{path.parent} can't be written to"


def read_bytes(path: Path, most: int) -> bytes:
    """What is in the file. Raises OSError, also for one that holds more than `most` bytes or has no end."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def write_whole(path: Path, content: str, what: str, *, mode: int = 0o666) -> None:
    """Write under another name and put it in place, so that a reader never sees half of it.

    `mode` is that of a new file, less the umask. Raises UsageError for a path that can't be written to, and
    StandfastError where the machine refuses (a full disk); neither leaves anything behind.
    """
    check_writable(path, what)
    try:
        if (
            path.exists() and not path.is_file()
        ):  # a device or a pipe takes the words, and must not be replaced
            path.write_text(content, encoding="utf-8")
        else:
            _replace(Path(os.path.realpath(path)), content, mode)
    except OSError as error:
        raise StandfastError(
            "output_unwritten",
            f"the {what} could not be written",
            where=str(path),
            why=error.strerror or str(error),
        ) from error


def _replace(path: Path, content: str, mode: int) -> None:
    part = path.with_name(f".{secrets.token_hex(8)}.part")  # one of its own: nobody can lie in wait there
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
