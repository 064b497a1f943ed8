"""What is asked of a VM while it moves, read from the config. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from standfast.model.probes import VmProbe

KINDS = {"tcp": None, "icmp": 0, "http": 80}
"""Each with its usual port."""


def parse_probe(text: str) -> VmProbe:
    """`tcp://HOST:PORT`, `icmp://HOST` or `http://HOST[:PORT][/PATH]`. ValueError says what is wrong."""
    parts = urlsplit(text.strip())
    how = "write it as tcp://HOST:PORT, icmp://HOST or http://HOST:PORT/PATH"
    if parts.scheme not in KINDS:
        raise ValueError(f"{text!r} is no probe: {how}")
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{text!r} has a port that is none: {how}") from None
    if not host or parts.username is not None or any(each.isspace() or each < " " for each in text.strip()):
        raise ValueError(f"{text!r} is no probe: {how}")
    usual = KINDS[parts.scheme]
    if (parts.scheme == "icmp" and port is not None) or (usual is None and not port):
        raise ValueError(f"{text!r} {'has' if port else 'needs'} a port: {how}")
    page = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not page.isascii():
        raise ValueError(f"{text!r} is not ASCII: write other letters with per cent signs")
    return VmProbe(parts.scheme, host, port or usual or 0, page)
