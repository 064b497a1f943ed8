"""One HTTP request at a time, with an end: what monitoring systems and webhooks are spoken to with.

urllib3 does the work: synchronous as all of this, without dependencies of its own, and it neither retries nor
follows a redirect unless told to. A redirect is not followed, because our credentials would follow it. Each
request has a connection of its own; they are minutes apart.

Secrets are files, read anew for each request so that they may be rotated, and appear in no error and no log;
nor does the path of a URL, which in a webhook is often the secret.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from standfast.model.errors import AuthError, OutsideError, StandfastError, UnreachableError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

TIMEOUT_SECONDS = 10.0
WORDS_BYTES = 300
LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
"""Thousands of silences are a few MiB; what is larger is not an answer to anything we ask."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `date_unix` is the server's own clock (the Date header), to whole seconds."""

    status: int
    body: bytes
    date_unix: float | None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What was sent with the request and is shown to nobody."""

    def json(self, where: str) -> Any:
        """The body as JSON. Raises OutsideError("answer_unreadable")."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise OutsideError(
                "answer_unreadable",
                "its answer is no JSON",
                where=where,
                why=self.words(),
                do="Is this the right URL?",
            ) from error

    def words(self) -> str:
        """The beginning of the body on one line, for an error. A server that repeats what it was asked, as
        one that helps to find mistakes does, must not put our credentials into a report."""
        longest = max(map(len, self.secrets), default=0)
        text = self.body[: WORDS_BYTES + 4 * longest].decode("utf-8", "replace")
        for each in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(each, "***")
        return " ".join(text[:WORDS_BYTES].split())


@dataclass(frozen=True, slots=True)
class HttpServer:
    """One server as configured. `name` is what errors call it; `url` may end in a path that all others are
    below. Either `username` and `password_file`, or `bearer_token_file`, or none."""

    name: str
    url: str = field(repr=False)
    username: str = ""
    password_file: Path | None = None
    bearer_token_file: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: float = TIMEOUT_SECONDS
    url_file: Path | None = None
    """Holds the URL where that is a secret; `url` is empty then."""

    @property
    def where(self) -> str:
        """`name (scheme://host:port)`: without the path, which may be a secret."""
        if not self.url:
            return self.name
        parts = urlsplit(self.url)
        return f"{self.name} ({parts.scheme}://{parts.netloc.rpartition('@')[2]})"

    def ask(
        self,
        method: str,
        path: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one request, `body` as JSON; any status but 401 and 403 is handed back, not judged.

        Raises AuthError (`auth_failed`, `tls_untrusted`, `secret_unreadable`), UnreachableError
        (`connection_refused`, `connection_timeout`, `name_unknown`, `connection_lost`, `deadline`) and
        OutsideError("answer_too_long"). After an UnreachableError the server may or may not have acted.
        """
        import urllib3

        base = secret(self.url_file, self.name) if self.url_file is not None else self.url
        url = base.rstrip("/") + path if path else base
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        credentials, secrets = self._credentials()
        sent = {"User-Agent": "standfast", "Connection": "close", **(headers or {}), **credentials}
        if self.url_file is not None:
            parts = urlsplit(base)
            secrets += tuple(filter(lambda part: len(part) > 1, (base, parts.path, parts.query)))
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        deadline = time.monotonic() + self.timeout_seconds
        try:
            with urllib3.PoolManager(
                1, retries=False, timeout=self.timeout_seconds, **self._tls(url)
            ) as pool:
                response = pool.request(
                    method, url, body=data, headers=sent, redirect=False, preload_content=False
                )
                try:
                    raw = self._read(response, deadline)
                finally:
                    response.close()
        except (urllib3.exceptions.HTTPError, ssl.SSLError, OSError) as error:
            raise self._error_of(error) from error
        if response.status in (401, 403):
            raise AuthError(
                "auth_failed",
                "it does not accept our credentials" if self._has_credentials else "it wants credentials",
                where=self.where,
                why=f"it answered {response.status}",
                do="Check the password or token file named in the config.",
            )
        return Answer(response.status, raw, _unix(response.headers.get("Date", "")), secrets)

    def _read(self, response: BaseHTTPResponse, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(65536):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_ANSWER_BYTES:
                raise OutsideError(
                    "answer_too_long",
                    f"its answer is longer than {LARGEST_ANSWER_BYTES} bytes",
                    where=self.where,
                )
            if time.monotonic() > deadline:
                raise UnreachableError(
                    "deadline", f"no whole answer within {self.timeout_seconds:g} s", where=self.where
                )
        return b"".join(chunks)

    @property
    def _has_credentials(self) -> bool:
        return bool(self.password_file or self.bearer_token_file)

    def _credentials(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """(headers, what of them is secret)"""
        if self.bearer_token_file is not None:
            token = secret(self.bearer_token_file, self.name)
            return {"Authorization": f"Bearer {token}"}, (token,)
        if self.password_file is not None:
            import base64

            password = secret(self.password_file, self.name)
            pair = base64.b64encode(f"{self.username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}, (password, pair)
        return {}, ()

    def _tls(self, url: str) -> dict[str, Any]:
        if not url.lower().startswith("https:"):
            return {}
        try:
            return {"ssl_context": ssl.create_default_context(cafile=self.ca_file)}
        except OSError as error:
            raise AuthError(
                "tls_untrusted",
                "its CA file can't be used",
                where=self.where,
                why=f"{self.ca_file}: {error.strerror or error}",
            ) from error

    def _error_of(self, error: BaseException) -> StandfastError:
        """The failure in our words. urllib3's own name the URL with its path, so they are not passed on."""
        from urllib3 import exceptions

        causes = list(_causes(error))
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            why = next(str(cause) for cause in causes if isinstance(cause, ssl.SSLError))
            return AuthError(
                "tls_untrusted",
                "its certificate is not trusted here",
                where=self.where,
                why=why,
                do="Name the CA that signed it with `ca_file`.",
            )
        do = "Is it up, and reachable from here?"
        if any(isinstance(cause, exceptions.NameResolutionError) for cause in causes):
            return UnreachableError("name_unknown", "its name can't be resolved", where=self.where, do=do)
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            return UnreachableError("connection_refused", "it refuses connections", where=self.where, do=do)
        if any(isinstance(cause, (TimeoutError, exceptions.TimeoutError)) for cause in causes):
            what = f"no answer within {self.timeout_seconds:g} s"
            return UnreachableError("connection_timeout", what, where=self.where, do=do)
        why = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "")
        return UnreachableError(
            "connection_lost", "the connection broke", where=self.where, why=why or type(causes[-1]).__name__
        )


def secret(path: Path, whose: str) -> str:
    """What a secret file says, without the line's end. Raises AuthError("secret_unreadable")."""
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise AuthError(
            "secret_unreadable",
            "its password or token file can't be read",
            where=whose,
            why=f"{path}: {why}",
        ) from error
    if not text or not text.isprintable():
        raise AuthError(
            "secret_unreadable",
            "its password or token file is not one line of text",
            where=whose,
            why=str(path),
        )
    return text


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and what it came of, outermost first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        inner = getattr(error, "reason", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return found


def _unix(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
