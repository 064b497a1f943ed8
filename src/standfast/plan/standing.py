"""What is already wrong before anything is done: warned of, never made worse."""

from __future__ import annotations

from collections.abc import Iterator

from standfast.model.reasons import Code, Reason
from standfast.model.units import size
from standfast.plan.board import Board
from standfast.plan.headroom import reserve


def broken_now(board: Board) -> Iterator[Reason]:
    """What the cluster breaks as it stands: rules, and the reserve."""
    yield from broken_rules(board)
    lacking = reserve(board, frozenset())
    if lacking is not None:
        yield lacking


def broken_rules(board: Board) -> Iterator[Reason]:
    """Anti-affinity, pins and memory ceilings that are broken as things stand."""
    for group in board.rules.anti_affinity:
        together: dict[str, list[str]] = {}
        for vm in sorted(group.vms & board.vms.keys()):
            together.setdefault(board.name(board.where[vm]), []).append(board.vms[vm].name)
        for place, names in sorted(together.items()):
            if len(names) > 1:
                yield Reason(
                    Code.RULE_BROKEN_NOW,
                    f"{', '.join(sorted(names))} share {place} against rule {group.name}.",
                    "The run will not bring them together again once they are apart.",
                )
    for vm, pin in sorted(board.pins.items()):
        if vm in board.vms and board.where[vm] not in pin:
            yield Reason(
                Code.RULE_BROKEN_NOW,
                f"{board.vms[vm].name} runs on {board.name(board.where[vm])}, against its pin.",
                "It goes to one of its hosts when its own is evacuated.",
                vm=vm,
            )
    for host in sorted(board.hosts.values(), key=lambda host: (host.name, host.id)):
        if host.reachable and board.held[host.id] > board.rules.memory_ceiling * host.memory_bytes:
            yield Reason(
                Code.RULE_BROKEN_NOW,
                f"{host.name} holds {size(board.held[host.id])} of {size(host.memory_bytes)}, above "
                f"{board.rules.memory_ceiling:.0%}.",
                "It takes no VM until it is below.",
                host=host.id,
            )
