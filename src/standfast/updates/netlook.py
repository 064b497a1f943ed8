"""Looking at hosts' networks over SSH: what carries what, and what really comes through from host to host.

Changes nothing. A probe sends data for some seconds, one way at a time, so that no two share a link; in a
ring, so that each host sends once and receives once.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from standfast.model.errors import OutsideError, StandfastError
from standfast.model.wires import Carries, HostWires, Probed, Wire
from standfast.transports.ssh import SshTarget
from standfast.updates.answers import Answer, read_answer
from standfast.updates.scripts import script

LOOK_SECONDS = 2
"""Over which loads are measured."""
ASK_SECONDS = 30.0
MOST_AT_ONCE = 32
MTUS = (9000, 4000, 2000, 1500, 1492, 1450, 1400, 1280)
"""Packet sizes that are tried: jumbo frames, Ethernet, PPPoE, VXLAN, tunnels, IPv6's least."""


class SshNetLook:
    """`targets`: how each host is reached, and `addresses`: its migration address, by its name."""

    def __init__(self, targets: Mapping[str, SshTarget], addresses: Mapping[str, str]) -> None:
        self._targets, self.addresses = targets, addresses

    def survey(self) -> tuple[HostWires, ...]:
        """All hosts, in order. One that does not answer is said to be silent."""
        with ThreadPoolExecutor(min(MOST_AT_ONCE, max(1, len(self._targets)))) as pool:
            return tuple(pool.map(self._survey, self._targets))

    def _survey(self, name: str) -> HostWires:
        others = [address for host, address in self.addresses.items() if host != name and address]
        lines = "".join(f"{address}\n" for address in others)
        try:
            answer = self.ask(name, "survey", str(LOOK_SECONDS), input=lines, seconds=ASK_SECONDS)
        except StandfastError as error:
            return HostWires(name, silent=str(error))
        return wires_of(answer, self.addresses.get(name, ""))

    def probe(self, seconds: int, tell: Callable[[str, str], None] = lambda a, b: None) -> tuple[Probed, ...]:
        """Each host to the next one, the last to the first. `tell` hears of each way before it is tried."""
        names = list(self._targets)
        found = []
        for source, target in ring(names):
            tell(source, target)
            found.append(self.probe_way(source, target, seconds))
        return tuple(found)

    def probe_way(self, source: str, target: str, seconds: int, *, mtus: bool = True) -> Probed:
        """From one host to another; without `mtus` the largest packet is not looked for."""
        address, token = self.addresses.get(target, ""), secrets.token_hex(8)
        if not address:
            return Probed(source, target, trouble=f"{target} has no migration_address in the config.")
        pid = ""
        try:
            door = self.ask(target, "serve", address, token, str(seconds + 20), seconds=ASK_SECONDS)
            pid = door.get("pid")
            if door.get("trouble"):
                return Probed(source, target, trouble=f"{target}: {door.get('trouble')}")
            words = (address, door.get("port"), token, str(seconds), *(map(str, MTUS) if mtus else ()))
            answer = self.ask(source, "send", *words, seconds=seconds + ASK_SECONDS)
        except StandfastError as error:
            return Probed(source, target, trouble=str(error))
        finally:
            if pid.isdigit():
                with contextlib.suppress(StandfastError):  # it ends by itself
                    self.ask(target, "close", pid, token, seconds=ASK_SECONDS)
        if answer.get("trouble"):
            return Probed(source, target, trouble=f"{source}: {answer.get('trouble')}")
        return Probed(source, target, answer.number("bits_per_second") or 0.0, int(answer.number("mtu") or 0))

    def ask(self, name: str, what: str, *args: str, input: str | None = None, seconds: float) -> Answer:
        """What a host answers to one of our scripts. Raises StandfastError."""
        done = self._targets[name].run(script(what), *args, input=input, timeout_seconds=seconds)
        if done.exit_code != 0:
            why = done.stderr.strip()[-300:] or f"exit code {done.exit_code}"
            raise OutsideError(f"{what}_failed", f"the script for {what} failed", where=name, why=why)
        return read_answer(name, done.stdout)


def ring(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Each to the next, the last to the first; nothing for one alone."""
    if len(names) < 2:
        return ()
    return tuple((name, names[(index + 1) % len(names)]) for index, name in enumerate(names))


def wires_of(answer: Answer, address: str) -> HostWires:
    """What `survey.sh` found. Lines that can't be read are left out."""
    wires: dict[str, Wire] = {}
    for line in answer.lines("wire"):
        words = line.split()
        with contextlib.suppress(ValueError):
            name, mtu, mbits, state, kind, under, *counts = words
            old_in, old_out, new_in, new_out = (int(count) for count in counts)
            wires[name] = Wire(
                name,
                int(mtu),
                int(mbits) * 1_000_000 if int(mbits) > 0 else None,
                state in ("up", "unknown"),
                kind == "bond",
                () if under == "-" else tuple(under.split(",")),
                max(0, new_out - old_out) * 8 / LOOK_SECONDS,
                max(0, new_in - old_in) * 8 / LOOK_SECONDS,
            )
    carries: dict[Carries, tuple[str, ...]] = {}
    for line in answer.lines("carries"):
        what, _, device = line.partition(" ")
        if what in set(Carries) and device in wires:
            known = carries.get(Carries(what), ())
            carries[Carries(what)] = known if device in known else (*known, device)
    return HostWires(answer.host, wires, carries, address)
