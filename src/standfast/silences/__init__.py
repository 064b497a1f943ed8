"""Monitoring kept quiet about a host while it is worked on: one module per system (`ports.Silencer`)."""
