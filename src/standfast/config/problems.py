"""pydantic's errors told as ConfigErrors: file and line, what is wrong, the nearest valid key, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from standfast.config.text import Document, Path
from standfast.config.types import nearest
from standfast.model.errors import ConfigError

_MUST_BE = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "tuple_type": "a list",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "literal_error": "one of {expected}",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
}


def first_problem(document: Document, model: type[BaseModel], error: ValidationError) -> ConfigError:
    """The problem that stands first in the file; a misspelt key hides the one that it leaves missing."""
    found = error.errors()
    places = [each["loc"] for each in found]
    misspelt = {each["loc"][:-1] for each in found if each["type"] == "extra_forbidden"}
    told = [
        _problem(document, model, each)
        for each in found
        if not any(_inside(each["loc"], place) for place in places)
        and not (each["type"] == "missing" and each["loc"][:-1] in misspelt)
    ]
    return min(told, key=_line)


def _inside(outer: tuple[str | int, ...], inner: tuple[str | int, ...]) -> bool:
    """Whether `inner` is below `outer`: a list with a bad item is counted short as well."""
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _line(problem: ConfigError) -> int:
    return int(problem.where.rpartition(":")[2])


def _problem(document: Document, model: type[BaseModel], each: Any) -> ConfigError:
    path = _path(each["loc"])
    key = _shown(path)
    kind = str(each["type"])
    where = document.where(path)
    if kind == "extra_forbidden":
        valid = valid_keys(model, path[:-1])
        return ConfigError(
            "config_unknown_key",
            f"unknown key {key}",
            where=where,
            do=nearest(str(path[-1]), valid, "Valid keys here"),
        )
    if kind == "missing":
        return ConfigError(
            "config_missing_key", f"{_block(path)} has no key {key}", where=where, do=f"Add {key}."
        )
    context = each.get("ctx", {})
    if kind == "value_error":
        return ConfigError("config_value", f"{key} can't be used", where=where, why=str(context["error"]))
    if kind == "string_type":
        do = "Put it in quotes." if isinstance(each["input"], (int, float)) else ""
        what = f"{key} must be text, not {_told(each['input'])}"
        return ConfigError("config_value", what, where=where, do=do)
    if path == ("clusters",) and (kind == "too_short" or each["input"] is None):
        return ConfigError(
            "config_value",
            "the config has no cluster in it",
            where=where,
            do="Write one under 'clusters', or let `standfast init URI…` do it.",
        )
    if kind == "too_short":
        what = f"{key} must hold at least {context['min_length']}, not {context['actual_length']}"
        return ConfigError("config_value", what, where=where)
    must = _MUST_BE.get(kind)
    if must is None:
        return ConfigError("config_value", f"{key} can't be used", where=where, why=str(each["msg"]))
    wanted = must.format_map({name: _plain(value) for name, value in context.items()})
    return ConfigError(
        "config_value", f"{key} must be {wanted}, not {_told(each['input'])}", where=where, do=_hint(kind)
    )


def _path(location: tuple[str | int, ...]) -> Path:
    """pydantic's location as keys and list positions of the file."""
    return tuple(part for part in location if part != "[key]")


def _shown(path: Path) -> str:
    """The last key, with its position where it is an item of a list."""
    if path and isinstance(path[-1], int):
        return f"item {path[-1] + 1} of {_shown(path[:-1])}"
    return repr(path[-1]) if path else "the config"


def _block(path: Path) -> str:
    return _shown(path[:-1])


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _told(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a block of keys"
    if isinstance(value, (tuple, list)):
        return f"a list of {len(value)}"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _hint(kind: str) -> str:
    return "In YAML 1.2 only `true` and `false` are booleans." if kind == "bool_type" else ""


def valid_keys(model: type[BaseModel], path: Path) -> set[str]:
    """The keys that may stand in the block at `path`; empty where any may."""
    here: Any = model
    for part in path:
        here = _inner(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = here.model_fields[str(part)].annotation
        else:
            here = [each for each in get_args(here) if each is not Ellipsis][-1]
    here = _inner(here)
    return set(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else set()


def _inner(kind: Any) -> Any:
    """Without `| None` and `Annotated`."""
    while True:
        arguments = [each for each in get_args(kind) if each is not type(None)]
        if get_origin(kind) is None or get_origin(kind) in (dict, tuple, list):
            return kind
        kind = arguments[0]
