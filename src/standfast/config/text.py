"""YAML text to plain values with the line of each: only what a config needs, and a sentence for the rest.

The nodes are walked here, not by a constructor of the library: keys keep their lines, a key that occurs twice
names both of them, and what YAML 1.1 turns into a date or a boolean stays what it looks like.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from standfast.files import read_bytes
from standfast.model.errors import ConfigError

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the document."""

_TAG = "tag:yaml.org,2002:"
_DEEPEST = 20
_MOST_VALUES = 1_000_000
MOST_BYTES = 16 * 1024**2
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing"}


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content and where each key and list item stands (lines from 1)."""

    file: FilePath
    body: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """`file:line` of that key, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, 1)}"


def read(file: FilePath) -> Document:
    """Read and parse one file. Raises ConfigError."""
    text = _text(file)
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        if node is None:
            raise ConfigError("config_empty", "the config is empty", where=str(file), do=_FIRST_STEP)
        document = Document(file, None, {})
        return Document(file, _Reader(document, yaml).value(node, ()), document.lines)
    except YAMLError as error:
        raise _broken(file, error) from error
    except RecursionError as error:
        raise ConfigError("config_too_deep", "the config is nested too deeply", where=str(file)) from error


_FIRST_STEP = "`standfast init URI…` writes one; `standfast config schema` says what may stand in it."


def _text(file: FilePath) -> str:
    try:
        return read_bytes(file, MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            "config_missing", "there is no such config", where=str(file), do=_FIRST_STEP
        ) from error
    except IsADirectoryError as error:
        raise ConfigError(
            "config_is_directory",
            "the config is a directory",
            where=str(file),
            do="Name the file in it with --config.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "config_not_utf8",
            "the config is not UTF-8",
            where=f"{file}:{_line_of_byte(file, error.start)}",
            why=f"byte {error.start + 1} is {error.object[error.start]:#04x}",
            do="Save it as UTF-8.",
        ) from error
    except OSError as error:
        raise ConfigError(
            "config_unreadable", "can't read the config", where=str(file), why=error.strerror or str(error)
        ) from error


def _line_of_byte(file: FilePath, position: int) -> int:
    return file.read_bytes()[:position].count(b"\n") + 1


def _broken(file: FilePath, error: YAMLError) -> ConfigError:
    """One sentence from a scanner's or parser's error."""
    if isinstance(error, ReaderError):
        where = f"{file}:{_text(file)[: error.position].count(chr(10)) + 1}"
        what = f"the character {chr(error.character)!r} can't stand in YAML"
        return ConfigError("config_character", what, where=where, do="Take it out.")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"{file}:{mark.line + 1}" if mark is not None else str(file)
    problem = (error.problem if isinstance(error, MarkedYAMLError) else str(error)) or str(error)
    if "'\\t'" in problem:
        return ConfigError(
            "config_tab",
            "a tab can't indent YAML",
            where=where,
            do="Use spaces.",
        )
    if "another document" in problem:
        return ConfigError(
            "config_several",
            "a second document begins here",
            where=where,
            do="Keep one document in the file: take the line '---' out.",
        )
    first = problem.splitlines()[0]
    return ConfigError(
        "config_not_yaml",
        "this is no YAML",
        where=where,
        why=first,
        do="Look at this line and the one before: a quote, bracket, colon or indent is missing or too much.",
    )


class _Reader:
    """Walks the nodes of one document and notes the line of each path."""

    def __init__(self, document: Document, yaml: Any) -> None:
        self.document = document
        self.yaml = yaml
        self.values = 0

    def value(self, node: Node, path: Path) -> Any:
        """Dicts, tuples and plain scalars."""
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        self.values += 1
        if self.values > _MOST_VALUES:  # a few lines of aliases to aliases stand for as many as one likes
            raise self.error(
                "config_too_large",
                path,
                f"this holds more than {_MOST_VALUES:,} values with its aliases written out",
                "Write out what is meant, or split the config.",
            )
        if len(path) > _DEEPEST:
            raise self.error(
                "config_too_deep", path, "this is nested too deeply", "Is an alias inside its own anchor?"
            )
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return tuple(self.value(item, (*path, index)) for index, item in enumerate(node.value))
        return self.scalar(node, path)

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise self.error(
                    "config_key_not_text", path, "a key must be plain text", "Write it as one word.", line
                )
            key = str(key_node.value)
            if key_node.tag == f"{_TAG}merge":
                raise self.error(
                    "config_merge_key",
                    path,
                    "merge keys ('<<') are not part of YAML 1.2",
                    "Write the keys out.",
                    line,
                )
            if key in found:
                first = self.document.lines[(*path, key)]
                raise self.error(
                    "config_key_twice",
                    path,
                    f"key {key!r} stands here a second time",
                    f"It is on line {first} already: keep one of the two.",
                    line,
                )
            self.document.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def scalar(self, node: Node, path: Path) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind in _KINDS:
            try:
                return self.yaml.constructor.construct_object(node)
            except (ValueError, KeyError) as error:  # a tag that lies (!!int x), a number without end
                shown = f"{str(node.value)[:40]!r}"
                what = f"{shown} can't be read as {_KINDS[kind]}"
                raise self.error("config_value", path, what, "Write it in another way.") from error
        if kind in {"str", "timestamp", "value"}:
            return str(node.value)
        raise self.error("config_tag", path, f"the tag {node.tag!r} means nothing here", "Take it out.")

    def error(self, code: str, path: Path, what: str, do: str, line: int | None = None) -> ConfigError:
        where = f"{self.document.file}:{line}" if line else self.document.where(path)
        return ConfigError(code, what, where=where, do=do)
