"""Who may ssh where: the controller to every host, every host to every other (peer-to-peer migration needs
that).

Keys are made by the lab for the lab, host keys are known beforehand, and nothing is ever accepted unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from standfast.lab.errors import LabError
from standfast.lab.names import Addresses, Net
from standfast.lab.paths import LabPaths
from standfast.lab.system import run, write_atomically

# ssh binds its control socket under a temporary name that is 17 characters longer; Linux allows 107.
_SOCKET_LIMIT = 107 - 17


def make_keys(paths: LabPaths, lab: str, hosts: Sequence[str]) -> None:
    """An ed25519 key for the controller, and for each host one of its own and one as a server."""
    paths.keys.mkdir(mode=0o700)
    for name in ("controller", *(f"{host}-user" for host in hosts), *(f"{host}-host" for host in hosts)):
        comment = f"standfast-lab {lab} {name}"
        run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", paths.keys / name],
            what="Making a key",
        )


def public_key(paths: LabPaths, name: str) -> str:
    """The public half of a key, one line."""
    return (paths.keys / f"{name}.pub").read_text(encoding="ascii").strip()


def authorized_keys(paths: LabPaths, hosts: Sequence[str]) -> str:
    """Who may enter a host as root: the controller and all hosts."""
    return "".join(
        f"{public_key(paths, name)}\n" for name in ("controller", *(f"{host}-user" for host in hosts))
    )


def known_hosts(paths: LabPaths, addresses: Addresses, hosts: Sequence[str]) -> str:
    """Every name and address that a host answers to, with its real key."""
    lines = []
    for number, host in enumerate(hosts, 1):
        own = [str(addresses.member(net, number)) for net in (Net.MANAGEMENT, Net.MIGRATION)]
        kind, key = public_key(paths, f"{host}-host").split()[:2]
        lines.append(f"{host},{host}-mig,{','.join(own)} {kind} {key}\n")
    return "".join(lines)


def etc_hosts(addresses: Addresses, hosts: Sequence[str]) -> str:
    """The hosts' /etc/hosts: ``kvm2`` is its management address, ``kvm2-mig`` its address for migrations."""
    lines = ["127.0.0.1 localhost\n"]
    for number, host in enumerate(hosts, 1):
        lines.append(f"{addresses.member(Net.MANAGEMENT, number)} {host}\n")
        lines.append(f"{addresses.member(Net.MIGRATION, number)} {host}-mig\n")
    return "".join(lines)


_OPTIONS = """\
Host *
    User root
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    PreferredAuthentications publickey
    BatchMode yes
    ConnectTimeout 5
    ServerAliveInterval 5
    ServerAliveCountMax 3
    ControlMaster auto
    ControlPath {control}/%n
    ControlPersist 60
    LogLevel ERROR
"""


def ssh_config(paths: LabPaths, addresses: Mapping[str, str]) -> str:
    """An ssh_config for the controller; ``addresses`` maps host name → management address."""
    longest = max(len(host) for host in addresses)
    if len(str(paths.control)) + 1 + longest > _SOCKET_LIMIT:
        raise LabError(f"{paths.control} is too long for ssh's sockets: choose a shorter STANDFAST_LAB_DIR.")
    head = f"# The hosts of a Standfast lab: ssh -F {paths.ssh_config} {next(iter(addresses))}\n\n"
    hosts = "".join(
        f"Host {host}\n    HostName {address}\n    HostKeyAlias {host}\n\n"
        for host, address in addresses.items()
    )
    key = paths.keys / "controller"
    return head + hosts + _OPTIONS.format(key=key, known_hosts=paths.known_hosts, control=paths.control)


def write_access(paths: LabPaths, addresses: Addresses, hosts: Sequence[str]) -> None:
    """Write the controller's ssh_config, known_hosts and the ssh wrapper."""
    paths.control.mkdir(mode=0o700, exist_ok=True)
    write_atomically(paths.known_hosts, known_hosts(paths, addresses, hosts))
    own = {host: str(addresses.member(Net.MANAGEMENT, number)) for number, host in enumerate(hosts, 1)}
    write_atomically(paths.ssh_config, ssh_config(paths, own), 0o600)
    write_atomically(paths.ssh_wrapper, f'#!/bin/sh\nexec ssh -F {paths.ssh_config} "$@"\n', 0o755)


def ssh_argv(paths: LabPaths, host: str, command: str) -> list[str]:
    """The argv that runs a shell command on a host as root."""
    return ["ssh", "-F", str(paths.ssh_config), host, "--", command]
