"""One folder per hypervisor, each behind `ports.Platform`. They never import each other."""
