"""Monitoring and receivers in the config: what is understood, and where and why the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from standfast.config.load import load
from standfast.config.outward import HttpConfig, MailConfig, ReceiverConfig
from standfast.model.errors import ConfigError
from standfast.model.matchers import parse

HEAD = """\
clusters:
  lab:
    platform: libvirt
    hosts:
      h1: {uri: qemu+ssh://root@10.0.0.1/system}
      h10: {uri: qemu+ssh://root@10.0.0.10/system}
"""
SILENCES = HEAD + "    silences:\n      - kind: alertmanager\n        url: http://am:9093\n"
NOTIFY = HEAD + "notify:\n"
HOOK = NOTIFY + "  - {kind: webhook, url: https://hooks.example.org/T0/dontshow}\n"
MAIL = (
    NOTIFY + "  - kind: mail\n    server: smtp.lan\n    sender: sf@example.org\n    to: [ops@example.org]\n"
)


def write(tmp_path: Path, content: str) -> Path:
    file = tmp_path / "standfast.yaml"
    file.write_text(content, encoding="utf-8")
    return file


def test_an_alertmanager_by_its_url_alone(tmp_path: Path) -> None:
    (found,) = load(write(tmp_path, SILENCES)).cluster("lab").silences
    assert (found.kind, found.name, found.lease_seconds) == ("alertmanager", "alertmanager", 300.0)
    assert found.matchers == (parse('instance=~"{host}(:[0-9]+)?"'),)
    assert found.http == HttpConfig("http://am:9093")
    assert found.hold_on_alerts == ()


def test_all_that_can_be_said_of_one(tmp_path: Path) -> None:
    more = (
        "        name: west\n"
        "        matchers: ['instance=\"{address}:9100\"', 'job=node']\n"
        "        lease_seconds: 60\n"
        "        hold_on_alerts: [CephHealthError]\n"
        "        username: sf\n"
        "        password_file: secrets/am\n"
        "        ca_file: /etc/ca.pem\n"
        "      - {kind: webhook, url: http://pager/hook, bearer_token_file: /run/token}\n"
    )
    west, hook = load(write(tmp_path, SILENCES + more)).cluster("lab").silences
    assert (west.name, west.lease_seconds, west.hold_on_alerts) == ("west", 60.0, ("CephHealthError",))
    assert west.matchers == (parse('instance="{address}:9100"'), parse("job=node"))
    password = tmp_path / "secrets/am"
    assert west.http == HttpConfig("http://am:9093", "sf", password, ca_file=Path("/etc/ca.pem"))
    assert (hook.kind, hook.name, hook.matchers) == ("webhook", "webhook", ())
    assert hook.http.bearer_token_file == Path("/run/token")


def test_receivers_of_each_kind(tmp_path: Path) -> None:
    page = "  - {kind: exec, command: [/bin/page, --now], timeout_seconds: 5}\n"
    more = f"    tls: starttls\n    on: [held]\n{page}"
    mail, command = load(write(tmp_path, MAIL + more)).notify
    assert mail == ReceiverConfig(
        "mail",
        "mail",
        ("held",),
        mail=MailConfig("smtp.lan", 587, "starttls", "sf@example.org", ("ops@example.org",)),
    )
    assert command == ReceiverConfig("exec", "exec", command=("/bin/page", "--now"), timeout_seconds=5.0)
    assert command.on == ("held", "failed", "done")


def test_a_url_that_is_secret_stays_in_its_file(tmp_path: Path) -> None:
    (hook,) = load(write(tmp_path, NOTIFY + "  - {kind: webhook, url_file: hook.url}\n")).notify
    assert hook.http is not None
    assert (hook.http.url, hook.http.url_file) == ("", tmp_path / "hook.url")
    (plain,) = load(write(tmp_path, HOOK)).notify
    assert "dontshow" not in repr(plain)


BAD = [
    (
        "misspelt",
        SILENCES + "        lease_second: 60\n",
        10,
        "unknown key 'lease_second'. Did you mean 'lease_seconds'?",
    ),
    (
        "unknown monitoring",
        SILENCES.replace("alertmanager", "nagios"),
        8,
        "'kind' must be one of 'alertmanager' or 'webhook', not 'nagios'.",
    ),
    (
        "no url",
        SILENCES.replace("        url: http://am:9093\n", ""),
        8,
        "item 1 of 'silences' has no key 'url'. Add 'url'.",
    ),
    (
        "not a list",
        HEAD + "    silences: {kind: alertmanager}\n",
        7,
        "'silences' must be a list, not a block of keys.",
    ),
    (
        "too long a lease",
        SILENCES + "        lease_seconds: 86400\n",
        10,
        "'lease_seconds' must be at most 7200, not 86400.",
    ),
    (
        "too short a lease",
        SILENCES + "        lease_seconds: 1\n",
        10,
        "'lease_seconds' must be at least 10, not 1.",
    ),
    (
        "no URL at all",
        SILENCES.replace("http://am:9093", "am:9093"),
        9,
        "'url' is no http or https URL. Write it as https://HOST:PORT.",
    ),
    (
        "a password in the URL",
        SILENCES.replace("http://am", "http://sf:pw@am"),
        9,
        "'url' holds a user or a password. "
        "Write `username` and put the password in a file named by `password_file`.",
    ),
    (
        "user without password",
        SILENCES + "        username: sf\n",
        10,
        "'username' needs 'password_file' as well. Add 'password_file'.",
    ),
    (
        "two ways to log in",
        SILENCES + "        username: sf\n        password_file: a\n        bearer_token_file: b\n",
        12,
        "'password_file' and 'bearer_token_file' are both given. Keep the one that it expects.",
    ),
    (
        "no matcher",
        SILENCES + "        matchers:\n          - job=node\n          - 'instance==\"{host}\"'\n",
        12,
        "item 2 of 'matchers' can't be used: 'instance==\"{host}\"' is no matcher; "
        'write it as instance=~"{host}(:[0-9]+)?".',
    ),
    ("no matchers", SILENCES + "        matchers: []\n", 10, "'matchers' must hold at least 1, not 0."),
    (
        "all hosts at once",
        SILENCES + "        matchers: [job=node, 'instance!=\"{host}\"']\n",
        10,
        "no matcher names the host, so all alerts would be silenced. "
        'Add one with {host}, as instance=~"{host}(:[0-9]+)?".',
    ),
    (
        "another host with it",
        SILENCES + "        matchers: ['instance=~\"{host}.*\"']\n",
        10,
        "these matchers would silence 'h10' together with 'h1'. "
        'Match the host alone, as instance=~"{host}(:[0-9]+)?" does.',
    ),
    (
        "matchers of a webhook",
        HEAD + "    silences:\n      - {kind: webhook, url: http://x, matchers: [a=b]}\n",
        8,
        "key 'matchers' means nothing where kind is 'webhook'. Valid keys here: bearer_token_file, ca_file, "
        "kind, lease_seconds, name, password_file, url, username.",
    ),
    (
        "two of one name",
        SILENCES + "      - {kind: alertmanager, url: http://other}\n",
        10,
        "two are called 'alertmanager': items 1 and 2 of 'silences'. "
        "Give them names of their own with 'name'.",
    ),
    (
        "told of what isn't told",
        NOTIFY + "  - {kind: exec, command: [x], on: [held, begun]}\n",
        8,
        "item 2 of 'on' must be one of 'started', 'held', 'failed' or 'done', not 'begun'.",
    ),
    (
        "mail without a server",
        MAIL.replace("    server: smtp.lan\n", ""),
        8,
        "mail has no key 'server'. Add 'server'.",
    ),
    (
        "mail to nobody",
        MAIL.replace("[ops@example.org]", "[ops]"),
        11,
        "'ops' is no mail address. Write it as somebody@example.org.",
    ),
    (
        "a header in an address",
        MAIL.replace("sf@example.org", '"a@b\\nBcc: c@d"'),
        10,
        "'a@b\\nBcc: c@d' is no mail address. Write it as somebody@example.org.",
    ),
    (
        "a URL for a mail",
        MAIL + "    url: http://x\n",
        12,
        "key 'url' means nothing where kind is 'mail'. Valid keys here: ca_file, kind, name, on, "
        "password_file, port, sender, server, timeout_seconds, tls, to, username.",
    ),
    (
        "a hook without URL",
        NOTIFY + "  - {kind: webhook}\n",
        8,
        "a webhook needs either 'url' or 'url_file'. Give one of the two.",
    ),
    (
        "a command as text",
        NOTIFY + "  - {kind: exec, command: 'echo hi'}\n",
        8,
        "'command' must be a list, not 'echo hi'.",
    ),
]


@pytest.mark.parametrize(
    ("content", "line", "sentence"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_says_where_what_and_what_to_do(tmp_path: Path, content: str, line: int, sentence: str) -> None:
    file = write(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}:{line}: {sentence}"
