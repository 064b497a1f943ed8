"""Monitoring and receivers as written, and what must be true of them beyond their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field

from standfast.config.outward import (
    TOLD,
    HttpConfig,
    MailConfig,
    ReceiverConfig,
    ReceiverKind,
    SilencerConfig,
    SilencerKind,
    Tls,
)
from standfast.config.strict import Strict
from standfast.config.text import Document
from standfast.config.text import Path as Place
from standfast.config.types import nearest
from standfast.model.errors import ConfigError
from standfast.model.matchers import OWN_INSTANCE, Matcher, parse, takes_in
from standfast.model.notice import Occasion

_PORTS: Mapping[Tls, int] = {"none": 25, "starttls": 587, "tls": 465}


class RawSilencer(Strict):
    """One monitoring system that is silenced about a host while it is worked on."""

    kind: SilencerKind = Field(description="Prometheus Alertmanager, or a URL of your own that is told")
    url: str = Field(description="http:// or https://; of an Alertmanager without /api")
    name: str = Field(default="", description="what it is called; its kind where not given")
    matchers: tuple[str, ...] = Field(
        default=(OWN_INSTANCE,),
        min_length=1,
        description="which alerts are about a host: `{host}` is its name, `{address}` where it is reached",
    )
    lease_seconds: float = Field(
        default=300.0,
        ge=10,
        le=7200,
        description="how long a silence lasts that nobody renews, as when the controller is dead",
    )
    hold_on_alerts: tuple[str, ...] = Field(
        default=(), description="names of alerts that let no host begin while they fire"
    )
    username: str = Field(default="", description="for basic authentication, with `password_file`")
    password_file: str | None = Field(default=None, description="file that holds the password")
    bearer_token_file: str | None = Field(default=None, description="file that holds a bearer token")
    ca_file: str | None = Field(default=None, description="CA of its certificate, if not the system's")


class RawReceiver(Strict):
    """One receiver of notices: who is told, of what, and how."""

    kind: ReceiverKind = Field(description="a JSON POST, a mail, or a command with JSON on its input")
    name: str = Field(default="", description="what it is called; its kind where not given")
    on: tuple[Occasion, ...] = Field(
        default=TOLD,
        min_length=1,
        description="`started`: a run begins; `held`: somebody is waited for; `failed`: a host failed, or "
        "a run ended degraded; `done`: a run has ended, however",
    )
    url: str | None = Field(default=None, description="webhook: http:// or https://")
    url_file: str | None = Field(default=None, description="webhook: file that holds a URL which is secret")
    bearer_token_file: str | None = Field(default=None, description="webhook: file that holds a bearer token")
    server: str | None = Field(default=None, description="mail: name of the SMTP server")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="mail: 25, with `starttls` 587, with `tls` 465"
    )
    tls: Tls = Field(default="none", description="mail: how the connection is protected")
    sender: str | None = Field(default=None, description="mail: the address it comes from")
    to: tuple[str, ...] | None = Field(default=None, min_length=1, description="mail: the addresses told")
    command: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="exec: program and arguments, run without a shell"
    )
    username: str = Field(default="", description="webhook and mail: user, with `password_file`")
    password_file: str | None = Field(default=None, description="webhook and mail: file with the password")
    ca_file: str | None = Field(default=None, description="webhook and mail: CA, if not the system's")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="longest time for one attempt")


_COMMON = {"kind", "name", "on", "timeout_seconds"}
_AUTH = {"username", "password_file", "ca_file"}
KEYS: Mapping[ReceiverKind, set[str]] = {
    "webhook": _COMMON | _AUTH | {"url", "url_file", "bearer_token_file"},
    "mail": _COMMON | _AUTH | {"server", "port", "tls", "sender", "to"},
    "exec": _COMMON | {"command"},
}
_NEEDED: Mapping[ReceiverKind, tuple[str, ...]] = {
    "webhook": (),
    "mail": ("server", "sender", "to"),
    "exec": ("command",),
}


def silencers(
    document: Document, here: Place, raw: tuple[RawSilencer, ...], hosts: Mapping[str, str]
) -> tuple[SilencerConfig, ...]:
    """The cluster's silencers. `hosts` are its hosts' names and addresses. Raises ConfigError."""
    found = []
    for index, each in enumerate(raw):
        place = (*here, index)
        matchers: tuple[Matcher, ...] = ()
        if each.kind == "webhook":
            _refuse_keys(document, place, each, {"matchers", "hold_on_alerts"}, each.kind)
        else:
            matchers = _matchers(document, place, each, hosts)
        found.append(
            SilencerConfig(
                kind=each.kind,
                name=each.name or each.kind,
                http=_http(document, place, each, each.url),
                matchers=matchers,
                lease_seconds=each.lease_seconds,
                hold_on_alerts=each.hold_on_alerts,
                origin=document.where(place),
            )
        )
    _refuse_same_names(document, here, [each.name for each in found])
    return tuple(found)


def receivers(document: Document, here: Place, raw: tuple[RawReceiver, ...]) -> tuple[ReceiverConfig, ...]:
    """All receivers of notices. Raises ConfigError."""
    found = [_receiver(document, (*here, index), each) for index, each in enumerate(raw)]
    _refuse_same_names(document, here, [each.name for each in found])
    return tuple(found)


def _receiver(document: Document, place: Place, raw: RawReceiver) -> ReceiverConfig:
    _refuse_keys(document, place, raw, set(RawReceiver.model_fields) - KEYS[raw.kind], raw.kind)
    for key in _NEEDED[raw.kind]:
        if getattr(raw, key) is None:
            raise _missing(document, place, raw.kind, key)
    http, mail = None, None
    if raw.kind == "webhook":
        if (raw.url is None) is (raw.url_file is None):
            raise ConfigError(
                "config_missing_key",
                "a webhook needs either 'url' or 'url_file'",
                where=document.where(place),
                do="Give one of the two.",
            )
        http = _http(document, place, raw, raw.url or "", url_file=raw.url_file)
    elif raw.kind == "mail":
        assert raw.server is not None
        assert raw.sender is not None
        assert raw.to is not None
        mail = MailConfig(
            server=raw.server,
            port=raw.port or _PORTS[raw.tls],
            tls=raw.tls,
            sender=_address(document, (*place, "sender"), raw.sender),
            to=tuple(_address(document, (*place, "to", at), one) for at, one in enumerate(raw.to)),
            username=raw.username,
            password_file=_file(document, raw.password_file),
            ca_file=_file(document, raw.ca_file),
        )
        _check_password(document, place, raw.username, raw.password_file)
    return ReceiverConfig(
        kind=raw.kind,
        name=raw.name or raw.kind,
        on=raw.on,
        http=http,
        mail=mail,
        command=raw.command or (),
        timeout_seconds=raw.timeout_seconds,
        origin=document.where(place),
    )


def _http(
    document: Document, place: Place, raw: RawSilencer | RawReceiver, url: str, url_file: str | None = None
) -> HttpConfig:
    if url_file is None:
        _check_url(document, (*place, "url"), url)
    _check_password(document, place, raw.username, raw.password_file)
    if raw.password_file and raw.bearer_token_file:
        raise ConfigError(
            "config_value",
            "'password_file' and 'bearer_token_file' are both given",
            where=document.where((*place, "bearer_token_file")),
            do="Keep the one that it expects.",
        )
    return HttpConfig(
        url=url,
        username=raw.username,
        password_file=_file(document, raw.password_file),
        bearer_token_file=_file(document, raw.bearer_token_file),
        ca_file=_file(document, raw.ca_file),
        url_file=_file(document, url_file),
    )


def _check_url(document: Document, place: Place, url: str) -> None:
    """The URL itself is not told: it may hold a secret, which then says where it belongs."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts, fine = urlsplit(""), False
    if not fine or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ConfigError(
            "config_value",
            "'url' is no http or https URL",
            where=document.where(place),
            do="Write it as https://HOST:PORT.",
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "config_secret",
            "'url' holds a user or a password",
            where=document.where(place),
            do="Write `username` and put the password in a file named by `password_file`.",
        )


def _check_password(document: Document, place: Place, username: str, password_file: str | None) -> None:
    if bool(username) is not bool(password_file):
        given, lacking = ("username", "password_file") if username else ("password_file", "username")
        raise ConfigError(
            "config_missing_key",
            f"{given!r} needs {lacking!r} as well",
            where=document.where((*place, given)),
            do=f"Add {lacking!r}.",
        )


def _matchers(
    document: Document, place: Place, raw: RawSilencer, hosts: Mapping[str, str]
) -> tuple[Matcher, ...]:
    """The matchers, sure to be about one host alone as far as names tell."""
    found = []
    for index, text in enumerate(raw.matchers):
        try:
            found.append(parse(text))
        except ValueError as error:
            raise ConfigError(
                "config_value",
                f"item {index + 1} of 'matchers' can't be used",
                where=document.where((*place, "matchers", index)),
                why=str(error),
            ) from error
    matchers = tuple(found)
    if not any(matcher.is_about_host for matcher in matchers):
        raise ConfigError(
            "config_value",
            "no matcher names the host, so all alerts would be silenced",
            where=document.where((*place, "matchers")),
            do=f"Add one with {{host}}, as {OWN_INSTANCE}.",
        )
    for host in hosts:
        other = takes_in(matchers, host, hosts)
        if other:
            raise ConfigError(
                "config_value",
                f"these matchers would silence {other!r} together with {host!r}",
                where=document.where((*place, "matchers")),
                do=f"Match the host alone, as {OWN_INSTANCE} does.",
            )
    return matchers


def _refuse_keys(document: Document, place: Place, raw: Strict, not_for: set[str], kind: str) -> None:
    for key in sorted(raw.model_fields_set & not_for, key=lambda key: document.where((*place, key))):
        valid = set(type(raw).model_fields) - not_for
        raise ConfigError(
            "config_unknown_key",
            f"key {key!r} means nothing where kind is {kind!r}",
            where=document.where((*place, key)),
            do=nearest(key, valid, "Valid keys here"),
        )


def _refuse_same_names(document: Document, here: Place, names: Iterable[str]) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if not name.strip() or not name.isprintable() or "/" in name:
            raise ConfigError(
                "config_name",
                f"{name!r} is no name",
                where=document.where((*here, index, "name")),
                do="Use printable characters on one line.",
            )
        if name in seen:
            raise ConfigError(
                "config_name",
                f"two are called {name!r}: items {seen[name] + 1} and {index + 1} of {here[-1]!r}",
                where=document.where((*here, index)),
                do="Give them names of their own with 'name'.",
            )
        seen[name] = index


def _missing(document: Document, place: Place, kind: str, key: str) -> ConfigError:
    return ConfigError(
        "config_missing_key", f"{kind} has no key {key!r}", where=document.where(place), do=f"Add {key!r}."
    )


def _address(document: Document, place: Place, address: str) -> str:
    local, _, domain = address.rpartition("@")
    if not local or not domain or any(letter.isspace() or not letter.isprintable() for letter in address):
        raise ConfigError(
            "config_value",
            f"{address!r} is no mail address",
            where=document.where(place),
            do="Write it as somebody@example.org.",
        )
    return address


def _file(document: Document, name: str | None) -> Path | None:
    """Beside the config unless absolute. Not looked at here: a check of the config needs no secrets."""
    return None if name is None else document.file.absolute().parent / Path(name).expanduser()
