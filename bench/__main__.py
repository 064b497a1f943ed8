"""`./dev bench [NAME…] [--json]`: measure claims, each beside something else in the same run."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence

import bench
from bench.claim import Claim


def names() -> list[str]:
    """Modules of this package that measure something."""
    found = (module.name for module in pkgutil.iter_modules(bench.__path__))
    return sorted(name for name in found if name not in ("__main__", "claim"))


def main(arguments: Sequence[str]) -> int:
    """Measure the named claims (default: all). 1 if one does not hold."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--json", action="store_true", help="print one object for each claim")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        parser.error(f"there is no claim {', '.join(unknown)}; there are {', '.join(names())}")
    holds = True
    for name in options.names or names():
        claims: list[Claim] = importlib.import_module(f"bench.{name}").measure()
        for claim in claims:
            print(json.dumps(claim.as_dict()) if options.json else claim.told(), flush=True)
            holds = holds and claim.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
