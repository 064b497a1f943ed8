"""Whether a disk is shared; where nothing says so, it isn't."""

from __future__ import annotations

import pytest

from standfast.platforms.libvirt.capabilities import PoolXml
from standfast.platforms.libvirt.domain import DiskXml
from standfast.platforms.libvirt.storage import disk_of, filesystem_of, shared, under

POOLS = {
    "nfs": PoolXml("netfs", "/var/lib/libvirt/nfs"),
    "images": PoolXml("dir", "/var/lib/libvirt/images"),
    "declared": PoolXml("dir", "/srv/vm"),
    "san": PoolXml("iscsi", "/dev/disk/by-path"),
    "loose": PoolXml("iscsi", "/dev"),
}
MOUNTS = {"/": "ext4", "/mnt/nfs": "nfs4", "/mnt/nfs/local": "xfs", "/mnt/sshfs": "fuse.sshfs"}


def file(path: str, kind: str = "file") -> DiskXml:
    return DiskXml(kind, path)


@pytest.mark.parametrize(
    ("disk", "expected"),
    [
        (file("/srv/vm/a.img"), True),
        (file("/srv/vm/deep/er/a.img"), True),
        (file("/srv/vmx/a.img"), False),
        (file("/srv/vm/../local/a.img"), False),
        (file("relative.img"), False),
        (file("/mnt/nfs/a.img"), True),
        (file("/mnt/nfs/local/a.img"), False),
        (file("/mnt/sshfs/a.img"), False),
        (file("/var/lib/libvirt/nfs/a.img"), True),
        (file("/var/lib/libvirt/images/a.img"), False),
        (file("/dev/disk/by-path/ip-1-lun-0", "block"), False),  # the pool at /dev makes it doubtful
        (file("/dev/sda", "block"), False),
        (DiskXml("volume", "a", pool="nfs"), True),
        (DiskXml("volume", "a", pool="declared"), True),
        (DiskXml("volume", "a", pool="images"), False),
        (DiskXml("volume", "a", pool="gone"), False),
        (DiskXml("network", "rbd/a", protocol="rbd"), True),
        (DiskXml("network", "a", protocol="nbd", local_server=True), False),
        (DiskXml("network", "a", protocol="unheard-of"), False),
        (DiskXml("nvme", "0000:01:00.0"), False),
        (DiskXml("vhostuser", "/run/x.sock"), False),
    ],
)
def test_shared_only_where_something_says_so(disk: DiskXml, expected: bool) -> None:
    assert shared(disk, folders=["/srv/vm"], pools=POOLS, mounts=MOUNTS) is expected


def test_a_block_device_of_a_network_pool_is_shared() -> None:
    pools = {"san": POOLS["san"]}
    disk = file("/dev/disk/by-path/ip-1-lun-0", "block")
    assert shared(disk, folders=[], pools=pools, mounts={})


def test_nothing_known_is_local() -> None:
    assert not shared(file("/srv/vm/a.img"), folders=[], pools={}, mounts={})


def test_the_longest_mount_point_counts() -> None:
    assert filesystem_of("/mnt/nfs/local/a", MOUNTS) == "xfs"
    assert filesystem_of("/mnt/nfsother", MOUNTS) == "ext4"
    assert under("/a/b", ["/a"])
    assert not under("/a", [""])


def test_network_and_volume_sources_are_named() -> None:
    network = disk_of(DiskXml("network", "rbd/a", protocol="rbd"), folders=[], pools={}, mounts={})
    volume = disk_of(DiskXml("volume", "a", pool="nfs"), folders=[], pools=POOLS, mounts={})
    assert (network.source, volume.source) == ("rbd:rbd/a", "nfs/a")
