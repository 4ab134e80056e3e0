"""The table that `make bench` prints."""

import pytest

from benchmarks.figures import Figure, ratio, table


def test_a_line_shows_median_extremes_and_whether_the_aim_was_met() -> None:
    figure = Figure("poll", "requests/s", [4_100.4, 3_900, 12_000], least=4_000)
    assert figure.line() == "| poll, requests/s | 4,100 | 3,900 | 12,000 | ≥ 4,000: met |"
    assert Figure("p50", "ms", [5.04, 5.06, 5.05], most=5).line().endswith("| ≤ 5.00: missed |")
    assert Figure("rows", "", [12.34]).line() == "| rows | 12.3 | 12.3 | 12.3 |  |"


def test_a_ratio_compares_run_by_run() -> None:
    mine, theirs = Figure("a", "rows/s", [10, 30, 20]), Figure("b", "rows/s", [20, 20, 20])
    found = ratio(mine, theirs, 0.4)
    assert (found.what, list(found.values), found.least) == ("a : b", [0.5, 1.5, 1.0], 0.4)
    with pytest.raises(ValueError, match="shorter"):
        ratio(mine, Figure("b", "rows/s", [20]), 0.4)


def test_a_table_has_a_line_for_each_figure() -> None:
    assert len(table("Title", [Figure("a", "", [1]), Figure("b", "", [2])]).splitlines()) == 6
