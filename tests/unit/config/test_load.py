"""What a good config means: units, defaults, paths, rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from standfast.config import HostConfig
from standfast.config.load import load, schema
from standfast.config.paths import config_path, state_dir
from standfast.config.write import text, write
from standfast.model.errors import ConfigError, RefusedError
from standfast.model.policy import Policy

WHOLE = """\
clusters:
  east:
    platform: libvirt
    ssh_config: ssh/config
    shared_paths: [/srv/vm]
    hosts:
      kvm1:
        uri: qemu+ssh://root@kvm1/system
        migration_address: 10.0.0.1
        memory_bytes: 256GiB
        peer_uri: qemu+tls://kvm1/system
        fault_domain: rack 1
        migration_speed: 10G
        moves_out: 3
        moves_in: 1
      no: {uri: "qemu+ssh://root@kvm2:2222/system"}
    rules:
      anti_affinity: {web: [web1, 2024-01-01]}
      pins: {db: [kvm1]}
      memory_ceiling: 0.8
      reserve_hosts: 0
    policy: {tick_seconds: 1, move_backoff_seconds: [1, 2.5], always_reboot: true}
  play:
    platform: simulated
    simulated: {world: world.json}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "standfast.yaml"
    path.write_text(WHOLE, encoding="utf-8")
    return path


def test_reads_all_keys_in_plain_units(file: Path) -> None:
    east = load(file).cluster("east")
    assert east.hosts[0] == HostConfig(
        name="kvm1",
        uri="qemu+ssh://root@kvm1/system",
        ssh="root@kvm1",
        migration_address="10.0.0.1",
        memory_bytes=256 * 2**30,
        peer_uri="qemu+tls://kvm1/system",
        fault_domain="rack 1",
        migration_bits_per_second=10**10,
        moves_out=3,
        moves_in=1,
    )
    assert east.hosts[1].name == "no"
    assert east.hosts[1].ssh == "ssh://root@kvm2:2222"
    assert east.ssh_config == file.parent / "ssh/config"
    assert east.policy == Policy(tick_seconds=1.0, move_backoff_seconds=(1.0, 2.5), always_reboot=True)


def test_rules_keep_names_and_where_they_stand(file: Path) -> None:
    rules = load(file).cluster("east").rules
    assert rules.anti_affinity == {"web": ("web1", "2024-01-01")}
    assert rules.pins == {"db": ("kvm1",)}
    assert (rules.memory_ceiling, rules.reserve_hosts) == (0.8, 0)
    assert rules.origins["pins.db"] == f"{file}:19"


def test_what_is_left_out_has_the_products_defaults(file: Path) -> None:
    play = load(file).cluster("play")
    assert play.policy == Policy()
    assert (play.rules.memory_ceiling, play.rules.reserve_hosts) == (0.90, 1)
    assert play.simulated is not None
    assert play.simulated.world == file.parent / "world.json"


def test_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    file = tmp_path / "standfast.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert set(load(file).clusters) == {"east", "play"}


def test_asks_which_cluster_when_there_are_several(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"Say which with --cluster: east, play\."):
        load(file).cluster(None)
    with pytest.raises(ConfigError, match=r"there is no cluster 'eats'\. Did you mean 'east'\?"):
        load(file).cluster("eats")


def test_only_names_hosts_of_the_cluster(file: Path) -> None:
    east = load(file).cluster("east")
    assert [host.name for host in east.only(("kvm1",)).hosts] == ["kvm1"]
    with pytest.raises(
        ConfigError, match=r"standfast\.yaml:2: cluster 'east' has no host 'kvm9'\. Did you mean 'kvm1'"
    ):
        east.only(("kvm9",))


def test_what_is_written_is_read_back(file: Path) -> None:
    east = load(file).cluster("east")
    written = file.with_name("other.yaml")
    write(written, text(east))
    again = load(written).cluster("east")
    assert again == replace(east, rules=again.rules, policy=again.policy)
    assert written.stat().st_mode & 0o777 == 0o600


def test_a_config_is_not_overwritten_unasked(file: Path) -> None:
    with pytest.raises(RefusedError, match="--force-overwrite"):
        write(file, "")
    assert file.read_text(encoding="utf-8") == WHOLE
    write(file, "clusters: {}\n", overwrite=True)
    assert file.read_text(encoding="utf-8") == "clusters: {}\n"


def test_schema_knows_every_policy_field() -> None:
    policy = schema()["$defs"]["RawPolicy"]
    assert set(policy["properties"]) == set(Policy.__dataclass_fields__)
    assert policy["additionalProperties"] is False
    assert all(about.get("description") for about in policy["properties"].values())


@pytest.mark.parametrize(
    ("env", "root", "config", "state"),
    [
        ({}, True, "/etc/standfast/standfast.yaml", "/var/lib/standfast"),
        ({"HOME": "/h"}, False, "/h/.config/standfast/standfast.yaml", "/h/.local/state/standfast"),
        (
            {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"},
            False,
            "/c/standfast/standfast.yaml",
            "/s/standfast",
        ),
        (
            {"HOME": "/h", "XDG_CONFIG_HOME": "c"},
            False,
            "/h/.config/standfast/standfast.yaml",
            "/h/.local/state/standfast",
        ),
        ({"STANDFAST_CONFIG": "f.yaml", "STANDFAST_STATE_DIR": "d"}, True, "f.yaml", "d"),
    ],
)
def test_files_are_where_users_expect_them(env: dict[str, str], root: bool, config: str, state: str) -> None:
    assert config_path(None, env, root=root) == Path(config)
    assert state_dir(None, env, root=root) == Path(state)
    assert config_path(Path("given"), env, root=root) == Path("given")
    assert state_dir(Path("given"), env, root=root) == Path("given")
