"""The ports against real libvirt, real apt and real reboots: what the core may rely on, in about two minutes.

One lab for the whole file; the tests go on where the one before left it, as a run would.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from contract import libvirt_kit
from contract.libvirt_kit import BY, Kit, wait
from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, default_hosts, default_vms
from standfast.model.cluster import VmState
from standfast.model.errors import RefusedError, WorkRefusedError
from standfast.model.hostwork import RebootSign, WorkKind, WorkOrder, WorkPhase
from standfast.model.ids import RunId
from standfast.model.moves import OutcomeKind
from standfast.model.reasons import Code
from standfast.platforms.libvirt.events import InterruptionKind
from standfast.ports import Fencing

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    # The lab leaves its supervisors to themselves: they outlive whoever built it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAME = f"ct{os.getpid() % 100000}"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    Lab.remove(NAME)
    # The large VM takes seconds to move: long enough to kill whoever ordered it, and to look on.
    vms = default_vms(3, large=1)
    yield Lab.up(LabSpec(name=NAME, hosts=default_hosts(2), vms=vms))
    Lab.remove(NAME)


@pytest.fixture(scope="module")
def kit(lab: Lab) -> Iterator[Kit]:
    kit = Kit(lab.config_path)
    kit.observe()
    yield kit
    kit.platform.close()


def test_observe_tells_where_everything_is(lab: Lab, kit: Kit) -> None:
    snapshot = kit.observe()
    assert [host.name for host in snapshot.hosts] == ["kvm1", "kvm2"]
    assert all(host.reachable and len(host.id) == 36 for host in snapshot.hosts)
    assert {host.memory_bytes for host in snapshot.hosts} == {6 * 2**30}
    where = {vm.name: [snapshot.host_name(vm.host)] for vm in snapshot.vms}
    assert where == lab.where()
    big = kit.vm("vm1")
    assert (big.memory_bytes, big.state, big.persistent) == (512 * 2**20, VmState.RUNNING, True)
    assert [(disk.source, disk.shared) for disk in big.disks] == [("/srv/vm/disks/vm1.img", True)]
    assert all(set(vm.networks) <= host.networks for vm in snapshot.vms for host in snapshot.hosts)
    assert all(vm.machine_type in host.machine_types for vm in snapshot.vms for host in snapshot.hosts)
    assert all(
        vm.cpu is not None and host.cpu is not None and vm.cpu.features <= host.cpu.features
        for vm in snapshot.vms
        for host in snapshot.hosts
    )


def test_observing_again_is_quick(kit: Kit) -> None:
    spans = []
    for _ in range(5):
        began = time.monotonic()
        kit.observe()
        spans.append(time.monotonic() - began)
    assert min(spans) < 0.1


def test_what_guests_write_is_measured_within_their_working_sets(kit: Kit) -> None:
    guests_at_rest(kit)
    assert kit.platform.measure_memory(15) == 3
    spans = []
    for vm in kit.observe().vms:
        assert vm.memory_use is not None
        seconds, written = zip(*((p.seconds, p.bytes) for p in vm.memory_use.dirty), strict=True)
        spans.append(written)
        assert seconds == (1, 2, 4, 8)
        # 500 pages a second to 40 MiB, and what the guest's system writes besides; one sampled page in 512.
        assert 4 * 2**20 <= written[-1] <= 64 * 2**20
        if vm.name == "vm1":
            assert vm.memory_use.zero_bytes > 64 * 2**20  # of 512 MiB, hardly used
    # Of one small VM 80 pages are sampled, and each window looks at others: only of all together can it be
    # said that more is written in a longer time.
    first, *_, last = (sum(written) for written in zip(*spans, strict=True))
    assert first < last


def guests_at_rest(kit: Kit) -> None:
    """Wait until no guest writes as much in a second as one does that is still starting."""
    for _ in range(20):
        assert kit.platform.measure_memory(1) == 3
        uses = [vm.memory_use for vm in kit.observe().vms]
        if all(use is not None and use.dirty[0].bytes <= 8 * 2**20 for use in uses):
            return
    raise AssertionError("after 20 looks a guest still writes more than 8 MiB a second: 500 pages are 2 MiB")


def test_there_and_back_with_a_record_and_the_autostart_flag(kit: Kit) -> None:
    vm = kit.vm("vm2")
    home, away = vm.host, next(id for id in kit.ids.values() if id != vm.host)
    kit.platform.set_autostart(vm.id, home, on=True)
    assert kit.vm("vm2").autostart
    for number, target in enumerate((away, home)):
        assert kit.platform.check_move(vm.id, target) == ()
        order = kit.order(vm.id, target, mark=f"BACK{number}")
        kit.platform.start_move(order)
        kit.platform.start_move(order)  # given twice, done once
        assert kit.platform.move_outcome(order).kind is OutcomeKind.RUNNING
        outcome = kit.finish(order)
        assert outcome.kind is OutcomeKind.SUCCEEDED, outcome.error
        record = outcome.record
        assert record is not None
        assert record.evidence == "libvirt completed job statistics on the target"
        assert record.blackout_seconds is not None
        assert record.brownout_seconds is not None
        assert record.setup_seconds is not None
        assert 0 < record.blackout_seconds < 5
        parts = record.blackout_seconds + record.brownout_seconds + record.setup_seconds
        assert record.total_seconds == pytest.approx(parts, abs=0.002)
        assert record.wire_bytes
        after = kit.vm("vm2")
        assert (after.host, after.state, after.autostart, after.flight) == (
            target,
            VmState.RUNNING,
            True,
            None,
        )
    assert kit.platform.leftovers() == ()
    assert kit.platform.interruptions() == ()


def test_an_order_outlives_whoever_gave_it(lab: Lab, kit: Kit) -> None:
    vm = kit.vm("vm1")
    source, target = vm.host, next(id for id in kit.ids.values() if id != vm.host)
    order = kit.order(vm.id, target, mark="KILLED")
    command = [sys.executable, libvirt_kit.__file__, str(lab.config_path), vm.id, target]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "ordered\n"
    flight = wait(lambda: kit.vm("vm1").flight, lambda found: found is not None, 20.0)
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    assert flight is not None
    assert flight.target in (target, None)
    assert kit.platform.move_outcome(order).kind is OutcomeKind.RUNNING
    while (seen := kit.vm("vm1")).host == source:
        # At its switch-over it stands still, and for an instant the source tells no state of it at all.
        assert seen.state in (VmState.RUNNING, VmState.PAUSED, VmState.UNKNOWN)
        assert seen.flight is not None or seen.state is not VmState.RUNNING
        time.sleep(0.05)
    assert (seen.host, seen.state) == (target, VmState.RUNNING)
    outcome = kit.finish(order)
    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert outcome.record is not None
    assert outcome.record.blackout_seconds is not None
    assert outcome.record.blackout_seconds > 0
    fresh = Kit(lab.config_path)  # a controller that has just been started
    fresh.observe()
    assert fresh.platform.move_outcome(order) == outcome
    fresh.platform.close()


def test_a_cancelled_move_leaves_the_vm_where_it_is(kit: Kit) -> None:
    vm = kit.vm("vm1")
    order = kit.order(vm.id, next(id for id in kit.ids.values() if id != vm.host), mark="CANCEL")
    kit.platform.cancel_move(order)  # nothing to cancel, no error
    kit.platform.start_move(order)
    kit.platform.cancel_move(order)
    outcome = kit.finish(order)
    assert outcome.kind is OutcomeKind.FAILED
    assert "it was told to" in outcome.error
    after = kit.vm("vm1")
    assert (after.host, after.state, after.flight, after.busy) == (vm.host, VmState.RUNNING, None, "")
    assert kit.platform.interruptions() == ()


def test_a_cordon_refuses_starts_and_arrivals_and_other_runs(lab: Lab, kit: Kit) -> None:
    host = kit.ids["kvm2"]
    kit.fence.cordon(host, BY)
    kit.fence.cordon(host, BY)
    facts = kit.look("kvm2")
    assert (facts.cordoned_by, facts.epoch) == (BY.run, BY.epoch)
    for vm in [vm for vm in kit.observe().vms if vm.host == kit.ids["kvm1"]][:1]:
        order = kit.order(vm.id, host, mark="REFUSED")
        kit.platform.start_move(order)
        outcome = kit.finish(order)
        assert outcome.kind is OutcomeKind.FAILED
        assert f"cordoned by run {BY.run}" in outcome.error
        assert (kit.vm(vm.name).host, kit.vm(vm.name).state) == (vm.host, VmState.RUNNING)
    started = lab.ssh("kvm2", _CREATE, check=False)
    assert started.returncode != 0
    assert f"cordoned by run {BY.run}" in started.stderr
    with pytest.raises(RefusedError) as caught:
        kit.fence.uncordon(host, Fencing(RunId("01OTHER"), BY.epoch))
    assert caught.value.code == "cordoned_by_other"
    with pytest.raises(RefusedError) as caught:
        kit.fence.cordon(host, Fencing(BY.run, BY.epoch - 1))
    assert caught.value.code == "stale_epoch"


def test_a_host_with_a_vm_refuses_to_be_patched_or_rebooted(kit: Kit) -> None:
    host = kit.ids["kvm2"]
    assert kit.observe().vms_on(host)
    before = kit.look("kvm2")
    assert before.active_vms
    for kind in (WorkKind.PATCH, WorkKind.REBOOT):
        work = kit.do(kind, host, attempt=1)
        assert work.phase is WorkPhase.REFUSED
        assert "active VM" in work.detail
    with pytest.raises(WorkRefusedError):
        kit.work.begin(WorkOrder(WorkKind.REBOOT, host, BY.run, BY.epoch - 1, attempt=9))
    after = kit.look("kvm2")
    assert after.boot_id == before.boot_id
    assert after.work(WorkOrder(WorkKind.REBOOT, host, BY.run, 0, attempt=9).unit) is None


def test_an_empty_host_goes_all_the_way(kit: Kit, lab: Lab) -> None:
    host, other = kit.ids["kvm2"], kit.ids["kvm1"]
    for vm in kit.observe().vms_on(host):
        order = kit.order(vm.id, other, mark=f"AWAY{vm.name}")
        kit.platform.start_move(order)
        assert kit.finish(order).kind is OutcomeKind.SUCCEEDED
    assert kit.observe().vms_on(host) == ()
    health = kit.work.health(host)
    pending = kit.work.scan(host, refresh=True)
    assert {update.package: update.security for update in pending.pending} == {
        "standfast-lab-config": False,
        "standfast-lab-kernel": True,
        "standfast-lab-library": True,
        "standfast-lab-tools": False,
    }
    assert pending.needed_disk_bytes is not None
    assert pending.free_disk_bytes is not None
    assert pending.free_disk_bytes > pending.needed_disk_bytes

    assert kit.do(WorkKind.STAGE, host, attempt=2).phase is WorkPhase.SUCCEEDED
    assert kit.work.scan(host, refresh=False).pending == pending.pending
    secured = kit.do(WorkKind.PATCH, host, attempt=2, security_only=True)
    assert secured.phase is WorkPhase.SUCCEEDED, secured.detail
    assert secured.versions_before == (("standfast-lab-kernel", "1.0"), ("standfast-lab-library", "1.0"))
    assert secured.versions_after == (("standfast-lab-kernel", "1.1"), ("standfast-lab-library", "1.1"))
    assert {update.package for update in kit.work.scan(host, refresh=False).pending} == {
        "standfast-lab-config",
        "standfast-lab-tools",
    }
    patched = kit.do(WorkKind.PATCH, host, attempt=3)
    assert patched.phase is WorkPhase.SUCCEEDED, patched.detail
    assert ("standfast-lab-tools", "1.1") in patched.versions_after
    assert "/etc/standfast-lab/lab.conf.dpkg-dist" in patched.detail
    between = kit.work.scan(host, refresh=False)
    assert between.pending == ()
    assert RebootSign.REQUIRED_FILE in between.reboot_signs
    assert not between.compliant

    before = kit.look("kvm2")
    rebooted = kit.do(WorkKind.REBOOT, host, attempt=2)
    after = kit.look("kvm2")
    assert rebooted.phase is WorkPhase.SUCCEEDED
    assert rebooted.boot_id == before.boot_id != after.boot_id
    assert after.uptime_seconds < before.uptime_seconds
    kit.work.begin(WorkOrder(WorkKind.REBOOT, host, BY.run, BY.epoch, attempt=2))  # a name acts once
    time.sleep(2)
    assert kit.look("kvm2").boot_id == after.boot_id
    assert kit.work.scan(host, refresh=True).compliant

    assert after.cordoned_by == BY.run
    assert lab.ssh("kvm2", _CREATE, check=False).returncode != 0
    healthy = wait(lambda: kit.work.health(host), lambda now: now.hypervisor_up, 30.0)
    assert healthy.links_up >= health.links_up
    assert healthy.networks >= health.networks
    assert healthy.mounts >= health.mounts
    assert abs(healthy.clock_skew_seconds) < 1


def test_the_host_comes_back_into_use(kit: Kit) -> None:
    host = kit.ids["kvm2"]
    kit.fence.uncordon(host, BY)
    kit.fence.uncordon(host, BY)
    assert kit.look("kvm2").cordoned_by is None
    wait(lambda: [each for each in kit.observe().hosts if not each.reachable], lambda out: not out, 30.0)
    order = kit.order(kit.vm("vm2").id, host, mark="REFILL")
    kit.platform.start_move(order)
    assert kit.finish(order).kind is OutcomeKind.SUCCEEDED
    assert kit.vm("vm2").autostart
    # The reboot is a gap in what was heard of the host, and says so; nothing else happened to any VM.
    assert {record.kind for record in kit.platform.interruptions()} <= {InterruptionKind.UNSEEN}


def test_a_reset_vm_is_on_record(kit: Kit, lab: Lab) -> None:
    lab.restart_vm("vm2")
    found = wait(
        kit.platform.interruptions,
        lambda records: any(record.kind is InterruptionKind.RESET for record in records),
        10.0,
    )
    # Told once at least; and of no other VM.
    assert {record.vm_name for record in found if record.kind is InterruptionKind.RESET} == {"vm2"}


def test_a_host_that_is_off_does_not_hold_up_the_others(kit: Kit, lab: Lab) -> None:
    lab.cut_power("kvm2")
    snapshot = wait(kit.observe, lambda seen: not seen.hosts[1].reachable, 40.0)
    assert snapshot.hosts[0].reachable
    assert snapshot.hosts[1].id == kit.ids["kvm2"]
    assert "kvm2" in snapshot.hosts[1].unreachable_why
    assert [vm.name for vm in snapshot.vms if vm.host == kit.ids["kvm2"]] == []
    began = time.monotonic()
    kit.observe()
    assert time.monotonic() - began < 2.0
    [reason] = kit.platform.check_move(kit.vm("vm1").id, kit.ids["kvm2"])
    assert reason.code is Code.TARGET_UNREACHABLE


_DOMAIN = '<domain type="qemu"><name>x</name><memory>65536</memory><os><type>hvm</type></os></domain>'
_CREATE = f"printf '%s' '{_DOMAIN}' >/tmp/x.xml && virsh -q -c qemu:///system create /tmp/x.xml"
