"""Other people's ways through a cluster, told in the checker's stages: baselines, written without our
planner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.policy import Policy
from standfast.plan.checker_words import Hop, Stage
from standfast.predict import spans
from standfast.predict.precopy import predict_move
from standfast.predict.together import Flow, between, last_end


def return_home(made: Snapshot) -> tuple[Stage, ...] | None:
    """Drain and return, one host at a time: its VMs spread over the others, then all of them moved back.

    Each VM, the largest first, goes to the host with the most free memory that may take it. None where some
    VM finds no place.
    """
    stages: list[Stage] = []
    for host in made.hosts:
        out = emptied(made, [host.id], {vm.id: vm.host for vm in made.vms})
        if out is None:
            return None
        back = tuple(Hop(hop.vm, hop.target, hop.source) for hop in out)
        stages += [Stage((host.id,), out), Stage((), back)]
    return tuple(stages)


def emptied(
    made: Snapshot,
    out: Sequence[HostId],
    at: dict[VmId, HostId],
    prefer: Callable[[HostId], int] | None = None,
) -> tuple[Hop, ...] | None:
    """The moves that empty `out`, largest VM first, each to the host with most free memory; `at` follows.

    `prefer`: hosts with a lower number come first.
    """
    hosts = {host.id: host for host in made.hosts}
    held = dict.fromkeys(hosts, 0)
    for vm in made.vms:
        held[at[vm.id]] += vm.memory_bytes
    mates: dict[VmId, set[VmId]] = {}
    for rule in made.rules.anti_affinity:
        for vm_id in rule.vms:
            mates.setdefault(vm_id, set()).update(rule.vms - {vm_id})
    gone = set(out)
    hops = []
    for vm in sorted((vm for vm in made.vms if at[vm.id] in gone), key=lambda vm: (-vm.memory_bytes, vm.id)):
        barred = {at[mate] for mate in mates.get(vm.id, ())} | gone
        fits = [
            host
            for host in hosts
            if host not in barred
            and held[host] + vm.memory_bytes <= made.rules.memory_ceiling * hosts[host].memory_bytes
        ]
        if not fits:
            return None
        rank = prefer or (lambda _: 0)
        target = min(fits, key=lambda host: (rank(host), held[host] - hosts[host].memory_bytes, host))
        hops.append(Hop(vm.id, at[vm.id], target))
        held[at[vm.id]] -= vm.memory_bytes
        held[target] += vm.memory_bytes
        at[vm.id] = target
    return tuple(hops)


def stage_seconds(stage: Stage, made: Snapshot, policy: Policy) -> float:
    """Moves under the same limits as ours, each port shared fairly, then the longest host's own work."""
    hosts = {host.id: host for host in made.hosts}
    vms = {vm.id: vm for vm in made.vms}

    def flow(hop: Hop) -> Flow:
        def seconds(share: float) -> float:
            told = predict_move(vms[hop.vm], hosts[hop.source], hosts[hop.target], share=share)
            return told.brownout_seconds + told.blackout_seconds

        return Flow(hop.source, hop.target, seconds)

    flown = between(made.hosts, [flow(hop) for hop in stage.hops], at_once=policy.moves_at_once)
    return last_end(flown) + (own_seconds(policy) if stage.out else 0.0)


def own_seconds(policy: Policy) -> float:
    """Patching one kernel, rebooting and verifying."""
    return (
        spans.patch_seconds(1)
        + spans.reboot_seconds(True)
        + spans.verify_seconds(policy.verify_stable_seconds)
    )
