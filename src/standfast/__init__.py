"""Standfast: patch every host of a virtualization cluster while every VM stands fast."""
