"""What is to be said of one host by itself: reaching it, our rights, other hands, packages, room. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from standfast.doctor.equal import listed
from standfast.model.cluster import Host
from standfast.model.exam import Exam, Hand, OtherHand
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.units import MIB, size
from standfast.plan.triage import cordoned, not_scanned, packages_of

LOW_BYTES = 512 * MIB
LOW_BOOT_BYTES = 200 * MIB
"""A kernel with its initial RAM disk takes about half of it."""

BY_ERROR = {
    "host_key_unknown": Code.HOST_KEY_UNKNOWN,
    "host_key_changed": Code.HOST_KEY_CHANGED,
    "auth_failed": Code.HOST_NO_ACCESS,
    "host_too_old": Code.HOST_TOO_OLD,
}
"""Codes of errors of the transports, as reasons."""

_HYPERVISOR = re.compile(r"^(qemu-system-|qemu-kvm|libvirt-daemon|libvirt0$)")
_RELEASE = re.compile(r"^(?:\d+:)?(\d+)\.(\d+)")


def access(host: Host, exam: Exam | None) -> Iterator[Reason]:
    """Why the host or its hypervisor can't be reached; nothing where both answer."""
    if exam is not None and exam.silent and host.unreachable_code != "host_too_old":
        # ssh's own words are plainer than libvirt's, which only says that its tunnel broke.
        code = BY_ERROR.get(exam.silent_code, Code.HOST_UNREACHABLE)
        yield Reason(code, _at(host, exam.silent), exam.silent_mend, host=host.id)
    elif not host.reachable:
        yield _unreachable(host, answers=exam is not None)
    elif exam is None or host.facts is None:
        why = host.unreachable_why or "no answer"
        yield unchecked(host, f"{host.name} could not be looked at ({why.rstrip('.')}).")
    elif host.facts.active_vms is None:
        yield Reason(
            Code.HOST_HYPERVISOR_DOWN,
            f"libvirt on {host.name} answers from afar, but not on the host itself.",
            f"Try `virsh -c qemu:///system list` on {host.name}.",
            host=host.id,
        )


def _unreachable(host: Host, *, answers: bool) -> Reason:
    """libvirt can't be reached; `answers`: the host itself can."""
    why = host.unreachable_why or "no answer"
    code = BY_ERROR.get(host.unreachable_code, Code.HOST_UNREACHABLE)
    if code is Code.HOST_UNREACHABLE and answers and "is known as" not in why:
        sentence = f"{host.name} answers, but its libvirt does not ({_short(host, why)})."
        mend = f"Start it: `systemctl start libvirtd.socket libvirtd` on {host.name}."
        return Reason(Code.HOST_HYPERVISOR_DOWN, sentence, mend, host=host.id)
    return Reason(code, _at(host, why), "", host=host.id)


def _short(host: Host, words: str) -> str:
    """The cause at the end of libvirt's words."""
    _, _, cause = words.rpartition("virt-ssh-helper: ")
    return cause.removeprefix(f"{host.name}: ").rstrip(".").removesuffix(": Input/output error")


def _at(host: Host, words: str) -> str:
    """An error's own words as a sentence that names the host."""
    return words if words.startswith(host.name) else f"{host.name}: {words}"


def unchecked(host: Host, sentence: str, mend: str = "") -> Reason:
    """A check that could not be made."""
    return Reason(Code.UNCHECKED, sentence, mend, host=host.id)


def scanned(host: Host) -> Iterator[Reason]:
    """What a scan for updates shows against it, or that it could not be made as it should have been."""
    if host.updates is None or host.unscanned_why:
        yield not_scanned(host)
    yield from packages_of(host)
    if host.updates is None:
        return
    if host.updates.held_back:
        names = ", ".join(host.updates.held_back)
        yield Reason(
            Code.HOST_PACKAGES_HELD,
            f"{host.name} holds back {names}.",
            "`apt-mark unhold` lets them be updated.",
            host=host.id,
        )
    new = sorted(
        {_new_release(each.package, each.installed, each.candidate) for each in host.updates.pending} - {""}
    )
    if new:
        yield Reason(
            Code.HOST_NEW_HYPERVISOR,
            f"The updates of {host.name} bring {', '.join(new)}: VMs on it then can't go back to a host "
            "without them.",
            "Plan the whole cluster in one run, so that VMs only go forward.",
            host=host.id,
        )


def _new_release(package: str, installed: str, candidate: str) -> str:
    """`QEMU 10.1 (now 10.0)` where the update changes the feature release; micro releases do not matter."""
    if not _HYPERVISOR.match(package):
        return ""
    before, after = _RELEASE.match(installed), _RELEASE.match(candidate)
    if before is None or after is None or before.groups() == after.groups():
        return ""
    what = "QEMU" if package.startswith("qemu") else "libvirt"
    return f"{what} {after[1]}.{after[2]} (now {before[1]}.{before[2]})"


def examined(exam: Exam, policy: Policy) -> Iterator[Reason]:
    """What the exam itself shows, the ways to other hosts apart."""
    if exam.silent:
        return
    yield from _rights(exam)
    yield from _other_hands(exam)
    yield from _state(exam, policy)
    for words in exam.unmade:
        yield _of(exam, Code.UNCHECKED, words, "")


def _of(exam: Exam, code: Code, sentence: str, mend: str) -> Reason:
    return Reason(code, sentence, mend, host=exam.host)


def _rights(exam: Exam) -> Iterator[Reason]:
    name = exam.name
    if exam.uid != 0:
        who = exam.user or f"user {exam.uid}"
        yield _of(
            exam,
            Code.HOST_NO_RIGHTS,
            f"On {name} we are {who}, who may neither install nor reboot.",
            f"Let `ssh` of {name} in the config name root.",
        )
        return  # what such an account can't see or write says nothing more
    if exam.missing_tools:
        tools = ", ".join(exam.missing_tools)
        yield _of(exam, Code.HOST_NO_TOOL, f"{name} lacks {tools}.", f"Install what has {tools}.")
    if exam.unwritable:
        places = ", ".join(exam.unwritable)
        yield _of(
            exam,
            Code.HOST_NO_GUARD,
            f"{name} does not let us write to {places}, where its own guard has to be.",
            "Make it writable: is it mounted read-only?",
        )


def _other_hands(exam: Exam) -> Iterator[Reason]:
    name = exam.name
    managers = _units(exam, Hand.CLUSTER_MANAGER)
    if managers and exam.manager_idle:
        words = f"{managers} on {name} {'is' if ',' not in managers else 'are'} in maintenance mode."
        yield _of(exam, Code.HOST_CLUSTER_MANAGER_IDLE, words, "Keep it so until the run has ended.")
    elif managers:
        fencing = ", and may fence the host (switch it off)" if exam.fencing else ""
        yield _of(
            exam,
            Code.HOST_CLUSTER_MANAGER,
            f"{managers} {_runs(exam, Hand.CLUSTER_MANAGER)} on {name}: it may start or move VMs by itself"
            f"{fencing}.",
            "Put it into maintenance mode for the run (for Pacemaker: `crm_attribute -n maintenance-mode -v "
            "true`), or take VMs and fencing out of its hands.",
        )
    balancers = _units(exam, Hand.BALANCER)
    if balancers:
        words = f"{balancers} {_runs(exam, Hand.BALANCER)} on {name}: it moves VMs by itself."
        yield _of(exam, Code.HOST_BALANCER, words, "Stop it for the run.")
    updaters = _units(exam, Hand.UPDATER)
    if updaters:
        code = Code.HOST_AUTO_REBOOT if exam.updates_reboot else Code.HOST_AUTO_UPDATES
        then = ", and may reboot it" if exam.updates_reboot else ""
        yield _of(
            exam,
            code,
            f"{updaters} installs updates on {name} by itself{then}.",
            f"Turn it off on {name}: updates come with the run.",
        )
    if exam.guests_at_shutdown == "suspend":
        yield _of(
            exam,
            Code.HOST_GUESTS_SUSPENDED,
            f"libvirt-guests on {name} would save running VMs if it went down with some "
            "(ON_SHUTDOWN=suspend).",
            "Set ON_SHUTDOWN=shutdown, or disable libvirt-guests.",
        )
    elif exam.guests_at_shutdown:
        yield _of(
            exam,
            Code.HOST_GUESTS_STOPPED,
            f"libvirt-guests on {name} would shut running VMs down if it went down with some.",
            "A run only reboots empty hosts; nothing is to be done.",
        )
    if exam.shutdown_scheduled:
        yield _of(
            exam,
            Code.HOST_SHUTDOWN_SCHEDULED,
            f"A shutdown of {name} is scheduled ({exam.shutdown_scheduled}).",
            f"`shutdown -c` on {name} takes it back.",
        )


def _these(exam: Exam, hand: Hand) -> Sequence[OtherHand]:
    return [other for other in exam.other_hands if other.hand is hand]


def _units(exam: Exam, hand: Hand) -> str:
    names = (other.unit.removesuffix(".service").removesuffix(".timer") for other in _these(exam, hand))
    return ", ".join(dict.fromkeys(names))


def _runs(exam: Exam, hand: Hand) -> str:
    those = _these(exam, hand)
    end = "s" if len(those) == 1 else ""
    return f"run{end}" if any(other.active for other in those) else f"start{end} at the next boot"


def _state(exam: Exam, policy: Policy) -> Iterator[Reason]:
    name, skew = exam.name, exam.clock_skew_seconds
    if skew is None:
        yield _of(exam, Code.UNCHECKED, f"{name} does not tell the time.", "")
    elif abs(skew) > policy.clock_skew_seconds:
        mend = f"Set up time synchronization on {name}."
        yield _of(exam, Code.HOST_CLOCK, f"The clock of {name} is {skew:+.1f} s off.", mend)
    if exam.package_lock:
        words = f"The package manager of {name} is in use: {exam.package_lock.rstrip('.')}."
        yield _of(exam, Code.HOST_PACKAGES_LOCKED, words, "Wait for it to end, or look what hangs.")
    if exam.keepalive_off:
        yield _of(
            exam,
            Code.HOST_NO_KEEPALIVE,
            f"libvirt on {name} has its keepalive off (qemu.conf: keepalive_interval).",
            "Take that line out: a migration to a host that dies would hang.",
        )
    for room in exam.rooms:
        boot = room.folder == "/boot"
        least = LOW_BOOT_BYTES if boot else LOW_BYTES
        # Small file systems of their own, such as a /boot, are not low because they are small.
        if (room.own or room.folder == "/") and room.free_bytes < min(
            least, max(room.total_bytes // 4, 64 * MIB)
        ):
            if room.folder == "/var/cache/apt/archives":
                continue  # judged by what the updates need
            yield _of(
                exam,
                Code.HOST_DISK_LOW,
                f"{room.folder} of {name} has {size(room.free_bytes)} left.",
                "Remove old kernels (`apt-get autoremove --purge`)." if boot else "Free some space.",
            )


def failed_units(host: Host) -> Iterator[Reason]:
    """Units that have failed already."""
    failed = host.facts.failed_units if host.facts is not None else ()
    if failed:
        yield Reason(
            Code.HOST_UNITS_FAILED,
            f"{'A unit has' if len(failed) == 1 else 'Units have'} failed on {host.name}: {listed(failed)}.",
            "Mend it, or `systemctl reset-failed`.",
            host=host.id,
        )


def held_by_others(host: Host) -> Iterator[Reason]:
    """A cordon that is up."""
    if host.cordoned:
        yield cordoned(host)


def address(host: Host, exam: Exam, *, declared_by_others: bool) -> Iterator[Reason]:
    """Its migration address: not declared although others' are, or not one that it can listen on."""
    if not host.migration_address and declared_by_others:
        yield Reason(
            Code.HOST_NO_MIGRATION_ADDRESS,
            f"{host.name} has no migration_address, and others have: guests' memory goes to it over "
            "whichever network its name leads to.",
            "Declare it in the config.",
            host=host.id,
        )
    if exam.listen_trouble:
        what = f"migration address {host.migration_address}" if host.migration_address else "host name"
        yield Reason(
            Code.HOST_MIGRATION_ADDRESS,
            f"{host.name} can't listen on its {what}: {exam.listen_trouble.rstrip('.')}.",
            f"Compare migration_address with `ip address` on {host.name}.",
            host=host.id,
        )
