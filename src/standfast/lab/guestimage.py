"""The guests' initrd: static busybox, the kernel's virtio modules, and the heartbeat, compiled here and
cached.
"""

from __future__ import annotations

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path

from standfast.lab.cache import get_or_build, recipe_key
from standfast.lab.system import run

_SOURCES = Path(__file__).parent / "guest"
_BUSYBOX = Path("/bin/busybox")


@dataclass(frozen=True, slots=True)
class GuestImage:
    """What a domain boots."""

    kernel: Path
    initrd: Path


def cached_image(cache: Path, root_entry: Path) -> GuestImage:
    """Kernel and initrd of the guests; ``root_entry`` is what ``rootfs.cached_root`` returned."""
    kernel = root_entry / "kernel"
    heart, init = ((_SOURCES / name).read_bytes() for name in ("heart.c", "init"))
    key = recipe_key(root_entry.name, heart, init, _BUSYBOX.read_bytes())

    def build(directory: Path) -> None:
        _build(directory, kernel)

    entry = get_or_build(cache, f"guest-{key}", build, ("initrd",))
    return GuestImage(kernel / "vmlinuz", entry / "initrd")


def _build(directory: Path, kernel: Path) -> None:
    tree = directory / "tree"
    for name in ("bin", "dev", "proc", "sys"):
        (tree / name).mkdir(parents=True)
    shutil.copy(_BUSYBOX, tree / "bin/busybox")
    shutil.copy(_SOURCES / "init", tree / "init")
    shutil.copytree(kernel / "modules", tree / "modules")
    command = ["gcc", "-static", "-O2", "-pthread", "-o", tree / "heart", _SOURCES / "heart.c"]
    run(command, what="Compiling the guests' heartbeat")
    for program in ("init", "heart", "bin/busybox"):
        (tree / program).chmod(0o755)
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    archive = directory / "initrd.cpio"
    pack = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-D", tree, "-F", archive]
    run(pack, stdin="\n".join(names) + "\n", what="Packing the guests' initrd")
    with gzip.open(directory / "initrd", "wb", compresslevel=6) as out:
        out.write(archive.read_bytes())
    archive.unlink()
    shutil.rmtree(tree)
