"""Those whom Standfast speaks to about a run, as configured: monitoring to silence, receivers to tell.

Credentials are files named here; what is in them is read when it is needed, and is no part of the config.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from standfast.model.matchers import Matcher
from standfast.model.notice import Occasion

SilencerKind = Literal["alertmanager", "webhook"]
ReceiverKind = Literal["webhook", "mail", "exec"]
TOLD: tuple[Occasion, ...] = ("held", "failed", "done")
"""What a receiver is told of unless it says otherwise."""
Tls = Literal["none", "starttls", "tls"]


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """One server by its URL."""

    url: str = field(repr=False)
    username: str = ""
    password_file: Path | None = None
    bearer_token_file: Path | None = None
    ca_file: Path | None = None
    url_file: Path | None = None
    """Holds the URL where that is a secret; `url` is empty then."""


@dataclass(frozen=True, slots=True)
class SilencerConfig:
    """One monitoring system that is silenced about a host while it is worked on."""

    kind: SilencerKind
    name: str
    http: HttpConfig
    matchers: tuple[Matcher, ...] = ()
    """Of Alertmanager: `{host}` and `{address}` are filled in."""
    lease_seconds: float = 300.0
    hold_on_alerts: tuple[str, ...] = ()
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class MailConfig:
    """One mail server and whom it carries to."""

    server: str
    port: int
    tls: Tls
    sender: str
    to: tuple[str, ...]
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """One receiver of notices. Exactly one of `http`, `mail` and `command` is set, by its kind."""

    kind: ReceiverKind
    name: str
    on: tuple[Occasion, ...] = TOLD
    http: HttpConfig | None = None
    mail: MailConfig | None = None
    command: tuple[str, ...] = ()
    timeout_seconds: float = 30.0
    origin: str = field(default="", compare=False)
