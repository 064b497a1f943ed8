"""`ports.Examiner` over SSH: hosts say how they are, then try their ways to each other.

Short scripts: `exam` on each host that is asked about, `listen` on each that could be a target, `connect` on
each that is asked about, `close` where ports are open. A host that does not answer is said to be silent.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from standfast.model.errors import OutsideError, StandfastError
from standfast.model.exam import Exam, Way
from standfast.model.ids import HostId
from standfast.transports.ssh import SshTarget
from standfast.updates.answers import Answer, read_answer
from standfast.updates.exam import Door, door, exam, ways
from standfast.updates.scripts import script

EXAM_SECONDS = 60.0
LISTEN_SECONDS = 15.0
CONNECT_SECONDS = 90.0
DOOR_SECONDS = 40
"""How long ports are held open: until the slowest host has tried them."""
TRY_SECONDS = 4
"""How long a port is tried."""
MOST_WAYS = 24
"""How many others each host tries. In larger clusters these are its next neighbours in the order of names, so
that each host is tried by as many."""
MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Peer:
    """How the other hosts reach one: its libvirt by `uri`, its migration data at `address`."""

    name: str
    uri: str
    address: str = ""


class SshExaminer:
    """Exams of one cluster's hosts.

    `targets` by host name; `name_of` tells the name of a UUID; `peers` are all hosts of the cluster; `clock`
    gives Unix time in seconds.
    """

    def __init__(
        self,
        targets: Mapping[str, SshTarget],
        peers: Sequence[Peer],
        *,
        name_of: Callable[[HostId], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._targets = targets
        self._peers = {peer.name: peer for peer in peers}
        self._name_of = name_of
        self._clock = clock

    def examine(self, hosts: Sequence[HostId], files: Sequence[str]) -> tuple[Exam, ...]:
        """See `ports.Examiner`."""
        if not hosts:
            return ()
        with ThreadPoolExecutor(min(MOST_AT_ONCE, len(self._peers))) as pool:
            exams = list(pool.map(lambda host: self._exam(host, files), hosts))
            wanted = {name for each in exams if not each.silent for name in self._neighbours(each.name)}
            wanted |= {each.name for each in exams if not each.silent}
            token = secrets.token_hex(8)
            doors = {each.name: each for each in pool.map(lambda name: self._open(name, token), wanted)}
            try:
                return tuple(pool.map(lambda each: self._try_ways(each, doors, token), exams))
            finally:
                list(pool.map(lambda each: self._close(each, token), doors.values()))

    def _neighbours(self, name: str) -> tuple[str, ...]:
        """The hosts whose ways from this one are tried."""
        names = sorted(self._peers)
        if name not in names:
            return ()
        at = names.index(name)
        return tuple((names[at + 1 :] + names[:at])[:MOST_WAYS])

    def _exam(self, host: HostId, files: Sequence[str]) -> Exam:
        name = self._name_of(host)
        asked_at = self._clock()
        paths = [path for path in files if "\n" not in path]
        try:
            answer = self._ask(
                name, "exam", input="".join(f"{path}\n" for path in paths), seconds=EXAM_SECONDS
            )
        except StandfastError as error:
            words = StandfastError(error.code, error.what, where=error.where, why=error.why)
            return Exam(host, name, silent=str(words), silent_code=error.code, silent_mend=error.do)
        return exam(answer, host, paths, asked_at, self._clock())

    def _open(self, name: str, token: str) -> Door:
        peer = self._peers.get(name)
        if peer is None:
            return Door(name, trouble="it is no host of this cluster")
        args = (peer.address or "-", token, str(DOOR_SECONDS))
        try:
            return door(self._ask(name, "listen", *args, seconds=LISTEN_SECONDS))
        except StandfastError as error:
            return Door(name, trouble=str(error))

    def _close(self, each: Door, token: str) -> None:
        if each.pid.isdigit():
            with contextlib.suppress(StandfastError):  # it ends by itself
                self._ask(each.name, "close", each.pid, token, seconds=LISTEN_SECONDS)

    def _try_ways(self, found: Exam, doors: Mapping[str, Door], token: str) -> Exam:
        if found.silent:
            return found
        own = doors.get(found.name)
        found = replace(found, listen_trouble=own.trouble if own is not None else "it was not tried")
        others = [doors[name] for name in self._neighbours(found.name)]
        if not others:
            return found
        lines = "".join(self._line(index, each, token) for index, each in enumerate(others))
        try:
            answer = self._ask(found.name, "connect", str(TRY_SECONDS), input=lines, seconds=CONNECT_SECONDS)
        except StandfastError as error:
            words = str(error)
            return replace(found, ways=tuple(Way(each.name, words, untried=words) for each in others))
        return replace(found, ways=ways(answer, others))

    def _line(self, index: int, each: Door, token: str) -> str:
        address = each.address if each.ports else "-"
        ports = " ".join(map(str, each.ports))
        return f"{index} {self._peers[each.name].uri} {address} {token} {ports}\n"

    def _ask(self, name: str, what: str, *args: str, input: str | None = None, seconds: float) -> Answer:
        if name not in self._targets:
            raise OutsideError("host_unknown", "it is no host that can be reached by SSH", where=name)
        done = self._targets[name].run(script(what), *args, input=input, timeout_seconds=seconds)
        if done.exit_code != 0:
            why = done.stderr.strip()[-300:] or f"exit code {done.exit_code}"
            raise OutsideError(f"{what}_failed", f"the script for {what} failed", where=name, why=why)
        return read_answer(name, done.stdout)
