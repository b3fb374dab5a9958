"""What the results file promises: targets beside figures; sections that keep each other."""

from __future__ import annotations

from importlib import import_module

import pytest
from benchmarks.results import Figure, Section

from benchmarks import results

MISSED = Figure("a turn", "<= 25 ms", "40 ms", "36", is_met=False, why="search takes 20 ms.")
MET = Figure("help", "<= 0.3 s", "0.2 s", "11", is_met=True)


@pytest.mark.parametrize(
    "name",
    [
        "__main__",
        "chat",
        "start",
        "growth",
        "others",
        "clients",
        "businesses",
        "sampled",
        "onboarding",
    ],
)
def test_every_benchmark_can_be_imported(name: str) -> None:
    assert import_module(f"benchmarks.{name}") is not None


def test_a_table_puts_the_target_beside_what_was_measured() -> None:
    lines = results.table([MISSED, MET]).splitlines()
    assert lines[2] == "| a turn | <= 25 ms | 40 ms | 36 | **missed** |"
    assert lines[3] == "| help | <= 0.3 s | 0.2 s | 11 | met |"


def test_a_section_says_why_a_target_was_missed_and_under_which_load() -> None:
    text = results.section(Section("Turn", [MISSED, MET], "More."))
    assert text.startswith("## Turn\n\nCommit ")
    assert "load average" in text
    assert "- **a turn** (target <= 25 ms): search takes 20 ms." in text
    assert text.endswith("More.")


def test_a_run_replaces_its_own_sections_and_keeps_the_others() -> None:
    before = results.merged("", ["## Turn\n\nold", "## Retrieval\n\nkept\n\n### Detail\n\ntoo"])
    after = results.merged(before, ["## Turn\n\nnew", "## Start\n\nfirst"])
    assert "old" not in after
    headings = [line for line in after.splitlines() if line.startswith("#")]
    assert headings == ["# Results", "## Turn", "## Retrieval", "### Detail", "## Start"]
    assert after.count(results.FOREWORD) == 1


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert results.percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert results.percentile([1.0], 0.95) == 1.0
