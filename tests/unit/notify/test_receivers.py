"""Receivers against what they are really made for: an SMTP server, an HTTP server, a program."""

from __future__ import annotations

import email
import email.policy
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from notify_kit import NOTICE, hook_server

from standfast.model.errors import AuthError, OutsideError, RefusedError, StandfastError, UnreachableError
from standfast.model.notice import Occasion
from standfast.notify.receivers import ExecReceiver, MailReceiver, WebhookReceiver
from standfast.transports.http import HttpServer

ON: tuple[Occasion, ...] = ("held",)


class Mailbox:
    """An SMTP server's handler that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.refuses: dict[str, str] = {}
        self.answer = "250 taken"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            self.taken.append(envelope)
        return self.answer

    def message(self) -> EmailMessage:
        (envelope,) = self.taken
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def smtp(box: Mailbox) -> Iterator[int]:
    yield from served(box)


def served(box: Mailbox, **options: Any) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    yield port
    controller.stop()


def mail(port: int, **more: Any) -> MailReceiver:
    fields: dict[str, Any] = {"to": ("ops@example.org", "boss@example.org"), "timeout_seconds": 5.0, **more}
    return MailReceiver(
        "mail", ON, "127.0.0.1", port, fields.pop("tls", "none"), "standfast@example.org", **fields
    )


def failed(receiver: Any, kind: type[StandfastError], *words: str) -> str:
    with pytest.raises(kind) as caught:
        receiver.tell(NOTICE)
    for each in words:
        assert each in str(caught.value)
    return str(caught.value)


def test_a_mail_says_it_all_and_can_be_known_again(smtp: int, box: Mailbox) -> None:
    assert mail(smtp).tell(NOTICE) == "taken for 2 of 2 addresses"
    assert box.taken[0].rcpt_tos == ["ops@example.org", "boss@example.org"]
    told = box.message()
    assert told["Subject"] == "standfast: east: kvm1 is held while draining"
    assert told["From"] == "standfast@example.org"
    assert told["To"] == "ops@example.org, boss@example.org"
    assert told["Message-ID"] == "<standfast-01RUN-7@example.org>"
    assert told["Auto-Submitted"] == "auto-generated"
    assert told["Date"].datetime.timestamp() == NOTICE.at
    assert told.get_content().replace("\r\n", "\n") == NOTICE.text()


def test_one_bad_address_does_not_keep_it_from_the_others(smtp: int, box: Mailbox) -> None:
    box.refuses["boss@example.org"] = "550 no such user"
    assert mail(smtp).tell(NOTICE) == "taken for 1 of 2 addresses"
    assert box.taken[0].rcpt_tos == ["ops@example.org"]


def test_a_mail_that_is_never_taken_is_refused_and_one_for_later_is_not(smtp: int, box: Mailbox) -> None:
    box.refuses = dict.fromkeys(("ops@example.org", "boss@example.org"), "550 no such user")
    failed(mail(smtp), RefusedError, "none of the addresses", "550 no such user")
    box.refuses["boss@example.org"] = "450 greylisted"
    failed(mail(smtp), OutsideError, "450 greylisted")
    box.refuses = {}
    box.answer = "554 spam"
    failed(mail(smtp), RefusedError, "554 spam")
    box.answer = "451 later"
    failed(mail(smtp), OutsideError, "451 later")
    assert box.taken == []


def test_nobody_listens_or_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = int(silent.getsockname()[1])
        failed(mail(port), UnreachableError, f"mail (127.0.0.1:{port})", "Connection refused")
        silent.listen()
        failed(mail(port, timeout_seconds=0.3), UnreachableError, "no answer within 0.3 s")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    both = tmp_path / "both.pem"
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*request.split(), *names], check=True, capture_output=True)
    both.write_text(key.read_text() + cert.read_text())
    return both


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_password_goes_over_tls_to_a_server_that_is_trusted(
    box: Mailbox, certificate: Path, tmp_path: Path, tls: str
) -> None:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"sf", b"letmein"), handled=False)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    options: dict[str, Any] = {"authenticator": authenticate, "auth_required": True}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    else:
        options |= {"ssl_context": context, "auth_require_tls": False}
    password = tmp_path / "password"
    password.write_text("letmein\n")
    for port in served(box, **options):
        trusted = {"tls": tls, "username": "sf", "password_file": password, "ca_file": certificate}
        mail(port, **trusted).tell(NOTICE)
        assert box.message()["Subject"] == NOTICE.subject
        failed(mail(port, **{**trusted, "ca_file": None}), AuthError, "certificate is not trusted")
        password.write_text("guess")
        words = failed(mail(port, **trusted), AuthError, "does not accept our user and password")
        assert "guess" not in words
        if tls == "starttls":
            failed(mail(port, **{**trusted, "tls": "none"}), StandfastError)


def test_a_webhook_gets_the_notice_with_its_key() -> None:
    with hook_server() as server:
        receiver = WebhookReceiver("hook", ON, HttpServer("hook", server.url))
        assert receiver.tell(NOTICE) == "answered 200"
        assert server.told == [(NOTICE.key, json.loads(json.dumps(NOTICE.as_dict())))]
        server.status = 503
        failed(receiver, OutsideError, "it answered 503: because")
        server.status = 429
        failed(receiver, OutsideError, "it answered 429")
        server.status = 400
        failed(receiver, RefusedError, "it answered 400")


def script(tmp_path: Path, text: str) -> tuple[str, ...]:
    file = tmp_path / "hook.py"
    file.write_text(text)
    return (sys.executable, str(file), "an; argument $(x)")


def test_a_command_gets_the_notice_on_its_input_and_its_words_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = script(tmp_path, f"import sys\nopen({str(out)!r}, 'w').write(sys.argv[1] + sys.stdin.read())\n")
    assert ExecReceiver("page", ON, command).tell(NOTICE) == "exit 0"
    text = out.read_text()
    assert text.startswith("an; argument $(x){")
    assert json.loads(text[len("an; argument $(x)") :]) == json.loads(json.dumps(NOTICE.as_dict()))


def test_a_command_that_reads_nothing_is_fine_and_one_that_fails_is_said(tmp_path: Path) -> None:
    assert ExecReceiver("page", ON, ("/bin/true",)).tell(NOTICE) == "exit 0"
    command = script(tmp_path, "import sys\nsys.exit('no route to pager')\n")
    failed(ExecReceiver("page", ON, command), OutsideError, "ended with 1: no route to pager")
    failed(ExecReceiver("page", ON, ("/no/such/thing",)), OutsideError, "/no/such/thing: No such file")


def test_a_command_that_does_not_end_is_ended_with_all_that_it_began(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    text = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    receiver = ExecReceiver("page", ON, script(tmp_path, text), timeout_seconds=1.5)
    failed(receiver, UnreachableError, "did not end within 1.5 s")
    assert time.monotonic() - began < 5
    for pid in map(int, pids.read_text().split()):
        assert not running(pid)


def running(pid: int) -> bool:
    """Whether it still runs a moment from now; a zombie doesn't."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return os.path.exists(f"/proc/{pid}")


def test_something_left_running_by_a_command_holds_nobody_up(tmp_path: Path) -> None:
    began = time.monotonic()
    command = ("/bin/sh", "-c", "sleep 5 & exit 0")
    assert ExecReceiver("page", ON, command, timeout_seconds=3).tell(NOTICE) == "exit 0"
    assert time.monotonic() - began < 2.5
