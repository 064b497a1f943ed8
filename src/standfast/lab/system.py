"""The machine that the lab runs on: commands, what must be installed, who we are, where Debian comes from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from standfast.lab.errors import LabError, LabRefusedError

# What the lab calls on the machine → the Debian package that has it.
NEEDED = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "tc": "iproute2",
    "cpio": "cpio",
    "zstd": "zstd",
    "gcc": "gcc",
    "busybox": "busybox-static",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "dpkg-deb": "dpkg",
    "xz": "xz-utils",
    "unshare": "util-linux",
}
SUPPORTED_DEBIAN = ("12", "13")
_LIBC_MARKER = Path("/usr/include/pthread.h")


def run(
    argv: Sequence[object],
    *,
    stdin: str | None = None,
    timeout_seconds: float = 120.0,
    check: bool = True,
    what: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its text output; LabError with the end of what it said if it fails.

    Words may be anything whose ``str()`` is the argument (paths, addresses). ``what`` names the purpose in
    the error. With ``check=False`` a non-zero exit is returned, not raised.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            check=False,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"{what or words[0]} did not end within {timeout_seconds:g} s ({' '.join(words[:6])})."
        ) from error
    except OSError as error:
        raise LabError(f"{what or words[0]} could not be run: {error}.") from error
    if check and done.returncode:
        said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise LabError(
            f"{what or 'A command'} failed ({' '.join(words[:6])}, exit {done.returncode}): {said}"
        )
    return done


def spawn_module(module: str, *arguments: object, log: Path) -> None:
    """Start ``python -m module`` so that it outlives us: own session, not our child, output to ``log``."""
    source = Path(__file__).parents[2]  # so that it starts the same way from a checkout and from a wheel
    argv = ["setsid", "--fork", sys.executable, "-m", module, *map(str, arguments)]
    with log.open("ab") as out:
        subprocess.run(
            argv,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(source)},
        )


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file as a whole, so that no reader ever sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def check_machine() -> None:
    """LabRefusedError unless this is a Debian 12 or 13 on amd64 and we are root."""
    if os.geteuid() != 0:
        raise LabRefusedError(
            "The lab makes containers, bridges and mounts, so it needs root: run it with sudo."
        )
    release = os_release()
    name, version = release.get("ID", "?"), release.get("VERSION_ID", "?")
    if name != "debian" or version not in SUPPORTED_DEBIAN:
        raise LabRefusedError(f"The lab runs on Debian 12 or 13; this machine says {name} {version}.")
    if os.uname().machine != "x86_64":
        raise LabRefusedError(f"The lab's guests are x86-64 only; this machine is {os.uname().machine}.")
    filesystems = Path("/proc/filesystems").read_text(encoding="ascii").split()
    if "overlay" not in filesystems:
        run(["modprobe", "overlay"], check=False)
        if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii").split():
            raise LabRefusedError(
                "The lab's hosts share a root by overlayfs, which this kernel does not have."
            )


def os_release() -> dict[str, str]:
    """/etc/os-release as a mapping; empty where there is none."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip().strip('"') for key, _, value in pairs}


def missing_packages() -> list[str]:
    """Debian packages that the lab needs and this machine has not."""
    missing = {package for command, package in NEEDED.items() if not shutil.which(command)}
    if not _LIBC_MARKER.exists():
        missing.add("libc6-dev")
    if shutil.which("busybox") and "busybox-static" not in missing and _is_dynamic("/bin/busybox"):
        missing.add("busybox-static")
    return sorted(missing)


def _is_dynamic(program: str) -> bool:
    # A dynamic ELF names its loader; a static one has no such string.
    try:
        return b"/lib64/ld-linux-x86-64.so.2\0" in Path(program).read_bytes()
    except OSError:
        return True


def ensure_packages(*, install: bool) -> None:
    """Install what is missing with apt if asked to, else LabRefusedError that says what to install."""
    missing = missing_packages()
    if not missing:
        return
    if not install:
        raise LabRefusedError(
            f"The lab needs packages that are not installed: run `apt-get install {' '.join(missing)}`, "
            "or give --install."
        )
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    run([*environment, "apt-get", "update", "-q"], timeout_seconds=600, what="apt-get update")
    command = ["apt-get", "install", "-qy", "--no-install-recommends", *missing]
    run([*environment, *command], timeout_seconds=1200, what="Installing what the lab needs")


def debian_mirror() -> str | None:
    """The mirror that the machine's own apt uses for Debian's main archive; None: debootstrap's default."""
    form = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
    listed = run(["apt-get", "indextargets", "--format", form], check=False)
    for line in listed.stdout.splitlines():
        origin, label, component, uri = (line.split("|") + [""] * 4)[:4]
        if (origin, label, component) == ("Debian", "Debian", "main") and uri.startswith(("http:", "https:")):
            return uri
    return None


def machine_boot_id() -> str:
    """The kernel's boot_id: verdicts about the machine hold for one boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def read_json(path: Path) -> dict[str, object] | None:
    """A JSON object from a file; None if there is no file or it is not an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
