"""The ways from host to host: what keeps libvirt from libvirt, and a guest's memory from its target. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from standfast.model.exam import Exam, Way
from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason


@dataclass(frozen=True, slots=True)
class Broken:
    """One way that no VM can take. `words` are the same for all that fail in the same manner."""

    code: Code
    source: HostId
    source_name: str
    target: HostId
    target_name: str
    words: str


def broken(
    exams: Mapping[HostId, Exam], ids: Mapping[str, HostId], out: Collection[HostId] = ()
) -> tuple[Broken, ...]:
    """Every way that is closed. Hosts of `out` have trouble of their own, which is said elsewhere."""
    found: list[Broken] = []
    for source, exam in exams.items():
        for way in () if exam.silent or source in out else exam.ways:
            target = ids.get(way.target)
            if target is None or target == source or target in out:
                continue
            troubled = bool(exams[target].listen_trouble) if target in exams else False
            found += [
                Broken(code, source, exam.name, target, way.target, words)
                for code, words in _trouble(way, target, listens=not troubled)
            ]
    return tuple(found)


def _trouble(way: Way, target: HostId, *, listens: bool) -> Iterator[tuple[Code, str]]:
    if way.control:
        yield Code.WAY_CONTROL, _last_words(way.control)
    elif way.answered is not None and way.answered != target:
        yield Code.WAY_STRANGER, f"host {way.answered} answers there"
    if way.closed_ports:
        ports = ", ".join(str(port) for port, _ in sorted(way.closed_ports))
        words = sorted({words for _, words in way.closed_ports})
        code = Code.WAY_STRANGER if "another machine answers there" in words else Code.WAY_DATA
        part = " (others are open)" if way.open_ports else ""
        yield code, f"port {ports}{part}: {'; '.join(words)}"
    elif not way.open_ports and listens:
        yield Code.UNCHECKED, way.untried or "not tried"


def _last_words(words: str) -> str:
    """What ssh said, which libvirt puts behind words of its own."""
    shown = words.removeprefix("error: failed to connect to the hypervisor").strip()
    shown = shown.removeprefix("error: ").removeprefix("Cannot recv data: ")
    return shown.removesuffix(": Connection reset by peer").strip().rstrip(".")


def reasons(ways: Sequence[Broken]) -> Iterator[Reason]:
    """Broken ways as reasons: one for each host that cannot be reached, or that cannot reach others."""
    left = list(ways)
    while left:
        first = left[0]
        alike = [way for way in left if (way.code, way.words) == (first.code, first.words)]
        into = [way for way in alike if way.target == first.target]
        out_of = [way for way in alike if way.source == first.source]
        same = into if len(into) >= len(out_of) else out_of
        yield _reason(same, by_target=same is into)
        left = [way for way in left if way not in same]


def _reason(ways: Sequence[Broken], *, by_target: bool) -> Reason:
    first = ways[0]
    sources = _names(way.source_name for way in ways)
    targets = _names(way.target_name for way in ways)
    sentence = _SENTENCES[first.code].format(source=sources, target=targets, words=first.words)
    mend = _mend(first).format(source=sources, target=targets)
    return Reason(
        first.code, sentence, mend, host=first.target if by_target and len(ways) > 1 else first.source
    )


def _names(names: Iterator[str]) -> str:
    return ", ".join(sorted(set(names)))


_SENTENCES = {
    Code.WAY_CONTROL: "libvirt on {source} can't talk to libvirt on {target}: {words}.",
    Code.WAY_DATA: "Migrations from {source} do not get through to {target}: {words}.",
    Code.WAY_STRANGER: "{source} does not find {target} where it is said to be: {words}.",
    Code.UNCHECKED: "Whether migrations get from {source} to {target} could not be tried: {words}.",
}


def _mend(way: Broken) -> str:
    if way.code is Code.WAY_DATA:
        return (
            "Let {source} in at {target}: libvirt takes ports 49152 to 49215 unless qemu.conf says otherwise."
        )
    if way.code is Code.WAY_STRANGER:
        return "Compare names and addresses of {target} in the config and in /etc/hosts of {source}."
    if way.code is Code.UNCHECKED:
        return "perl-base has what is needed to try it."
    if "Host key verification failed" in way.words or "host key is known" in way.words:
        return "Put the host key of {target} into root's known_hosts on {source}."
    if "Permission denied" in way.words:
        return "Put the key of root on {source} into authorized_keys of {target}."
    if "resolve" in way.words or "not known" in way.words:
        return "Let {source} resolve the name of {target}."
    return "Try `virsh -c` with the URI of {target} as root on {source}."
