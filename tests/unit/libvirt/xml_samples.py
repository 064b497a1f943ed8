"""Domains as libvirt writes them, put together part by part."""

from __future__ import annotations

UUID = "0b5c1b3c-7b1e-4d0e-9a43-5d1fd0aa1001"

HEAD = f"""<name>web 1</name><uuid>{UUID.upper()}</uuid>
<memory unit='MiB'>2048</memory><currentMemory unit='MiB'>1024</currentMemory>
<vcpu placement='static' current='2'>4</vcpu>
<os><type arch='x86_64' machine='pc-q35-9.2'>hvm</type></os>"""

CPU = """<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>Skylake-Client</model>
<vendor>Intel</vendor><feature policy='require' name='vmx'/><feature policy='disable' name='mpx'/>
<feature policy='force' name='pcid'/></cpu>"""


def domain(devices: str = "", extra: str = "", kind: str = "kvm") -> str:
    return f"<domain type='{kind}'>{HEAD}{extra}<devices>{devices}</devices></domain>"


def file_disk(path: str, *, more: str = "", device: str = "disk") -> str:
    return (
        f"<disk type='file' device='{device}'><source file='{path}'/>"
        f"<target dev='vda' bus='virtio'/>{more}</disk>"
    )


def network_disk(protocol: str, host: str) -> str:
    return (
        f"<disk type='network' device='disk'><source protocol='{protocol}' name='pool/image'>{host}</source>"
        "<target dev='vdb'/></disk>"
    )
