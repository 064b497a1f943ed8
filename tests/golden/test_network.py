"""`network what-if`: another migration network beside the one that is there."""

from __future__ import annotations

import hashlib
import json

import pytest

from .conftest import Place

COPIES = True


def test_drains_and_black_outs_are_told_now_and_then_and_offline_alike(place: Place) -> None:
    live = place.raw("network", "what-if", "--migration-speed", "25G")
    assert live.code == 0
    assert live.out.splitlines()[0].split() == ["HOST", "VMS", "DRAIN", "NOW", "THEN"]
    assert "BLACK-OUT NOW  THEN" in live.out
    place.run("snapshot", "save", "cluster.json")
    asked = ("network", "what-if", "--migration-speed", "25G", "--snapshot", "cluster.json")
    assert place.raw(*asked).out == live.out
    told = json.loads(place.raw(*asked, "--json").out)
    assert told["migration_bits_per_second"] == 25 * 10**9
    assert len(told["vms"]) == sum(host["vms"] for host in told["hosts"]) == 4
    for vm in told["vms"]:
        assert vm["then"]["brownout_seconds"] <= vm["now"]["brownout_seconds"]
    for host in told["hosts"]:
        assert host["drain_then_seconds"] <= host["drain_now_seconds"]


def test_where_bandwidth_does_not_help_is_said(place: Place) -> None:
    said = place.raw("network", "what-if", "--migration-speed", "1G").err
    assert "what is left fits into its downtime limit, on any link: vm1" in said
    said = place.raw("network", "what-if", "--migration-speed", "200G", "--shared").err
    assert said == (
        "One migration can't fill that link: a single thread sends about 49 Gbit/s at most.\n"
        "Half of the link was counted: the other half is for the network that it stands in for.\n"
    )


@pytest.mark.parametrize("speed", ["0", "-1G", "fast", "nan", "1e400"])
def test_a_speed_that_is_none_is_refused(place: Place, speed: str) -> None:
    printed = place.raw("network", "what-if", f"--migration-speed={speed}")
    assert (printed.code, printed.out) == (2, "")
    assert printed.err.startswith("standfast: --migration-speed ")
    assert printed.err.count("\n") == 1


def test_a_snapshot_of_another_cluster_is_refused(place: Place) -> None:
    place.run("snapshot", "save", "cluster.json")
    asked = ("network", "what-if", "--migration-speed", "1G", "--snapshot", "cluster.json")
    printed = place.raw(*asked, "--cluster", "east")
    assert printed.code == 2
    assert "this snapshot is of cluster 'play', not of 'east'" in printed.err


@pytest.mark.parametrize("verb", ["survey", "probe", "rehearse-failover"])
def test_a_simulated_network_can_not_be_looked_at(place: Place, verb: str) -> None:
    printed = place.raw("network", verb)
    assert (printed.code, printed.out) == (2, "")
    assert "the network of cluster 'play' can't be looked at: it is simulated" in printed.err


@pytest.mark.parametrize(
    ("verb", "key", "value", "says"),
    [
        ("network", "dirty_bytes_per_second", float("nan"), "VM vm1 writes nan bytes per second"),
        ("network", "memory_bytes", -5, "VM vm1 has -5 bytes of memory"),
        ("plan", "dirty_bytes_per_second", -1.0, "VM vm1 writes -1 bytes per second"),
    ],
)
def test_a_snapshot_with_a_figure_that_can_not_be_is_refused_with_file_and_line(
    place: Place, verb: str, key: str, value: float, says: str
) -> None:
    place.run("snapshot", "save", "cluster.json")
    file = place.path / "cluster.json"
    whole = json.loads(file.read_text())
    vm = next(each for each in whole["body"]["vms"] if each["name"] == "vm1")
    vm[key] = value
    canonical = json.dumps(whole["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    whole["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    file.write_text(json.dumps(whole, indent=1))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if vm["id"] in text)
    words = ("what-if", "--migration-speed", "10G") if verb == "network" else ()
    printed = place.raw(verb, *words, "--snapshot", "cluster.json")
    assert (printed.code, printed.out) == (5, "")
    assert printed.err.startswith(
        f"standfast: cluster.json:{line}: this snapshot holds a figure that can't be"
    )
    assert says in printed.err


@pytest.mark.parametrize("words", [("--seconds", "4"), ("--seconds", "301"), ("--network", "storage")])
def test_a_rehearsal_of_nonsense_is_refused(place: Place, words: tuple[str, ...]) -> None:
    printed = place.raw("network", "rehearse-failover", "--yes", *words)
    assert (printed.code, printed.out) == (2, "")
    assert not (place.path / "state").exists()
