"""What guests boot is unpacked beforehand, and a kernel that can't be stays as it is."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from standfast.lab import guestimage

SETUP_SECTORS = 3


def bzimage(payload: bytes) -> bytes:
    """A boot image as Documentation/arch/x86/boot.rst has it, with nothing but what is read of it."""
    head = bytearray((SETUP_SECTORS + 1) * 512)
    head[0x1F1] = SETUP_SECTORS
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", head, 0x248, 16, len(payload) + 4)
    return bytes(head) + bytes(16) + payload + struct.pack("<I", 99) + b"what follows"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs zstd, which ./dev test installs with a lab")
def test_a_kernel_packed_with_zstd_is_unpacked(tmp_path: Path) -> None:
    kernel = b"\x7fELF" + bytes(range(256)) * 40
    packed = subprocess.run(["zstd", "-q", "-c"], input=kernel, capture_output=True, check=True).stdout
    (tmp_path / "vmlinuz").write_bytes(bzimage(packed))
    guestimage._unpack(tmp_path / "vmlinuz", tmp_path / "kernel")
    assert (tmp_path / "kernel").read_bytes() == kernel
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kernel", "vmlinuz"]


@pytest.mark.parametrize("image", [bzimage(b"\xfd7zXZ packed otherwise"), b"\x7fELF" + bytes(4096)])
def test_any_other_kernel_is_booted_as_it_is(tmp_path: Path, image: bytes) -> None:
    (tmp_path / "vmlinuz").write_bytes(image)
    guestimage._unpack(tmp_path / "vmlinuz", tmp_path / "kernel")
    assert (tmp_path / "kernel").read_bytes() == image


def test_a_module_loses_its_signature_and_nothing_else() -> None:
    module, signature = b"\x7fELF code", b"s" * 300
    told = bytes(8) + struct.pack(">I", len(signature))
    assert guestimage.unsigned(module + signature + told + b"~Module signature appended~\n") == module
    assert guestimage.unsigned(module) == module
