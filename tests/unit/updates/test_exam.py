"""Exams, by scripts that run for real: what a host says of itself, and real sockets from one to another."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_host import FakeHost, Local

from standfast.model.exam import Exam, Hand, OtherHand
from standfast.model.ids import HostId
from standfast.updates.answers import read_answer
from standfast.updates.exam import Door, ways
from standfast.updates.examiner import Peer, SshExaminer

UNITS = """\
Id=libvirtd.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=pacemaker.service
LoadState=loaded
ActiveState={pacemaker}
UnitFileState=enabled

Id=corosync.service
LoadState=not-found
ActiveState=inactive
UnitFileState=

Id=apt-daily-upgrade.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=libvirt-guests.service
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled
"""

SYSTEMCTL = '#!/bin/sh\ncase "$*" in *is-active*) exit 0 ;; esac\ncat "$STANDFAST_ROOT/units"\n'
VIRSH = '#!/bin/sh\necho "$*" >>"$STANDFAST_ROOT/virsh.log"\n{}\n'
KNOWN = {"kvm1": "127.0.0.1", "kvm2": "127.0.0.2"}


class Two:
    """Two hosts in folders, on two addresses of the loopback, each with a range of ports of its own."""

    def __init__(self, root: Path) -> None:
        self.hosts = {}
        for number, name in enumerate(KNOWN):
            (root / name).mkdir()
            host = self.hosts[name] = FakeHost(root / name)
            self.tool(name, "systemctl", SYSTEMCTL)
            self.tool(name, "virsh", VIRSH.format("echo '<uuid>ID-OF-'${3##*/}'</uuid>'"))
            host.put("units", UNITS.format(pacemaker="inactive").replace("enabled", "disabled"))
            least = 57100 + 20 * number
            host.put(
                "etc/libvirt/qemu.conf", f"migration_port_min = {least}\n#x\nmigration_port_max={least + 9}\n"
            )
        self.peers = [Peer(name, f"qemu:///{name}", address) for name, address in KNOWN.items()]

    def tool(self, name: str, tool: str, text: str) -> None:
        path = self.hosts[name].root / "bin" / tool
        path.write_text(text)
        path.chmod(0o755)

    def examine(self, *names: str, files: tuple[str, ...] = ()) -> tuple[Exam, ...]:
        targets = {name: Local(name, name, root=host.root) for name, host in self.hosts.items()}
        examiner = SshExaminer(targets, self.peers, name_of=str)
        return examiner.examine([HostId(name) for name in names or KNOWN], files)


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_a_plain_host_says_that_nothing_is_in_the_way(two: Two) -> None:
    first, second = two.examine()
    assert (first.host, first.silent, first.user != "", first.missing_tools) == ("kvm1", "", True, ())
    assert first.other_hands == ()
    assert (first.unwritable, first.unmade, first.package_lock) == ((), (), "")
    assert first.clock_skew_seconds is not None
    assert abs(first.clock_skew_seconds) < 1
    assert {room.folder for room in second.rooms} >= {"/"}
    assert all(room.total_bytes > 0 for room in second.rooms)


def test_other_hands_are_told_by_their_units_and_settings(two: Two) -> None:
    host = two.hosts["kvm1"]
    host.put("units", UNITS.format(pacemaker="active"))
    two.tool("kvm1", "unattended-upgrade", "#!/bin/sh\n")
    two.tool("kvm1", "apt-config", "#!/bin/sh\necho \"upgrade='1'\"\necho \"reboot='true'\"\n")
    two.tool(
        "kvm1", "crm_attribute", '#!/bin/sh\ncase "$*" in *stonith*) echo true ;; *) echo false ;; esac\n'
    )
    host.put(
        "etc/default/libvirt-guests", '# ON_SHUTDOWN=shutdown\nON_BOOT=ignore\nON_SHUTDOWN="suspend" # keep\n'
    )
    host.put("run/systemd/shutdown/scheduled", "USEC=1795557452960343\nWARN_WALL=0\nMODE=poweroff\n")
    host.put("apt-locked")
    (found,) = two.examine("kvm1")
    assert found.other_hands == (
        OtherHand(Hand.CLUSTER_MANAGER, "pacemaker.service", active=True),
        OtherHand(Hand.UPDATER, "unattended-upgrades", active=True),
    )
    assert (found.fencing, found.manager_idle, found.updates_reboot) == (True, False, True)
    assert found.guests_at_shutdown == "suspend"
    assert found.shutdown_scheduled == "poweroff at 2026-11-24 21:57 UTC"
    assert found.package_lock == "Could not get lock"


def test_unattended_upgrades_that_are_not_configured_do_nothing(two: Two) -> None:
    two.hosts["kvm1"].put("units", UNITS.format(pacemaker="inactive").replace("enabled", "disabled"))
    two.tool("kvm1", "unattended-upgrade", "#!/bin/sh\n")
    two.tool("kvm1", "apt-config", "#!/bin/sh\necho \"upgrade='0'\"\n")
    (found,) = two.examine("kvm1")
    assert found.other_hands == ()


def test_a_host_that_does_not_say_which_units_run_leaves_a_check_unmade(two: Two) -> None:
    two.hosts["kvm1"].put("units", "")
    (found,) = two.examine("kvm1")
    assert "which units run" in found.unmade[0]


def test_files_are_told_by_number_and_those_that_are_missing_by_name(two: Two, tmp_path: Path) -> None:
    disk, link = tmp_path / "a disk.img", tmp_path / "link.img"
    disk.write_text("x")
    link.symlink_to(disk)
    (found,) = two.examine("kvm1", files=(str(disk), str(link), "/no/such.img"))
    assert {file.number for file in found.files} == {disk.stat().st_ino}
    assert all(file.filesystem for file in found.files)
    assert found.missing_files == ("/no/such.img",)


def test_ways_are_tried_in_both_directions_on_the_targets_own_ports(two: Two) -> None:
    first, second = two.examine()
    (there,), (back,) = first.ways, second.ways
    assert (there.target, there.answered, there.control) == ("kvm2", "id-of-kvm2", "")
    assert sorted(there.open_ports) == [57120, 57124, 57129]
    assert sorted(back.open_ports) == [57100, 57104, 57109]
    assert (first.listen_trouble, there.closed_ports, there.untried) == ("", (), "")


def test_ports_are_closed_again(two: Two) -> None:
    two.examine()
    for address in (("127.0.0.1", 57100), ("127.0.0.2", 57129)):
        assert _closes(address)


def _closes(address: tuple[str, int]) -> bool:
    """Whether nobody listens there, within the moment that a process takes to end."""
    for _ in range(50):
        try:
            socket.create_connection(address).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.1)
    return False


def test_ports_in_use_are_left_alone(two: Two) -> None:
    """What connects to the port of a migration on its way in would end that migration."""
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.2", 57120))
        busy.listen()
        busy.setblocking(False)
        (found,) = two.examine("kvm1")
        assert sorted(found.ways[0].open_ports) == [57121, 57124, 57129]
        with pytest.raises(BlockingIOError):
            busy.accept()


def test_an_address_that_is_not_the_hosts_is_told_by_itself(two: Two) -> None:
    two.peers[1] = replace(two.peers[1], address="192.0.2.7")
    first, second = two.examine()
    assert "assign requested address" in second.listen_trouble
    assert "assign requested address" in first.ways[0].untried
    assert (first.ways[0].control, second.ways[0].untried) == ("", "")


def test_libvirt_that_cant_reach_its_peer_says_why(two: Two) -> None:
    two.tool("kvm1", "virsh", VIRSH.format("echo 'error: Host key verification failed.' >&2; exit 1"))
    (found,) = two.examine("kvm1")
    assert found.ways[0].control == "error: Host key verification failed."
    assert found.ways[0].answered is None
    assert len(found.ways[0].open_ports) == 3


def test_a_peer_over_ssh_is_asked_without_a_terminal(two: Two) -> None:
    two.peers[1] = replace(two.peers[1], uri="qemu+ssh://root@kvm2/system")
    two.examine("kvm1")
    assert "-c qemu+ssh://root@kvm2/system?no_tty=1 capabilities" in two.hosts["kvm1"].read("virsh.log")


def test_a_host_that_can_t_be_asked_is_silent_and_holds_up_nobody(two: Two) -> None:
    two.tool("kvm2", "date", "#!/bin/sh\nkill -9 $PPID\n")
    first, second = two.examine()
    assert second.silent.startswith("kvm2: ")
    assert second.ways == ()
    assert (first.silent, len(first.ways[0].open_ports)) == ("", 3)


def test_another_machine_behind_an_address_is_not_taken_for_the_target() -> None:
    answer = read_answer("kvm1", "control|0 ID\ndata|0 57100 another machine answers there\nend=yes\n")
    (way,) = ways(answer, [Door("kvm2", "7", "127.0.0.2", (57100,))])
    assert way.closed_ports == ((57100, "another machine answers there"),)


def test_a_way_of_which_a_host_does_not_speak_was_not_tried() -> None:
    (way,) = ways(read_answer("kvm1", "end=yes\n"), [Door("kvm2", "7", "127.0.0.2", (57100,))])
    assert way.control
    assert way.untried
