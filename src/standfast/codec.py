"""Snapshots, plans and row parts as JSON: canonical bytes, digests, and files that say what they are.

A file is one JSON object `{"kind", "schema_version", "digest", "body"}`; the digest is SHA-256 over the
canonical JSON of the body (sorted keys, no spaces, UTF-8), so a cut or edited file is refused.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from standfast.files import read_bytes, write_whole
from standfast.model.errors import FileFormatError, RefusedError

T = TypeVar("T")

FILE_VERSION = 1
MOST_BYTES = 256 * 1024**2
"""A snapshot of 5,000 hosts and 50,000 VMs has a tenth of it."""


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Building one costs milliseconds, so each is kept; a lost race only builds it twice."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def to_plain(value: Any) -> Any:
    """A frozen model value as dicts, lists, strings and numbers. Sets come out sorted."""
    return _sorted_sets(_adapter(type(value)).dump_python(value))


def _sorted_sets(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _sorted_sets(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sorted_sets(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_sorted_sets(inner) for inner in value), key=json.dumps)
    return value


def from_plain(kind: type[T], value: Any) -> T:
    """The inverse of `to_plain`. Raises pydantic's ValidationError."""
    result: T = _adapter(kind).validate_python(value)
    return result


def dumps(value: Any) -> str:
    """Canonical JSON of a model value: sorted keys, no spaces."""
    return _canonical(to_plain(value))


def loads(kind: type[T], text: str) -> T:
    """The inverse of `dumps`. Raises pydantic's ValidationError or ValueError."""
    return from_plain(kind, json.loads(text))


def digest(value: Any) -> str:
    """SHA-256, hex, over the canonical JSON."""
    return _mark(to_plain(value))


def write_file(path: Path, kind: str, value: Any) -> str:
    """Write it whole or not at all; returns the digest. Raises StandfastError (`files.write_whole`)."""
    body = to_plain(value)
    mark = _mark(body)
    document = {"kind": kind, "schema_version": FILE_VERSION, "digest": mark, "body": body}
    write_whole(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n", f"{kind} file")
    return mark


def _canonical(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _mark(plain: Any) -> str:
    """SHA-256, hex, over the canonical JSON of plain values."""
    return hashlib.sha256(_canonical(plain).encode("utf-8", "surrogatepass")).hexdigest()


def read_file(path: Path, kind: str, of: type[T]) -> T:
    """Read what `write_file` wrote; the file is left as it was.

    Raises FileFormatError for what is no such file, and RefusedError("file_edited") for one that was changed
    after it was made: it is well formed, and not what somebody has looked at.
    """
    try:
        return _read(path, kind, of)
    except OSError as error:
        raise FileFormatError(
            "file_unreadable",
            f"can't read the {kind} file",
            where=str(path),
            why=error.strerror or str(error),
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            "file_damaged",
            f"this is no complete {kind} file",
            where=str(path),
            why="it is cut off or no JSON" if isinstance(error, ValueError) else "it is nested too deeply",
            do=f"Make the {kind} again.",
        ) from error


def _read(path: Path, kind: str, of: type[T]) -> T:
    """Raises ValueError and RecursionError besides for what can't be told apart from noise."""
    document = json.loads(read_bytes(path, MOST_BYTES).decode("utf-8"))
    if not isinstance(document, dict) or document.get("kind") != kind:
        found = document.get("kind") if isinstance(document, dict) else None
        raise FileFormatError(
            "file_other_kind",
            f"this is no {kind} file",
            where=str(path),
            why=f"it says it is {found!r}" if found else "it does not say what it is",
        )
    if document.get("schema_version") != FILE_VERSION:
        raise FileFormatError(
            "file_other_release",
            f"this {kind} file is of another release",
            where=str(path),
            why=f"it has schema version {document.get('schema_version')!r}, not {FILE_VERSION}",
            do=f"Make the {kind} again with this release.",
        )
    try:
        value = from_plain(of, document.get("body"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise FileFormatError(
            "file_damaged",
            f"this {kind} file can't be used",
            where=str(path),
            why=f"{place}: {first['msg']}",
            do=f"Make the {kind} again.",
        ) from error
    # Over the body as it stands: it may lack fields that were added since, or hold keys that nobody reads.
    if _mark(document["body"]) != document.get("digest"):
        raise RefusedError(
            "file_edited",
            f"this {kind} file was changed after it was made",
            where=str(path),
            why="its content does not match its digest",
            do=f"Make the {kind} again.",
        )
    return value
