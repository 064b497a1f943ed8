"""`python -m standfast.cli`: how `apply` starts `serve` with the same interpreter."""

from __future__ import annotations

from standfast.cli import main

main()
