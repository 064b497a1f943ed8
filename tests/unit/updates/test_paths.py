"""How a host's answer about its ways is read, and what its script refuses before anything is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_host import FakeHost

from standfast.model.errors import OutsideError
from standfast.model.failover import Route
from standfast.updates.answers import read_answer
from standfast.updates.failover import as_before, paths_of
from standfast.updates.scripts import kit, script

ANSWER = """way|10.0.1.2 mig0
way|10.0.0.9 mgmt0
way|10.0.7.7 
asker=10.0.0.9
state=up
libvirt=yes
vm|1111
routes4=[{"dst":"default","gateway":"10.0.0.1","dev":"mgmt0","flags":[]},{"dst":"10.0.1.0/24","dev":"mig0","protocol":"kernel","scope":"link","flags":[]},{"dst":"10.0.1.0/24","dev":"mgmt0","scope":"link","metric":4000,"flags":[]},{"dst":"10.9.0.0/16","nexthops":[{"dev":"a"},{"dev":"b"}]},{"type":"unreachable","dst":"10.8.0.0/16"}]
rules4=[{"priority":0,"src":"all","table":"local"},{"priority":32766,"src":"all","table":"main"}]
routes6=
rules6=
addresses=[{"addr_info":[{"local":"10.0.1.1","prefixlen":24,"scope":"global"},{"local":"fe80::1","prefixlen":64,"scope":"link"}]}]
end=yes
"""  # noqa: W291


def test_a_hosts_ways_routes_and_addresses_are_read() -> None:
    paths = paths_of(read_answer("a", ANSWER))
    assert paths.ways == {"10.0.1.2": "mig0", "10.0.0.9": "mgmt0", "10.0.7.7": ""}
    assert (paths.state, paths.libvirt, paths.vms, paths.own_rules) == ("up", True, ("1111",), False)
    assert paths.routes == (
        Route("0.0.0.0/0", ("mgmt0",)),
        Route("10.0.1.0/24", ("mig0",), link=True),
        Route("10.0.1.0/24", ("mgmt0",), 4000),
        Route("10.9.0.0/16", ("a", "b")),
        Route("10.8.0.0/16", (), kind="unreachable"),
    )
    assert paths.addresses == ("10.0.1.1/24",)
    assert as_before(paths, paths)
    assert not as_before(paths, replace(paths, routes=paths.routes[1:]))
    assert not as_before(paths, replace(paths, addresses=()))
    assert not as_before(paths, replace(paths, silent="no answer"))


def test_rules_of_its_own_are_seen_and_routes_that_cant_be_read_prove_nothing() -> None:
    own = ANSWER.replace('"table":"main"', '"table":"42"')
    assert paths_of(read_answer("a", own)).own_rules
    with pytest.raises(OutsideError, match="its routes4 can't be read"):
        paths_of(read_answer("a", ANSWER.replace('"flags":[]}', "", 1)))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("", "9", "ab"), "there is no such device"),
        (("lo", "9", "ab"), "there is no such device"),
        (("../eth0", "9", "ab"), "there is no such device"),
        (("-all", "9", "ab"), "there is no such device"),
        (("eth9", "9", "ab"), "there is no device eth9"),
        (("eth0", "0", "ab"), "1 to 300 are possible"),
        (("eth0", "301", "ab"), "1 to 300 are possible"),
        (("eth0", "9;id", "ab"), "are no seconds"),
        (("eth0", "9", "../ab"), "this is no token"),
    ],
)
def test_a_cut_that_makes_no_sense_is_refused_on_the_host(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    host = FakeHost(tmp_path)
    host.put("sys/class/net/eth0/operstate", "up\n")
    target = host.work._targets["kvm1"]
    done = target.run(script("cut"), *words, input=script("away"), timeout_seconds=20)
    assert says in read_answer("kvm1", done.stdout).get("trouble")
    assert host.read("systemd-run.log") == ""


def test_where_systemd_does_not_hold_the_way_back_nothing_is_cut(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.put("sys/class/net/eth0/operstate", "up\n")
    host.put("run-fails")
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bin/ip").write_text('#!/bin/sh\necho "$*" >>"$STANDFAST_ROOT/ip.log"\n')
    (tmp_path / "bin/ip").chmod(0o755)
    target = host.work._targets["kvm1"]
    done = target.run(script("cut"), "eth0", "9", "ab", input=script("away"), timeout_seconds=20)
    assert "systemd would not hold the way back: no such bus" in read_answer("kvm1", done.stdout).get(
        "trouble"
    )
    assert len(host.read("systemd-run.log").splitlines()) == 1
    assert " down" not in host.read("ip.log")


@pytest.mark.parametrize("name", ["survey", "paths"])
def test_a_host_with_a_kit_takes_addresses_for_names_and_not_for_a_script(name: str) -> None:
    assert dict(kit())[script(name)]
