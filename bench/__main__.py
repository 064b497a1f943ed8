"""`./dev bench [NAME…] [--json] [--data DIR] [--full]`: measure claims, each beside something else.

Without a NAME the short set is measured, all that needs no lab and ends within minutes; with `--full` all.

Every module of this package but those named in `HELPERS` and those that begin with `_` is one NAME: it has
`measure(settings: Settings) -> list[Claim]` and may raise `Skipped`. Nothing else has to be registered.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import bench
from bench.claim import Claim, Settings, Skipped

HELPERS = frozenset({"brute_force", "claim", "generated", "walking"})
TAKES_ARGUMENTS = frozenset({"lab_faults", "lab_kills", "mutants", "torture"})
"""Named first, these get the rest of the line: they have a `main` of their own."""
LONG = frozenset({"by_hand", "mutants", "torture"})
"""Minutes to hours each: measured only by name or with `--full`, as are all whose name begins with `lab_`."""
DATA_VARIABLE = "STANDFAST_BENCH_DATA"
BESIDE = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


def names() -> list[str]:
    """Modules of this package that measure something."""
    found = (module.name for module in pkgutil.iter_modules(bench.__path__))
    return sorted(name for name in found if name not in HELPERS and not name.startswith("_"))


def short_set() -> list[str]:
    """What is measured where nothing is named: within half an hour on two cores."""
    return [name for name in names() if name not in LONG and not name.startswith("lab_")]


def data_directory(given: Path | None) -> Path | None:
    """Where published data is: as given, else of the environment, else beside the checkout, else nowhere."""
    if given is not None:
        return given
    if os.environ.get(DATA_VARIABLE):
        return Path(os.environ[DATA_VARIABLE])
    return BESIDE.resolve() if BESIDE.is_dir() else None


def main(arguments: Sequence[str]) -> int:
    """Measure the named claims (default: the short set, with `--full` all).

    1 if one does not hold, or was named and can't be measured.
    """
    if arguments and arguments[0] in TAKES_ARGUMENTS:
        found: int = importlib.import_module(f"bench.{arguments[0]}").main(arguments[1:])
        return found
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure claims, each beside others.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--json", action="store_true", help="print one object for each claim")
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"published data; else ${DATA_VARIABLE}")
    parser.add_argument(
        "--full", action="store_true", help="all of them, and the longer way where there is one"
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        parser.error(f"there is no claim {', '.join(unknown)}; there are {', '.join(names())}")
    settings = Settings(data_directory(options.data), options.full)
    if options.data is not None and not options.data.is_dir():
        parser.error(f"--data {options.data} is no directory")
    holds = True
    for name in options.names or (names() if options.full else short_set()):
        try:
            claims: list[Claim] = importlib.import_module(f"bench.{name}").measure(settings)
        except Skipped as why:
            print(f"bench: {name} is skipped: {why}", file=sys.stderr, flush=True)
            holds = holds and not options.names
            continue
        for claim in claims:
            print(json.dumps(claim.as_dict()) if options.json else claim.told(), flush=True)
            holds = holds and claim.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
