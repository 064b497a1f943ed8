"""Which events of a run are told, and in what words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from notify_kit import H1, RUN, event, run

from standfast.model.notice import Notice
from standfast.model.run import RunState
from standfast.notify.notices import notice_of


def told(kind: str, text: str = "text", state: RunState = RunState.RUNNING, **more: Any) -> Notice | None:
    return notice_of(event(kind, text, **more), run(state))


def test_a_held_host_says_what_where_why_and_what_to_do() -> None:
    data = {"from": "draining", "to": "held", "why": "vm1 has a disk of its own.", "do": "Move it, then …"}
    notice = told("host_held", "long text", host=H1, data=data)
    assert notice is not None
    assert notice.occasions == ("held",)
    assert (notice.cluster, notice.run, notice.host) == ("east", RUN, "kvm1")
    assert notice.what == "kvm1 is held while draining"
    assert (notice.why, notice.do) == ("vm1 has a disk of its own.", "Move it, then …")
    assert notice.subject == "standfast: east: kvm1 is held while draining"
    assert notice.text() == (
        "What:  kvm1 is held while draining\n"
        f"Where: cluster east, run {RUN}, host kvm1\n"
        "When:  2027-01-15T08:00:00Z\n"
        "Why:   vm1 has a disk of its own.\n"
        "Do:    Move it, then …\n"
    )


def test_a_run_held_for_itself_is_told_and_one_held_for_its_host_is_not_told_twice() -> None:
    notice = told("run_held", "Cluster east can't be attached.")
    assert notice is not None
    assert (notice.occasions, notice.what) == (("held",), "the run is held")
    assert told("run_held", "waits because of kvm1", data={"because": ["kvm1"]}) is None


@pytest.mark.parametrize(
    ("state", "occasions"),
    [
        (RunState.COMPLETED, ("done",)),
        (RunState.DEGRADED, ("done", "failed")),
        (RunState.CANCELLED, ("done",)),
        (RunState.ABANDONED, ("done",)),
    ],
)
def test_every_end_is_done_and_a_degraded_one_failed_as_well(state: RunState, occasions: Any) -> None:
    notice = told("run_ended", f"The run is {state}: 3 of 4 hosts done.", state)
    assert notice is not None
    assert notice.occasions == occasions
    assert notice.what == f"the run is {state}"
    assert f"standfast run report {RUN}" in notice.do


def test_a_start_and_a_failed_host_are_told_and_other_phases_are_not() -> None:
    started = told("run_created", "Run of 3 hosts created, approved by anna.")
    assert started is not None
    assert started.occasions == ("started",)
    failed = told("host_phase", "failed: cancelled while held", host=H1, data={"to": "failed"})
    assert failed is not None
    assert (failed.occasions, failed.what) == (("failed",), "kvm1 has failed")
    assert told("host_phase", "empty", host=H1, data={"to": "empty"}) is None
    assert told("move_started") is None


def test_a_notice_is_json_with_a_key_that_stays_the_same() -> None:
    notice = told("run_held")
    assert notice is not None
    read = json.loads(json.dumps(notice.as_dict()))
    assert read["id"] == notice.key == f"standfast-{RUN}-7"
    assert (read["version"], read["occasion"], read["host"]) == (1, "held", None)
    assert told("run_held") == notice


def test_a_subject_is_one_line_whatever_a_run_says() -> None:
    notice = told("run_held")
    assert notice is not None
    assert "\n" not in replace(notice, what="two\nlines\r\nBcc: x").subject
