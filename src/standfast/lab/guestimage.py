"""What the guests boot: the kernel unpacked, and an initrd of static busybox, the kernel's virtio modules and
the heartbeat, compiled here; cached.

A lab is as slow as its guests boot, which under software emulation is all computing. Unpacking a kernel takes
a third of it, so that it is done here, once; checking the modules' signatures is left out.
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from standfast.lab.cache import get_or_build, recipe_key
from standfast.lab.system import run

_SOURCES = Path(__file__).parent / "guest"
_BUSYBOX = Path("/bin/busybox")
_ZSTD = bytes.fromhex("28b52ffd")
_SIGNED = b"~Module signature appended~\n"
_RECIPE = "2"
"""Goes up when what is done here changes."""


@dataclass(frozen=True, slots=True)
class GuestImage:
    """What a domain boots."""

    kernel: Path
    initrd: Path


def cached_image(cache: Path, root_entry: Path) -> GuestImage:
    """Kernel and initrd of the guests; ``root_entry`` is what ``rootfs.cached_root`` returned."""
    kernel = root_entry / "kernel"
    heart, init = ((_SOURCES / name).read_bytes() for name in ("heart.c", "init"))
    key = recipe_key(_RECIPE, root_entry.name, heart, init, _BUSYBOX.read_bytes())

    def build(directory: Path) -> None:
        _unpack(kernel / "vmlinuz", directory / "kernel")
        _build(directory, kernel)

    entry = get_or_build(cache, f"guest-{key}", build, ("kernel", "initrd"))
    return GuestImage(entry / "kernel", entry / "initrd")


def _unpack(packed: Path, to: Path) -> None:
    """The ELF kernel inside a bzImage, which QEMU starts by its PVH entry; or the bzImage where it holds none
    that is packed with zstd.

    Source: Documentation/arch/x86/boot.rst, `setup_sects`, `payload_offset` and `payload_length`.
    """
    image = packed.read_bytes()
    start, length = struct.unpack_from("<II", image, 0x248)
    start += (image[0x1F1] + 1) * 512
    payload = image[start : start + length - 4]  # the last four bytes tell its size
    if image[0x202:0x206] != b"HdrS" or not payload.startswith(_ZSTD):
        shutil.copy(packed, to)
        return
    inside = to.with_name("payload.zst")
    inside.write_bytes(payload)
    run(["zstd", "-q", "-d", inside, "-o", to], what="Unpacking the guests' kernel")
    inside.unlink()


def unsigned(module: bytes) -> bytes:
    """A kernel module without the signature at its end (`struct module_signature`)."""
    if not module.endswith(_SIGNED):
        return module
    (length,) = struct.unpack(">I", module[-len(_SIGNED) - 4 : -len(_SIGNED)])
    return module[: -len(_SIGNED) - 12 - length]


def _build(directory: Path, kernel: Path) -> None:
    tree = directory / "tree"
    for name in ("bin", "dev", "proc", "sys"):
        (tree / name).mkdir(parents=True)
    shutil.copy(_BUSYBOX, tree / "bin/busybox")
    shutil.copy(_SOURCES / "init", tree / "init")
    shutil.copytree(kernel / "modules", tree / "modules")
    for module in (tree / "modules").glob("*.ko"):
        module.write_bytes(unsigned(module.read_bytes()))
    command = ["gcc", "-static", "-O2", "-pthread", "-o", tree / "heart", _SOURCES / "heart.c"]
    run(command, what="Compiling the guests' heartbeat")
    for program in ("init", "heart", "bin/busybox"):
        (tree / program).chmod(0o755)
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    archive = directory / "initrd"
    pack = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-D", tree, "-F", archive]
    run(pack, stdin="\n".join(names) + "\n", what="Packing the guests' initrd")
    shutil.rmtree(tree)
