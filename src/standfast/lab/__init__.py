"""A real libvirt cluster on one Linux machine, and the observer that measures interruption in it."""
