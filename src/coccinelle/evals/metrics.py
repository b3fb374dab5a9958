"""Measures of a ranking against what is relevant; every one of them is between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

Grades = Mapping[str, int]


def ndcg(ranking: Sequence[str], relevant: Grades, *, depth: int) -> float:
    """Normalised discounted cumulative gain, the grade itself as gain (Järvelin & Kekäläinen)."""
    ideal = _gain(sorted(relevant.values(), reverse=True)[:depth])
    found = _gain([relevant.get(document, 0) for document in ranking[:depth]])
    return found / ideal if ideal else 0.0


def reciprocal_rank(ranking: Sequence[str], relevant: Grades, *, depth: int) -> float:
    """1 / place of the first relevant document; 0 where it is below `depth`."""
    for place, document in enumerate(ranking[:depth], start=1):
        if relevant.get(document, 0) > 0:
            return 1 / place
    return 0.0


def recall(ranking: Sequence[str], relevant: Grades, *, depth: int) -> float:
    """The share of the relevant documents that are in the first `depth`."""
    wanted = {document for document, grade in relevant.items() if grade > 0}
    return len(wanted & set(ranking[:depth])) / len(wanted) if wanted else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of `values` do not exceed; 0 where there are none."""
    return float(np.percentile(values, percent)) if values else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades, start=1))
