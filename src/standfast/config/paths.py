"""Where the config and the state are, when nobody says. All takes the environment as an argument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def config_path(given: Path | None, env: Mapping[str, str], *, root: bool) -> Path:
    """`--config`, else `STANDFAST_CONFIG`, else the system's (root) or the user's own."""
    if given is not None:
        return given
    if env.get("STANDFAST_CONFIG"):
        return Path(env["STANDFAST_CONFIG"])
    if root:
        return Path("/etc/standfast/standfast.yaml")
    return _xdg(env, "XDG_CONFIG_HOME", ".config") / "standfast" / "standfast.yaml"


def state_dir(given: Path | None, env: Mapping[str, str], *, root: bool) -> Path:
    """`--state-dir`, else `STANDFAST_STATE_DIR`, else the system's (root) or the user's own."""
    if given is not None:
        return given
    if env.get("STANDFAST_STATE_DIR"):
        return Path(env["STANDFAST_STATE_DIR"])
    if root:
        return Path("/var/lib/standfast")
    return _xdg(env, "XDG_STATE_HOME", ".local/state") / "standfast"


def _xdg(env: Mapping[str, str], variable: str, default: str) -> Path:
    """The XDG base directory; a relative value is to be ignored, says its specification."""
    value = env.get(variable, "")
    return Path(value) if value.startswith("/") else Path(env.get("HOME", "/")) / default
