"""The lab's guests as libvirt domains: their XML, their disks, and starting them where they belong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from standfast.lab import tsc
from standfast.lab.errors import LabError
from standfast.lab.hosts import Host
from standfast.lab.names import BEAT_PORT, Addresses, Names, Net
from standfast.lab.network import GUEST_BRIDGE
from standfast.lab.paths import LabPaths
from standfast.lab.spec import VmSpec

MACHINE_TYPE = "pc-q35-10.0"
CPU_MODEL = "qemu64"
DISK_BYTES = 64 * 2**20
SHARED_DISKS = "/srv/vm/disks"
LOCAL_DISKS = "/var/lib/standfast-lab"
"""As hosts see them; the second is in each host's own root and outlives its reboots."""
LEFT_OUT = "jent_mod_init,trace_eval_init,load_system_certificate_list,inet6_init"
KERNEL_OPTIONS = (
    "console=ttyS0",
    "quiet",
    "panic=1",  # reboots, which the new nonce shows; a guest that hung would only be silent
    # Nothing that takes time under emulation and that no guest of a lab has a use for.
    "nokaslr",
    "mitigations=off",
    "no_timer_check",
    "tsc=reliable",
    "lpj=4000000",
    "random.trust_cpu=on",
    "cryptomgr.notests",
    "8250.nr_uarts=1",
    "lsm=",
    "audit=0",
    "nowatchdog",
    f"initcall_blacklist={LEFT_OUT}",
)


def kernel_cmdline(vm: VmSpec, number: int, addresses: Addresses, tsc_khz: int | None = None) -> str:
    """What the heartbeat reads: see guest/heart.c. `tsc_khz`: the rate of the guest's counter, if known."""
    options = {
        "name": vm.name,
        "ip": addresses.member(Net.GUEST, number),
        "prefix": addresses.network(Net.GUEST).prefixlen,
        "to": addresses.machine(Net.GUEST),
        "port": BEAT_PORT,
        "ws_mib": vm.working_set_mib,
        "rate": vm.dirty_pages_per_second,
        **({"deaf": 1} if vm.deaf else {}),
    }
    told = () if tsc_khz is None else (f"tsc_early_khz={tsc_khz}",)
    return " ".join((*KERNEL_OPTIONS, *told, *(f"sf.{key}={value}" for key, value in options.items())))


def domain_xml(
    vm: VmSpec, number: int, names: Names, addresses: Addresses, *, accel: str, tsc_khz: int | None = None
) -> str:
    """The persistent definition of a VM; ``accel`` is kvm or qemu (software emulation). Numbers count from
    1."""
    # qemu64 is offered by every QEMU and both accelerators; rdrand spares the guest a second of gathering
    # entropy.
    return f"""<domain type='{accel}'>
  <name>{vm.name}</name>
  <uuid>{names.vm_uuid(vm.name)}</uuid>
  <memory unit='MiB'>{vm.memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='{MACHINE_TYPE}'>hvm</type>
    <kernel>/srv/vm/boot/kernel</kernel>
    <initrd>/srv/vm/boot/initrd</initrd>
    <cmdline>{escape(kernel_cmdline(vm, number, addresses, tsc_khz))}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact' check='none'>
    <model fallback='forbid'>{CPU_MODEL}</model>
    <feature policy='require' name='rdrand'/>
  </cpu>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='{LOCAL_DISKS if vm.local_disk else SHARED_DISKS}/{vm.name}.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='{names.vm_mac(vm.name)}'/>
      <source bridge='{GUEST_BRIDGE}'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'>
      <source path='/srv/vm/serial/{vm.name}.log' append='on'/>
      <target port='0'/>
    </serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def write_vm_files(
    paths: LabPaths, vms: Sequence[VmSpec], names: Names, addresses: Addresses, *, accel: str
) -> None:
    """Definitions, sparse disks and empty serial logs on the shared directory."""
    for folder in ("definitions", "disks", "serial"):
        (paths.shared / folder).mkdir(exist_ok=True)
    tsc_khz = tsc.khz() if accel == "qemu" else None
    for number, vm in enumerate(vms, 1):
        xml = domain_xml(vm, number, names, addresses, accel=accel, tsc_khz=tsc_khz)
        (paths.shared / "definitions" / f"{vm.name}.xml").write_text(xml, encoding="utf-8")
        (paths.shared / "serial" / f"{vm.name}.log").touch()
        if not vm.local_disk:
            with (paths.shared / "disks" / f"{vm.name}.img").open("wb") as disk:
                disk.truncate(DISK_BYTES)


def start_on(host: Host, vms: Sequence[VmSpec]) -> None:
    """Make their local disks, define and start VMs on a host, all at once."""
    if not vms:
        return
    virsh = "virsh -q -c qemu:///system"
    one = f"{virsh} define /srv/vm/definitions/$vm.xml && {virsh} start $vm"
    begin = f'for vm in {" ".join(vm.name for vm in vms)}; do ({one}) & all="$all $!"; done'
    local = [f"{LOCAL_DISKS}/{vm.name}.img" for vm in vms if vm.local_disk]
    if local:
        begin = f"mkdir -p {LOCAL_DISKS} && truncate -s {DISK_BYTES} {' '.join(local)} && {begin}"
    host.ssh(f"{begin}; for job in $all; do wait $job || exit 1; done", timeout_seconds=120)


def serial_log(paths: LabPaths, vm: str) -> Path:
    """What a VM says on its serial line, through all its moves."""
    return paths.shared / "serial" / f"{vm}.log"


def wait_for_beats(
    paths: LabPaths, vms: Sequence[str], *, since: Mapping[str, int], seconds: float = 240.0
) -> None:
    """Wait until every VM has said a beat after the given size of its log; LabError names those that did
    not."""
    waiting = list(vms)
    deadline = time.monotonic() + seconds
    while waiting := [vm for vm in waiting if not _beats_after(serial_log(paths, vm), since.get(vm, 0))]:
        if time.monotonic() > deadline:
            log = serial_log(paths, waiting[0])
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            silent = ", ".join(waiting)
            raise LabError(
                f"No heartbeat of {silent} within {seconds:g} s; {log} ends with: {' / '.join(tail)}"
            )
        time.sleep(0.1)


def _beats_after(log: Path, size: int) -> bool:
    with log.open("rb") as file:
        file.seek(size)
        return b"beat " in file.read()
