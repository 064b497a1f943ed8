"""Short scripts on a host through the system's OpenSSH, over one kept connection per host.

The remote login shell is only ever told `sh -s`. The script and its arguments travel on standard input:

    set -- 'first argument' 'second'
    {
    SCRIPT
    } </dev/null

A POSIX shell reads a compound command whole before it runs any of it, so a connection that breaks on the way
leaves a syntax error and not half a script; and no name ever meets an unknown login shell's idea of quoting.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import signal
import stat
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from standfast.model.errors import AuthError, RefusedError, UnreachableError, UsageError
from standfast.transports import hostkit
from standfast.transports.ssh_errors import SSH_FAILED, error_of

CONNECT_SECONDS = 10
KEEP_SECONDS = 300
ALIVE_SECONDS = 5
ALIVE_COUNT = 3

_URI = re.compile(r"^ssh://(?:(?P<user>[^@]*)@)?(?P<host>\[[^]]+\]|[^:/@\[\]]+)(?::(?P<port>\d+))?/?\Z")
_KIT_WORDS = re.compile(r"(standfast-host|sudo): |.*sudo.*not found")
_WITH_PORT = re.compile(r"^(?P<rest>(?:[^@]*@)?(?:\[[^]]+\]|[^:\[\]@]+)):(?P<port>\d+)$")


@dataclass(frozen=True, slots=True)
class Completed:
    """What a script on a host left: text decoded as UTF-8, foreign bytes kept as surrogates."""

    stdout: str
    stderr: str
    exit_code: int


def script_text(script: str, args: tuple[str, ...], input: str | None) -> bytes:
    """What `sh -s` is fed so that it runs `script` with `args` as `$1 …` and `input` on standard input.

    Raises UsageError on a NUL byte, which no argument of a process can hold.
    """
    if any("\0" in text for text in (script, *args, input or "")):
        raise UsageError("nul_in_argument", "a NUL byte can't be passed to a host")
    head = f"set -- {' '.join(map(shlex.quote, args))}\n" if args else "set --\n"
    if input is None:
        text = f"{head}{{\n{script}\n}} </dev/null\n"
    else:
        text = f"{head}printf %s {shlex.quote(input)} | {{\n{script}\n}}\n"
    return text.encode("utf-8", "surrogateescape")


def private_directory() -> Path:
    """Where control sockets live: short, ours alone. A directory that others could have made is refused.

    A socket's path may be about 100 bytes long, and OpenSSH appends 17 of its own while it makes one.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = Path(runtime) if runtime and len(runtime) < 40 else Path("/run" if os.geteuid() == 0 else "/tmp")
    path = base / f"standfast-ssh-{os.geteuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise RefusedError(
            "control_directory", "can't make a directory for SSH sockets", where=str(path), why=str(error)
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise RefusedError(
            "control_directory",
            "the directory for SSH sockets is open to others",
            where=str(path),
            do=f"Look who made {path}, remove it and try again.",
        )
    return path


@dataclass(frozen=True)
class SshTarget:
    """One host to be reached by OpenSSH.

    `name` is what errors call it; `destination` is `[user@]host[:port]` or `ssh://[user@]host[:port]`, where
    `host` may be an alias of the configuration file; `config_file` replaces the user's own `ssh_config`.
    """

    name: str
    destination: str
    config_file: Path | None = None
    connect_seconds: int = CONNECT_SECONDS
    kit: bool = False
    """The account is not root, and goes through the kit's program: see `hostkit`."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.destination or self.destination.startswith("-"):
            raise UsageError(
                "ssh_destination", f"{self.destination!r} is no SSH destination", where=self.name
            )

    @property
    def address(self) -> list[str]:
        """The destination as arguments of `ssh`, which wants a port apart, and brackets only in a URI."""
        if uri := _URI.match(self.destination):  # ssh itself takes no IPv6 address with a port in a URI
            user = f"{uri['user']}@" if uri["user"] else ""
            return [*(["-p", uri["port"]] if uri["port"] else []), "--", user + uri["host"].strip("[]")]
        match = _WITH_PORT.match(self.destination)
        port = ["-p", match["port"]] if match else []
        rest = match["rest"] if match else self.destination
        return [*port, "--", rest.replace("[", "").replace("]", "")]

    @property
    def by_hand(self) -> str:
        """The same for a person to type."""
        return shlex.join(word for word in self.address if word != "--")

    @property
    def control_path(self) -> Path:
        """The socket of the kept connection; one per destination and configuration file."""
        key = f"{self.config_file}\n{self.destination}".encode()
        return private_directory() / hashlib.sha256(key).hexdigest()[:16]

    def options(self) -> list[str]:
        """What is always said to `ssh`. A host key that isn't known is never taken on."""
        chosen = ["-F", str(self.config_file)] if self.config_file else []
        settings = (
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"ConnectTimeout={self.connect_seconds}",
            "ConnectionAttempts=1",
            f"ServerAliveInterval={ALIVE_SECONDS}",
            f"ServerAliveCountMax={ALIVE_COUNT}",
            "ControlMaster=auto",
            f"ControlPath={self.control_path}",
            f"ControlPersist={KEEP_SECONDS}",
            "ForwardAgent=no",
            "ForwardX11=no",
            "PermitLocalCommand=no",
            "LogLevel=ERROR",
        )
        return chosen + [part for setting in settings for part in ("-o", setting)]

    def run(self, script: str, *args: str, input: str | None = None, timeout_seconds: float) -> Completed:
        """Run `script` by the host's `sh` with `args` as `$1 …`; its exit code is handed back, not judged.

        Standard input of the script is `input`, or empty. Raises AuthError (`host_key_unknown`,
        `host_key_changed`, `auth_failed`, `kit_refused`) and UnreachableError (`connection_refused`,
        `connection_timeout`, `name_unknown`, `connection_lost`, `deadline`). After any UnreachableError the
        script may or may not have run. 255 is OpenSSH's own exit code: a script must not use it.
        """
        text = hostkit.order(script, args, input) if self.kit else script_text(script, args, input)
        far = hostkit.COMMAND if self.kit else "sh -s"
        done = self._communicate(["ssh", *self.options(), "-T", *self.address, far], text, timeout_seconds)
        if self.kit and done.exit_code != 0 and _KIT_WORDS.match(done.stderr):
            raise AuthError(
                "kit_refused",
                "its account may not do this",
                where=self.name,
                why=done.stderr.strip()[-300:],
                do="Install the kit of this release there: `standfast host kit`.",
            )
        if done.exit_code == SSH_FAILED or done.exit_code < 0:
            self.drop()
            raise error_of(self.name, self.by_hand, done.stderr)
        return done

    def _communicate(self, command: list[str], text: bytes, timeout_seconds: float) -> Completed:
        # stderr goes to a file: an older ssh that turns into the kept connection holds a pipe open for ever.
        with tempfile.TemporaryFile() as words:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=words,
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise RefusedError(
                    "no_ssh", "there is no ssh command here", do="Install the OpenSSH client."
                ) from error
            try:
                stdout, _ = process.communicate(text, timeout=timeout_seconds)
            except subprocess.TimeoutExpired:
                self._end(process)
                self.drop()
                raise UnreachableError(
                    "deadline",
                    f"no answer within {timeout_seconds:g} s",
                    where=self.name,
                    why=_tail(words) or "the connection or the host is stuck",
                    do=f"Try `ssh {self.by_hand} true` by hand.",
                ) from None
            return Completed(_text(stdout), _read(words), process.returncode)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        """Kill it and what it started (a ProxyCommand); the kept connection has a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def drop(self) -> None:
        """Give up the kept connection, so that the next call makes a new one. Never raises."""
        with self._lock:
            try:
                path = self.control_path
            except RefusedError:
                return
            if not path.exists():
                return
            command = ["ssh", *self.options(), "-O", "exit", *self.address]
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=2, check=False, start_new_session=True)
            path.unlink(missing_ok=True)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _read(words: IO[bytes]) -> str:
    words.seek(0)
    return _text(words.read())


def _tail(words: IO[bytes]) -> str:
    return _read(words).strip()[-300:]
