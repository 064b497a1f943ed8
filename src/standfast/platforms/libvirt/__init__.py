"""libvirt/KVM: what runs where, moving it live, and keeping a host free of VMs.

`platform.LibvirtPlatform` needs the Python binding of libvirt; `fence.LibvirtFence` only needs SSH.
"""
