"""What is left on the hosts at the end: paused, saved, shut off, lost, doubled or forgotten VMs. Parsing
is pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# One block per domain: "domain NAME", then what `virsh dominfo` says.
QUESTION = (
    'virsh() { command virsh -q -c qemu:///system "$@"; }; all=$(virsh list --all --name) || exit 1; '
    'for vm in $all; do echo "domain $vm"; virsh dominfo $vm || exit 1; done; '
    "cd /var/log/libvirt/qemu 2>/dev/null && grep -aH 'shutting down, reason=' *.log; exit 0"
)


@dataclass(frozen=True, slots=True)
class Domain:
    """A VM as one host knows it."""

    vm: str
    state: str
    persistent: bool
    managed_save: bool


def parse_domains(lines: Iterable[str]) -> list[Domain]:
    """The domains in the answer to QUESTION; lines of other kinds (logs) are passed over."""
    facts: dict[str, dict[str, str]] = {}
    vm = ""
    for line in lines:
        if line.startswith("domain "):
            vm = line.split()[1]
            facts[vm] = {}
        elif vm and ": " in line and not line.startswith(tuple(f"{name}.log:" for name in facts)):
            key, _, value = line.partition(":")
            facts[vm].setdefault(key.strip(), value.strip())
    return [
        Domain(
            name, each.get("State", "?"), each.get("Persistent") == "yes", each.get("Managed save") == "yes"
        )
        for name, each in facts.items()
    ]


def states_left(vm: str, known: Mapping[str, Iterable[Domain]]) -> list[str]:
    """What is wrong with where and how a VM is, given every host's domains; empty when it runs once and
    only there."""
    mine = {host: domain for host, domains in known.items() for domain in domains if domain.vm == vm}
    running = [host for host, domain in mine.items() if domain.state == "running"]
    wrong = []
    if not mine:
        wrong.append("missing")
    if len(running) > 1:
        wrong.append(f"running on two hosts: {', '.join(running)}")
    for host, domain in mine.items():
        if domain.managed_save:
            wrong.append(f"saved on {host}")
        if host in running:
            if not domain.persistent:
                wrong.append(f"not defined persistently on {host}")
        elif running and domain.state == "shut off":
            wrong.append(f"leftover definition on {host}")
        else:
            wrong.append(f"{domain.state} on {host}")
    return wrong
