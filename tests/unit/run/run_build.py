"""Small clusters and runs, written the way a test wants to read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from standfast.model.cluster import Host, MoveLimits, Rules, Snapshot, Vm, VmState
from standfast.model.hostwork import Health, HostFacts, PendingUpdate, UpdateState, WorkPhase, WorkState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import Prediction, Purpose
from standfast.model.plan import Basis, Bounds, HostStep, Plan, Wave
from standfast.model.policy import Policy
from standfast.model.run import HostRow, MoveRow, MoveState, Phase, Run, RunState
from standfast.model.units import GIB, MIB

RUN = RunId("01RUN")
PREDICTED = Prediction(2.0, 4.0, 0.3, 0.6, 160 * MIB)
SCAN = UpdateState(1.0, "boot-1", (PendingUpdate("kernel", "1", "2"),))
CLEAN = UpdateState(99.0, "boot-2")


def host(
    name: str, *, boot: str = "boot-1", active: int = 0, works: tuple[WorkState, ...] = (), **more: Any
) -> Host:
    facts = HostFacts(boot, 100.0, system_state="running", active_vms=active, works=works)
    fields: dict[str, Any] = {
        "memory_bytes": 4 * GIB,
        "facts": facts,
        "limits": MoveLimits(2, 2, wanted=True),
        **more,
    }
    return Host(HostId(name), name, **fields)


def silent(name: str) -> Host:
    return Host(HostId(name), name, 4 * GIB, reachable=False, unreachable_why="no answer")


def vm(name: str, on: str, **more: Any) -> Vm:
    fields: dict[str, Any] = {"state": VmState.RUNNING, "memory_bytes": 160 * MIB, **more}
    return Vm(VmId(name), name, HostId(on), **fields)


def snapshot(hosts: tuple[Host, ...], *vms: Vm, rules: Rules | None = None) -> Snapshot:
    """Each host's own count of active VMs is made to fit."""
    counted = []
    for each in hosts:
        if each.facts is not None:
            count = sum(one.host == each.id and one.state is not VmState.SHUT_OFF for one in vms)
            each = replace(each, facts=replace(each.facts, active_vms=count))
        counted.append(each)
    return Snapshot("c", "test", 100.0, tuple(counted), tuple(vms), rules or Rules(reserve_hosts=0))


def row(name: str, phase: str, position: int = 0, **more: Any) -> HostRow:
    return HostRow(HostId(name), name, position, phase, since=100.0, **more)


def move(vm_name: str, source: str, target: str, **more: Any) -> MoveRow:
    fields: dict[str, Any] = {
        "id": MoveId(f"{RUN}-0001"),
        "purpose": Purpose.EVACUATE,
        "step": HostId(source),
        "attempt": 1,
        "state": MoveState.STARTED,
        "started_at": 100.0,
        "deadline_at": 400.0,
        "predicted": PREDICTED,
        **more,
    }
    return MoveRow(vm=VmId(vm_name), vm_name=vm_name, source=HostId(source), target=HostId(target), **fields)


def plan(*names: str, policy: Policy | None = None) -> Plan:
    steps = tuple(
        HostStep(HostId(name), name, (), ("kernel 1 -> 2",), True, 10, 20, 30, 5, wave=number)
        for number, name in enumerate(names)
    )
    waves = tuple(Wave((step,)) for step in steps)
    basis = Basis((), (), "")
    return Plan(
        1, "c", "test", 1.0, basis, waves, (), (), (), (), Bounds(0, 0, 0.5), 60, 90, policy or Policy()
    )


def run(*rows: HostRow, policy: Policy | None = None, **more: Any) -> Run:
    fields: dict[str, Any] = {"state": RunState.RUNNING, **more}
    return Run(
        id=RUN,
        cluster="c",
        plan=plan(*(each.name for each in rows), policy=policy),
        plan_digest="d",
        approved_by="a",
        created_at=1.0,
        hosts=rows,
        **fields,
    )


def unit(kind: str, phase: WorkPhase, attempt: int = 1, **more: Any) -> WorkState:
    return WorkState(f"standfast-{RUN}-{kind}-{attempt}".lower(), phase, **more)


def well(boot: str = "boot-1", **more: Any) -> Health:
    return Health(boot, True, frozenset({"eth0"}), frozenset({"/srv"}), frozenset({"br0"}), **more)


def ready(name: str, phase: Phase, position: int = 0, **more: Any) -> HostRow:
    """A row that has been prepared: state before on record, cordon taken."""
    fields: dict[str, Any] = {
        "scan_before": SCAN,
        "health_before": well(),
        "boot_id_before": "boot-1",
        "cordon_taken": True,
        **more,
    }
    return row(name, phase, position, **fields)
