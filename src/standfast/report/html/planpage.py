"""A plan as one HTML file, for somebody who has to approve it."""

from __future__ import annotations

from standfast.model.cluster import Snapshot, VmState
from standfast.model.plan import Plan, PlanKind
from standfast.model.units import count, size, span
from standfast.report.html.page import environment
from standfast.report.html.planned import CURVE, PEAK, flying, planned, wave_starts
from standfast.report.html.tiles import Tile
from standfast.report.plan_words import evenness, goal_sentence, moves_sentence, time_sentence


def plan_html(plan: Plan, snapshot: Snapshot, digest: str, *, more: tuple[str, ...] = ()) -> str:
    """The whole page as text, to be written as UTF-8. `more` are further sentences on how good it is."""
    names = {str(host.id): host.name for host in snapshot.hosts}
    moves = sorted(flying(plan, wave_starts(plan)), key=lambda each: each.begin)
    return (
        environment()
        .get_template("plan.html.j2")
        .render(
            made=plan,
            snapshot=snapshot,
            digest=digest,
            plan=planned(plan, snapshot),
            title=_title(plan),
            lead=_lead(plan),
            verdict=_verdict(plan),
            tiles=_tiles(plan, snapshot),
            sentences=[*_sentences(plan), *more],
            moves=moves,
            names=names,
            curve=CURVE,
            peak=PEAK,
        )
    )


def _title(plan: Plan) -> str:
    if plan.kind is PlanKind.BALANCE:
        return f"Balance the hosts of {plan.cluster} with {count(len(plan.moves), 'move')}"
    if not plan.steps and plan.refusals:
        return f"No host of {plan.cluster} can be done"
    if not plan.steps and not plan.rebalance:
        return f"Nothing to do in {plan.cluster}"
    waves = f" in {count(len(plan.waves), 'wave')}" if len(plan.waves) > 1 else ""
    return f"Patch {count(len(plan.steps), 'host')} of {plan.cluster}{waves}"


def _lead(plan: Plan) -> str:
    if plan.balance is not None:
        return evenness(plan.balance)
    widest = max((len(wave.hosts) for wave in plan.waves), default=0)
    together = "one host at a time" if widest == 1 else f"up to {widest} hosts together"
    reboots = sum(step.reboot for step in plan.steps)
    soak = sum(wave.soak_seconds for wave in plan.waves)
    parts = [f"{count(len(plan.moves), 'live move')}, {together}, {count(reboots, 'reboot')}."]
    parts += [f"After the first wave {span(soak)} in which it has to stay well."] if soak else []
    parts += ["No VM is shut down."] if not any(step.stops for step in plan.steps) else []
    if not plan.steps and plan.refusals:
        return "What stands in the way is said below."
    return " ".join(parts) if plan.steps else "No host has updates pending or needs a reboot."


def _verdict(plan: Plan) -> dict[str, str]:
    if plan.refusals:
        return {"state": "failed", "word": "refused"}
    if plan.warnings:
        return {"state": "held", "word": f"may be applied, with {count(len(plan.warnings), 'warning')}"}
    return {"state": "done", "word": "may be applied"}


def _tiles(plan: Plan, snapshot: Snapshot) -> list[Tile]:
    """In the order of how much they matter to who approves."""
    told = [move.predicted for move in plan.moves]
    dark = max((each.blackout_seconds for each in told), default=0.0)
    worst = max((each.blackout_p95_seconds for each in told), default=0.0)
    brown = max((each.brownout_seconds for each in told), default=0.0)
    browner = max((each.brownout_p95_seconds for each in told), default=0.0)
    stops = sum(len(step.stops) for step in plan.steps)
    budget = plan.policy.blackout_budget_seconds
    peak, ceiling = plan.bounds.peak_memory_fraction, snapshot.rules.memory_ceiling
    room = f"ceiling {ceiling:.0%}, room for {count(snapshot.rules.reserve_hosts, 'lost host')}"
    mood = "bad" if peak > ceiling + 1e-9 else "good"
    if mood == "bad" and peak <= _fullest(snapshot) + 1e-9:  # it is so now, and none of the plan's doing
        room, mood = f"as it is now; none is taken above {ceiling:.0%}", ""
    return [
        Tile(span(plan.predicted_seconds), "from begin to end", f"up to {span(plan.predicted_p95_seconds)}"),
        Tile(
            span(dark),
            "longest black-out",
            f"up to {span(worst)}; {span(budget)} allowed",
            "bad" if worst > budget else "good",
        ),
        Tile(span(brown), "longest brown-out", f"up to {span(browner)}"),
        Tile(
            str(len({move.vm for move in plan.moves})),
            "VMs moved live",
            f"{count(len(plan.moves), 'move')}, {size(sum(each.wire_bytes for each in told))}",
        ),
        Tile(
            f"{peak:.0%}",
            "of the fullest host",
            room,
            mood,
        ),
        Tile(
            str(stops), "VMs shut down or held for", "" if stops else "every VM keeps running", _mood(stops)
        ),
    ]


def _fullest(snapshot: Snapshot) -> float:
    """Share of memory held on the fullest host before the plan begins."""
    held = {host.id: 0 for host in snapshot.hosts}
    for vm in snapshot.vms:
        if vm.state is not VmState.SHUT_OFF and vm.host in held:
            held[vm.host] += vm.memory_bytes
    sized = (host for host in snapshot.hosts if host.memory_bytes > 0)
    return max((held[host.id] / host.memory_bytes for host in sized), default=0.0)


def _mood(stops: int) -> str:
    return "bad" if stops else "good"


def _sentences(plan: Plan) -> list[str]:
    if plan.balance is not None:
        return [goal_sentence(plan.balance)]
    found = [moves_sentence(plan), time_sentence(plan)] if plan.waves else []
    found += [bound.sentence for bound in plan.bounds.times[1:]] if plan.waves else []
    return [each for each in found if each]
