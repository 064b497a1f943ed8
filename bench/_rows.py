"""Measurements from a CSV file, checked: a figure that can't be is refused with file and line."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.claim import Skipped


def rows_of(path: Path, positive: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as dictionaries; the columns in `positive` as numbers above zero. Raises Skipped."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [_row(path, reader.line_num, row, positive) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Skipped(f"{path} can't be read: {error}") from error
    if not rows:
        raise Skipped(f"{path} holds no measurement")
    return rows


def _row(path: Path, line: int, row: dict[str, Any], positive: Sequence[str]) -> dict[str, Any]:
    for column in positive:
        text = row.get(column)
        try:
            number = float(text) if text is not None else math.nan
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            raise Skipped(f"{path}:{line}: {column} is {text!r}, and has to be a number above zero")
        row[column] = number
    return row


def mean_error(pairs: Sequence[tuple[float, float]]) -> float:
    """Mean absolute relative error of (predicted, measured)."""
    return sum(abs(predicted / measured - 1) for predicted, measured in pairs) / len(pairs)
