"""What a lab is, on disk: written first, read by every other command, removed last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from standfast.lab.cache import locked
from standfast.lab.errors import LabError, LabRefusedError, LabUsageError
from standfast.lab.names import BEAT_PORT, Addresses, Names, Net, check_lab_name, choose_slot
from standfast.lab.network import links, taken_slots
from standfast.lab.paths import LabPaths, labs_dir
from standfast.lab.spec import LabSpec, place
from standfast.lab.system import read_json, write_atomically

FORMAT = 1


@dataclass(frozen=True, slots=True)
class LabState:
    """The spec, the address block, where VMs were first put, and how they are run ('' until that is
    known)."""

    spec: LabSpec
    slot: int
    placement: Mapping[str, str]
    accel: str = ""
    ready: bool = False

    @property
    def addresses(self) -> Addresses:
        """The lab's addresses."""
        return Addresses(self.slot)

    def as_json(self) -> dict[str, object]:
        """For lab.json and ``--json``; the observer reads vms, hosts, beat_address and beat_port from it."""
        addresses = self.addresses
        return {
            "format": FORMAT,
            "name": self.spec.name,
            "ready": self.ready,
            "accel": self.accel,
            "slot": self.slot,
            "block": str(addresses.block),
            "beat_address": str(addresses.machine(Net.GUEST)),
            "beat_port": BEAT_PORT,
            "hosts": [
                {
                    "name": host,
                    "uuid": str(Names(self.spec.name).host_uuid(host)),
                    "management_address": str(addresses.member(Net.MANAGEMENT, number)),
                    "migration_address": str(addresses.member(Net.MIGRATION, number)),
                }
                for number, host in enumerate(self.spec.hosts, 1)
            ],
            "vms": [
                {
                    "name": vm.name,
                    "uuid": str(Names(self.spec.name).vm_uuid(vm.name)),
                    "address": str(addresses.member(Net.GUEST, number)),
                    "first_host": self.placement[vm.name],
                }
                for number, vm in enumerate(self.spec.vms, 1)
            ],
            "spec": self.spec.as_json(),
        }


def save(state: LabState) -> None:
    """Write the state file."""
    write_atomically(LabPaths.of(state.spec.name).state, json.dumps(state.as_json(), indent=1) + "\n")


def load(name: str) -> LabState:
    """The state of a lab; LabUsageError if there is no such lab, LabError if its state cannot be read."""
    path = LabPaths.of(check_lab_name(name)).state
    data = read_json(path)
    if data is None:
        there = ", ".join(lab_names()) or "none"
        raise LabUsageError(
            f"There is no lab {name!r} ({path} cannot be read); labs here: {there}. `lab up` makes one."
        )
    if data.get("format") != FORMAT:
        raise LabError(
            f"{path} is of format {data.get('format')!r}, this version knows {FORMAT}: `lab down` removes it."
        )
    spec = LabSpec.from_json(cast(Mapping[str, object], data["spec"]))
    return LabState(
        spec, cast(int, data["slot"]), place(spec.vms, spec.hosts), str(data["accel"]), bool(data["ready"])
    )


def lab_names() -> list[str]:
    """Labs that have a directory, whole or half-built."""
    try:
        return sorted(entry.name for entry in labs_dir().iterdir() if entry.is_dir())
    except OSError:
        return []


def refuse_existing(name: str) -> None:
    """LabRefusedError if there is anything of a lab of this name."""
    root, prefix = LabPaths.of(name).root, Names(name).interface_prefix
    if root.exists():
        raise LabRefusedError(
            f"The lab {name!r} exists in {root}: use it (`lab status`), or remove it first (`lab down`)."
        )
    if any(link.startswith(prefix) for link in links()):
        raise LabRefusedError(
            f"Interfaces of a lab {name!r} exist, but not its directory: `lab down` removes them "
            "(or the lab was made with another STANDFAST_LAB_DIR)."
        )


def claim(spec: LabSpec) -> LabState:
    """Make the lab's directory and give it an address block of its own; LabRefusedError if the lab exists.

    Under a lock, so that two labs built at the same time get different blocks.
    """
    with locked(labs_dir() / ".lock"):
        refuse_existing(spec.name)
        taken = taken_slots() | {slot for slot in map(_slot_of, lab_names()) if slot is not None}
        state = LabState(spec, choose_slot(spec.name, taken), place(spec.vms, spec.hosts))
        LabPaths.of(spec.name).root.mkdir(mode=0o755)
        save(state)
    return state


def _slot_of(name: str) -> int | None:
    slot = (read_json(LabPaths.of(name).state) or {}).get("slot")
    return slot if isinstance(slot, int) else None
