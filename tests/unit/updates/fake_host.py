"""A folder that stands for a host: its files, and tools that do what a test tells them."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from standfast.model.ids import HostId
from standfast.transports.ssh import Completed, SshTarget, script_text
from standfast.updates.apt import AptWork

HOST = HostId("host-id")

TOOLS = {
    # Lists what `vms` holds; fails where `virsh-fails` is; `vms-later` takes the place of `vms` afterwards.
    "virsh": """#!/bin/sh
echo "$*" >>"$STANDFAST_ROOT/virsh.log"
[ ! -e "$STANDFAST_ROOT/virsh-fails" ] || { echo 'failed to connect to the hypervisor' >&2; exit 1; }
case "$*" in
*net-list*) printf 'default\\nnet two\\n\\n' ;;
*) cat "$STANDFAST_ROOT/vms" 2>/dev/null ;;
esac
[ ! -e "$STANDFAST_ROOT/vms-later" ] || mv "$STANDFAST_ROOT/vms-later" "$STANDFAST_ROOT/vms"
exit 0
""",
    "systemctl": """#!/bin/sh
echo "$*" >>"$STANDFAST_ROOT/systemctl.log"
case "$*" in
*SystemState*) printf 'SystemState=degraded\\nNFailedUnits=2\\n' ;;
*--failed*) printf 'sick.service loaded failed\\nstandfast-x.service loaded failed\\n' ;;
*ActiveState*) cat "$STANDFAST_ROOT/active" 2>/dev/null || echo inactive ;;
reboot) [ ! -e "$STANDFAST_ROOT/no-reboot" ] ;;
esac
""",
    # Runs the unit at once, as its own process; `hold` keeps it from being run at all.
    "systemd-run": """#!/bin/sh
echo "$*" >>"$STANDFAST_ROOT/systemd-run.log"
[ ! -e "$STANDFAST_ROOT/run-fails" ] || { printf 'no such\\nbus\\n' >&2; exit 1; }
[ ! -e "$STANDFAST_ROOT/hold" ] || exit 0
while [ "$1" != /bin/sh ]; do shift; done
exec "$@"
""",
    "apt-get": """#!/bin/sh
echo "$*" >>"$STANDFAST_ROOT/apt.log"
case "$*" in
update*)
    [ ! -e "$STANDFAST_ROOT/update-fails" ] || { echo 'E: The repository has no Release file.'; exit 100; } ;;
*--download-only*) ;;
*--assume-no*)
    echo 'Need to get 2,500 kB of archives.'
    echo 'After this operation, 1,000 B of additional disk space will be used.' ;;
'-s '*) cat "$STANDFAST_ROOT/sim" 2>/dev/null ;;
*upgrade*)
    case $* in *' install '*'='*) ;; *' install '*) exit 100 ;; esac
    echo 'pkg 2.0' >"$STANDFAST_ROOT/installed"
    mkdir -p "$STANDFAST_ROOT/etc" && echo new >"$STANDFAST_ROOT/etc/a b.conf.dpkg-dist"
    echo 'Setting up pkg (2.0) ...'
    exit "$(cat "$STANDFAST_ROOT/upgrade-code" 2>/dev/null || echo 0)" ;;
*install*) [ ! -e "$STANDFAST_ROOT/apt-locked" ] || { echo 'E: Could not get lock'; exit 100; } ;;
esac
""",
    "dpkg": '#!/bin/sh\ncat "$STANDFAST_ROOT/audit" 2>/dev/null\nexit 0\n',
    "dpkg-query": '#!/bin/sh\ncat "$STANDFAST_ROOT/installed" 2>/dev/null\nexit 0\n',
    "apt-mark": "#!/bin/sh\necho held-one\n",
    "needrestart": "#!/bin/sh\nprintf 'NEEDRESTART-VER: 3.6\\nNEEDRESTART-KSTA: 1\\n'\n",
    "systemd-detect-virt": "#!/bin/sh\nexit 1\n",
}


@dataclass(frozen=True)
class Local(SshTarget):
    """Runs what would go to a host in a local shell, with `root` in place of `/`."""

    root: Path = Path("/nowhere")

    def run(self, script: str, *args: str, input: str | None = None, timeout_seconds: float) -> Completed:
        environment = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "STANDFAST_ROOT": str(self.root),
            "STANDFAST_BOOT_ID": str(self.root / "boot_id"),
            "STANDFAST_PROC": str(self.root / "proc"),
            "STANDFAST_REBOOT_PATIENCE": "0",
        }
        done = subprocess.run(
            ["sh", "-s"],
            input=script_text(script, args, input),
            capture_output=True,
            env=environment,
            timeout=timeout_seconds,
            check=False,
        )
        return Completed(done.stdout.decode(), done.stderr.decode(), done.returncode)


class FakeHost:
    """Files of the host by relative path, and `AptWork` that reaches it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        (root / "proc").mkdir()
        for name, text in TOOLS.items():
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        self.put("boot_id", "boot-1\n")
        self.put("installed", "pkg 1.0\n")
        self.work = AptWork(
            {"kvm1": Local("kvm1", "kvm1", root=root)}, name_of=lambda _id: "kvm1", clock=time.time
        )

    def put(self, path: str, text: str = "") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def drop(self, path: str) -> None:
        (self.root / path).unlink()

    def read(self, path: str) -> str:
        file = self.root / path
        return file.read_text() if file.exists() else ""

    def cordon(self, run: str, epoch: int) -> None:
        self.put("var/lib/standfast/cordon", f"run={run}\nepoch={epoch}\n")
        self.put("var/lib/standfast/epoch", f"{epoch}\n")

    def process(self, pid: int, name: str, arguments: str = "", maps: str = "") -> None:
        self.put(f"proc/{pid}/comm", f"{name}\n")
        self.put(f"proc/{pid}/cmdline", arguments.replace(" ", "\0"))
        self.put(f"proc/{pid}/maps", maps)
