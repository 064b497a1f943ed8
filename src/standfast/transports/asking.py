"""One short question to an address: does it take a connection, answer an echo, serve a page?"""

from __future__ import annotations

import os
import socket
import struct
import time


def answers(kind: str, host: str, port: int, path: str, seconds: float) -> bool:
    """Whether it answered within that time. `kind` is tcp, icmp or http; any HTTP status is an answer.

    A name that can't be resolved, a refusal and silence are all no answer. PermissionError where this process
    may not send echoes.
    """
    try:
        if kind == "icmp":
            return _echo(host, seconds)
        with socket.create_connection((host, port), timeout=seconds) as link:
            return kind == "tcp" or _page(link, host, path)
    except PermissionError:
        if kind == "icmp":
            raise
        return False
    except (OSError, UnicodeError):
        return False


def _page(link: socket.socket, host: str, path: str) -> bool:
    name = f"[{host}]" if ":" in host else host
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\nUser-Agent: standfast\r\n\r\n"
    link.sendall(request.encode("ascii"))
    return link.recv(5) == b"HTTP/"


def _echo(host: str, seconds: float) -> bool:
    """An ICMP echo by the kernel's own sockets for it (`net.ipv4.ping_group_range`), else a raw one."""
    family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0]
    six = family == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    try:
        link, raw = socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        link, raw = socket.socket(family, socket.SOCK_RAW, protocol), True
    mark = os.urandom(8)
    with link:
        head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, os.getpid() & 0xFFFF, 1)
        checked = struct.pack("!BBHHH", 128 if six else 8, 0, _sum(head + mark), os.getpid() & 0xFFFF, 1)
        link.sendto(checked + mark, address)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            link.settimeout(left)
            got = link.recv(2048)
            kind = got[(got[0] & 15) * 4 if raw and not six else 0]
            if mark in got and kind == (129 if six else 0):
                return True
    return False


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
