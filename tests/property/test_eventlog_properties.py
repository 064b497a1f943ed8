"""Whatever is done to a log, reading it ends in migrations and sentences, never in a traceback."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.eventlogs.read import read_text
from standfast.eventlogs.reading import Log, text_of
from standfast.eventlogs.seen import Seen, Trouble

TEXTS = (
    "22508\t‘A’ migrated with a Brown-Out time of 64.975 seconds.\n"
    "22509\t‘A’ migrated with a Black-Out time of 0.811 seconds, "
    "842 dirty page and 4841 KB of saved state.\n",
    "2025-01-04 00:34:24 starting migration of VM 105 to node 'pve1' (10.10.1.1)\n"
    "2025-01-04 00:34:38 average migration speed: 457.0 MiB/s - downtime 73 ms\n"
    "2025-01-04 00:34:42 migration finished successfully (duration 00:00:18)\n",
    "Job type:         Completed   \nTime elapsed:     4221         ms\nTotal downtime:   63           ms\n",
    "<Events><Event><System><EventID>20415</EventID></System><UserData><V><Parameter0>a</Parameter0>"
    "<Parameter1>b</Parameter1><Parameter2>0.5</Parameter2></V></UserData></Event></Events>",
    json.dumps([{"Id": 20415, "Properties": [{"Value": "a"}, {"Value": "b"}, {"Value": "0.5"}]}]),
    '"Id","Message"\n'
    '"20415","live migration of virtual machine  \'a\' with a blackout time of 0.5 seconds."\n',
)
ORDINARY = settings(max_examples=300, deadline=None)


def check(text: str) -> None:
    for each in read_text(Log("x", text)):
        assert isinstance(each, Seen | Trouble)
        if isinstance(each, Seen):
            for span in (each.brownout_seconds, each.blackout_seconds, each.total_seconds):
                assert span is None or (math.isfinite(span) and span >= 0)
        else:
            assert each.sentence.endswith(".")
            assert "\n" not in each.sentence


@ORDINARY
@given(st.sampled_from(TEXTS), st.integers(0, 400), st.integers(0, 6), st.text(max_size=6))
def test_a_log_with_a_hole_and_something_put_in(text: str, at: int, length: int, put: str) -> None:
    check(text[:at] + put + text[at + length :])


@ORDINARY
@given(st.sampled_from(TEXTS), st.integers(0, 400))
def test_a_log_cut_off_anywhere(text: str, at: int) -> None:
    check(text[:at])


@ORDINARY
@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_text_at_all(text: str) -> None:
    check(text)


@ORDINARY
@given(st.binary(max_size=300))
def test_any_bytes_at_all(data: bytes) -> None:
    log = text_of("x", data)
    if isinstance(log, Log):
        check(log.text)
