"""`ports.Fence` for libvirt hosts: a flag on the host's disk, and a hook of libvirt's that obeys it.

The flag `/var/lib/standfast/cordon` outlives the host's reboot, so that VMs with autostart do not come up on
a host that nobody has looked at yet. The hook refuses `prepare`, `start`, `restore` and an incoming
`migrate`; it never refuses what belongs to a VM that runs already. Source: https://libvirt.org/hooks.html.
VMs that the flag names as admitted (those that a run has shut down and owes a start) may boot, and nothing
else: neither be restored from saved state nor arrive.
libvirt looks for hooks only when it starts or reloads, so one that is new is followed by `systemctl reload`,
which reads configuration again and touches no guest and no job.

No settings are borrowed: autostart flags of VMs that are shut off stay as they are, because the hook keeps
them down, and `libvirt-guests` (which saves or stops guests at shutdown) finds none on an empty host. The one
setting known here is `autostart:UUID`, a flag that a migration took from a VM, which the run gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from standfast.model.errors import OutsideError, RefusedError, StandfastError, UnreachableError, UsageError
from standfast.model.hostwork import Setting
from standfast.model.ids import HostId, VmId
from standfast.platforms.libvirt.surroundings import SCRIPT, Surroundings, parse_surroundings
from standfast.ports import Fencing
from standfast.transports.ssh import SshTarget

CALL_SECONDS = 30.0
LOOK_SECONDS = 8.0
"""Less than a platform waits for a host's answer, and enough for a handshake with a host that is busy."""

_AUTOSTART = """
LC_ALL=C
export LC_ALL
case $2 in
on) exec timeout 20 virsh -q -c qemu:///system autostart -- "$1" ;;
*) exec timeout 20 virsh -q -c qemu:///system autostart --disable -- "$1" ;;
esac
"""

_JOURNAL = """
LC_ALL=C exec journalctl --no-pager -q -o cat --since "-$1s" -n 50 -u libvirtd.service -u virtqemud.service
"""


@cache
def script(name: str) -> str:
    """A script of this package by file name."""
    return files("standfast.platforms.libvirt").joinpath(name).read_text(encoding="utf-8")


def kit() -> tuple[str, ...]:
    """All that is run on a host from here, for accounts that are not root."""
    return (SCRIPT, _AUTOSTART, _JOURNAL, script("cordon.sh"), script("hook.sh"))


class LibvirtFence:
    """Cordons of one cluster's hosts. `targets` by host name; `name_of` tells the name of a UUID."""

    def __init__(self, targets: Mapping[str, SshTarget], *, name_of: Callable[[HostId], str]) -> None:
        self._targets = targets
        self._name_of = name_of

    def cordon(self, host: HostId, by: Fencing, *, admit: frozenset[VmId] = frozenset()) -> None:
        """See `ports.Fence`. Installs the hook where it is missing or old, raises the flag and reads it back.

        Raises RefusedError (`cordoned_by_other`, `stale_epoch`), OutsideError, UnreachableError, AuthError.
        """
        self._call(host, "up", by, script("hook.sh"), *sorted(admit))

    def uncordon(self, host: HostId, by: Fencing) -> None:
        """See `ports.Fence`. Raises as `cordon` does."""
        self._call(host, "down", by, None)

    def settings(self, host: HostId) -> tuple[Setting, ...]:
        """Nothing has to change on a libvirt host; see above."""
        return ()

    def apply_setting(self, setting: Setting, by: Fencing) -> None:
        """Set `autostart:UUID` to its value during the work."""
        self._set(setting, setting.during)

    def give_back(self, setting: Setting, by: Fencing) -> None:
        """Set `autostart:UUID` to its value before."""
        self._set(setting, setting.before)

    def mounts(self, name: str) -> Surroundings | None:
        """Mounts, bridges and network devices of a host (by its name), for `LibvirtPlatform`.

        Raises UnreachableError where it does not answer now; None where it can't be asked at all.
        """
        try:
            told = self._targets[name].run(SCRIPT, timeout_seconds=LOOK_SECONDS).stdout
        except UnreachableError:
            raise
        except (StandfastError, KeyError):
            return None
        found = parse_surroundings(told)
        if found is None:
            raise UnreachableError("connection_lost", "its answer was cut off", where=name)
        return found

    def journal(self, name: str, seconds: float) -> Sequence[str]:
        """What libvirt on a host (by its name) wrote in the last `seconds`; empty where it can't be asked."""
        try:
            done = self._targets[name].run(_JOURNAL, str(int(seconds) + 1), timeout_seconds=LOOK_SECONDS)
        except (StandfastError, KeyError):
            return ()
        return done.stdout.splitlines()

    def _call(self, host: HostId, action: str, by: Fencing, hook: str | None, *admit: VmId) -> None:
        name, target = self._target(host)
        arguments = (action, by.run, str(by.epoch), *admit)
        done = target.run(script("cordon.sh"), *arguments, input=hook, timeout_seconds=CALL_SECONDS)
        word, _, text = done.stdout.strip().rpartition("\n")[2].partition(" ")
        if done.exit_code == 0 and word == "done":
            return
        raise _refusal(name, word, text, by) or OutsideError(
            "cordon_failed",
            "the cordon could not be put up" if action == "up" else "the cordon could not be taken down",
            where=name,
            why=(text if word == "hook" else done.stderr.strip()[-300:]) or f"exit code {done.exit_code}",
        )

    def _set(self, setting: Setting, value: str) -> None:
        kind, _, vm = setting.name.partition(":")
        if kind != "autostart" or not vm or value not in ("on", "off"):
            raise UsageError("setting_unknown", f"no such setting of a libvirt host: {setting.name}={value}")
        name, target = self._target(setting.host)
        done = target.run(_AUTOSTART, vm, value, timeout_seconds=CALL_SECONDS)
        if done.exit_code != 0:
            why = done.stderr.strip()[-300:]
            raise OutsideError("autostart_failed", f"autostart of {vm} can't be set", where=name, why=why)

    def _target(self, host: HostId) -> tuple[str, SshTarget]:
        name = self._name_of(host)
        if name not in self._targets:
            raise UsageError("host_unknown", f"{name} is no host that can be reached by SSH")
        return name, self._targets[name]


def _refusal(name: str, word: str, text: str, by: Fencing) -> RefusedError | None:
    if word == "other":
        return RefusedError(
            "cordoned_by_other",
            f"it is cordoned by run {text}",
            where=name,
            why=f"this is run {by.run}",
            do="End that run, or take its cordon back if nobody works on the host.",
        )
    if word == "epoch":
        return RefusedError(
            "stale_epoch",
            f"it has seen a newer controller (epoch {text})",
            where=name,
            why=f"this one has epoch {by.epoch}",
            do="Stop this one if that one is at work. Where this one's state was made anew instead, remove "
            "/var/lib/standfast/epoch on the host.",
        )
    return None
