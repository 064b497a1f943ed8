"""Debian packages on top of the hosts' root, to try real software with: fetched and installed once, kept as a
layer of the hosts' overlay.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from standfast.lab import rootfs
from standfast.lab.cache import get_or_build, recipe_key
from standfast.lab.system import debian_mirror, run

_FALLBACK_MIRROR = "http://deb.debian.org/debian"
# What only fetching wanted; uncovered again, so that the hosts' own sources and lists are what they were.
_ONLY_FOR_FETCHING = ("etc/apt", "etc/resolv.conf", "usr/sbin/policy-rc.d", "var/lib/apt", "var/cache/apt")


def cached_layer(cache: Path, entry: Path, packages: Sequence[str]) -> Path:
    """The directory to be laid over the root of ``entry`` (from ``cached_root``); LabError if it can't be
    made."""
    key = recipe_key(entry.name, *sorted(packages))
    build = partial(_build, root=entry / "root", packages=packages)
    return get_or_build(cache, f"layer-{key}", build, ("layer/var/lib/dpkg/status",)) / "layer"


def _build(directory: Path, *, root: Path, packages: Sequence[str]) -> None:
    layer, work, merged = (directory / name for name in ("layer", "work", "merged"))
    for each in (layer, work, merged):
        each.mkdir()
    with _mounted(root, layer, work, merged):
        (merged / "etc/apt/sources.list").write_text(
            f"deb {debian_mirror() or _FALLBACK_MIRROR} {rootfs.SUITE} main\n", encoding="ascii"
        )
        rootfs.install(merged, packages)
        # Some packages make what they want at the hosts' first boot, which a chroot has not.
        rootfs.in_root(merged, "systemd-sysusers")
    for name in _ONLY_FOR_FETCHING:
        path = layer / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(work)
    merged.rmdir()


@contextmanager
def _mounted(root: Path, layer: Path, work: Path, merged: Path) -> Iterator[None]:
    options = f"lowerdir={root},upperdir={layer},workdir={work}"
    run(["mount", "-t", "overlay", "-o", options, "overlay", merged], what=f"Mounting {merged}")
    try:
        yield
    finally:
        run(["umount", merged], what=f"Unmounting {merged}")
