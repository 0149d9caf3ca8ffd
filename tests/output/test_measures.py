"""Measures on paths whose answer is known."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from abm.output import measures
from abm.output.measures import MEASURES, SeedRun, measure, median_interval, quantiles, summarise
from abm.output.tables import RunDirectory


def path(**columns: list[float]) -> SeedRun:
    return SeedRun({"daily": pa.table({name.replace("__", "."): values for name, values in columns.items()})})


def test_half_life_counts_from_the_peak() -> None:
    run = path(yield_pct__JGB40=[3.6, 3.8, 4.0, 3.9, 3.85, 3.79, 3.7])
    assert measures.half_life_days(run, "JGB40") == 3.0
    assert measures.largest_rise_bp(run, "JGB40") == pytest.approx(40.0)
    assert measures.half_life_days(path(yield_pct__JGB40=[3.6, 3.8, 3.9]), "JGB40") == math.inf
    assert math.isnan(measures.half_life_days(path(yield_pct__JGB40=[3.6, 3.62, 3.6]), "JGB40"))


def test_pass_through_is_taken_where_the_source_peaks() -> None:
    run = path(yield_pct__JGB30=[3.4, 3.6, 3.5], yield_pct__UST30=[4.8, 4.85, 4.95])
    assert measures.pass_through(run, "UST30") == pytest.approx(0.25)


def test_a_drawdown_is_from_the_high_so_far() -> None:
    assert measures.drawdown_pct(path(price__BTC=[100.0, 120.0, 90.0, 150.0, 140.0]), "BTC") == pytest.approx(-25.0)


def test_changes_are_bp_for_bonds_and_log_per_cent_for_the_rest() -> None:
    assert measures.end_change(path(yield_pct__UST10=[4.0, 9.0, 4.25]), "UST10") == pytest.approx(25.0)
    assert measures.end_change(path(fx__AUDJPY=[100.0, 90.0]), "AUDJPY") == pytest.approx(100.0 * math.log(0.9))


def test_rises_of_a_rate_are_counted_and_cuts_are_not() -> None:
    run = path(policy_rate_pct__BOJ=[0.75, 0.75, 1.0, 0.75, 1.0, 1.25])
    assert MEASURES["hikes"].function(run) == 3.0


def test_positions_closed_are_measured_from_the_opening() -> None:
    run = path(carry_gross_usd_bn=[60.0, 80.0, 45.0, 70.0])
    assert MEASURES["carry_closed_usd_bn"].function(run) == 15.0
    assert MEASURES["carry_closed_pct"].function(run) == 25.0


def test_net_flows_are_the_sums_of_the_table(saved: RunDirectory) -> None:
    run = SeedRun(saved.seed_tables(2))
    flows = saved.frame("flows").query("seed == 2")
    sold = flows[flows["sector"].isin(measures.JAPANESE_HOLDERS) & flows["market"].isin(measures.FOREIGN_MARKETS)]
    assert MEASURES["foreign_sales_usd_bn"].function(run) == pytest.approx(-sold["usd_bn"].sum(), rel=1e-12)
    home = sold[sold["reason"] == "repatriation"]["usd_bn"]
    assert MEASURES["repatriation_usd_bn"].function(run) == pytest.approx(-home.sum(), rel=1e-12)
    assert home.sum() < 0.0


def test_every_measure_has_a_text_and_a_number(saved: RunDirectory) -> None:
    values = measure(saved.seed_tables(1))
    assert set(values) == set(MEASURES)
    undefined = {name for name, value in values.items() if math.isnan(value)}
    assert undefined <= {name for name in MEASURES if name.startswith(("half_life", "pass_through"))}
    assert all(m.text and m.unit and m.group for m in MEASURES.values())


def test_measures_of_a_saved_run_are_those_that_were_saved(saved: RunDirectory) -> None:
    kept = pd.read_parquet(saved.path / "measures.parquet")
    afresh = pd.DataFrame([{"seed": seed, **measure(saved.seed_tables(seed))} for seed in (1, 2, 4)])
    pd.testing.assert_frame_equal(afresh, kept)


@pytest.mark.parametrize("n", [6, 9, 20, 51, 200])
def test_the_interval_of_the_median_is_the_binomial_one(n: int) -> None:
    low, high = median_interval(np.arange(1.0, n + 1.0))
    k = int(stats.binom.ppf(0.025, n, 0.5))
    assert (low, high) == (k, n + 1 - k)
    assert 1.0 - 2.0 * stats.binom.cdf(k - 1, n, 0.5) >= 0.95


def test_few_values_have_no_interval() -> None:
    assert all(math.isnan(x) for x in median_interval(np.arange(5.0)))


def test_quantiles_survive_what_never_happened() -> None:
    assert quantiles(np.array([1.0, 2.0, 3.0, math.inf]), (0.05, 0.5, 0.95)) == [1.0, 2.0, math.inf]
    assert all(math.isnan(q) for q in quantiles(np.empty(0), (0.5,)))


def test_a_summary_says_how_often_something_never_happened() -> None:
    frame = pd.DataFrame({"half_life_days.JGB40": [1.0, 3.0, math.inf, math.nan], "defaults": [0.0, 0.0, 1.0, 2.0]})
    summary: dict[str, Any] = summarise(frame)
    assert summary["half_life_days.JGB40"]["seeds"] == 3
    assert summary["half_life_days.JGB40"]["share_not_within_run"] == pytest.approx(1 / 3)
    assert summary["defaults"]["median"] == 0.5
