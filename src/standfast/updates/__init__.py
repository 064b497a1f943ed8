"""Updates and reboots of hosts: scanning, and long work that a host does by itself as a named unit."""
