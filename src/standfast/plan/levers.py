"""What would shorten a run most: planned again with one thing changed, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from standfast.model.cluster import Host, Snapshot
from standfast.model.hostwork import UpdateState
from standfast.model.ids import HostId
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.model.units import size, span

MOST_HOSTS = 200
"""In larger clusters each plan takes too long to be made several times over for a hint. All changes
together take about 1.5 s of a core at 100 hosts and 1,900 VMs, 3 s at 200 hosts."""

LEAST_GAIN = 0.05
"""Share of the run's time below which a change is not worth a word."""

EFFORT = 0.2
"""Share of the tries that the plan itself was given; a change is never made to look better by that."""

FASTER_BITS_PER_SECOND = (10_000_000_000, 25_000_000_000)
USUAL_BITS_PER_SECOND = 1_000_000_000

Again = Callable[[Snapshot, Policy], Plan]
"""Plans the same run over a changed snapshot and policy."""


@dataclass(frozen=True, slots=True)
class Lever:
    """One thing changed, and what the run would need then."""

    name: str
    """`network`, `soak`, `width`, `moves_at_once`, `reserve` or `host`."""
    words: str
    """The change, to follow "with" in a sentence or to stand alone."""
    seconds: float
    """Predicted for the whole run (p50)."""
    waves: int
    moves: int
    sentence: str


def levers(snapshot: Snapshot, plan: Plan, again: Again) -> tuple[Lever, ...]:
    """Changes that would shorten the run by a twentieth or more, the best first.

    None for a plan without waves, for one with refusals (it has to be mended first), and in large clusters.
    Changes under which more would be refused are left out.
    """
    if not plan.waves or plan.refusals or len(snapshot.hosts) > MOST_HOSTS:
        return ()
    found = []
    for name, words, there, policy in _changes(snapshot, plan):
        other = again(there, policy)
        gain = 1.0 - other.predicted_seconds / max(1e-9, plan.predicted_seconds)
        if other.refusals or len(other.steps) < len(plan.steps) or gain < LEAST_GAIN:
            continue
        told = f"{words[0].upper()}{words[1:]}, the run would take {span(other.predicted_seconds)} "
        told += f"instead of {span(plan.predicted_seconds)}{_besides(plan, other)}."
        found.append(Lever(name, words, other.predicted_seconds, len(other.waves), len(other.moves), told))
    return tuple(sorted(found, key=lambda lever: lever.seconds))


def _besides(plan: Plan, other: Plan) -> str:
    """What else would be less."""
    less = []
    if len(other.waves) < len(plan.waves):
        less.append(f"{len(other.waves)} waves instead of {len(plan.waves)}")
    if len(other.moves) < len(plan.moves):
        less.append(f"{len(other.moves)} moves instead of {len(plan.moves)}")
    return f", with {' and '.join(less)}" if less else ""


def _changes(snapshot: Snapshot, plan: Plan) -> Iterator[tuple[str, str, Snapshot, Policy]]:
    """(name, words, snapshot, policy) of each change that is one."""
    policy = plan.policy
    slowest = min(host.migration_bits_per_second or USUAL_BITS_PER_SECOND for host in snapshot.hosts)
    faster = next((rate for rate in FASTER_BITS_PER_SECOND if rate > slowest), None)
    if faster is not None:
        words = f"with {faster // 10**9} Gbit/s between hosts"
        yield "network", words, _at_least(snapshot, faster), policy
    if any(wave.soak_seconds > 0 for wave in plan.waves):
        words = f"without the {span(policy.canary_soak_seconds)} in which the first wave has to stay well"
        yield "soak", words, snapshot, replace(policy, canary_soak_seconds=0.0)
    wide = max(len(wave.hosts) for wave in plan.waves)
    double = min(2 * wide, len(plan.steps))
    if double > wide:
        wider = replace(
            policy,
            wave_hosts_max=max(policy.wave_hosts_max, double),
            wave_hosts_fraction=max(policy.wave_hosts_fraction, double / len(snapshot.hosts)),
        )
        yield "width", f"with up to {double} hosts out at once", snapshot, wider
    if len(plan.moves) > policy.moves_at_once:
        more = 2 * policy.moves_at_once
        words = f"with {more} moves at once over the cluster"
        yield "moves_at_once", words, snapshot, replace(policy, moves_at_once=more)
    if snapshot.rules.reserve_hosts > 0:
        bare = replace(snapshot, rules=replace(snapshot.rules, reserve_hosts=0))
        yield "reserve", "without room kept for the loss of a host", bare, policy
    model = _usual(snapshot)
    if model is not None:
        words = f"with one more host of {size(model.memory_bytes)}"
        yield "host", words, replace(snapshot, hosts=(*snapshot.hosts, _another(model))), policy


def _at_least(snapshot: Snapshot, bits_per_second: int) -> Snapshot:
    hosts = (
        replace(
            host,
            migration_bits_per_second=max(
                bits_per_second, host.migration_bits_per_second or USUAL_BITS_PER_SECOND
            ),
        )
        for host in snapshot.hosts
    )
    return replace(snapshot, hosts=tuple(hosts))


def _usual(snapshot: Snapshot) -> Host | None:
    """Of the size that most hosts have, the larger of two; one that can be used."""
    usable = [host for host in snapshot.hosts if host.reachable and not host.cordoned and host.facts]
    sizes = [host.memory_bytes for host in usable]
    return max(
        usable,
        key=lambda host: (sizes.count(host.memory_bytes), host.memory_bytes, host.name, host.id),
        default=None,
    )


def _another(model: Host) -> Host:
    """A host like that one, without VMs and with nothing pending."""
    boot = model.facts.boot_id if model.facts is not None else ""
    return replace(
        model,
        id=HostId(f"one-more-like-{model.id}"),
        name=f"one more like {model.name}",
        fault_domain="",
        updates=UpdateState(0.0, boot),
    )
