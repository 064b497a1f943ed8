"""A whole run on real hosts with nobody's key for root: the host kit's accounts, and what they can't do.

The controller has a key for the patching account (one program, by sudo) and one for the moving account
(libvirt's connection alone); each host has the latter's key for the others. The lab's own root keys are taken
out of what the product uses. Then everything else is tried over those keys, and has to be refused.
"""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

from bench import _labrun as labrun
from bench.claim import Claim, Settings
from standfast.lab.access import public_key
from standfast.lab.cluster import Lab
from standfast.model.run import RunState

NAME, LIMIT_SECONDS = "accounts", 420.0
PATCH, MOVE = "standfast-patch", "standfast-move"


def measure(_: Settings) -> list[Claim]:
    """One run, and the ways that have to be closed."""
    labrun.can_hold_a_lab()
    with (
        labrun.new_lab(NAME, hosts=3, vms=3, packages=("sudo",)) as lab,
        labrun.controller_of(lab) as program,
    ):
        config = without_root(lab, program.state_dir.parent)
        program.config = config / "standfast.yaml"
        open_ways = tried(lab, config)
        figures = one_run(lab, program)
    good = not open_ways and figures["ended"] == RunState.COMPLETED and not figures["red"]
    good = good and not any(figures[key] for key in ("not_rebooted", "not_patched", "cordoned"))
    what = "ways that accounts of a whole run, none of them root, have beyond it"
    return [Claim(what, len(open_ways), {}, "0", good, (figures | {"open": open_ways},))]


def without_root(lab: Lab, place: Path) -> Path:
    """Install the kit on every host; a config and ssh_config whose keys are the two accounts'."""
    for name in ("patch", "move"):
        words = ("-q", "-t", "ed25519", "-N", "", "-C", f"controller-{name}", "-f", str(place / name))
        subprocess.run(["ssh-keygen", *words], check=True)
    move_keys = [place / "move.pub"]
    for host in lab.hosts:
        file = place / f"{host}.pub"
        file.write_text(public_key(lab.paths, f"{host}-user") + "\n", encoding="ascii")
        move_keys.append(file)
    program = labrun.Controller(lab.config_path, place / "none", place / "none.out")
    keys = [word for file in move_keys for word in ("--move-key", str(file))]
    kit = program.must("host", "kit", "--patch-key", str(place / "patch.pub"), *keys)
    for host in lab.hosts:
        argv = ["ssh", "-F", str(lab.paths.ssh_config), host, "sh -s"]
        subprocess.run(argv, input=kit, text=True, check=True, capture_output=True)
        # Hosts have no root key for each other any more; the controller's stays, for the bench alone.
        own = "grep ' controller$\\|standfast-lab .* controller' /root/.ssh/authorized_keys"
        lab.ssh(host, f"{own} >/root/.ssh/new && mv /root/.ssh/new /root/.ssh/authorized_keys")
    text = lab.paths.ssh_config.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^\s*(Control(Path|Master|Persist)|IdentityFile|User)\s.*\n", "", text)
    matches = "".join(
        f"Match user {user}\n    IdentityFile {place / key}\n    IdentitiesOnly yes\n"
        for user, key in ((PATCH, "patch"), (MOVE, "move"))
    )
    (place / "ssh_config").write_text(matches + text, encoding="utf-8")
    config = lab.config_path.read_text(encoding="utf-8")
    config = config.replace(str(lab.paths.ssh_config), f"{place / 'ssh_config'}\n    host_kit: true")
    config = config.replace("qemu+ssh://root@", f"qemu+ssh://{MOVE}@").replace('"root@', f'"{PATCH}@')
    (place / "standfast.yaml").write_text(config, encoding="utf-8")
    return place


def tried(lab: Lab, place: Path) -> list[str]:
    """What is tried over the accounts' keys, from the controller and from host to host; those that work."""
    ssh = ["ssh", "-F", str(place / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
    command = f"{PATCH}@kvm1", f"{MOVE}@kvm1", "root@kvm1"
    ways = {f"{who}: {what}": [*ssh, who, what] for who in command for what in ("id", "sudo -n id", "sh -s")}
    found = []
    for name, argv in ways.items():
        done = subprocess.run(argv, input="id\n", capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0 or "uid=" in done.stdout:
            found.append(name)
    for account, what in ((MOVE, "id"), (MOVE, "virsh list"), ("root", "id"), (PATCH, "id")):
        order = f"ssh -o BatchMode=yes -o ConnectTimeout=10 {account}@kvm2 {what}"
        done = lab.ssh("kvm1", order, check=False)
        if done.returncode == 0 or "uid=" in done.stdout:
            found.append(f"kvm1 to {account}@kvm2: {what}")
    for what in (
        "id",
        "virsh -q -c qemu:///system list",
        "sudo -n id",
        "sudo -n /bin/sh -c id",
        "sudo -n /usr/local/sbin/standfast-host id",
        "echo id | sudo -n /usr/local/sbin/standfast-host",
    ):
        done = lab.ssh("kvm1", f"runuser -u {PATCH} -- sh -c '{what}'", check=False)
        if what != "id" and done.returncode == 0:
            found.append(f"as {PATCH}: {what}")
    return found


def one_run(lab: Lab, program: labrun.Controller) -> dict[str, Any]:
    """Plan, apply and watch to the end; figures as the observer and the hosts have them."""
    before = {host: lab.boot_id(host) for host in lab.hosts}
    lab.observer.start()
    program.start()
    began = time.monotonic()
    program.begin()
    store = program.store()
    try:
        run_id = store.find_run("last")
        while not (run := store.run(run_id)).ended and run.state is not RunState.HELD:
            if time.monotonic() - began > LIMIT_SECONDS:
                break
            time.sleep(0.2)
        words = labrun.last_words(store)
    finally:
        store.close()
    figures = {"ended": str(run.state), "seconds": round(time.monotonic() - began, 1)}
    figures |= labrun.seen(lab.observer.stop()) | labrun.left_on_hosts(lab, before)
    return figures | ({} if run.state is RunState.COMPLETED else {"last_words": words})
