"""Migrations read from the logs of hypervisors that Standfast may never have touched.

Hyper-V events (text, XML, CSV, JSON, .evtx), Proxmox task logs, `virsh domjobinfo`. A record that can't be
right gives a sentence with file and line, and no figure. Imports the model only.
"""
