"""Runs that went well, less well and badly, as rows and events: what a store holds of them, made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from standfast.model.hostwork import PendingUpdate, UpdateState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import MoveRecord, Prediction, Purpose
from standfast.model.plan import SCHEMA_VERSION, Basis, Bounds, LeftAlone, Plan
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.run import EventRow, HostRow, JournalRow, MoveRow, MoveState, Phase, Run, RunState
from standfast.model.units import MIB

BEGAN_AT = 1_790_000_000.0  # 2026-09-21 13:33:20 UTC
PACKAGES = (("linux-image-amd64", "6.1.140-1", "6.1.147-1"), ("openssl", "3.0.16-1", "3.0.17-1"))
USUAL = (
    *((Phase.SILENCED, 4.0), (Phase.DRAINING, 30.0), (Phase.EMPTY, 1.0), (Phase.PATCHING, 25.0)),
    *((Phase.REBOOTING, 60.0), (Phase.VERIFYING, 20.0), (Phase.REFILLING, 2.0), (Phase.DONE, 0.0)),
)
LIBVIRT = "libvirt completed job statistics on the target"


@dataclass
class Story:
    """A run being written down. `at` is seconds after its begin."""

    run_id: str = "01K5P0000000000000000STORY"
    cluster: str = "east"
    events: list[EventRow] = field(default_factory=list)
    moves: list[MoveRow] = field(default_factory=list)
    hosts: list[HostRow] = field(default_factory=list)
    journal: list[JournalRow] = field(default_factory=list)

    def event(self, at: float, kind: str, text: str, **more: Any) -> None:
        fields: dict[str, Any] = {"host": None, "vm": None, "data": {}, **more}
        self.events.append(
            EventRow(0, RunId(self.run_id), BEGAN_AT + at, kind, text=text, **fields),
        )

    def says(self, at: float, actor: str, verb: str, text: str) -> None:
        self.event(at, "operator", text, data={"verb": verb}, actor=actor)

    def turn(self, name: str, at: float, spans: Iterable[tuple[Phase, float]] = USUAL, **more: Any) -> float:
        """A host's way through phases from `at` on; returns when it ends. It stays in the last one."""
        host, phase, since = HostId(f"id-{name}"), str(Phase.PLANNED), 0.0
        for after, seconds in spans:
            data = {"from": phase, "to": str(after)}
            self.event(at, "host_phase", f"now {after}", host=host, data=data)
            phase, since = str(after), at
            at += seconds
        self.host(name, phase, since, **more)
        return at

    def host(self, name: str, phase: str = Phase.PLANNED, since: float = 0.0, **more: Any) -> None:
        row = HostRow(HostId(f"id-{name}"), name, len(self.hosts), phase, BEGAN_AT + since)
        if phase == Phase.DONE:
            row = replace(row, **patched(name))
        self.hosts.append(replace(row, **more))

    def move(
        self, at: float, vm: str, way: tuple[str, str], *, took: float | None = 6.0, **more: Any
    ) -> MoveRow:
        """An attempt; `took` None is one still under way."""
        source, target = (HostId(f"id-{name}") for name in way)
        number = len(self.moves) + 1
        fields: dict[str, Any] = {
            "purpose": Purpose.EVACUATE,
            "step": source,
            "attempt": 1,
            "state": MoveState.STARTED if took is None else MoveState.DONE,
            "ended_at": None if took is None else BEGAN_AT + at + took,
            "record": None if took is None else measured(number),
            **more,
        }
        made = MoveRow(
            id=MoveId(f"{self.run_id}-{number:04d}"),
            vm=VmId(f"id-{vm}"),
            vm_name=vm,
            source=source,
            target=target,
            started_at=BEGAN_AT + at,
            deadline_at=BEGAN_AT + at + 300.0,
            predicted=Prediction(5.0, 7.5, 0.2, 0.35, 170 * MIB),
            **fields,
        )
        self.moves.append(made)
        data = {"move": made.id, "to": target}
        self.event(
            at, "move_started", f"{vm}: moving {way[0]} -> {way[1]}", host=source, vm=made.vm, data=data
        )
        if made.state is MoveState.FAILED and took is not None:
            self.event(at + took, "move_failed", f"{vm}: {made.reason}", host=source, vm=made.vm)
        return made

    def borrow(self, at: float, host: str, kind: str, name: str, until: float | None, **before: Any) -> None:
        given = None if until is None else BEGAN_AT + until
        number = len(self.journal) + 1
        entry = (RunId(self.run_id), HostId(f"id-{host}"), kind, name, before, BEGAN_AT + at, given)
        self.journal.append(JournalRow(number, *entry))

    def end(self, state: RunState, at: float | None, **more: Any) -> tuple[Run, tuple[EventRow, ...]]:
        """The run and its events in order."""
        if at is not None:
            self.event(at, "run_ended", f"The run is {state}.")
        run = Run(
            id=RunId(self.run_id),
            cluster=self.cluster,
            state=state,
            plan=plan(self.cluster, **more.pop("plan", {})),
            plan_digest="d1935e" + "0" * 58,
            approved_by="alice",
            created_at=BEGAN_AT,
            hosts=tuple(self.hosts),
            moves=tuple(self.moves),
            journal=tuple(self.journal),
            ended_at=None if at is None else BEGAN_AT + at,
            **more,
        )
        first = EventRow(
            0, run.id, BEGAN_AT, "run_created", None, None, "Run created, approved by alice.", actor="alice"
        )
        ordered = sorted([first, *self.events], key=lambda event: event.at)
        return run, tuple(replace(event, id=number) for number, event in enumerate(ordered, start=1))


def plan(cluster: str, **more: Any) -> Plan:
    fields: dict[str, Any] = {"left_alone": (), "policy": Policy(), **more}
    return Plan(
        schema_version=SCHEMA_VERSION,
        cluster=cluster,
        platform="libvirt",
        created_at=BEGAN_AT - 60.0,
        basis=Basis((), (), ""),
        waves=(),
        rebalance=(),
        refusals=(),
        warnings=(),
        bounds=Bounds(4, 6, 0.7),
        predicted_seconds=420.0,
        predicted_p95_seconds=600.0,
        **fields,
    )


def patched(name: str, packages: Sequence[tuple[str, str, str]] = PACKAGES) -> dict[str, Any]:
    """What is on record of a host that was patched and rebooted."""
    pending = tuple(PendingUpdate(package, before, after) for package, before, after in packages)
    mark = crc32(name.encode())
    return {
        "boot_id_before": f"{mark:08x}-before",
        "boot_id_after": f"{mark ^ 0x5A5A5A5A:08x}-after",
        "scan_before": UpdateState(0.0, "before", pending),
        "scan_after": UpdateState(0.0, "after"),
        "versions_before": tuple((package, before) for package, before, _ in packages),
        "versions_after": tuple((package, after) for package, _, after in packages),
    }


def measured(number: int, dark: float | None = None) -> MoveRecord:
    """Figures that differ from move to move, the same each time."""
    return MoveRecord(
        brownout_seconds=3.0 + number % 4,
        blackout_seconds=0.08 + 0.03 * (number % 6) if dark is None else dark,
        wire_bytes=(110 + 17 * (number % 5)) * MIB,
        memory_bytes=160 * MIB,
        rounds=2 + number % 3,
        evidence=LIBVIRT,
    )


def good() -> tuple[Run, tuple[EventRow, ...]]:
    """Three hosts patched; a move tried twice, a VM off with consent, a pause. A fourth was compliant."""
    story = Story()
    at = 5.0
    for name, vms, to in (("kvm1", ("db1",), "kvm2"), ("kvm2", ("db1", "web1"), "kvm1")):
        for number, vm in enumerate(vms):
            story.move(at + 6.0 + 8 * number, vm, (name, to))
        story.borrow(at + 3, name, "cordon", name, at + 141, cordoned=False)
        at = story.turn(name, at)
    consent = {"vm": "hsm1", "running": True, "consent_by": "carol", "consent_at": BEGAN_AT - 9}
    story.borrow(at - 100.0, "kvm2", "off", "id-hsm1", at - 20.0, **consent)
    story.borrow(at - 140.0, "kvm2", "silence", "alertmanager", at - 2.0, silenced=False, lease_seconds=300.0)
    story.says(at - 70.0, "bob", "pause", "paused: nothing new starts, moves and host work under way go on")
    story.says(at - 40.0, "bob", "resume", "resumed")
    story.move(
        at + 6.0,
        "web2",
        ("kvm3", "kvm1"),
        took=4.0,
        state=MoveState.FAILED,
        record=None,
        reason=Reason(Code.MOVE_FAILED, "no route to kvm1 for the migration."),
    )
    story.move(at + 20.0, "web2", ("kvm3", "kvm1"), attempt=2)
    story.borrow(at + 5, "kvm3", "autostart", "id-web2", at + 60, autostart=True, vm="web2")
    at = story.turn("kvm3", at)
    story.move(at + 1.0, "web2", ("kvm1", "kvm3"), purpose=Purpose.REBALANCE, step=None)
    return story.end(
        RunState.COMPLETED, at + 10.0, plan={"left_alone": (LeftAlone(HostId("id-kvm4"), "kvm4", None),)}
    )


def abandoned() -> tuple[Run, tuple[EventRow, ...]]:
    """An operator took over in the middle of the second host's evacuation."""
    story = Story(run_id="01K5P0000000000000000ABAND")
    story.move(11.0, "db1", ("kvm1", "kvm2"))
    story.borrow(8.0, "kvm1", "cordon", "kvm1", 140.0, cordoned=False)
    at = story.turn("kvm1", 5.0)
    story.borrow(at + 3.0, "kvm2", "cordon", "kvm2", None, cordoned=False)
    story.borrow(at + 4.0, "kvm2", "autostart", "id-web1", None, autostart=True, vm="web1")
    story.move(at + 8.0, "web1", ("kvm2", "kvm1"), took=None)
    story.turn("kvm2", at, ((Phase.SILENCED, 4.0), (Phase.DRAINING, 0.0)))
    story.host("kvm3")
    end = at + 20.0
    told = "abandoned: nothing more is done. Still changed: cordon kvm2."
    story.event(end, "run_ended", told, data={"verb": "abandon"}, actor="bob")
    run, events = story.end(RunState.ABANDONED, None, reason=Reason(Code.OPERATOR, "bob said abandon."))
    return replace(run, ended_at=BEGAN_AT + end), events


def degraded() -> tuple[Run, tuple[EventRow, ...]]:
    """One host failed after a hold, one move was dark for too long, and one was not measured."""
    story = Story(run_id="01K5P0000000000000000DEGRA")
    story.move(11.0, "db1", ("kvm1", "kvm2"), record=measured(1, dark=2.75))
    story.move(13.0, "web1", ("kvm1", "kvm3"), record=MoveRecord())
    at = story.turn("kvm1", 5.0)
    failed = Reason(Code.PATCH_FAILED, "kvm2: installing its updates failed: dpkg ended with 1.")
    spans = (*USUAL[:4], (Phase.HELD, 900.0))
    held = at + 60.0
    until = story.turn(
        "kvm2", at, (*spans, (Phase.FAILED, 0.0)), reason=failed, held_phase=str(Phase.PATCHING)
    )
    story.event(held, "host_held", f"held while patching: {failed}", host=HostId("id-kvm2"))
    story.host("kvm3", Phase.SKIPPED)
    return story.end(RunState.DEGRADED, until + 5.0)


HOSTILE = (
    "</svg><script>alert(1)</script>",
    "a\"b' onload='x&amp;",
    "line\nbreak\x1b[31m\u202e\x00",
    "=cmd|' /C calc'!A0",
    "ein-sehr-langer-name-ohne-jede-trennung-" * 4,
)


def hostile() -> tuple[Run, tuple[EventRow, ...]]:
    """Whoever may name a VM, a host, a package or themselves may not do anything else with it."""
    story = Story(run_id="01K5P0000000000000000EVIL0", cluster=HOSTILE[0])
    names = [f"{name}{number}" for number, name in enumerate(HOSTILE)]
    at = 5.0
    for number, name in enumerate(names):
        package = ((f"<img src=x onerror=alert(2)>{number}", "1", HOSTILE[1]),)
        story.move(at + 6.0, HOSTILE[number], (name, names[(number + 1) % len(names)]))
        story.borrow(at + 2.0, name, HOSTILE[0], HOSTILE[2], None, **{HOSTILE[1]: HOSTILE[0]})
        at = story.turn(name, at, **patched(name, package), reason=Reason(Code.UNHEALTHY, HOSTILE[0]))
    story.says(at, HOSTILE[0], "pause", HOSTILE[2])
    return story.end(RunState.COMPLETED, at + 1.0)


SAMPLES = {"good": good, "abandoned": abandoned, "degraded": degraded, "hostile": hostile}
