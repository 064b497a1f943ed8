"""What OpenSSH says on standard error, as typed errors with a mend. Its words are not translated."""

from __future__ import annotations

import re

from standfast.model.errors import AuthError, StandfastError, UnreachableError

SSH_FAILED = 255
"""ssh(1): "exits with the exit status of the remote command or with 255 if an error occurred"."""

_UNREACHABLE = (
    (re.compile(r"Connection refused", re.IGNORECASE), "connection_refused", "it refuses SSH connections"),
    (
        re.compile(r"timed out|timeout|No route to host|unreachable", re.IGNORECASE),
        "connection_timeout",
        "it does not answer",
    ),
    (
        re.compile(r"Could not resolve hostname|Name or service not known", re.IGNORECASE),
        "name_unknown",
        "its name can't be resolved",
    ),
)


def error_of(name: str, destination: str, words: str) -> StandfastError:
    """The failure that `words` (ssh's standard error) tell of, at host `name`."""
    last = _last_line(words)
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in words:
        return AuthError(
            "host_key_changed",
            "its SSH host key is not the one known here",
            where=name,
            why="the host was reinstalled, or something else answers in its place",
            do="Compare the fingerprint on the host's console, then replace the line in known_hosts.",
        )
    if "Host key verification failed" in words or "host key is known" in words:
        return AuthError(
            "host_key_unknown",
            "its SSH host key is not known here",
            where=name,
            why=last,
            do="Compare the fingerprint on the host's console, then add it to known_hosts.",
        )
    if "Permission denied" in words or "Too many authentication failures" in words:
        return AuthError(
            "auth_failed",
            "it does not accept our SSH key",
            where=name,
            why=last,
            do=f"Try `ssh -o BatchMode=yes {destination} true`, and add the key to authorized_keys there.",
        )
    for pattern, code, what in _UNREACHABLE:
        if pattern.search(words):
            return UnreachableError(code, what, where=name, why=last, do="Is it up, and on this network?")
    return UnreachableError("connection_lost", "the SSH connection broke", where=name, why=last or "no words")


def _last_line(words: str) -> str:
    """The last thing said that isn't decoration; ssh puts the cause there."""
    lines = [line.strip() for line in words.splitlines() if line.strip(" @\r\t")]
    return lines[-1][:300].rstrip(".") if lines else ""
