"""Gudkov's published table of predicted migration times (qemu-devel, 2023), cell by cell.

His dirty-rate measurement in, his model, his units (1 Gbps = 2^30 bit/s, seconds rounded up): 8 speeds by 6
downtime limits. Shows that the rounds, headers and zero pages of the model are understood as published.
"""

from __future__ import annotations

import json
import math
from typing import Any

from bench.claim import Claim, Settings
from standfast.model.memory import DirtyPoint
from standfast.predict.plain import plain


def measure(settings: Settings) -> list[Claim]:
    told = json.loads((settings.folder("predictor") / "gudkov_qemu_2023.json").read_text("utf-8"))
    rows = [row | {"ours": cell(told["dirty"], row)} for row in cells(told)]
    same = sum(row["ours"] == row["published"] for row in rows)
    claim = Claim(
        "cells of the published QEMU table that come out the same",
        same,
        {"cells": float(len(rows))},
        f"{len(rows)} of {len(rows)}",
        same == len(rows) and bool(rows),
        tuple(rows),
    )
    return [claim]


def cells(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Speed, limit in milliseconds (null: one pass) and seconds as published (null: does not converge)."""
    table = told["expected_seconds_ceil"]
    return [
        {"speed": speed, "downtime_ms": limit, "published": seconds}
        for speed, row in table.items()
        if speed != "downtime_ms"
        for limit, seconds in zip(table["downtime_ms"], row, strict=True)
    ]


def cell(dirty: dict[str, Any], row: dict[str, Any]) -> int | None:
    pages, size = dirty["n-total-pages"], dirty["page-size"]
    per_sample = pages * size / dirty["n-sampled-pages"]
    zero = dirty["n-zero-pages"] * per_sample
    points = [
        DirtyPoint(milliseconds / 1000, count * per_sample)
        for milliseconds, count in zip(dirty["periods"], dirty["n-dirty-pages"], strict=True)
    ]
    limit = row["downtime_ms"]
    found = plain(
        points, pages * size - zero, zero, speed(row["speed"]) / 8, None if limit is None else limit / 1000
    )
    return None if found is None else math.ceil(found.seconds)


def speed(text: str) -> float:
    """`2.5G` in bits per second, in this table's units."""
    return float(text[:-1]) * {"M": 2**20, "G": 2**30}[text[-1]]
