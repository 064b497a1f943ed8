"""Published repairs of 5,000 hosts (BtrPlace, 2013): CPU demand that rises, or 250 hosts lost, under rules.

Ours is `balance` with nothing to even out: it mends what is broken. Told in the product's words:

- `preserve` raises a VM's demand; a host whose demand is above its capacity is above its memory ceiling.
- A VM that is to run again lies on one of the lost hosts, which is cordoned, against a pin to all others.
- `spread` is anti-affinity; `among` is a pin to the part in which the VMs are.
- Hosts have two resources there, memory and CPU, and one here: a VM is as large as the larger of its two
  shares, so that no sum of either is above that of the sizes. A host that holds both as things stand is
  large enough for what it holds. There is no N+1 in these instances: none is kept.

Each answer is judged twice: the way there by the one checker, the end from the file's own numbers.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.claim import Claim, Settings, Skipped
from bench.generated import host, snapshot, vm
from standfast.model.cluster import AntiAffinity, Host, Pin, Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.policy import Policy
from standfast.plan.balance import balance_plan
from standfast.plan.checker import violations

MOST_SECONDS = 30.0
NOTHING_TO_EVEN_OUT = 100.0
"""Points of deviation that no cluster exceeds: only rules are mended."""
HOST_BYTES = 200 * 2**30
"""What a host of the mean capacity is told to have."""
PUBLISHED = {"published": 180.0, "published, in two parts": 30.0}


@dataclass(frozen=True, slots=True)
class Repair:
    """One instance by its own numbers. `demand` and `capacity`: by resource, then VM or host."""

    at: Mapping[int, int]
    """Where each VM runs; those that are to run again are not there."""
    again: tuple[int, ...]
    lost: tuple[int, ...]
    demand: Mapping[str, Mapping[int, int]]
    capacity: Mapping[str, Mapping[int, int]]
    spreads: tuple[tuple[int, ...], ...]
    amongs: tuple[tuple[tuple[int, ...], tuple[frozenset[int], ...]], ...]

    @property
    def hosts(self) -> frozenset[int]:
        """Those that run."""
        return frozenset(next(iter(self.capacity.values()))) - frozenset(self.lost)


def measure(settings: Settings) -> list[Claim]:
    """The slowest repair, and all violations."""
    folder = settings.folder("btrplace-tdsc")
    rows = [_instance(path) for path in sorted(folder.glob("*.json.gz"))]
    if not rows:
        raise Skipped(f"{folder} holds no *.json.gz")
    slowest = max(row["seconds"] for row in rows)
    wrong = sum(row["violations_on_the_way"] + row["violations_at_the_end"] for row in rows)
    hosts, vms = max(row["hosts"] for row in rows), max(row["vms"] for row in rows)
    each = ", ".join(f"{row['instance']} {row['seconds']:g} s for {row['moves']:,} moves" for row in rows)
    head = f"seconds to repair {len(rows)} placements of up to {hosts:,} hosts and {vms:,} VMs, the slowest"
    return [
        Claim(
            f"{head} ({each})",
            slowest,
            PUBLISHED,
            f"<= {MOST_SECONDS:g}",
            slowest <= MOST_SECONDS and wrong == 0,
            tuple(rows),
        ),
        Claim("violations in all of them, on the way and at the end", wrong, {}, "0", wrong == 0),
    ]


def _instance(path: Path) -> dict[str, Any]:
    try:
        case = read(json.loads(gzip.decompress(path.read_bytes())))
    except (OSError, EOFError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise Skipped(f"{path} can't be read as a repair: {error!r}") from error
    made = told(case)
    began, began_cpu = time.perf_counter(), time.process_time()
    plan = balance_plan(made, Policy(), now=0.0, goal=NOTHING_TO_EVEN_OUT)
    took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    at = {**case.at, **{_number(move.vm): _number(move.target) for move in plan.rebalance}}
    return {
        "instance": path.name.removesuffix(".json.gz"),
        "hosts": len(case.hosts),
        "vms": len(made.vms),
        "to_run_again": len(case.again),
        "hosts_over": len({where for where, _ in overfull(case, case.at)}),
        "moves": len(plan.rebalance),
        "seconds": round(took, 3),
        "cpu_seconds": round(took_cpu, 3),
        "refused": len(plan.refusals),
        "violations_on_the_way": len(violations(plan, made)),
        "violations_at_the_end": len(wrong_at_the_end(case, at)),
    }


def read(file: dict[str, Any]) -> Repair:
    """An instance as its authors write it."""
    model, rules = file["model"], file["constraints"]
    mapping = model["mapping"]
    demand: dict[str, dict[int, int]] = {}
    capacity: dict[str, dict[int, int]] = {}
    at = {guest: int(node) for node, has in mapping["onlineNodes"].items() for guest in has["runningVMs"]}
    again = tuple(sorted(rule["vm"] for rule in rules if rule["id"] == "running" and rule["vm"] not in at))
    lost = {rule["node"] for rule in rules if rule["id"] == "offline"}
    nodes = sorted({int(node) for node in mapping["onlineNodes"]} | set(mapping["offlineNodes"]))
    for view in model["views"]:
        if view["id"] == "shareableResource":
            name = view["rcId"]
            demand[name] = {
                guest: view["vms"].get(str(guest), view["defConsumption"]) for guest in (*at, *again)
            }
            capacity[name] = {node: view["nodes"].get(str(node), view["defCapacity"]) for node in nodes}
    for rule in rules:
        if rule["id"] == "preserve":
            mine = demand[rule["rc"]]
            mine[rule["vm"]] = max(mine[rule["vm"]], rule["amount"])
    return Repair(
        at,
        again,
        tuple(sorted(lost)),
        demand,
        capacity,
        tuple(tuple(rule["vms"]) for rule in rules if rule["id"] == "spread"),
        tuple(
            (tuple(rule["vms"]), tuple(frozenset(part) for part in rule["parts"]))
            for rule in rules
            if rule["id"] == "among"
        ),
    )


def told(case: Repair) -> Snapshot:
    """The instance in the product's words."""
    unit = {name: sum(of.values()) / len(of) / HOST_BYTES for name, of in case.capacity.items()}
    size = {
        guest: max(round(case.demand[name][guest] / unit[name]) for name in unit)
        for guest in (*case.at, *case.again)
    }
    held = dict.fromkeys(next(iter(case.capacity.values())), 0)
    for guest, node in case.at.items():
        held[node] += size[guest]
    over = {node for node, _ in overfull(case, case.at)}
    hosts: dict[int, Host] = {}
    for node in held:
        memory = min(int(case.capacity[name][node] / unit[name]) for name in unit)
        if node not in over:
            memory = max(memory, held[node])
        hosts[node] = replace(host(node, 0), memory_bytes=memory, cordoned=node in case.lost)
    at = {**case.at, **{guest: case.lost[number % len(case.lost)] for number, guest in enumerate(case.again)}}
    vms = [replace(vm(guest, hosts[node], 0), memory_bytes=size[guest]) for guest, node in sorted(at.items())]
    groups = [
        AntiAffinity(f"spread{number}", frozenset(_vm(guest) for guest in guests))
        for number, guests in enumerate(case.spreads)
    ]
    made = snapshot(list(hosts.values()), vms, groups, memory_ceiling=1.0, reserve_hosts=0)
    return replace(made, rules=replace(made.rules, pins=tuple(_pins(case, hosts))))


def _pins(case: Repair, hosts: Mapping[int, Host]) -> Iterable[Pin]:
    """Each VM of an `among` to the part that has most of them; what is to run again to hosts that do."""
    running = frozenset(hosts[node].id for node in case.hosts)
    for guest in case.again:
        yield Pin(_vm(guest), running)
    parts: dict[frozenset[int], frozenset[HostId]] = {}
    for guests, choices in case.amongs:
        there = [case.at[guest] for guest in guests if guest in case.at]
        part = max(choices, key=lambda part: sum(node in part for node in there))
        if part not in parts:
            parts[part] = frozenset(hosts[node].id for node in part)
        for guest in guests:
            yield Pin(_vm(guest), parts[part])


def overfull(case: Repair, at: Mapping[int, int]) -> list[tuple[int, str]]:
    """(host, resource) where more is asked than there is."""
    found = []
    for name, capacity in case.capacity.items():
        asked = dict.fromkeys(capacity, 0)
        for guest, node in at.items():
            asked[node] += case.demand[name][guest]
        found += [(node, name) for node, most in capacity.items() if asked[node] > most]
    return found


def wrong_at_the_end(case: Repair, at: Mapping[int, int]) -> list[str]:
    """Every rule of the file that this placement breaks, told from the file's numbers alone."""
    found = [f"host {node} is short of {name}" for node, name in overfull(case, at)]
    found += [
        f"VM {guest} does not run" for guest in (*case.at, *case.again) if at.get(guest) not in case.hosts
    ]
    for guests in case.spreads:
        if len({at.get(guest) for guest in guests}) < len(guests):
            found.append(f"{guests} are not spread")
    for guests, parts in case.amongs:
        if not any(all(at.get(guest) in part for guest in guests) for part in parts):
            found.append(f"{guests} are in several parts")
    return found


def _vm(guest: int) -> VmId:
    return VmId(f"00000000-0000-4000-9000-{guest:012d}")


def _number(name: HostId | VmId) -> int:
    return int(name[-12:])
