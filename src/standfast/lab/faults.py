"""What `lab break` does to a host, and how `lab mend` takes it back.

A fault is real: a link that is down, a process that is killed, a lock that is held. Mending is idempotent and
asks what is so, not what was done before, so that it also works after whoever broke the host has died.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from standfast.lab import network
from standfast.lab.cluster import Lab
from standfast.lab.errors import LabError
from standfast.lab.hosts import LIBVIRT_READY
from standfast.lab.names import Net
from standfast.lab.processes import cgroup_dirs

SLOW_BOOT_SECONDS = 60.0
SLOW = {Net.MANAGEMENT: (128_000, "128Kbit"), Net.MIGRATION: (16_000_000, "16Mbit")}
"""How slow a slow network is, in bit/s and as `tc` shows it. A few lines a second go over the one; over the
other a guest of the default kind dirties its memory as fast as it is copied."""
Act = Callable[[Lab, str], None]
"""Of a lab, to one of its hosts, by name. LabError if it can't be done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`says` is what breaking does to the host."""

    name: str
    says: str
    do: Act
    undo: Act


def find(name: str) -> Fault:
    """The fault of that name; LabError names those there are."""
    if name not in FAULTS:
        raise LabError(f"There is no fault {name!r}; there are {', '.join(FAULTS)}.")
    return FAULTS[name]


def mend(lab: Lab, host: str, name: str | None = None) -> None:
    """Take one fault of a host back, or all; nothing happens where it isn't broken."""
    for fault in [find(name)] if name else FAULTS.values():
        fault.undo(lab, host)


# --- power and boots ----------------------------------------------------------------------------------------


def _boot_well(lab: Lab, host: str) -> None:
    lab.host(host).paths.fail_next_boot.unlink(missing_ok=True)
    _switch_on(lab, host)


def _switch_on(lab: Lab, host: str) -> None:
    """Press the button only of a host that is down: a press is remembered, and would undo the next fault."""
    found = lab.host(host)
    if found.status in {"failed", "off"}:
        lab.power_on(host)
        found.wait_ready()


def _boot_slowly(lab: Lab, host: str) -> None:
    lab.set_boot_seconds(SLOW_BOOT_SECONDS, host)


def _boot_as_built(lab: Lab, host: str) -> None:
    lab.set_boot_seconds(lab.state.spec.boot_seconds, host)


def _frozen(lab: Lab, host: str, *, state: bool) -> None:
    """Every process of the host, its VMs too, stands still and none ends: it hangs, it is not dead."""
    files = [path / host / "cgroup.freeze" for path in cgroup_dirs(lab.name)]
    file = next((each for each in files if each.exists()), None)
    if file is None:
        if state:
            raise LabError(f"{host} can't be frozen: this machine's control groups have no freezer.")
        return
    file.write_text(f"{state:d}\n", encoding="ascii")


# --- networks -----------------------------------------------------------------------------------------------


def _link(lab: Lab, host: str, *, net: Net, up: bool) -> None:
    found = lab.host(host)
    if up and found.status != "running":
        return  # the links of a host that is down are down; they come up with its next boot
    network.set_link(found.names, found.number, net, up=up)


def _crawl(lab: Lab, host: str, *, net: Net) -> None:
    lab.set_speed(net, SLOW[net][0], hosts=[host])


def _as_fast_as_built(lab: Lab, host: str, *, net: Net) -> None:
    """Only what is as slow as the fault makes it: another speed is somebody's wish."""
    found, spec = lab.host(host), lab.state.spec
    if f" rate {SLOW[net][1]} " not in network.shaping(found.names, found.number, net):
        return
    built = {
        Net.MANAGEMENT: spec.management_speed_bits_per_second,
        Net.MIGRATION: spec.migration_speed_bits_per_second,
    }
    lab.set_speed(net, built[net], hosts=[host])


# --- packages -----------------------------------------------------------------------------------------------


def _offer_broken(lab: Lab, host: str) -> None:
    """All hosts read the one repository, so that all are offered it."""
    lab.host(host)
    lab.publish(broken=True)


def _withdraw_broken(lab: Lab, host: str) -> None:
    """From every host, as it was offered to every one; none is left with lists that still have it."""
    lab.host(host)
    lab.publish(broken=lab.state.spec.broken)
    if not lab.state.spec.broken:
        for each in lab.hosts:
            _if_up(lab, each, command=_CONFIGURE)


# --- on the host itself -------------------------------------------------------------------------------------


def _on(lab: Lab, host: str, *, command: str) -> None:
    lab.ssh(host, command)


def _if_up(lab: Lab, host: str, *, command: str) -> None:
    """For mending what is gone with a boot anyway."""
    if lab.host(host).status == "running":
        lab.ssh(host, command)


_SOCKETS = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket"
_KILL_LIBVIRT = (
    f"systemctl mask --runtime -q libvirtd.service {_SOCKETS}; systemctl stop {_SOCKETS}; "
    "systemctl kill -s KILL libvirtd.service; systemctl stop libvirtd.service"
)
_START_LIBVIRT = (
    f"systemctl unmask --runtime -q libvirtd.service {_SOCKETS}; systemctl reset-failed libvirtd.service; "
    f"systemctl start {_SOCKETS} libvirtd.service; {LIBVIRT_READY}"
)
_LOCKER = "standfast-lab-locker"
_LOCK = (
    f"systemctl is-active -q {_LOCKER} || systemd-run -q --unit={_LOCKER} --collect "
    "--expand-environment=no perl -MFcntl -e 'open F, q(+<), q(/var/lib/dpkg/lock-frontend) or die; "
    "my $lock = pack(q(s s x4 q q i x4), F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLKW, $lock) or die; sleep'; "
    "sleep 0.5"
)
_UNLOCK = f"systemctl stop -q {_LOCKER} 2>/dev/null || true"
_ARCHIVES = "/var/cache/apt/archives"
_FILL = (
    f"mountpoint -q {_ARCHIVES} || {{ mount -t tmpfs -o size=16k tmpfs {_ARCHIVES} && "
    f"mkdir -p {_ARCHIVES}/partial; head -c 65536 /dev/zero >{_ARCHIVES}/full 2>/dev/null; true; }}"
)
_EMPTY = f"! mountpoint -q {_ARCHIVES} || umount {_ARCHIVES}"

_BROKEN = "standfast-lab-broken"
# As whoever made the package would: what fails is taken out of it, then dpkg ends what it had begun.
_CONFIGURE = (
    f"case $(dpkg-query -W -f '${{Status}}' {_BROKEN} 2>/dev/null) in *half-configured | *unpacked) "
    f"rm -f /var/lib/dpkg/info/{_BROKEN}.postinst; dpkg --configure -a;; esac; "
    "! grep -qs standfast-lab-broken /var/lib/apt/lists/*_Packages || apt-get -qq update"
)
_SHARED = "/srv/vm"
_HIDE = f"findmnt -n -t tmpfs {_SHARED} >/dev/null || mount -t tmpfs -o ro,size=4k,mode=0 tmpfs {_SHARED}"
_SHOW = f"! findmnt -n -t tmpfs {_SHARED} >/dev/null || umount {_SHARED}"
_VIRSH = "virsh -q -c qemu:///system"
_KILLED = "/var/lib/standfast-lab-killed"
# One VM, remembered by its name, so that mending starts this one and none that is off for another reason.
_KILL_QEMU = (
    f"vm=$(cat {_KILLED} 2>/dev/null); "
    f'[ -n "$vm" ] && [ "$({_VIRSH} domstate "$vm" 2>/dev/null)" = "shut off" ] && exit 0; '
    f"vm=$({_VIRSH} list --name | sort | head -n 1); "
    '[ -n "$vm" ] || { echo "no VM runs on it" >&2; exit 1; }; '
    f'printf %s "$vm" >{_KILLED}; kill -KILL "$(cat "/run/libvirt/qemu/$vm.pid")"; '
    f'until [ "$({_VIRSH} domstate "$vm")" = "shut off" ]; do sleep 0.1; done'
)
_START_QEMU = (
    f"[ -e {_KILLED} ] || exit 0; vm=$(cat {_KILLED}); "
    f'case $({_VIRSH} domstate "$vm" 2>/dev/null) in "shut off") {_VIRSH} start "$vm" || exit 1;; esac; '
    f"rm -f {_KILLED}"
)
_MONITORING = "prometheus-alertmanager"
_KILL_MONITORING = (
    f"systemctl cat {_MONITORING} >/dev/null 2>&1 || "
    f"{{ echo 'no {_MONITORING} is installed on it: lab up --packages {_MONITORING}' >&2; exit 1; }}; "
    f"systemctl mask --runtime -q {_MONITORING}; systemctl kill -s KILL {_MONITORING} 2>/dev/null; "
    f"systemctl stop {_MONITORING}"
)
_START_MONITORING = (
    f"[ ! -L /run/systemd/system/{_MONITORING}.service ] || "
    f"{{ systemctl unmask --runtime -q {_MONITORING}; systemctl reset-failed {_MONITORING} 2>/dev/null; "
    f"systemctl start {_MONITORING}; }}"
)

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("boot", "let its next boot fail", lambda lab, host: lab.fail_next_boot(host), _boot_well),
        Fault(
            "slow-boot", f"let its boots take {SLOW_BOOT_SECONDS:g} s longer", _boot_slowly, _boot_as_built
        ),
        Fault("power", "let it die at once, with its VMs", lambda lab, host: lab.cut_power(host), _switch_on),
        Fault(
            "freeze",
            "let it stand still, with its VMs",
            partial(_frozen, state=True),
            partial(_frozen, state=False),
        ),
        Fault(
            "management",
            "cut it off the management network",
            partial(_link, net=Net.MANAGEMENT, up=False),
            partial(_link, net=Net.MANAGEMENT, up=True),
        ),
        Fault(
            "migration",
            "cut it off the migration network",
            partial(_link, net=Net.MIGRATION, up=False),
            partial(_link, net=Net.MIGRATION, up=True),
        ),
        Fault(
            "slow-management",
            f"slow its management network down to {SLOW[Net.MANAGEMENT][1]}/s",
            partial(_crawl, net=Net.MANAGEMENT),
            partial(_as_fast_as_built, net=Net.MANAGEMENT),
        ),
        Fault(
            "slow-migration",
            f"slow its migration network down to {SLOW[Net.MIGRATION][1]}/s",
            partial(_crawl, net=Net.MIGRATION),
            partial(_as_fast_as_built, net=Net.MIGRATION),
        ),
        Fault(
            "storage",
            "take the shared storage away from it; its VMs go on",
            partial(_on, command=_HIDE),
            partial(_if_up, command=_SHOW),
        ),
        Fault(
            "libvirtd",
            "kill its libvirtd and keep it down; its VMs go on",
            partial(_on, command=_KILL_LIBVIRT),
            partial(_if_up, command=_START_LIBVIRT),
        ),
        Fault(
            "dpkg-lock",
            "hold its packages' lock",
            partial(_on, command=_LOCK),
            partial(_if_up, command=_UNLOCK),
        ),
        Fault(
            "disk",
            "leave no room for packages",
            partial(_on, command=_FILL),
            partial(_if_up, command=_EMPTY),
        ),
        Fault(
            "package",
            "offer an update that fails while it is installed, to every host",
            _offer_broken,
            _withdraw_broken,
        ),
        Fault(
            "alertmanager",
            "kill the Alertmanager on it and keep it down",
            partial(_on, command=_KILL_MONITORING),
            partial(_if_up, command=_START_MONITORING),
        ),
        Fault(
            "qemu",
            "kill the QEMU of one of its VMs",
            partial(_on, command=_KILL_QEMU),
            partial(_if_up, command=_START_QEMU),
        ),
    )
}
"""By name, in the order in which `mend` takes them back: what keeps a host from answering comes first."""
