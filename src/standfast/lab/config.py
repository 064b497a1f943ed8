"""The product's config for a lab, in the form that ``standfast`` reads. Pure."""

from __future__ import annotations

from standfast.lab.names import Net
from standfast.lab.paths import LabPaths
from standfast.lab.state import LabState


def product_config(state: LabState, paths: LabPaths) -> str:
    """YAML: the lab as a cluster. Memory is declared, because every host sees the whole machine's."""
    lines = [
        f"# Written by `standfast lab up`: the lab {state.spec.name!r}.",
        "clusters:",
        f"  {state.spec.name}:",
        "    platform: libvirt",
        f"    ssh_config: {paths.ssh_config}",
        "    shared_paths: [/srv/vm]",
        "    hosts:",
    ]
    for number, host in enumerate(state.spec.hosts, 1):
        facts = {
            "uri": f'"qemu+ssh://root@{host}/system"',
            "ssh": f'"root@{host}"',
            "migration_address": state.addresses.member(Net.MIGRATION, number),
            "memory_bytes": state.spec.host_memory_bytes,
        }
        if state.spec.migration_speed_bits_per_second is not None:
            facts["migration_speed"] = state.spec.migration_speed_bits_per_second
        lines.append(f"      {host}: {{{', '.join(f'{key}: {value}' for key, value in facts.items())}}}")
    # Each VM is asked while it moves, as an application's clients would, and its silence stands beside what
    # the hypervisor says of it.
    lines += ["    probes:"] if state.spec.vms else []
    for number, vm in enumerate(state.spec.vms, 1):
        lines.append(f"      {vm.name}: icmp://{state.addresses.member(Net.GUEST, number)}")
    lines += [
        "    rules: {}",
        "    policy: {verify_stable_seconds: 1, canary_soak_seconds: 0, tick_seconds: 0.5}",
    ]
    return "\n".join(lines) + "\n"
