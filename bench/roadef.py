"""Machine reassignment (ROADEF/EURO 2012): how much of the possible improvement a numpy local search finds.

The cost has five parts: load above safety capacity, unused balance, and moves of processes, services and
machines. Constraints: capacity, transient usage, one process of a service per machine, spread over locations,
dependencies within neighbourhoods. Every answer is judged anew from the files' own numbers.
"""

from __future__ import annotations

import time

from bench._roadef import cost, read, violations
from bench._roadef_search import Search
from bench.claim import Claim, Settings

SECONDS = 60.0
REACH = {"b_1": 0.95, "b_4": 0.995, "b_6": 0.995, "b_9": 0.995}


def measure(settings: Settings) -> list[Claim]:
    """Share of (original cost - lower bound) that is gained in 60 s of CPU; the winners' 300 s beside it."""
    folder = settings.folder("roadef2012")
    lines = (folder / "bounds.csv").read_text().splitlines()[1:]
    known = {line.split(",")[0]: line.split(",")[1:4] for line in lines}
    claims: list[Claim] = []
    for name, reach in REACH.items():
        original, bound = int(known[name][0]), int(known[name][1])
        s41 = known[name][2]
        case = read(folder, name)
        assert cost(case, case.first) == original, f"{name}: the published original cost is another"
        began = time.perf_counter()
        search = Search(case, seed=1)
        search.run(SECONDS)
        took = round(time.perf_counter() - began, 1)
        wrong, reached = violations(case, search.at), cost(case, search.at)
        share = (original - reached) / (original - bound)
        others = {"S41, 300 s": round((original - int(s41)) / (original - bound), 5)} if s41 else {}
        told = {"seconds": took, "cost": reached, "violations": wrong, "original": original, "bound": bound}
        words = f"ROADEF 2012 {name}: share of the possible improvement in {SECONDS:g} s of CPU"
        holds = share >= reach and wrong == 0
        claims.append(Claim(words, round(share, 5), others, f">= {reach}, no violation", holds, (told,)))
    return claims
