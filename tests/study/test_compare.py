"""Paired differences."""

import datetime as dt
import io
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from abm.output.style import RC
from abm.scenarios import Scenario, load_scenario
from abm.study.compare import Comparison, bootstrap_interval, compare, paired, show, tabulate
from abm.study.run import Interrupted, run
from abm.world.errors import InputError
from tests.output.fake import FakeScenario, build_fake

DAYS = 9
LATER = (dt.date(2026, 1, 13), dt.date(2026, 1, 20), dt.date(2026, 1, 21))
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
    c, same = (
        pairs(CALM, FakeScenario(name="short", days=5)),
        pairs(CALM.shortened(5), FakeScenario(name="short", days=5)),
    )
    assert c.paths["BTC"].shape == (2, 6, 6)
    assert c.dates.size == 6
    pd.testing.assert_frame_equal(c.differences, same.differences)
    assert c.notes == ("A is calm, B is short.", "calm has 9 trading days and is cut to the 5 of short.")
    assert same.notes == ("A is calm, B is short.",)


def test_what_was_cut_is_said_in_the_table_and_in_the_file(tmp_path: Path) -> None:
    short = FakeScenario(name="short", days=5)
    compare(short, CALM, 4, workers=1, out=tmp_path / "c", progress=False, build=build_fake, figures=False)
    saved = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert saved["days"] == saved["a"]["scenario"]["days"] == saved["b"]["scenario"]["days"] == 5
    assert "calm has 9 trading days and is cut to the 5 of short." in saved["notes"]
    console = Console(file=io.StringIO(), width=80)
    show(pairs(short, CALM, 4), console)
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "calm less short: 4 paired seeds, 5 trading days" in text
    assert "calm has 9 trading days and is cut to the 5 of short." in text
    assert "median A, median B: over the seeds. mean B-A:" in text


def test_a_longer_scenario_is_cut_to_what_it_would_be_with_fewer_days() -> None:
    assert load_scenario("baseline").shortened(60).hash == load_scenario("baseline", days=60).hash


def test_what_differs_is_named_where_the_names_do_not_differ() -> None:
    on = load_scenario("sanaenomics", days=1)
    off = load_scenario("sanaenomics", days=1, overrides={"switches.repatriation": False})
    c = pairs(SHOCK, replace(SHOCK, shock=0.5), 1)
    assert (c.title, c.notes) == ("shock, B less A", ("A is shock with shock = 2.0, B is shock with shock = 0.5.",))
    c = paired(on, off, 1, workers=1, progress=False)
    assert c.notes == (
        "A is sanaenomics with switches.repatriation = true, B is sanaenomics with switches.repatriation = false.",
    )


@pytest.mark.parametrize(
    ("other", "opening"),
    [
        (load_scenario("carry_unwind_2024", days=2), r"2024-07-10 \(2024-07-10, first day 2024-07-11\)"),
        (load_scenario("baseline", days=2, state="2024-07-10"), "2024-07-10"),
        (
            replace(load_scenario("sanaenomics", days=2), dates=LATER),
            r"2026-01-13 \(2026-01-13, first day 2026-01-20\)",
        ),
    ],
)
def test_scenarios_with_different_openings_are_refused(other: Scenario, opening: str) -> None:
    with pytest.raises(InputError, match=rf"baseline opens in 2026-01-13 .* and {other.name} opens in {opening}"):
        compare(load_scenario("baseline"), other, 1, build=lambda scenario, seed: pytest.fail("must not run"))


def test_a_state_under_another_name_is_the_same_opening() -> None:
    plain = load_scenario("baseline", days=1)
    renamed = replace(plain, name="renamed", state=replace(plain.state, name="mine", title="Mine"))
    assert paired(plain, renamed, 1, workers=1, progress=False).title == "renamed less baseline"


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


@pytest.mark.parametrize(
    "values",
    [(0, 0.0016, 0.56, 0, 0.35, 0), (0, 0.01, 0.56, 0.02, 0.35, -0.01), (0, 0.03, 0.56, 0.05, 0.35, 0, 0, 0.02)],
)
def test_nearly_equal_values_get_the_interval_of_student(values: tuple[float, ...]) -> None:
    x = np.array(values)
    expected = stats.t.interval(0.95, x.size - 1, x.mean(), stats.sem(x))
    assert bootstrap_interval(x) == pytest.approx(expected)


def test_a_few_seeds_in_which_something_happened_do_not_exclude_zero() -> None:
    x = np.zeros(50)
    x[:2] = -1.0
    assert bootstrap_interval(x)[1] > 0.0
    low, high = bootstrap_interval(x, 0.99)
    assert low < bootstrap_interval(x)[0] and bootstrap_interval(x)[1] < high


def test_intervals_of_ordinary_values_are_those_of_the_bootstrap() -> None:
    assert bootstrap_interval(np.random.default_rng(3).standard_normal(20)) == (-0.6359258998290898, 0.5667698717693511)
    skewed = np.random.default_rng(3).exponential(1.0, 50)
    assert bootstrap_interval(skewed, 0.99) == (0.7188883434567538, 1.481372110640819)


def test_rounding_dust_among_the_differences_does_not_blow_up_the_interval() -> None:
    dust = 1e-15 * np.random.default_rng(0).standard_normal(50)
    dust[3] = 0.5
    low, high = bootstrap_interval(dust)
    assert -0.1 < low < 0.0 < high < 0.1
