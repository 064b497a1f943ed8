"""What `network what-if` says besides its tables."""

from __future__ import annotations

from standfast.cli.network import sentences
from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.predict.whatif import Link, what_if

GIB, MIB = 1024**3, 1024**2


def said(*writes: float, speed: int | None = 10**9, link: int = 10**10, budget: float = 2.0) -> list[str]:
    """Of VMs of 64 GiB that write so many MiB a second."""
    hosts = tuple(Host(HostId(n), n, 2**40, migration_bits_per_second=speed) for n in ("a", "b"))
    vms = tuple(
        Vm(
            VmId(f"vm{n}"),
            f"vm{n}",
            HostId("a"),
            VmState.RUNNING,
            64 * GIB,
            dirty_bytes_per_second=rate * MIB,
        )
        for n, rate in enumerate(writes, 1)
    )
    snapshot = Snapshot("c", "libvirt", 0.0, hosts, vms)
    found = what_if(snapshot, Link(link), {vm.id: budget for vm in vms}, at_once=4)
    return sentences(snapshot, found)


def test_a_vm_that_ends_on_the_faster_link_alone_is_told_what_it_needs() -> None:
    [sentence] = said(200.0)
    assert sentence.startswith("vm1 as things are: No downtime limit up to a minute")
    assert "Gbit/s to itself to keep 2 s of black-out." in sentence
    assert "With auto-converge, which slows the guest," in sentence
    assert sentence.endswith("during which a lost link loses the guest.")


def test_vms_that_never_end_are_named() -> None:
    never, *advice = said(5000.0, 200.0)
    assert never == "Even then this does not end without being slowed or forced: vm1."
    assert [sentence.split()[0] for sentence in advice] == ["vm1", "vm2"]


def test_of_many_that_need_advice_the_first_get_it() -> None:
    *_, last = said(*[200.0] * 10)
    assert last == "There are 2 more such VMs: --json has what helps each."


def test_an_unknown_speed_is_an_assumption() -> None:
    assert said(200.0, speed=None)[0] == (
        "The migration speed of a, b is not in the config: 1 Gbit/s was assumed as of now."
    )


def test_a_vm_stopped_at_its_downtime_limit_gains_in_brownout_alone() -> None:
    [sentence] = said(0.0)
    assert sentence.startswith("More bandwidth shortens the brown-out, not these black-outs: ")
    assert "on any link: vm1. A lower black-out budget" in sentence


def test_a_blackout_that_is_mostly_fixed_is_said_to_be() -> None:
    assert said(0.0, budget=0.04) == [
        "More bandwidth does not shorten these black-outs, most of which is stopping and starting, not "
        "copying: vm1.",
        "vm1 as things are: Of its black-out, 0.075 s depend neither on memory nor on the link: no bandwidth "
        "brings it below 0.04 s. Raise its budget.",
    ]


def test_of_many_a_few_are_named() -> None:
    assert said(*[0.0] * 10, budget=0.08)[0].endswith("vm7, vm8 and 2 more.")
