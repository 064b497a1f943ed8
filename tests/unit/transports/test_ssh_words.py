"""What is sent to a host's shell, and what ssh's own words become."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.model.errors import AuthError, UnreachableError, UsageError
from standfast.transports.ssh import SshTarget, script_text
from standfast.transports.ssh_errors import error_of

SHOW = 'for a in "$@"; do printf "%s\\0" "$a"; done'
ANY_TEXT = st.text(alphabet=st.characters(blacklist_characters="\0", codec="utf-8"), max_size=40)


def shell(text: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-s"], input=text, capture_output=True, timeout=20, check=False)


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY_TEXT, max_size=5))
def test_any_argument_arrives_as_it_was(args: list[str]) -> None:
    done = shell(script_text(SHOW, tuple(args), None))
    assert done.stdout.decode().split("\0")[:-1] == args
    assert done.stderr == b""


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_any_input_arrives_as_it_was(argument: str, input: str) -> None:
    done = shell(script_text('printf "%s\\0" "$1"; cat', (argument,), input))
    assert done.stdout.decode() == f"{argument}\0{input}"


@pytest.mark.parametrize(
    "name",
    [
        "-rf",
        "--",
        "a b",
        "it's",
        '"; touch /tmp/x; "',
        "$(id)",
        "`id`",
        "$HOME",
        "a\nb\n",
        "\\",
        "*",
        "",
        "ä\udcff",
    ],
)
def test_hostile_names_stay_names(name: str) -> None:
    done = shell(script_text(SHOW, (name, "end"), None))
    assert done.stdout == name.encode("utf-8", "surrogateescape") + b"\0end\0"


def test_half_a_script_does_nothing() -> None:
    whole = script_text("echo begun\necho ended", ("x",), None)
    for cut in range(len(whole) - 12):
        assert b"begun" not in shell(whole[:cut]).stdout


def test_a_script_can_not_eat_itself() -> None:
    done = shell(script_text("cat; echo after", (), None))
    assert done.stdout == b"after\n"


def test_exit_codes_come_through_with_and_without_input() -> None:
    assert shell(script_text("exit 7", (), None)).returncode == 7
    assert shell(script_text("exit 7", (), "x" * 100_000)).returncode == 7


def test_nul_is_refused() -> None:
    with pytest.raises(UsageError):
        script_text("true", ("a\0b",), None)


def test_a_destination_that_looks_like_an_option_is_refused() -> None:
    with pytest.raises(UsageError):
        SshTarget("h", "-oProxyCommand=id")


@pytest.mark.parametrize(
    ("destination", "arguments"),
    [
        ("kvm1", ["--", "kvm1"]),
        ("root@kvm1", ["--", "root@kvm1"]),
        ("root@kvm1:2222", ["-p", "2222", "--", "root@kvm1"]),
        ("root@[fd00::1]:22", ["-p", "22", "--", "root@fd00::1"]),
        ("root@[fd00::1]", ["--", "root@fd00::1"]),
        ("fd00::1", ["--", "fd00::1"]),
        ("ssh://root@[fd00::1]:22", ["-p", "22", "--", "root@fd00::1"]),
        ("ssh://root@[fd00::1]", ["--", "root@fd00::1"]),
        ("ssh://kvm1:2222/", ["-p", "2222", "--", "kvm1"]),
    ],
)
def test_a_port_is_given_apart(destination: str, arguments: list[str]) -> None:
    assert SshTarget("h", destination).address == arguments


CHANGED = """@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@
Host key for h1 has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (CHANGED, AuthError, "host_key_changed"),
        (
            "No ED25519 host key is known for h1 and you have requested strict checking.\r\n"
            "Host key verification failed.\r\n",
            AuthError,
            "host_key_unknown",
        ),
        ("root@h1: Permission denied (publickey,password).", AuthError, "auth_failed"),
        ("ssh: connect to host h1 port 22: Connection refused", UnreachableError, "connection_refused"),
        ("ssh: connect to host h1 port 22: Connection timed out", UnreachableError, "connection_timeout"),
        ("ssh: connect to host h1 port 22: No route to host", UnreachableError, "connection_timeout"),
        ("Connection timed out during banner exchange", UnreachableError, "connection_timeout"),
        (
            "ssh: Could not resolve hostname h9: Name or service not known",
            UnreachableError,
            "name_unknown",
        ),
        ("client_loop: send disconnect: Broken pipe", UnreachableError, "connection_lost"),
        ("", UnreachableError, "connection_lost"),
    ],
)
def test_words_of_ssh_become_typed_errors(words: str, kind: type[Exception], code: str) -> None:
    error = error_of("h1", "root@h1", words)
    assert type(error) is kind
    assert error.code == code
    assert error.where == "h1"
    assert str(error).startswith("h1: ")
