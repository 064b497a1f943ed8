"""Each bad config gets one sentence: which file and line, what is wrong, what to do."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from standfast.config.load import load
from standfast.model.errors import ConfigError

HEAD = "clusters:\n  lab:\n    platform: libvirt\n"
HOSTS = HEAD + "    hosts:\n      kvm1: {uri: qemu+ssh://root@kvm1/system}\n"

NO_CLUSTER = (
    "the config has no cluster in it. Write one under 'clusters', or let `standfast init URI…` do it."
)

# name, file content, line (0: none), sentence after "FILE:LINE: "
BAD = [
    (
        "empty",
        "",
        0,
        "the config is empty. `standfast init URI…` writes one; "
        "`standfast config schema` says what may stand in it.",
    ),
    (
        "only a comment",
        "# nothing\n",
        0,
        "the config is empty. `standfast init URI…` writes one; "
        "`standfast config schema` says what may stand in it.",
    ),
    ("tab", "clusters:\n\tlab: {}\n", 2, "a tab can't indent YAML. Use spaces."),
    (
        "key twice",
        HOSTS + "    platform: libvirt\n",
        6,
        "key 'platform' stands here a second time. It is on line 3 already: keep one of the two.",
    ),
    (
        "two documents",
        HOSTS + "---\nclusters: {}\n",
        6,
        "a second document begins here. Keep one document in the file: take the line '---' out.",
    ),
    (
        "bracket left open",
        "clusters: [lab\n",
        2,
        "this is no YAML: expected ',' or ']', but got '<stream end>'. "
        "Look at this line and the one before: a quote, bracket, colon or indent is missing or too much.",
    ),
    (
        "own anchor",
        "clusters: &a {lab: *a}\n",
        1,
        "this is nested too deeply. Is an alias inside its own anchor?",
    ),
    (
        "merge key",
        "clusters:\n  a: &a {}\n  b:\n    <<: *a\n",
        4,
        "merge keys ('<<') are not part of YAML 1.2. Write the keys out.",
    ),
    (
        "tag",
        "clusters: !!python/none x\n",
        1,
        "the tag 'tag:yaml.org,2002:python/none' means nothing here. Take it out.",
    ),
    (
        "aliases of aliases",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in pairwise("abcdefg")),
        1,
        "this holds more than 1,000,000 values with its aliases written out. "
        "Write out what is meant, or split the config.",
    ),
    ("nested without end", "clusters: " + "[" * 100_000, 0, "the config is nested too deeply."),
    (
        "a number without end",
        f"clusters: {'9' * 5000}\n",
        1,
        f"'{'9' * 40}' can't be read as a whole number. Write it in another way.",
    ),
    (
        "a tag that lies",
        "clusters: !!int x\n",
        1,
        "'x' can't be read as a whole number. Write it in another way.",
    ),
    (
        "a size without end",
        HOSTS.replace("}", f", memory_bytes: {'9' * 30}TB}}"),
        5,
        f"'memory_bytes' can't be used: '{'9' * 30}TB' is more than anything has.",
    ),
    (
        "a wait before it began",
        HOSTS + "    policy: {move_backoff_seconds: [5, -1]}\n",
        6,
        "item 2 of 'move_backoff_seconds' must be at least 0, not -1.",
    ),
    (
        "an option for an ssh destination",
        HOSTS.replace("}", ", ssh: root@-oProxyCommand=x}"),
        5,
        "'root@-oProxyCommand=x' is no machine to ssh to. Write it as root@HOST or ssh://root@HOST:PORT.",
    ),
    (
        "no address",
        HOSTS.replace("}", ", migration_address: tcp://10.0.0.1}"),
        5,
        "'tcp://10.0.0.1' is neither an address nor the name of a machine. "
        "Write the address alone, as in 10.0.0.1.",
    ),
    ("a list", "- clusters\n", 1, "the config must be a block of keys. It begins with `clusters:`."),
    ("no clusters", "{}\n", 1, "the config has no key 'clusters'. Add 'clusters'."),
    ("clusters empty", "clusters:\n", 1, NO_CLUSTER),
    ("no cluster", "clusters: {}\n", 1, NO_CLUSTER),
    ("misspelt at the top", "cluster: {}\n", 1, "unknown key 'cluster'. Did you mean 'clusters'?"),
    ("misspelt", HEAD + "    host: {}\n", 4, "unknown key 'host'. Did you mean 'hosts'?"),
    ("misspelt host key", HOSTS.replace("uri:", "url:"), 5, "unknown key 'url'. Did you mean 'uri'?"),
    (
        "unknown host key",
        HEAD + "    hosts:\n      kvm1:\n        uri: qemu+ssh://root@kvm1/system\n        colour: red\n",
        7,
        "unknown key 'colour'. Valid keys here: fault_domain, memory_bytes, migration_address, "
        "migration_speed, moves_in, moves_out, peer_uri, ssh, uri.",
    ),
    ("no platform", "clusters:\n  lab:\n    hosts: {}\n", 2, "'lab' has no key 'platform'. Add 'platform'."),
    (
        "other platform",
        "clusters: {lab: {platform: xen, hosts: {}}}\n",
        1,
        "'platform' must be one of 'libvirt' or 'simulated', not 'xen'.",
    ),
    (
        "no hosts",
        HEAD,
        2,
        "cluster 'lab' has no hosts. Add them under 'hosts', or let `standfast init URI…` write them.",
    ),
    ("host empty", HEAD + "    hosts:\n      kvm1:\n", 5, "'kvm1' must be a block of keys, not empty."),
    (
        "no uri",
        HEAD + "    hosts:\n      kvm1: {}\n",
        5,
        "host 'kvm1' has no key 'uri'. Add it: uri: qemu+ssh://root@kvm1/system.",
    ),
    (
        "same uri",
        HOSTS + "      kvm2: {uri: qemu+ssh://root@kvm1/system/}\n",
        6,
        "hosts 'kvm1' and 'kvm2' are one: both have the uri 'qemu+ssh://root@kvm1/system/'. "
        "Give each host its own, or take one of the two out.",
    ),
    (
        "not a libvirt uri",
        HEAD + "    hosts:\n      kvm1: {uri: https://kvm1}\n",
        5,
        "'https://kvm1' is no libvirt URI of a QEMU host. Write it as qemu+ssh://root@HOST/system.",
    ),
    (
        "local uri without ssh",
        HEAD + "    hosts:\n      kvm1: {uri: 'qemu:///system'}\n",
        5,
        "host 'kvm1' has no key 'ssh', and its uri names no machine. Add it: ssh: root@HOST.",
    ),
    (
        "ssh that would be an option",
        HOSTS.replace("}", ", ssh: -oProxyCommand=reboot}"),
        5,
        "'-oProxyCommand=reboot' is no machine to ssh to. Write it as root@HOST or ssh://root@HOST:PORT.",
    ),
    (
        "host in a uri that would be an option",
        HEAD + "    hosts:\n      kvm1: {uri: 'qemu+ssh://-oProxyCommand=reboot/system'}\n",
        5,
        "'qemu+ssh://-oProxyCommand=reboot/system' names no machine. Write it as qemu+ssh://root@HOST/system.",
    ),
    (
        "name over two lines",
        HEAD + '    hosts:\n      "kvm\\n1": {uri: qemu+ssh://root@kvm1/system}\n',
        5,
        "'kvm\\n1' is no name. Use printable characters on one line.",
    ),
    (
        "size",
        HOSTS.replace("}", ", memory_bytes: lots}"),
        5,
        "'memory_bytes' can't be used: 'lots' is no size; write it as 4GiB, 512MiB or a number of bytes.",
    ),
    (
        "size is a boolean",
        HOSTS.replace("}", ", memory_bytes: true}"),
        5,
        "'memory_bytes' can't be used: True is neither a whole number nor text like 256GiB.",
    ),
    (
        "no memory",
        HOSTS.replace("}", ", memory_bytes: 0}"),
        5,
        "'memory_bytes' can't be used: 0 is nothing; write it as 256GiB.",
    ),
    (
        "speed",
        HOSTS.replace("}", ", migration_speed: fast}"),
        5,
        "'migration_speed' can't be used: "
        "'fast' is no speed; write it as 1G, 100M or a number of bits per second.",
    ),
    ("no moves", HOSTS.replace("}", ", moves_out: 0}"), 5, "'moves_out' must be at least 1, not 0."),
    (
        "relative shared path",
        HOSTS + "    shared_paths:\n      - /a\n      - srv/vm\n",
        8,
        "shared path 'srv/vm' does not begin with '/'. Write the whole path, as the hosts see it.",
    ),
    (
        "shared paths are text",
        HOSTS + "    shared_paths: /srv\n",
        6,
        "'shared_paths' must be a list, not '/srv'.",
    ),
    (
        "VM name is a number",
        HOSTS + "    rules:\n      anti_affinity:\n        web:\n          - web1\n          - 2\n",
        10,
        "item 2 of 'web' must be text, not 2. Put it in quotes.",
    ),
    (
        "group of one",
        HOSTS + "    rules: {anti_affinity: {web: [web1]}}\n",
        6,
        "'web' must hold at least 2, not 1.",
    ),
    (
        "pin to an unknown host",
        HOSTS + "    rules:\n      pins:\n        db: [kvm]\n",
        8,
        "VM 'db' is pinned to an unknown host 'kvm'. Did you mean 'kvm1'?",
    ),
    (
        "ceiling",
        HOSTS + "    rules:\n      memory_ceiling: 90\n",
        7,
        "'memory_ceiling' must be at most 1, not 90.",
    ),
    (
        "reserve",
        HOSTS + "    rules:\n      reserve_hosts: -1\n",
        7,
        "'reserve_hosts' must be at least 0, not -1.",
    ),
    (
        "misspelt policy",
        HOSTS + "    policy:\n      move_attempt: 2\n",
        7,
        "unknown key 'move_attempt'. Did you mean 'move_attempts'?",
    ),
    (
        "boolean of YAML 1.1",
        HOSTS + "    policy: {auto_converge: yes}\n",
        6,
        "'auto_converge' must be true or false, not 'yes'. In YAML 1.2 only `true` and `false` are booleans.",
    ),
    ("no ticks", HOSTS + "    policy: {tick_seconds: 0}\n", 6, "'tick_seconds' must be more than 0, not 0."),
    ("endless", HOSTS + "    policy: {tick_seconds: .inf}\n", 6, "'tick_seconds' must be a number, not inf."),
    (
        "half an attempt",
        HOSTS + "    policy: {move_attempts: 1.5}\n",
        6,
        "'move_attempts' must be a whole number, not 1.5.",
    ),
    (
        "simulated without a world",
        "clusters: {lab: {platform: simulated}}\n",
        1,
        "cluster 'lab' has platform 'simulated' and no key 'simulated'. "
        "Say where its world is kept: simulated: {world: FILE}.",
    ),
    (
        "world of a real cluster",
        HOSTS + "    simulated: {world: x}\n",
        6,
        "cluster 'lab' has platform 'libvirt' and a key 'simulated'. Take 'simulated' out.",
    ),
    (
        "hosts of a simulated cluster",
        "clusters:\n  lab:\n    platform: simulated\n    simulated: {world: w.json}\n    hosts: {kvm1: {}}\n",
        5,
        "cluster 'lab' is simulated and has a key 'hosts'. "
        "Take it out: its hosts are made, as many as simulated: {hosts: N} says.",
    ),
    (
        "a world without a name",
        "clusters:\n  lab:\n    platform: simulated\n    simulated:\n      world: ''\n",
        5,
        "world '' names no file. Write it as world: world.json.",
    ),
    (
        "the first of two problems",
        HOSTS + "    polcy: {}\n    rules: {memory_ceiling: 2}\n",
        6,
        "unknown key 'polcy'. Did you mean 'policy'?",
    ),
]


@pytest.mark.parametrize(
    ("content", "line", "sentence"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_says_where_what_and_what_to_do(tmp_path: Path, content: str, line: int, sentence: str) -> None:
    file = tmp_path / "standfast.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}{f':{line}' if line else ''}: {sentence}"
    assert caught.value.exit_code == 2


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such config\. `standfast init URI…` writes one"):
        load(tmp_path / "standfast.yaml")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: the config is a directory. Name the file in it with --config."


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "standfast.yaml"
    file.write_bytes("clusters:\n  café: {}\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}:2: the config is not UTF-8: byte 16 is 0xe9. Save it as UTF-8."


def test_control_character(tmp_path: Path) -> None:
    file = tmp_path / "standfast.yaml"
    file.write_bytes(b"clusters:\n  lab\x00: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}:2: the character '\\x00' can't stand in YAML. Take it out."
