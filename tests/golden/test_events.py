"""`events`: what is printed of logs, good and bad."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Place

COPIES = True

SEED = (
    "22508\t‘A’ migrated with a Brown-Out time of 64.975 seconds.\n"
    "22509\t‘A’ migrated with a Black-Out time of 0.811 seconds, "
    "842 dirty page and 4841 KB of saved state.\n"
    "22507\tMigration completed successfully for ‘A’ in 66.581 seconds.\n"
)
SHORT = "live migration of virtual machine  'web1' with a blackout time of 0.4 seconds.\n"


def test_the_seeds_events_and_what_bandwidth_could_change(place: Place) -> None:
    place.write("seed.txt", SEED + SHORT)
    printed = place.raw("events", "seed.txt")
    assert printed.err == ""
    assert printed.code == 0
    assert printed.out == (
        "VM    BROWN-OUT  BLACK-OUT  TOTAL                               WHERE\n"
        "A     64.975 s   0.811 s    66.581 s  ████████████████████████  seed.txt:3\n"
        "web1  -          0.400 s    -         ████████████              seed.txt:4\n"
        "\n"
        "OF ALL     p50       p95       p99       LONGEST   MOVES\n"
        "brown-out  64.975 s  64.975 s  64.975 s  64.975 s  1\n"
        "black-out  0.400 s   0.811 s   0.811 s   0.811 s   2\n"
        "total      66.581 s  66.581 s  66.581 s  66.581 s  1\n"
        "\n"
        "A: of 0.811 s black-out, 0.072 s went on the link (842 dirty pages and 4.7 MiB of state), and "
        "0.739 s (91%) are fixed switch-over cost. 10 times the bandwidth saves 0.065 s of it at most, one "
        "part in "
        "12.\n"
    )


def test_bad_logs_are_told_with_file_and_line_and_the_good_ones_are_listed(place: Place) -> None:
    place.write("good.txt", SHORT)
    place.write("bad.txt", SEED.replace("0.811", "-1"))
    printed = place.raw("events", "good.txt", "bad.txt", "gone.txt")
    assert printed.code == 3
    assert printed.err == (
        "standfast: bad.txt:2: event 22509: its black-out is -1, which is below zero.\n"
        "standfast: gone.txt: can't be read: No such file or directory.\n"
    )
    assert "web1" in printed.out
    assert "64.975" not in printed.out


def test_without_any_figure_the_exit_code_is_two_and_nothing_is_printed(place: Place) -> None:
    place.write("empty.txt", "")
    printed = place.raw("events", "empty.txt")
    assert (printed.out, printed.err, printed.code) == ("", "standfast: empty.txt:1: is empty.\n", 2)


def test_the_same_for_a_program(place: Place) -> None:
    place.write("seed.txt", SEED)
    place.write("empty.txt", "")
    printed = place.raw("events", "seed.txt", "empty.txt", "--json")
    told = json.loads(printed.out)
    assert printed.err == ""
    assert told["problems"] == [{"where": "empty.txt:1", "sentence": "is empty."}]
    (one,) = told["migrations"]
    assert (one["vm"], one["blackout_seconds"], one["blackout_fixed_seconds"]) == ("A", 0.811, 0.7392)
    assert told["percentiles"]["total_seconds"]["p95"] == 66.581
    assert told["percentiles"]["brownout_seconds"]["moves"] == 1


def test_a_speed_that_is_none_is_refused(place: Place) -> None:
    for speed in ("fast", "0", "-1G"):
        printed = place.raw("events", "x", f"--speed={speed}")
        assert (printed.out, printed.code) == ("", 2)
        assert "--speed" in printed.err


def test_the_published_recordings_are_read(place: Place) -> None:
    """Where they are at hand."""
    folder = Path(__file__).parents[3] / "shared" / "fixtures"
    if not folder.is_dir():
        return
    files = sorted(map(str, folder.glob("hyperv_2*"))) + sorted(map(str, folder.glob("pve_log*")))
    assert place.raw("events", *files).code == 0
