"""YAML 1.2 in, frozen typed config out; every error says file, line, what, and what to do.

Reading needs pydantic and ruamel.yaml, which cost a quarter of a second: `load`, `schema` and `write` are
imported from their own modules by whoever needs them, and the types here stay cheap.
"""

from __future__ import annotations

from standfast.config.types import ClusterConfig, Config, HostConfig, RulesConfig, SimConfig

__all__ = ["ClusterConfig", "Config", "HostConfig", "RulesConfig", "SimConfig"]
