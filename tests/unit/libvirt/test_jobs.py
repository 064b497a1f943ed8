"""Job statistics in the model's words."""

from __future__ import annotations

import pytest

from standfast.platforms.libvirt.jobs import IN, OUT, JobReading, busy_words, flight_of, job_of, record_of
from standfast.platforms.libvirt.moves import migration_words

DONE = {
    "operation": IN,
    "time_elapsed": 3758,
    "downtime": 291,
    "setup_time": 3,
    "data_processed": 116_382_986,
    "memory_total": 168_304_640,
    "memory_iteration": 4,
    "success": True,
}


def test_a_record_adds_up() -> None:
    record = record_of(DONE)
    assert record is not None
    assert (record.total_seconds, record.setup_seconds, record.blackout_seconds) == (3.758, 0.003, 0.291)
    assert record.brownout_seconds == 3.464
    assert (record.wire_bytes, record.memory_bytes, record.rounds) == (116_382_986, 168_304_640, 4)


def test_what_libvirt_does_not_say_stays_unsaid() -> None:
    record = record_of({"operation": OUT, "time_elapsed": 1000})
    assert record is not None
    assert (record.blackout_seconds, record.brownout_seconds, record.wire_bytes) == (None, None, None)


@pytest.mark.parametrize("stats", [{}, {"type": 0}, {"operation": 6, "time_elapsed": 5}])
def test_another_job_is_no_record(stats: dict[str, int]) -> None:
    assert record_of(stats) is None


def test_a_black_out_longer_than_the_whole_leaves_no_negative_brown_out() -> None:
    record = record_of({**DONE, "downtime": 9999})
    assert record is not None
    assert record.brownout_seconds == 0


def test_a_flight_counts_dirty_bytes_by_the_page_size() -> None:
    stats = {"time_elapsed": 1500, "memory_dirty_rate": 10, "memory_page_size": 16384, "memory_bps": 7}
    flight = flight_of(stats, None)
    assert (flight.since_seconds, flight.dirty_bytes_per_second, flight.bytes_per_second) == (1.5, 163840, 7)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (JobReading(), ""),
        (job_of({"type": 0}), ""),
        (job_of({"type": 2, "operation": OUT}), ""),
        (JobReading(incoming=True), ""),
        (job_of({"type": 2, "operation": 9}), "backup"),
        (job_of({"type": 1, "operation": 6}), "snapshot"),
        (job_of({"type": 2, "operation": 77}), "a job of unknown kind"),
        (job_of({"type": 2}), "a job of unknown kind"),
        (JobReading(answered=False), "a job of which libvirt gives no account in time"),
    ],
)
def test_what_holds_a_vm(job: JobReading, words: str) -> None:
    assert busy_words(job) == words


HOOK = (
    "Hook script execution failed: internal error: Child process (LC_ALL=C PATH=/usr/bin "
    "/etc/libvirt/hooks/qemu.d/standfast vm1 migrate begin -) unexpected exit status 1: "
    "standfast: this host is cordoned by run R for maintenance\n"
)


@pytest.mark.parametrize(
    ("message", "journal", "words"),
    [
        ("operation aborted: canceled\nby client.", (), "operation aborted: canceled by client"),
        (HOOK, (), "this host is cordoned by run R for maintenance"),
        ("End of file while reading data: : x", ("older", HOOK, "", "End of file while reading data"),
         "this host is cordoned by run R for maintenance"),
        ("End of file while reading data: : x", (), "End of file while reading data: : x"),
    ],
)  # fmt: skip
def test_why_a_migration_failed(message: str, journal: tuple[str, ...], words: str) -> None:
    assert migration_words(message, journal) == words
