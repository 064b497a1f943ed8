"""libvirt's job statistics in the model's words. Pure.

Source: `virDomainGetJobStats`, keys `VIR_DOMAIN_JOB_*` in https://libvirt.org/html/libvirt-libvirt-domain.html;
times in milliseconds, sizes in bytes, `memory_dirty_rate` in pages per second.

A completed job on the *target* of a migration is the source's account, carried over and completed there with
the black-out as it really was. Its parts, as recorded here:

    total     = set-up + brown-out + black-out
    total       time_elapsed: from the job's start on the source to its end
    set-up      setup_time: before the first page is sent (sockets, threads, block devices)
    brown-out   time_elapsed - downtime - setup_time: memory is copied while the VM runs. Starting QEMU on the
                target before (about a second, two on a busy machine) and tearing down after count here too:
                libvirt does not tell them apart. It is what does not shrink with the VM's memory.
    black-out   downtime: from the VM's stop on the source to its start on the target. Measured by both
                hosts' clocks; with clocks apart by more than the span itself, downtime_net (QEMU's own,
                without the hand-over) is the lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standfast.model.ids import HostId
from standfast.model.moves import Flight, MoveRecord

EVIDENCE = "libvirt completed job statistics on the target"

OUT, IN = 5, 4
_OPERATIONS = {
    1: "start", 2: "save", 3: "restore", 4: "incoming migration", 5: "migration", 6: "snapshot",
    7: "return to a snapshot", 8: "dump", 9: "backup", 10: "deletion of a snapshot",
}  # fmt: skip
"""virDomainJobOperation."""

Stats = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobReading:
    """What libvirt says of one active domain's job.

    `operation` is 0 where there is none; `incoming` where the domain is the target half of a migration;
    `answered` is False where libvirt gave no account in time.
    """

    operation: int = 0
    stats: Stats | None = None
    incoming: bool = False
    answered: bool = True

    @property
    def outgoing(self) -> bool:
        return self.operation == OUT


def job_of(stats: Stats) -> JobReading:
    """A live answer of jobStats. Type 0 (VIR_DOMAIN_JOB_NONE) means that there is no job."""
    if int(stats.get("type", 0)) == 0:
        return JobReading()
    return JobReading(operation=int(stats.get("operation", 0)) or -1, stats=stats)


def operation_words(operation: int) -> str:
    """The job as a reader would call it."""
    return _OPERATIONS.get(operation, "a job of unknown kind")


def busy_words(job: JobReading) -> str:
    """Why the VM can't be touched now; empty if no job but a migration holds it."""
    if not job.answered:
        return "a job of which libvirt gives no account in time"
    if job.operation in (0, OUT, IN) or job.incoming:
        return ""
    return operation_words(job.operation)


def flight_of(stats: Stats, target: HostId | None) -> Flight:
    """A migration under way, from live statistics on the source."""
    page = int(stats.get("memory_page_size", 0)) or 4096
    return Flight(
        target=target,
        since_seconds=_seconds(stats, "time_elapsed") or 0.0,
        total_bytes=int(stats.get("memory_total", 0)),
        remaining_bytes=int(stats.get("memory_remaining", 0)),
        bytes_per_second=float(stats.get("memory_bps", 0)),
        dirty_bytes_per_second=float(stats.get("memory_dirty_rate", 0)) * page,
        iteration=int(stats.get("memory_iteration", 0)),
    )


def record_of(stats: Stats) -> MoveRecord | None:
    """The record in a completed job's statistics; None where they are not those of a migration."""
    if int(stats.get("operation", 0)) not in (IN, OUT):
        return None
    total, blackout = _seconds(stats, "time_elapsed"), _seconds(stats, "downtime")
    setup = _seconds(stats, "setup_time")
    brownout = None
    if total is not None and blackout is not None:
        brownout = round(max(0.0, total - blackout - (setup or 0.0)), 3)
    return MoveRecord(
        total_seconds=total,
        setup_seconds=setup,
        brownout_seconds=brownout,
        blackout_seconds=blackout,
        wire_bytes=_integer(stats, "data_processed", "memory_processed"),
        memory_bytes=_integer(stats, "memory_total"),
        rounds=_integer(stats, "memory_iteration"),
        evidence=EVIDENCE,
    )


def _seconds(stats: Stats, key: str) -> float | None:
    return int(stats[key]) / 1000 if key in stats else None


def _integer(stats: Stats, *keys: str) -> int | None:
    return next((int(stats[key]) for key in keys if key in stats), None)
