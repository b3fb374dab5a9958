"""The measures, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from coccinelle.evals.metrics import ndcg, percentile, recall, reciprocal_rank


def test_ndcg_discounts_by_the_logarithm_of_the_place() -> None:
    assert ndcg(["a", "b"], {"a": 1}, depth=10) == 1
    assert ndcg(["b", "c", "a"], {"a": 1}, depth=10) == pytest.approx(1 / math.log2(4))
    assert ndcg(["b", "c", "a"], {"a": 1}, depth=2) == 0


def test_ndcg_is_measured_against_the_best_order_of_the_grades() -> None:
    found = ndcg(["b", "a"], {"a": 2, "b": 1}, depth=10)

    assert found == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))


def test_reciprocal_rank_is_of_the_first_relevant_document() -> None:
    assert reciprocal_rank(["x", "a", "b"], {"a": 1, "b": 1}, depth=10) == 0.5
    assert reciprocal_rank(["x", "a"], {"a": 1}, depth=1) == 0
    assert reciprocal_rank(["x"], {"x": 0}, depth=10) == 0


def test_recall_is_the_share_of_relevant_documents() -> None:
    assert recall(["x", "a", "y", "b"], {"a": 1, "b": 1, "c": 0}, depth=3) == 0.5
    assert recall([], {"a": 1}, depth=5) == 0


def test_percentiles_of_nothing_are_zero() -> None:
    assert percentile([], 95) == 0
    assert percentile([1, 2, 3], 50) == 2
