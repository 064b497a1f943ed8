"""A small cluster's plan and rows of every type, with text that breaks careless storage."""

from __future__ import annotations

from standfast.model.hostwork import Health, PendingUpdate, RebootSign, UpdateState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import MoveRecord, Prediction, Purpose
from standfast.model.plan import Basis, Bounds, HostStep, LeftAlone, Plan, PlannedMove, Wave
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.run import HostRow, MoveRow, MoveState
from standfast.store.schema import HEAD

ODD = 'two\nlines\t\'single\' "double" `back` \\ % _ ; -- 🐧 ẞ عربي {"json": [1]} \u2028 é'

RUN = RunId("01JZZZZZZZZZZZZZZZZZZZZZZ1")
OTHER_RUN = RunId("01JZZZZZZZZZZZZZZZZZZZZZZ2")
HOSTS = tuple(HostId(f"4c4c4544-0000-0000-0000-00000000000{n}") for n in range(3))
VM = VmId("7d0c1d7e-0000-0000-0000-000000000001")
PREDICTION = Prediction(12.5, 20.25, 0.26, 0.4, 4 * 1024**3 + 1)
REASON = Reason(Code.PATCH_FAILED, f"It broke: {ODD}", ODD, HOSTS[1], VM)
SCAN = UpdateState(
    taken_at=1_700_000_000.123456,
    boot_id="b0",
    pending=(PendingUpdate("libc6", "2.36-9", "2.36-10", "Debian:12/stable", True, "amd64"),),
    reboot_signs=(RebootSign.REQUIRED_FILE, RebootSign.STALE_HYPERVISOR),
    held_back=("qemu",),
    interrupted=ODD,
    free_disk_bytes=2**45,
)
HEALTH = Health("b0", True, frozenset({"br0", "eth0"}), frozenset({"/", "/var"}), frozenset({"default"}))

NEXT = "0777"
SECOND = f"""
from alembic import op
import sqlalchemy as sa

revision, down_revision = "{NEXT}", "{HEAD}"


def upgrade():
    with op.batch_alter_table("run", recreate="always") as run:
        run.add_column(sa.Column("site", sa.Text, nullable=False, server_default="none"))
"""
"""A migration of a release that there isn't, which rebuilds a table that others refer to."""


def plan(cluster: str = "lab") -> Plan:
    moves = (PlannedMove(VM, ODD, HOSTS[0], HOSTS[1], Purpose.EVACUATE, PREDICTION),)
    steps = [
        HostStep(
            host, f"node{n}", moves if n == 0 else (), (f"libc6 1 -> 2 {ODD}",), True, 1.5, 2.0, 3.0, 4.0
        )
        for n, host in enumerate(HOSTS[:2])
    ]
    return Plan(
        schema_version=1,
        cluster=cluster,
        platform="libvirt",
        created_at=1_700_000_000.5,
        basis=Basis(((VM, HOSTS[0], 2**32),), tuple((host, 2**36, "d") for host in HOSTS), "rules"),
        waves=tuple(Wave((step,)) for step in steps),
        rebalance=(),
        left_alone=(LeftAlone(HOSTS[2], "node2", REASON),),
        refusals=(),
        warnings=(REASON,),
        bounds=Bounds(1, 1, 0.75),
        predicted_seconds=21.0,
        predicted_p95_seconds=30.0,
        policy=Policy(),
    )


def full_host(host: HostId = HOSTS[0], position: int = 0) -> HostRow:
    """A row with no field left at its default."""
    return HostRow(
        host=host,
        name=ODD,
        position=position,
        phase="verifying",
        since=1_700_000_001.000001,
        attempt=3,
        held_phase="patching",
        reason=REASON,
        boot_id_before="b0",
        boot_id_after="b1",
        scan_before=SCAN,
        scan_after=UpdateState(2.0, "b1"),
        health_before=HEALTH,
        healthy_since=1_700_000_002.75,
        cordon_taken=True,
        unreachable_since=4.25,
        call_failures=4,
        next_call_at=5.5,
        versions_before=(("libc6", "2.36-9"), (ODD, "1")),
        versions_after=(("libc6", "2.36-10"),),
        asked="skip",
        kernel_before="6.1.0-37-amd64",
    )


def full_move(id: str = "01K0000000000000000000000A", *, started_at: float = 100.25) -> MoveRow:
    """A row with no field left at its default."""
    return MoveRow(
        id=MoveId(id),
        vm=VM,
        vm_name=ODD,
        source=HOSTS[0],
        target=HOSTS[1],
        purpose=Purpose.REFILL,
        step=HOSTS[0],
        attempt=2,
        state=MoveState.FAILED,
        started_at=started_at,
        deadline_at=400.5,
        predicted=PREDICTION,
        cancel_asked=True,
        ended_at=130.125,
        record=MoveRecord(29.875, 0.5, 29.0, 0.25, 2**33 + 1, 2**32, 7, f"libvirt {ODD}"),
        reason=REASON,
    )
