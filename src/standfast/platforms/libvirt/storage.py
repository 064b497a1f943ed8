"""Whether a disk is shared: whether every host sees the same bytes at its source. Pure, and fails closed.

A disk counts as shared only where something says so: a network protocol of its own, a folder declared in the
inventory, a storage pool on a network, or a network file system seen on the host. Nothing known means local.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from standfast.model.cluster import Disk
from standfast.platforms.libvirt.capabilities import PoolXml
from standfast.platforms.libvirt.domain import DiskXml

SHARED_POOLS = frozenset({"netfs", "gluster", "rbd", "sheepdog", "iscsi", "iscsi-direct", "vstorage"})
"""Pool types whose volumes come over a network (https://libvirt.org/storage.html)."""

SHARED_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.ceph", "fuse.glusterfs", "glusterfs", "gfs2", "ocfs2",
     "gpfs", "lustre", "9p", "fuse.mfs", "fuse.beegfs", "beegfs", "fuse.vstorage", "fuse.quobyte"}
)  # fmt: skip
"""File systems on which hosts see each other's files. `fuse.*` in general is not among them."""

SHARED_PROTOCOLS = frozenset(
    {"rbd", "iscsi", "gluster", "sheepdog", "nbd", "http", "https", "nfs", "ssh", "vxhs"}
)


def under(path: str, folders: Sequence[str]) -> bool:
    """Whether `path` lies in one of the folders, by its parts (`/srv/vmx` is not in `/srv/vm`)."""
    pure = PurePosixPath(path)
    if ".." in pure.parts:
        return False
    return any(pure.is_relative_to(folder) for folder in folders if folder)


def filesystem_of(path: str, mounts: Mapping[str, str]) -> str:
    """The type of the file system that holds `path`: that of the longest mount point above it."""
    above = [point for point in mounts if under(path, [point])]
    return mounts[max(above, key=len)] if above else ""


def shared(
    disk: DiskXml, *, folders: Sequence[str], pools: Mapping[str, PoolXml], mounts: Mapping[str, str]
) -> bool:
    """Whether every host sees the same bytes. `pools` by name, `mounts` mount point to file system type."""
    if disk.kind == "network":
        return disk.protocol in SHARED_PROTOCOLS and not disk.local_server
    if disk.kind == "volume":
        pool = pools.get(disk.pool)
        if pool is None:
            return False
        return pool.kind in SHARED_POOLS or _path_shared(pool.path, folders, mounts)
    if disk.kind not in ("file", "block", "dir"):
        return False
    if any(pool.kind in SHARED_POOLS and under(disk.source, [pool.path]) for pool in pools.values()):
        return not _is_device_folder(disk.source, pools)
    return _path_shared(disk.source, folders, mounts)


def _is_device_folder(path: str, pools: Mapping[str, PoolXml]) -> bool:
    """An iSCSI pool may be mapped at plain /dev, which holds every disk of the host: proves nothing."""
    return any(under(path, [pool.path]) and pool.path.rstrip("/") == "/dev" for pool in pools.values())


def _path_shared(path: str, folders: Sequence[str], mounts: Mapping[str, str]) -> bool:
    if not path.startswith("/"):
        return False
    return under(path, folders) or filesystem_of(path, mounts) in SHARED_FILESYSTEMS


def disk_of(
    disk: DiskXml, *, folders: Sequence[str], pools: Mapping[str, PoolXml], mounts: Mapping[str, str]
) -> Disk:
    """The disk in the model's words; a network disk's source is written `rbd:pool/name`."""
    source = f"{disk.protocol}:{disk.source}" if disk.kind == "network" else disk.source
    if disk.kind == "volume":
        source = f"{disk.pool}/{disk.source}"
    return Disk(
        source=source,
        shared=shared(disk, folders=folders, pools=pools, mounts=mounts),
        removable=disk.removable,
        read_only=disk.read_only,
        target=disk.target,
        pool=disk.pool if disk.kind == "volume" else "",
    )
