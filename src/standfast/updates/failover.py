"""Taking one network of a cluster away for some seconds, over SSH, and watching the other meanwhile.

Each host takes its own device down and brings it back by itself: systemd holds the way back before anything
is cut, so that whoever asked for it may die at any instant.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from standfast.model.errors import OutsideError, RefusedError, StandfastError
from standfast.model.failover import FailedHost, FailedWay, Paths, Rehearsal, Route
from standfast.model.wires import Carries, Probed
from standfast.updates.answers import Answer
from standfast.updates.netlook import ASK_SECONDS, MOST_AT_ONCE, SshNetLook, ring
from standfast.updates.scripts import script

T = TypeVar("T")
USUAL_RULES = frozenset({"local", "main", "default"})
PROBE_SECONDS = 1
SETTLE_SECONDS = 15.0
"""How long after the end of the cut a host may take until all is as before."""
MEANWHILE_SECONDS = 8.0
"""How long a question may take while the network is away."""
Say = Callable[[str], None]


class SshFailover:
    """`devices`: what is to be taken away on each host, by its name; the rest is as `SshNetLook` has it."""

    def __init__(self, look: SshNetLook, devices: Mapping[str, str]) -> None:
        self._look, self._devices = look, devices

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._devices)

    def peers(self, name: str) -> tuple[str, ...]:
        """The migration addresses of the other hosts."""
        every = self._look.addresses
        return tuple(every[other] for other in self.names if other != name and every.get(other))

    def paths(self, *, all: bool) -> dict[str, Paths]:
        """Every host's ways at this moment; one that does not answer is said to be silent."""
        return self._each(lambda name: self._paths(name, all=all))

    def _paths(self, name: str, *, all: bool) -> Paths:
        lines = "".join(f"{address}\n" for address in self.peers(name))
        words = (self._devices[name], "all" if all else "short")
        try:
            seconds = ASK_SECONDS if all else MEANWHILE_SECONDS
            return paths_of(self._look.ask(name, "paths", *words, input=lines, seconds=seconds))
        except StandfastError as error:
            return Paths(name, silent=str(error))

    def rehearse(
        self,
        cluster: str,
        network: Carries,
        seconds: int,
        say: Say,
        allow: Callable[[dict[str, Paths]], None],
    ) -> Rehearsal:
        """Probe, cut, probe, wait, probe. `allow` sees every host's ways right before the cut and raises if
        it may not be. Raises RefusedError if a host would not cut; then all are back."""
        say("Measuring each way before …")
        rates = dict(self._probe_all(None))
        before = self.paths(all=True)
        allow(before)
        token, at = secrets.token_hex(8), time.time()
        with _Watch(self, seconds) as watch:
            began = time.monotonic()
            try:
                self._cut(seconds, token)
                say(f"The {network} network is away for {seconds} s …")
                gone = self._until_gone()
                meanwhile = dict(self._probe_all(began + seconds))
                late = self.paths(all=False)
                if time.monotonic() < began + seconds:  # still away, and nobody has brought it back?
                    gone = {name: _both(gone[name], late[name]) for name in self.names}
                time.sleep(max(0.0, began + seconds + 1 - time.monotonic()))
            except BaseException:
                say("Ended before its time: it is brought back …")
                self._uncut(token)
                raise
            say("It comes back …")
            after = self._until_back(before, token)
        say("Measuring each way afterwards …")
        again = dict(self._probe_all(None))
        ways = tuple(
            _way(pair, rates.get(pair), meanwhile.get(pair), again.get(pair), gone, self._look.addresses)
            for pair in ring(self.names)
        )
        ways = tuple(replace(way, silent_seconds=watch.silence(way.source, way.target)) for way in ways)
        hosts = tuple(self._host(name, before[name], gone[name], after[name], watch) for name in self.names)
        return Rehearsal(cluster, network, at, seconds, hosts, ways)

    # ---- the steps -----------------------------------------------------------------------------------------

    def _probe_all(self, deadline: float | None) -> Iterator[tuple[tuple[str, str], Probed]]:
        """Each way of the ring, one after another, while there is time."""
        for pair in ring(self.names):
            if deadline is None or time.monotonic() + PROBE_SECONDS + 1 < deadline:
                yield pair, self._look.probe_way(*pair, PROBE_SECONDS, mtus=False)

    def _cut(self, seconds: int, token: str) -> None:
        def cut(name: str) -> str:
            words = (self._devices[name], str(seconds), token)
            try:
                answer = self._look.ask(name, "cut", *words, input=script("away"), seconds=ASK_SECONDS)
            except StandfastError as error:
                return str(error)
            return (
                "" if answer.get("cut") == "yes" else answer.get("trouble") or "it did not say that it began"
            )

        for name, trouble in self._each(cut).items():
            if trouble:
                raise RefusedError(
                    "failover_not_begun",
                    "the rehearsal was not begun, and what had begun was ended",
                    where=name,
                    why=trouble,
                )

    def _uncut(self, token: str) -> dict[str, str]:
        """End it everywhere, now; by host what speaks against it being so."""

        def uncut(name: str) -> str:
            try:
                answer = self._look.ask(name, "uncut", token, seconds=MEANWHILE_SECONDS)
            except StandfastError as error:
                return str(error)
            return "" if answer.get("back") == "yes" else "it does not say that it has ended"

        return self._each(uncut)

    def _until_gone(self) -> dict[str, Paths]:
        deadline = time.monotonic() + 5
        time.sleep(1.2)  # the hosts wait for one second
        while True:
            found = self.paths(all=False)
            if not any(each.silent or _up(each) for each in found.values()) or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def _until_back(self, before: Mapping[str, Paths], token: str) -> dict[str, Paths]:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            found = self.paths(all=True)
            if all(as_before(before[name], found[name]) for name in found) or time.monotonic() > deadline:
                self._uncut(token)
                return found
            time.sleep(0.3)

    def _host(self, name: str, before: Paths, gone: Paths, after: Paths, watch: _Watch) -> FailedHost:
        return FailedHost(
            name,
            self._devices[name],
            gone=not gone.silent and not _up(gone),
            reached=not gone.silent,
            silent_seconds=watch.unreached.get(name),
            libvirt=gone.libvirt,
            vms=len(before.vms),
            same_vms=set(before.vms) == set(after.vms),
            back=as_before(before, after),
            trouble=gone.silent or after.silent,
        )

    def _each(self, do: Callable[[str], T]) -> dict[str, T]:
        with ThreadPoolExecutor(min(MOST_AT_ONCE, max(1, len(self.names)))) as pool:
            return dict(zip(self.names, pool.map(do, self.names), strict=True))

    # ---- what is watched all the time ----------------------------------------------------------------------

    def serve(self, name: str, token: str, seconds: int) -> tuple[str, str]:
        """Open a port there that answers; its process and port. Raises StandfastError."""
        address = self._look.addresses.get(name, "")
        answer = self._look.ask(name, "serve", address, token, str(seconds), seconds=ASK_SECONDS)
        if answer.get("trouble") or not answer.get("pid").isdigit():
            raise OutsideError("serve_failed", answer.get("trouble") or "it opened no port", where=name)
        return answer.get("pid"), answer.get("port")

    def close(self, name: str, pid: str, token: str) -> None:
        with contextlib.suppress(StandfastError):  # it ends by itself
            self._look.ask(name, "close", pid, token, seconds=ASK_SECONDS)

    def beat(self, pair: tuple[str, str], port: str, token: str, seconds: int) -> float | None:
        """The longest time without an answer; None where it could not be measured."""
        words = (self._look.addresses.get(pair[1], ""), port, token, str(seconds))
        try:
            answer = self._look.ask(pair[0], "beat", *words, seconds=seconds + ASK_SECONDS)
        except StandfastError:
            return None
        return answer.number("silent_seconds")

    def answers(self, name: str) -> bool:
        """Whether the host answers right now."""
        try:
            self._look.ask(name, "close", "0", "0", seconds=MEANWHILE_SECONDS)
        except StandfastError:
            return False
        return True


@dataclass
class _Watch:
    """Asks all the time, from before the cut until after it: hosts one another, and we each host."""

    failover: SshFailover
    seconds: int
    unreached: dict[str, float] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)
    _beats: dict[tuple[str, str], Future[float | None]] = field(default_factory=dict)
    _open: list[tuple[str, str, str]] = field(default_factory=list)

    def __enter__(self) -> _Watch:
        pairs = ring(self.failover.names)
        self._pool = ThreadPoolExecutor(max(2, len(pairs) + len(self.failover.names)))
        for pair in pairs:
            token = secrets.token_hex(8)
            try:
                pid, port = self.failover.serve(pair[1], token, self.seconds + 60)
            except StandfastError:
                continue  # then how long nothing came through is not known
            self._open.append((pair[1], pid, token))
            long = self.seconds + 8
            self._beats[pair] = self._pool.submit(self.failover.beat, pair, port, token, long)
        for name in self.failover.names:
            self._pool.submit(self._follow, name)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._done.set()
        if kind is None:
            self._pool.shutdown(wait=True)
        for each in self._open:  # whoever asks there ends too, then
            self.failover.close(*each)
        self._pool.shutdown(wait=True)

    def _follow(self, name: str) -> None:
        last = time.monotonic()
        while not self._done.is_set():
            if self.failover.answers(name):
                now = time.monotonic()
                self.unreached[name] = max(self.unreached.get(name, 0.0), now - last)
                last = now
            self._done.wait(0.1)
        self.unreached[name] = max(self.unreached.get(name, 0.0), time.monotonic() - last)

    def silence(self, source: str, target: str) -> float | None:
        beat = self._beats.get((source, target))
        return None if beat is None else beat.result()


def _way(
    pair: tuple[str, str],
    before: Probed | None,
    meanwhile: Probed | None,
    after: Probed | None,
    gone: Mapping[str, Paths],
    addresses: Mapping[str, str],
) -> FailedWay:
    times = (("before", before), ("meanwhile", meanwhile), ("afterwards", after))
    told = next((f"{when}: {each.trouble}" for when, each in times if each and each.trouble), "")
    return FailedWay(
        *pair,
        before=_through(before),
        during=_through(meanwhile),
        after=_through(after),
        carried_by=gone[pair[0]].ways.get(addresses.get(pair[1], ""), ""),
        trouble=told,
    )


def _up(paths: Paths) -> bool:
    return paths.state in ("up", "unknown")


def _both(first: Paths, second: Paths) -> Paths:
    """Two looks of one host as one: the worse of each."""
    if first.silent or second.silent:
        return first if first.silent else second
    ways = {address: device for address, device in second.ways.items() if first.ways.get(address) == device}
    state = next((each.state for each in (first, second) if _up(each)), second.state)
    return replace(second, state=state, ways=ways, libvirt=first.libvirt and second.libvirt)


def _through(probed: Probed | None) -> float | None:
    return None if probed is None or probed.trouble else probed.bits_per_second


def as_before(before: Paths, after: Paths) -> bool:
    """Whether device, ways, routes and addresses are what they were. The asker's own port may differ."""
    return not after.silent and (
        (before.state, dict(before.ways), sorted(before.routes, key=repr), sorted(before.addresses))
        == (after.state, dict(after.ways), sorted(after.routes, key=repr), sorted(after.addresses))
    )


def paths_of(answer: Answer) -> Paths:
    """What `paths.sh` found. Raises OutsideError for routes that can't be read."""
    ways = {}
    for line in answer.lines("way"):
        address, _, device = line.partition(" ")
        ways[address] = device
    return Paths(
        answer.host,
        state=answer.get("state", "missing"),
        ways=ways,
        asker=answer.get("asker"),
        libvirt=answer.get("libvirt") == "yes",
        vms=answer.lines("vm"),
        uppers=tuple(sorted(set(answer.lines("upper")))),
        far=answer.lines("far"),
        keepers=answer.lines("keeper"),
        movers=answer.lines("mover"),
        routes=tuple(_routes(answer)),
        addresses=tuple(_addresses(answer)),
        own_rules=any(
            rule.get("table") not in USUAL_RULES or rule.get("src") != "all" or "dst" in rule
            for key in ("rules4", "rules6")
            for rule in _json(answer, key)
        ),
    )


def _routes(answer: Answer) -> Iterator[Route]:
    for key, everywhere in (("routes4", "0.0.0.0/0"), ("routes6", "::/0")):
        for each in _json(answer, key):
            hops = each.get("nexthops") or [each]
            to = everywhere if each.get("dst") == "default" else str(each.get("dst"))
            yield Route(
                to,
                tuple(str(hop["dev"]) for hop in hops if "dev" in hop),
                int(each.get("metric", 0)),
                link=each.get("protocol") == "kernel",
                kind=str(each.get("type", "unicast")),
            )


def _addresses(answer: Answer) -> Iterator[str]:
    for device in _json(answer, "addresses"):
        for each in device.get("addr_info", ()):
            if each.get("scope") != "link":
                yield f"{each.get('local')}/{each.get('prefixlen')}"


def _json(answer: Answer, key: str) -> list[dict[str, Any]]:
    text = answer.get(key)
    if not text:
        return []
    try:
        return [each for each in json.loads(text) if each]
    except ValueError as error:
        raise OutsideError(
            "routes_unreadable", f"its {key} can't be read", where=answer.host, why=str(error)
        ) from error
