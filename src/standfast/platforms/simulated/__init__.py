"""A cluster of any size in virtual time, with any fault, and with its own record of every broken promise."""

from standfast.platforms.simulated.spec import SimSpec, from_snapshot
from standfast.platforms.simulated.state import Deed, State
from standfast.platforms.simulated.world import FileWorld, SimWorld, build_outside

__all__ = ["Deed", "FileWorld", "SimSpec", "SimWorld", "State", "build_outside", "from_snapshot"]
