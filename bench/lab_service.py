"""The unit of packaging/ under a real systemd, on one host of a lab, patching another.

The program is installed as docs/how-to/service.md says (an environment in /opt/standfast, a user of its own,
the key as a credential), with this machine's Python beside it, which the lab's hosts lack. Systemd itself
says whether it is up, how exposed it is, and that its watchdog has started it again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import _labrun as labrun
from bench.claim import Claim, Settings, Skipped
from standfast.lab.cluster import Lab
from standfast.store import Store

NAME, HOME, OTHER = "service", "kvm1", "kvm3"
LIMIT_SECONDS = 600.0
EXPOSURE_MAX, STOP_SECONDS, WATCHDOG_SECONDS = 2.5, 10.0, 30
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "packaging/standfast.service"
PROGRAM = "/opt/standfast/bin/standfast --config /etc/standfast/standfast.yaml --state-dir /var/lib/standfast"
AS_USER = (
    "runuser -u standfast -- env CREDENTIALS_DIRECTORY=/etc/standfast/ops XDG_RUNTIME_DIR=/run/standfast"
)


def measure(_: Settings) -> list[Claim]:
    """One run with a stop and a hang in it."""
    labrun.can_hold_a_lab()
    with labrun.new_lab(NAME, hosts=3, vms=3) as lab:
        install(lab)
        figures = one_run(lab)
    wrong = [name for name, good in figures["checks"].items() if not good]
    what = "promises of the unit that do not hold under a real systemd"
    return [Claim(what, len(wrong), {}, "0", not wrong, (figures,))]


def install(lab: Lab) -> None:
    """As the how-to has it, on a host of the lab."""
    root = lab.host(HOME).paths.root
    _environment(root / "opt/standfast")
    _python(root)
    etc = root / "etc/standfast"
    (etc / "ops").mkdir(parents=True)
    shutil.copy2(lab.paths.keys / "controller", etc / "ssh-key")
    shutil.copy2(lab.paths.keys / "controller", etc / "ops/ssh-key")
    shutil.copy2(lab.paths.known_hosts, etc / "known_hosts")
    text = lab.paths.ssh_config.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.strip().startswith("Control")]
    config = "\n".join(kept) + "\n"
    config = config.replace(str(lab.paths.keys / "controller"), "${CREDENTIALS_DIRECTORY}/ssh-key")
    config = config.replace(str(lab.paths.known_hosts), "/etc/standfast/known_hosts")
    (etc / "ssh_config").write_text(config, encoding="utf-8")
    own = lab.config_path.read_text(encoding="utf-8")
    own = own.replace(str(lab.paths.ssh_config), "/etc/standfast/ssh_config")
    (etc / "standfast.yaml").write_text(own, encoding="utf-8")
    shutil.copy2(UNIT, root / "etc/systemd/system/standfast.service")
    lab.ssh(
        HOME,
        "useradd --system --home-dir /var/lib/standfast --shell /usr/sbin/nologin standfast && "
        "chmod 755 /opt/standfast /etc/standfast && chmod 644 /etc/standfast/*_* /etc/standfast/*.yaml && "
        "chmod 600 /etc/standfast/ssh-key && chown -R standfast /etc/standfast/ops && "
        "chmod 700 /etc/standfast/ops && chmod 600 /etc/standfast/ops/ssh-key && "
        "install -d -o standfast -g standfast -m 700 /var/lib/standfast",
    )
    # Two minutes of a hang would be waited for; the unit itself stays as it is shipped.
    lab.ssh(
        HOME,
        "mkdir /etc/systemd/system/standfast.service.d && "
        f"printf '[Service]\\nWatchdogSec={WATCHDOG_SECONDS}\\n' "
        ">/etc/systemd/system/standfast.service.d/watchdog.conf && "
        "systemctl daemon-reload",
    )


def _environment(where: Path) -> None:
    """What `pip install '.[libvirt]'` makes, from the lock file, whose scripts begin where it will lie."""
    uv = shutil.which("uv") or str(ROOT / ".dev/uv/bin/uv")
    if not Path(uv).exists():
        raise Skipped("needs uv, which ./dev fetches")
    environ = os.environ | {"UV_PROJECT_ENVIRONMENT": str(where)}
    words = "sync -q --frozen --no-dev --no-editable --extra libvirt --link-mode copy"
    words += " --reinstall-package standfast --refresh-package standfast"  # not one that was built before
    subprocess.run([uv, *words.split()], cwd=ROOT, env=environ, check=True)
    script = where / "bin/standfast"
    _, _, rest = script.read_text(encoding="utf-8").partition("\n")
    script.write_text(f"#!/opt/standfast/bin/python\n{rest}", encoding="utf-8")
    for name in ("python", "python3"):
        (where / "bin" / name).unlink(missing_ok=True)
        (where / "bin" / name).symlink_to(f"/opt/python/bin/{PYTHON}")
    home = where / "pyvenv.cfg"
    lines = home.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("home")]
    home.write_text("\n".join(["home = /opt/python/bin", *kept]) + "\n", encoding="utf-8")


def _python(root: Path) -> None:
    """This machine's Python in /opt/python of the host, wherever it is here."""
    base = Path(sys.base_prefix)
    (root / "opt/python/bin").mkdir(parents=True)
    shutil.copy2(base / "bin" / PYTHON, root / "opt/python/bin" / PYTHON)
    ignored = shutil.ignore_patterns("test", "idlelib", "tkinter", "__pycache__", "*-packages", "config-*")
    shutil.copytree(Path(os.__file__).parent, root / "opt/python/lib" / PYTHON, symlinks=True, ignore=ignored)
    for library in (base / "lib").glob(f"lib{PYTHON}.so*"):
        shutil.copy2(library, root / "usr/lib" / library.name)


def one_run(lab: Lab) -> dict[str, Any]:
    """Start, judge, stop in the middle of a patch, start, let it hang, and wait for the end."""

    def on(command: str, *, seconds: float = 120.0) -> str:
        return lab.ssh(HOME, command, check=False, timeout_seconds=seconds).stdout.strip()

    def shows(word: str) -> str:
        return on(f"systemctl show -P {word} standfast")

    def state(word: str) -> Callable[[], bool]:
        """Read where it lies, from outside: a command in the host takes as long as a patch."""

        def is_so() -> bool:
            store = Store.open(lab.host(HOME).paths.root / "var/lib/standfast/standfast.db", read_only=True)
            try:
                run = store.run(store.find_run("last"))
                return word in {str(run.state), *(str(row.phase) for row in run.hosts)}
            finally:
                store.close()

        return is_so

    before = {host: lab.boot_id(host) for host in lab.hosts}
    lab.observer.start()
    began = time.monotonic()
    started = lab.ssh(HOME, "systemctl start standfast", check=False, timeout_seconds=120)
    up = (started.returncode, shows("ActiveState"), shows("Type"))
    exposure = on("systemd-analyze security --no-pager standfast | tail -n 1")
    key = on("stat -c '%a %U' /run/credentials/standfast.service/ssh-key")
    plan = lab.ssh(
        HOME,
        f"cd /tmp && {AS_USER} {PROGRAM} plan --exclude {HOME},{OTHER} --out /var/lib/standfast/plan.json",
        check=False,
        timeout_seconds=300,
    )
    applied = lab.ssh(
        HOME,
        f"cd /tmp && {AS_USER} {PROGRAM} apply /var/lib/standfast/plan.json --yes --detach",
        check=False,
        timeout_seconds=300,
    )
    if applied.returncode != 0:
        words = on("journalctl -u standfast --no-pager | tail -n 20")
        raise SystemExit(f"{up} {plan.stdout}{plan.stderr}{applied.stderr}{words}")
    labrun.wait_for("a patch", state("patching"), seconds=LIMIT_SECONDS)
    asked = time.monotonic()
    on("systemctl stop standfast")
    stopped_in = time.monotonic() - asked
    result = shows("Result")
    works = "ls -d /var/lib/standfast/work/*-patch-1 2>/dev/null"
    at_work = [host for host in lab.hosts if lab.ssh(host, works, check=False).stdout.strip()]
    done = labrun.wait_for(
        "the patch's end without a controller",
        lambda: [host for host in at_work if "phase=succeeded" in _result(lab, host)],
        seconds=180.0,
    )
    on("systemctl start standfast")
    labrun.wait_for("a reboot", state("rebooting"), seconds=LIMIT_SECONDS)
    hung = shows("MainPID")
    on(f"kill -STOP {hung}")
    labrun.wait_for("the watchdog", lambda: shows("MainPID") not in (hung, "0"), seconds=4 * WATCHDOG_SECONDS)
    restarts = shows("NRestarts")
    ended = labrun.wait_for(
        "the end",
        lambda: [word for word in ("completed", "held", "degraded") if state(word)()],
        seconds=LIMIT_SECONDS,
    )
    environment = on(f"tr '\\0' ' ' </proc/{shows('MainPID')}/environ")
    seen = labrun.seen(lab.observer.stop())
    left = labrun.left_on_hosts(lab, before, leave_out=(HOME, OTHER))
    figure = next((float(word) for word in exposure.split() if word.replace(".", "", 1).isdigit()), 10.0)
    return {
        "exposure": exposure,
        "stopped_in_seconds": round(stopped_in, 1),
        "patched_without_a_controller": done,
        "watchdog_seconds": WATCHDOG_SECONDS,
        "restarts_by_systemd": restarts,
        "key": key,
        "ended": ended,
        "seconds": round(time.monotonic() - began, 1),
        **seen,
        **left,
        "checks": {
            "it is up when it says so": up == (0, "active", "notify"),
            "it exposes little": figure <= EXPOSURE_MAX,
            "it stops in time": stopped_in <= STOP_SECONDS + 2.0 and result == "success",
            "a patch under way goes on without it": bool(done),
            "the watchdog starts it again": restarts == "1",
            "its key is a credential of its own": key.startswith(("400", "440")),
            "its key is not in its environment": "PRIVATE" not in environment,
            "the run completed": ended == ["completed"],
            "no VM was interrupted": not seen["red"],
            "nothing is left": not any(left.values()),
        },
    }


def _result(lab: Lab, host: str) -> str:
    return lab.ssh(host, "cat /var/lib/standfast/work/*-patch-1/result 2>/dev/null", check=False).stdout
