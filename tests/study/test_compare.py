"""Paired differences."""

import io
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from abm.output.style import RC
from abm.study.compare import Comparison, bootstrap_interval, compare, paired, show, tabulate
from abm.study.run import Interrupted, run
from tests.output.fake import FakeScenario, build_fake

DAYS = 9
CALM, SHOCK = FakeScenario(name="calm", days=DAYS, shock=0.0), FakeScenario(name="shock", days=DAYS, shock=2.0)


def pairs(a: FakeScenario, b: FakeScenario, seeds: int = 6) -> Comparison:
    return paired(a, b, seeds, workers=1, progress=False, build=build_fake)


def row(c: Comparison, measure: str) -> pd.Series:
    return c.table.set_index("measure").loc[measure]


def test_differences_are_those_of_separate_runs(tmp_path: Path) -> None:
    c = pairs(CALM, SHOCK)
    a, b = (
        run(s, 6, workers=1, out=tmp_path / s.name, figures=False, progress=False, build=build_fake).measures
        for s in (CALM, SHOCK)
    )
    expected = b["peak_change_bp.JGB40"] - a["peak_change_bp.JGB40"]
    found = c.differences.query("measure == 'peak_change_bp.JGB40'")["difference"]
    np.testing.assert_allclose(found, expected)
    assert row(c, "peak_change_bp.JGB40")["median_difference"] == pytest.approx(np.median(expected))
    assert row(c, "peak_change_bp.JGB40")["mean_low"] > 0.0
    assert row(c, "peak_change_bp.JGB40")["share_b_higher"] == 1.0


def test_a_scenario_does_not_differ_from_itself() -> None:
    c = pairs(SHOCK, SHOCK)
    assert np.nanmax(np.abs(c.differences["difference"].replace(math.inf, math.nan))) == 0.0
    assert row(c, "drawdown_pct.BTC")[["mean_low", "mean_high"]].tolist() == [0.0, 0.0]
    assert not np.abs(c.paths["JGB40"][0] - c.paths["JGB40"][1]).any()


def test_paths_are_equal_before_the_shock_and_not_after() -> None:
    c = pairs(CALM, SHOCK)
    gap = np.abs(c.paths["JGB40"][1] - c.paths["JGB40"][0])
    assert gap.shape == (6, DAYS + 1)
    assert not gap[:, :4].any()
    assert gap[:, 4:].all()


def test_scenarios_of_different_length_are_compared_over_the_shorter() -> None:
    c = pairs(CALM, FakeScenario(name="short", days=5))
    assert c.paths["BTC"].shape == (2, 6, 6)
    assert c.dates.size == 6


def test_pairs_with_a_failure_are_left_out_and_named() -> None:
    c = pairs(CALM, FakeScenario(name="broken", days=DAYS, fail_seed=2, fail_day=3), 3)
    assert c.seeds == (1, 3)
    ((scenario, failure),) = c.failures
    assert (scenario, failure.seed, failure.day) == ("broken", 2, 3)


def test_what_is_saved_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RC, "figure.dpi", 40)
    c = compare(CALM, SHOCK, 6, workers=1, out=tmp_path / "c", progress=False, build=build_fake)
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["compare.json", "differences.parquet", "figures"]
    saved = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert saved["a"]["scenario"] == CALM.resolved()
    assert saved["seeds"] == [1, 2, 3, 4, 5, 6]
    assert saved["measures"]["max_stress"]["mean_difference"] == pytest.approx(row(c, "max_stress")["mean_difference"])
    assert len(pd.read_parquet(tmp_path / "c" / "differences.parquet")) == len(c.differences)
    assert (tmp_path / "c" / "figures" / "differences.png").stat().st_size > 5_000
    console = Console(file=io.StringIO(), width=80)
    show(c, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "shock less calm: 6 paired seeds" in text
    assert max(len(line.rstrip()) for line in text.splitlines() if "/" not in line) <= 80


def test_an_interrupted_comparison_leaves_nothing(tmp_path: Path) -> None:
    stops = FakeScenario(name="stops", days=DAYS, interrupt_seed=2, interrupt_pid=os.getpid())
    with pytest.raises(Interrupted, match="run it again"):
        compare(CALM, stops, 4, workers=1, out=tmp_path / "c", progress=False, build=build_fake)
    assert list(tmp_path.iterdir()) == []


def test_pairs_that_are_not_finite_are_not_counted() -> None:
    values = [(1.0, 2.0), (3.0, math.inf), (math.nan, 1.0), (2.0, 5.0)]
    frame = pd.DataFrame([{"seed": i, "measure": "half_life_days.JGB40", "a": a, "b": b, "difference": b - a}
                          for i, (a, b) in enumerate(values)])  # fmt: skip
    found = tabulate(frame).iloc[0]
    assert (found["seeds"], found["mean_difference"]) == (2, 2.0)


def test_the_interval_of_the_mean_covers_it_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    samples = rng.exponential(1.0, (300, 25))
    hits = [low <= 1.0 <= high for low, high in map(bootstrap_interval, samples)]
    assert 0.90 <= np.mean(hits) <= 0.99


def test_too_few_pairs_have_no_interval() -> None:
    assert all(math.isnan(x) for x in bootstrap_interval(np.array([1.0, 2.0, 3.0])))


def test_rounding_dust_among_the_differences_does_not_blow_up_the_interval() -> None:
    dust = 1e-15 * np.random.default_rng(0).standard_normal(50)
    dust[3] = 0.5
    low, high = bootstrap_interval(dust)
    assert -0.1 < low < 0.0 < high < 0.1
