"""The cordon's scripts, run for real by sh in a folder that stands for the host."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from standfast.model.errors import OutsideError, RefusedError, UsageError
from standfast.model.hostwork import Setting
from standfast.model.ids import HostId, RunId, VmId
from standfast.platforms.libvirt.fence import LibvirtFence, script
from standfast.platforms.libvirt.surroundings import SCRIPT, parse_surroundings
from standfast.ports import Fencing
from standfast.transports.ssh import Completed, SshTarget, script_text

SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$STANDFAST_ROOT/systemctl.log"
case "$*" in
"-q is-active libvirtd.service") exit 0 ;;
"-q is-active"*) exit 3 ;;
"show -p InvocationID"*) echo abc ;;
reload*) [ ! -e "$STANDFAST_ROOT/no-reload" ] ;;
esac
"""
VIRSH = """#!/bin/sh
for word in "$@"; do printf '<%s>' "$word"; done >>"$STANDFAST_ROOT/virsh.log"
"""


@dataclass(frozen=True)
class Local(SshTarget):
    """Runs what would go to a host in a local shell, with `root` in place of `/`."""

    root: Path = Path("/nowhere")

    def run(self, script: str, *args: str, input: str | None = None, timeout_seconds: float) -> Completed:
        environment = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "STANDFAST_ROOT": str(self.root),
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("virsh", VIRSH)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


@pytest.fixture
def fence(root: Path) -> LibvirtFence:
    return LibvirtFence({"kvm1": Local("kvm1", "kvm1", root=root)}, name_of=lambda _id: "kvm1")


HOST = HostId("id")
BY = Fencing(RunId("01RUN"), 5)
OTHER = Fencing(RunId("01OTHER"), 5)


def hook(root: Path, *args: str, xml: str = "") -> subprocess.CompletedProcess[str]:
    path = root / "etc/libvirt/hooks/qemu.d/standfast"
    environment = {"STANDFAST_ROOT": str(root), "PATH": "/nowhere"}  # builtins alone must do
    return subprocess.run(
        [str(path), *args], input=xml, capture_output=True, text=True, env=environment, check=False
    )


def test_a_cordon_goes_up_once_and_comes_down(root: Path, fence: LibvirtFence) -> None:
    state = root / "var/lib/standfast"
    fence.cordon(HOST, BY)
    fence.cordon(HOST, BY)
    assert (state / "cordon").read_text().splitlines()[:2] == ["run=01RUN", "epoch=5"]
    assert (state / "epoch").read_text() == "5\n"
    log = (root / "systemctl.log").read_text()
    assert log.count("reload libvirtd.service") == 1
    assert "restart" not in log
    fence.uncordon(HOST, BY)
    fence.uncordon(HOST, BY)
    assert not (state / "cordon").exists()


def test_libvirt_is_told_of_a_new_hook_until_it_has_listened(root: Path, fence: LibvirtFence) -> None:
    (root / "no-reload").touch()
    with pytest.raises(OutsideError) as caught:
        fence.cordon(HOST, BY)
    assert "reload" in caught.value.why
    assert not (root / "var/lib/standfast/cordon").exists()
    (root / "no-reload").unlink()
    fence.cordon(HOST, BY)
    assert (root / "systemctl.log").read_text().count("reload libvirtd.service") == 2


def test_an_older_hook_is_replaced_and_loaded(root: Path, fence: LibvirtFence) -> None:
    fence.cordon(HOST, BY)
    path = root / "etc/libvirt/hooks/qemu.d/standfast"
    path.write_text("#!/bin/sh\nexit 0\n")
    fence.cordon(HOST, BY)
    assert path.read_text() == script("hook.sh")
    assert (root / "systemctl.log").read_text().count("reload libvirtd.service") == 2


@pytest.mark.parametrize("action", ["cordon", "uncordon"])
def test_another_runs_cordon_is_left_and_refused(root: Path, fence: LibvirtFence, action: str) -> None:
    fence.cordon(HOST, BY)
    with pytest.raises(RefusedError) as caught:
        getattr(fence, action)(HOST, OTHER)
    assert caught.value.code == "cordoned_by_other"
    assert "01RUN" in caught.value.what
    assert "run=01RUN" in (root / "var/lib/standfast/cordon").read_text()


def test_a_flag_without_an_owner_is_somebodys(root: Path, fence: LibvirtFence) -> None:
    (root / "var/lib/standfast").mkdir(parents=True)
    (root / "var/lib/standfast/cordon").write_text("by hand\n")
    with pytest.raises(RefusedError):
        fence.uncordon(HOST, BY)
    assert (root / "var/lib/standfast/cordon").exists()


@pytest.mark.parametrize("action", ["cordon", "uncordon"])
def test_a_stale_controller_is_refused_and_epochs_only_rise(
    root: Path, fence: LibvirtFence, action: str
) -> None:
    fence.cordon(HOST, BY)
    with pytest.raises(RefusedError) as caught:
        getattr(fence, action)(HOST, Fencing(BY.run, 4))
    assert caught.value.code == "stale_epoch"
    fence.cordon(HOST, Fencing(BY.run, 7))
    assert (root / "var/lib/standfast/epoch").read_text() == "7\n"


@pytest.mark.parametrize("operation", ["prepare", "start", "restore", "migrate"])
def test_the_hook_refuses_what_begins_and_only_while_cordoned(
    root: Path, fence: LibvirtFence, operation: str
) -> None:
    fence.cordon(HOST, BY)
    done = hook(root, "it's a $VM", operation, "begin", "-")
    assert done.returncode == 1
    assert "cordoned by run 01RUN" in done.stderr
    fence.uncordon(HOST, BY)
    assert hook(root, "vm", operation, "begin", "-").returncode == 0


@pytest.mark.parametrize(
    ("operation", "phase"),
    [
        ("started", "begin"),
        ("stopped", "end"),
        ("release", "end"),
        ("reconnect", "begin"),
        ("attach", "begin"),
    ],
)
def test_the_hook_never_touches_what_runs(
    root: Path, fence: LibvirtFence, operation: str, phase: str
) -> None:
    fence.cordon(HOST, BY)
    assert hook(root, "vm", operation, phase, "-").returncode == 0


def test_autostart_is_given_back_with_any_name(root: Path, fence: LibvirtFence) -> None:
    name = "--all; $(id)\n'x'"
    fence.give_back(Setting(HOST, f"autostart:{name}", before="on", during="off"), BY)
    fence.apply_setting(Setting(HOST, "autostart:v", before="on", during="off"), BY)
    log = (root / "virsh.log").read_text()
    assert log.startswith(f"<-q><-c><qemu:///system><autostart><--><{name}>")
    assert log.endswith("<autostart><--disable><--><v>")
    assert fence.settings(HOST) == ()


def test_a_setting_that_does_not_exist_is_refused(fence: LibvirtFence) -> None:
    with pytest.raises(UsageError):
        fence.apply_setting(Setting(HOST, "sysctl:x", before="0", during="1"), BY)


def test_surroundings_are_those_of_this_machine(fence: LibvirtFence, root: Path) -> None:
    found = fence.mounts("kvm1")
    assert found is not None
    assert "/" in found.mounts
    assert fence.mounts("nobody") is None


def test_surroundings_from_words() -> None:
    text = (
        "mount|/dev/vda / ext4 rw 0 0\nmount|srv:/a /mnt/a\\040b nfs4 rw 0 0\n"
        "bridge|4: br0: <BROADCAST,UP> mtu\ndevice|2: eth0@if7: <UP> mtu\ndevice|9: vnet3: <UP> mtu\nend\n"
    )
    found = parse_surroundings(text)
    assert found is not None
    assert found.mounts == {"/": "ext4", "/mnt/a b": "nfs4"}
    assert found.bridges == {"br0"}
    assert found.devices == {"eth0"}
    assert parse_surroundings(text.removesuffix("end\n")) is None


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
@pytest.mark.parametrize(
    "text", [script("hook.sh"), script("cordon.sh"), SCRIPT], ids=["hook", "cordon", "around"]
)
def test_scripts_pass_shellcheck(text: str) -> None:
    done = subprocess.run(
        ["shellcheck", "-s", "sh", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


GUEST = "0f9d3b0e-8f1c-4b1c-9d3c-111111111111"
OTHER_GUEST = "0f9d3b0e-8f1c-4b1c-9d3c-222222222222"


def domain(uuid: str) -> str:
    """As libvirt hands it to a hook; what a user writes into metadata is no UUID of the domain."""
    return (
        f"<domain type='kvm'>\n  <name>db1</name>\n  <uuid>{uuid}</uuid>\n"
        f"  <metadata><x:note xmlns:x='x:y'><uuid>{GUEST}</uuid></x:note></metadata>\n</domain>\n"
    )


@pytest.mark.parametrize("operation", ["prepare", "start"])
def test_a_cordon_lets_the_vms_boot_that_it_admits_and_no_others(
    root: Path, fence: LibvirtFence, operation: str
) -> None:
    fence.cordon(HOST, BY, admit=frozenset({VmId(GUEST)}))
    assert hook(root, "db1", operation, "begin", "-", xml=domain(GUEST)).returncode == 0
    refused = hook(root, "db1", operation, "begin", "-", xml=domain(OTHER_GUEST))
    assert refused.returncode == 1
    assert "cordoned by run 01RUN" in refused.stderr


@pytest.mark.parametrize("operation", ["restore", "migrate"])
def test_an_admitted_vm_is_neither_restored_nor_let_in(
    root: Path, fence: LibvirtFence, operation: str
) -> None:
    fence.cordon(HOST, BY, admit=frozenset({VmId(GUEST)}))
    assert hook(root, "db1", operation, "begin", "-", xml=domain(GUEST)).returncode == 1


def test_the_next_cordon_says_anew_who_is_admitted(root: Path, fence: LibvirtFence) -> None:
    fence.cordon(HOST, BY, admit=frozenset({VmId(GUEST), VmId(OTHER_GUEST)}))
    assert hook(root, "db2", "start", "begin", "-", xml=domain(OTHER_GUEST)).returncode == 0
    fence.cordon(HOST, BY)
    assert hook(root, "db2", "start", "begin", "-", xml=domain(OTHER_GUEST)).returncode == 1
