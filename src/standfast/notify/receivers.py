"""Those who are told: an HTTP receiver, a mail server, a command. Each tells one notice, once, now."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import IO, Protocol

from standfast.model.errors import AuthError, OutsideError, RefusedError, StandfastError, UnreachableError
from standfast.model.notice import Notice, Occasion
from standfast.transports.http import HttpServer, secret

_TRY_LATER = frozenset({404, 408, 409, 425, 429})
"""Answers of 400 to 499 that another attempt, or a corrected config, may turn into a good one."""


class Receiver(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str: ...

    @property
    def on(self) -> tuple[Occasion, ...]:
        """What it wants to be told of."""

    def tell(self, notice: Notice) -> str:
        """Deliver it and return what was answered, in a few words.

        Raises RefusedError where the receiver won't have this notice however often it is told, and other
        StandfastErrors where it may have it later, or may have it already.
        """


@dataclass(frozen=True)
class WebhookReceiver:
    """A JSON POST. The Idempotency-Key is the notice's, so that one told twice can be told apart."""

    name: str
    on: tuple[Occasion, ...]
    server: HttpServer

    def tell(self, notice: Notice) -> str:
        answer = self.server.ask("POST", body=notice.as_dict(), headers={"Idempotency-Key": notice.key})
        if 200 <= answer.status < 300:
            return f"answered {answer.status}"
        final = 400 <= answer.status < 500 and answer.status not in _TRY_LATER
        kind = RefusedError if final else OutsideError
        raise kind(
            "webhook_refused", f"it answered {answer.status}", where=self.server.where, why=answer.words()
        )


@dataclass(frozen=True)
class MailReceiver:
    """A mail by SMTP; `tls` is `none`, `starttls` or `tls`. Its Message-ID is made of the notice's key."""

    name: str
    on: tuple[Occasion, ...]
    host: str
    port: int
    tls: str
    sender: str
    to: tuple[str, ...]
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 30.0

    @property
    def where(self) -> str:
        return f"{self.name} ({self.host}:{self.port})"

    def tell(self, notice: Notice) -> str:
        password = secret(self.password_file, self.name) if self.password_file is not None else ""
        with self._errors():
            smtp = self._connection()
            try:
                if self.tls == "starttls":
                    smtp.starttls(context=self._context())
                if self.username:
                    smtp.login(self.username, password)
                refused = smtp.send_message(self._message(notice), self.sender, list(self.to))
            finally:
                # Its answer to QUIT changes nothing about a mail that it has taken.
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
                smtp.close()
        taken = len(self.to) - len(refused)
        return f"taken for {taken} of {len(self.to)} addresses"

    def _connection(self) -> smtplib.SMTP:
        if self.tls == "tls":
            return smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_seconds, context=self._context()
            )
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout_seconds)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = notice.subject
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Date"] = format_datetime(datetime.fromtimestamp(notice.at, UTC))
        message["Message-ID"] = f"<{notice.key}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text())
        return message

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """smtplib's errors in our words. What a server answers is passed on; a password is not."""
        try:
            yield
        except smtplib.SMTPAuthenticationError as error:
            raise AuthError(
                "auth_failed",
                "it does not accept our user and password",
                where=self.where,
                why=f"it answered {error.smtp_code}",
                do="Check `username` and the file named by `password_file`.",
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            words = "; ".join(f"{to}: {code} {_words(text)}" for to, (code, text) in error.recipients.items())
            raise self._failed("it takes mail for none of the addresses", words, _final(error)) from error
        except smtplib.SMTPResponseException as error:
            words = f"{error.smtp_code} {_words(error.smtp_error)}"
            raise self._failed("it does not take the mail", words, 500 <= error.smtp_code < 600) from error
        except smtplib.SMTPServerDisconnected as error:
            if isinstance(error.__context__, TimeoutError):
                raise self._silent() from error
            raise UnreachableError(
                "connection_lost", "the connection broke", where=self.where, why=str(error)
            ) from error
        except smtplib.SMTPException as error:
            raise self._failed("it does not take the mail", str(error), False) from error
        except ssl.SSLError as error:
            raise AuthError(
                "tls_untrusted", "its certificate is not trusted here", where=self.where, why=str(error)
            ) from error
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            why = error.strerror or str(error)
            code = "name_unknown" if isinstance(error, socket.gaierror) else "connection_refused"
            raise UnreachableError(code, "it can't be reached", where=self.where, why=why) from error

    def _silent(self) -> StandfastError:
        what = f"no answer within {self.timeout_seconds:g} s"
        return UnreachableError("connection_timeout", what, where=self.where)

    def _failed(self, what: str, why: str, final: bool) -> StandfastError:
        kind = RefusedError if final else OutsideError
        return kind("mail_refused", what, where=self.where, why=why)


def _final(error: smtplib.SMTPRecipientsRefused) -> bool:
    return all(500 <= code < 600 for code, _ in error.recipients.values())


def _words(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:300]


@dataclass(frozen=True)
class ExecReceiver:
    """A command of the user's with the notice as JSON on its input, without a shell."""

    name: str
    on: tuple[Occasion, ...]
    command: tuple[str, ...]
    timeout_seconds: float = 30.0

    def tell(self, notice: Notice) -> str:
        # stderr is a file: something that the command leaves running would hold a pipe open.
        with tempfile.TemporaryFile() as words:
            exit_code = self._run(json.dumps(notice.as_dict()).encode(), words)
            words.seek(0)
            said = _words(words.read()[-300:])
        if exit_code != 0:
            raise OutsideError(
                "command_failed",
                f"its command ended with {exit_code}",
                where=self.name,
                why=said or self.command[0],
            )
        return "exit 0"

    def _run(self, notice: bytes, words: IO[bytes]) -> int:
        try:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=words,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise OutsideError(
                "command_failed",
                "its command can't be run",
                where=self.name,
                why=f"{self.command[0]}: {error.strerror or error}",
            ) from error
        with process:
            try:
                process.communicate(notice, timeout=self.timeout_seconds)
            except subprocess.TimeoutExpired as error:
                _end(process)
                raise UnreachableError(
                    "command_timeout",
                    f"its command did not end within {self.timeout_seconds:g} s",
                    where=self.name,
                    why=self.command[0],
                ) from error
        return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
