"""What no plan can beat, from the snapshot and the policy alone: moves and time.

A host is out from the first move off it until it is verified. All times are predictions (p50). The final
spreading is left out everywhere. Each bound is a relaxation: memory and links are taken as divisible, rules
as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId
from standfast.model.plan import Bound
from standfast.model.policy import Policy
from standfast.model.units import size, span
from standfast.plan.board import Board
from standfast.plan.lengths import Lengths
from standfast.plan.waves import width


def moves_at_least(cluster: Snapshot | Board, hosts: Collection[HostId]) -> int:
    """A lower bound on the moves that empty each of `hosts` once.

    Every VM on them moves: n. Those of the first one drained move again, unless hosts that are not to be
    done take them: N >= n + min over h of what these can't take. They are taken to have all their free memory
    in one piece; making them room by moving one of their own VMs away costs two moves, there and off again.
    The bound leaves the final spreading out.
    """
    board = Board.of(cluster)
    if not hosts:
        return 0
    total = sum(len(board.leaving(host)) for host in hosts)
    exempt = [
        host for host in board.hosts.values() if host.id not in hosts and host.reachable and not host.cordoned
    ]
    free = sum(
        max(0, int(board.rules.memory_ceiling * host.memory_bytes) - board.held[host.id]) for host in exempt
    )
    theirs = sorted(
        (board.vms[vm].memory_bytes for host in exempt for vm in board.residents[host.id]), reverse=True
    )
    room = [free, *(free + more for more in accumulate(theirs))]
    return total + min(_again(board, host, room) for host in hosts)


def _again(board: Board, host: HostId, room: list[int]) -> int:
    """Least number of second moves if `host` is drained first; `room[k]` is there after k evictions."""
    needs = list(accumulate(sorted(vm.memory_bytes for vm in board.leaving(host))))
    best = len(needs)
    for evicted, space in enumerate(room):
        if 2 * evicted >= best:
            break
        best = min(best, 2 * evicted + sum(need > space for need in needs))
    return best


@dataclass(frozen=True, slots=True)
class Turn:
    """One host's least times in seconds: its own work, and until it is empty at full speed of its port."""

    own: float
    drain: float

    @property
    def out(self) -> float:
        return self.own + self.drain


def turns(board: Board, lengths: Lengths, hosts: Collection[HostId]) -> dict[HostId, Turn]:
    """Least times of each host to be done. All its VMs share its one port: what keeps it busy adds up."""
    at_once = max(1, lengths.policy.moves_at_once)
    found = {}
    for host in sorted(hosts):  # sums over them are the same each time, to the last bit
        vms = board.leaving(host)
        least = [lengths.least(vm.id, host) for vm in vms]
        moves, busy = [whole for whole, _ in least], sum(on_link for _, on_link in least)
        found[host] = Turn(lengths.out(host), max([busy, sum(moves) / at_once, *moves]))
    return found


def time_bounds(board: Board, lengths: Lengths, hosts: Collection[HostId]) -> tuple[Bound, ...]:
    """Every bound on the seconds until the last of `hosts` is done, the largest first.

    waves:   hosts go in waves, each as long as its longest host, no wider than policy and memory allow
    area:    memory of hosts that are out, times their time, fits into the spare memory of the whole run
    host:    the longest single host
    network: all moves through the cluster's limit of moves at once, and the shortest host's own work
    """
    if not hosts:
        return ()
    policy = lengths.policy
    known = turns(board, lengths, hosts)
    most = capacity_width(board, hosts)
    found = [
        _waves(policy, len(board.hosts), [turn.out for turn in known.values()], most),
        _area(board, known),
        _host(board, policy, known),
        _network(policy, board, lengths, known),
    ]
    return tuple(sorted(found, key=lambda bound: -bound.seconds))


def _waves(policy: Policy, hosts: int, outs: Sequence[float], most: int) -> Bound:
    """The least sum over waves of their longest hosts: the longest together in full waves, the shortest
    first.

    The first two waves may be narrower. Of all ways to fill waves of given widths, that one is best in which
    longer hosts share waves, widest first.
    """
    left = sorted(outs, reverse=True)
    full = max(1, min(most, width(policy, hosts, 2)))
    second, first = (max(1, min(full, width(policy, hosts, wave))) for wave in (1, 0))
    sizes = [first] if len(left) <= first else [second, first]
    sizes = [full] * max(0, -(-(len(left) - sum(sizes)) // full)) + sizes
    waves, seconds = len(sizes), 0.0
    for index, wide in enumerate(sizes):
        seconds += left[0]
        del left[: min(wide, len(left) - (waves - 1 - index))]
    soak = policy.canary_soak_seconds if policy.canary_hosts > 0 and len(outs) > first else 0.0
    what = "the policy" if most >= width(policy, hosts, 2) else "memory"
    return Bound(
        "waves",
        seconds + soak,
        f"{waves} waves of at most {full} hosts, as wide as {what} allows, take {span(seconds + soak)}.",
    )


def capacity_width(cluster: Snapshot | Board, hosts: Collection[HostId]) -> int:
    """Most of `hosts` that can be out together with all VMs below the ceiling and the reserve kept.

    Taken for the hosts with the least memory, and VMs as divisible; VMs that few hosts can run are left out
    of the reserve, as they are there.
    """
    board = Board.of(cluster)
    takers = [host for host in board.hosts.values() if host.reachable and not host.cordoned]
    ceiling = board.rules.memory_ceiling
    holds = {host.id: max(int(ceiling * host.memory_bytes), board.held[host.id]) for host in takers}
    spare = sum(holds.values()) - sum(board.held[host.id] for host in takers)
    smallest = sorted(holds[host] for host in hosts if host in holds)
    losses = board.rules.reserve_hosts
    whole = sorted((host.memory_bytes for host in takers), reverse=True)
    least = sorted(board.hosts[host].memory_bytes for host in hosts)
    wanting = sorted((len(board.able(vm)), vm.memory_bytes) for vm in board.vms.values())
    needing, few = sum(memory for _, memory in wanting), 0
    most = 0
    for count in range(1, len(smallest) + 1):
        if sum(smallest[:count]) > spare:
            break
        kept = sum(whole) - sum(least[:count]) - sum(whole[count : count + losses])
        while few < len(wanting) and wanting[few][0] <= losses + count:
            needing -= wanting[few][1]
            few += 1
        if losses and kept < needing:
            break
        most = count
    return max(1, most)


def _area(board: Board, known: Mapping[HostId, Turn]) -> Bound:
    """Hosts hold nothing while they do their own work; what they would hold has to be spare elsewhere."""
    takers = [host for host in board.hosts.values() if host.reachable and not host.cordoned]
    ceiling = board.rules.memory_ceiling
    holds = {host.id: max(int(ceiling * host.memory_bytes), board.held[host.id]) for host in takers}
    spare = sum(holds.values()) - sum(board.held[host.id] for host in takers)
    needed = sum(holds.get(host, 0) * turn.own for host, turn in known.items())
    seconds = needed / spare if spare > 0 else 0.0
    return Bound(
        "area",
        seconds,
        f"All hosts' own work through {size(max(0, spare))} of spare memory takes {span(seconds)}.",
    )


def _host(board: Board, policy: Policy, known: Mapping[HostId, Turn]) -> Bound:
    longest = max(known, key=lambda host: (known[host].out, board.name(host)))
    seconds = known[longest].out
    return Bound(
        "host",
        seconds,
        f"{board.name(longest)} alone takes {span(seconds)}, {span(known[longest].drain)} to empty.",
    )


def _network(policy: Policy, board: Board, lengths: Lengths, known: Mapping[HostId, Turn]) -> Bound:
    total = sum(lengths.shortest(vm.id, host) for host in known for vm in board.leaving(host))
    seconds = total / max(1, policy.moves_at_once) + min(turn.own for turn in known.values())
    return Bound(
        "network",
        seconds,
        f"All moves, {policy.moves_at_once} at once, and one host's own work take {span(seconds)}.",
    )
