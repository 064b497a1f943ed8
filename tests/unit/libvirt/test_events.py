"""What counts as an interruption, and what belongs to a migration."""

from __future__ import annotations

import libvirt
import pytest

from standfast.model.ids import VmId
from standfast.platforms.libvirt.events import EventLog, InterruptionKind

VM = VmId("vm")


def log(clock: list[float] | None = None) -> EventLog:
    times = clock if clock is not None else [1.0]
    return EventLog(lambda: times[-1])


def say(found: EventLog, event: str, detail: str, host: str = "a") -> None:
    number = getattr(libvirt, f"VIR_DOMAIN_EVENT_{event}")
    about = getattr(libvirt, f"VIR_DOMAIN_EVENT_{event}_{detail}") if detail else 0
    found.lifecycle(host, VM, "web", number, about)


@pytest.mark.parametrize(
    ("event", "detail", "kind"),
    [
        ("STOPPED", "SHUTDOWN", InterruptionKind.SHUT_DOWN),
        ("STOPPED", "DESTROYED", InterruptionKind.DESTROYED),
        ("STOPPED", "CRASHED", InterruptionKind.CRASHED),
        ("STOPPED", "FAILED", InterruptionKind.CRASHED),
        ("STOPPED", "SAVED", InterruptionKind.SAVED),
        ("SUSPENDED", "PAUSED", InterruptionKind.PAUSED),
        ("SUSPENDED", "IOERROR", InterruptionKind.PAUSED),
        ("CRASHED", "PANICKED", InterruptionKind.CRASHED),
    ],
)
def test_interruptions(event: str, detail: str, kind: InterruptionKind) -> None:
    found = log()
    say(found, event, detail)
    [record] = found.records()
    assert (record.kind, record.host, record.vm, record.vm_name, record.at) == (kind, "a", VM, "web", 1.0)


def test_a_good_migration_leaves_no_record() -> None:
    found = log()
    say(found, "STARTED", "MIGRATED", "b")
    say(found, "SUSPENDED", "MIGRATED", "a")
    say(found, "RESUMED", "MIGRATED", "b")
    say(found, "STOPPED", "MIGRATED", "a")
    assert found.records() == ()


def test_a_failed_migration_leaves_none_either() -> None:
    found = log()
    say(found, "STARTED", "MIGRATED", "b")
    say(found, "STOPPED", "FAILED", "b")
    say(found, "RESUMED", "MIGRATED", "a")
    assert found.records() == ()


def test_a_vm_that_arrived_and_then_crashed_counts() -> None:
    found = log()
    say(found, "STARTED", "MIGRATED", "b")
    say(found, "RESUMED", "MIGRATED", "b")
    say(found, "STOPPED", "FAILED", "b")
    assert [record.kind for record in found.records()] == [InterruptionKind.CRASHED]


def test_a_gap_is_said_while_it_lasts_and_afterwards() -> None:
    times = [10.0]
    found = log(times)
    found.lost("a")
    found.lost("a")
    [gap] = found.records()
    assert (gap.kind, gap.host, gap.at, gap.vm) == (InterruptionKind.UNSEEN, "a", 10.0, None)
    times.append(12.5)
    found.seen("a")
    [gap] = found.records()
    assert gap.at == 10.0
    assert "2.5 s" in gap.detail
