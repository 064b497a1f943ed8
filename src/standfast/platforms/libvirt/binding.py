"""The Python binding of libvirt, its event loop and its error handler: once per process."""

from __future__ import annotations

import threading
from typing import Any

from standfast.model.errors import RefusedError

try:
    import libvirt
except ImportError as _error:  # pragma: no cover - depends on the installation
    raise RefusedError(
        "libvirt_missing",
        "the Python binding of libvirt is not installed",
        why=str(_error),
        do="Install the package python3-libvirt, or standfast[libvirt] with libvirt-dev and a compiler.",
    ) from _error

__all__ = ["libvirt", "start_event_loop"]

_lock = threading.Lock()
_started = False


def start_event_loop() -> None:
    """Register libvirt's own event loop and run it in a daemon thread; later calls do nothing.

    Must come before the first connection: keepalive and events only work on connections opened after it.
    """
    global _started
    with _lock:
        if _started:
            return
        libvirt.registerErrorHandler(_say_nothing, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
        _started = True


def _say_nothing(_context: Any, _error: Any) -> None:
    """libvirt prints errors on standard error unless told otherwise; every error is raised as well."""


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
