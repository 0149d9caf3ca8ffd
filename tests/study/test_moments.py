"""Measures of section A against series made by hand, and lines against paths made by hand."""

import math
import re
from collections.abc import Iterator

import numpy as np
import pytest

from abm import load_scenario
from abm.scenarios.sectors import parameter_models, switches
from abm.study import moments
from abm.study.lines import all_of, line, share_line, share_pct
from abm.study.moments import (
    autocorrelation_of_size,
    calm_lines_of,
    calm_sd,
    carry_pct,
    correlation,
    daily_changes,
    excess_kurtosis,
    overlapping_changes,
    skewness,
    standard_deviation,
)
from abm.study.paths import Paths, quoted, series_names, unit_of
from abm.study.targets import responsible, targets
from abm.world.errors import InputError
from abm.world.instruments import DURATION_YR, IDS, INDEX

BASELINE = load_scenario("baseline", days=60)


def paths(log_price: np.ndarray, called_pct: np.ndarray | None = None) -> Paths:
    called = np.zeros(log_price.shape[:2]) if called_pct is None else called_pct
    return Paths(BASELINE, tuple(range(len(log_price))), log_price, called)


def test_moments_of_a_series_made_by_hand() -> None:
    changes = np.array([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])
    assert standard_deviation(changes) == 1.0
    assert excess_kurtosis(changes) == pytest.approx(-2.0)
    assert skewness(changes) == pytest.approx(0.0)
    assert skewness(np.array([[1.0, 1.0, 1.0, -3.0]])) == pytest.approx(-6.0 / 3.0**1.5)


def test_moments_are_those_of_large_samples() -> None:
    rng = np.random.default_rng(1)
    student = rng.standard_t(10, (100, 1000))
    assert excess_kurtosis(student) == pytest.approx(1.0, abs=0.2)  # 6 / (10 - 4)
    assert math.isnan(excess_kurtosis(np.zeros((2, 5))))
    assert math.isnan(skewness(np.zeros((2, 5))))


def test_autocorrelation_of_size_is_seen_at_its_lag_only() -> None:
    sizes = np.tile([1.0, 1.0, 3.0, 3.0], 50)
    changes = (sizes * np.where(np.arange(200) % 3, 1.0, -1.0))[None, :]
    assert autocorrelation_of_size(changes, 2) == pytest.approx(-1.0)
    assert autocorrelation_of_size(changes, 4) == pytest.approx(1.0)
    assert autocorrelation_of_size(changes, 1) == pytest.approx(0.0, abs=0.02)
    assert math.isnan(autocorrelation_of_size(changes[:, :3], 4))
    assert math.isnan(autocorrelation_of_size(np.ones((1, 9)), 1))


def test_changes_are_taken_within_seeds() -> None:
    path = np.array([[0.0, 1.0, 3.0, 6.0], [10.0, 10.0, 10.0, 10.0]])
    np.testing.assert_array_equal(daily_changes(path), [[1, 2, 3], [0, 0, 0]])
    np.testing.assert_array_equal(overlapping_changes(path, 2), [[3, 5], [0, 0]])
    assert correlation(path, -2.0 * path) == pytest.approx(-1.0)


def test_series_are_in_the_units_people_quote() -> None:
    log_price = np.zeros(len(IDS))
    log_price[INDEX["UST10"]] = -0.01
    log_price[INDEX["USDJPY"]], log_price[INDEX["AUDUSD"]] = 0.02, -0.05
    log_price[INDEX["USDMXN"]], log_price[INDEX["EURUSD"]] = 0.01, 0.03
    assert quoted(log_price, "UST10") == pytest.approx(100.0 / DURATION_YR[INDEX["UST10"]])
    assert quoted(log_price, "UST10_fut") == pytest.approx(-1.0)
    assert quoted(log_price, "AUDJPY") == pytest.approx(-3.0)
    assert quoted(log_price, "MXNJPY") == pytest.approx(1.0)
    assert quoted(log_price, "EURAUD") == pytest.approx(8.0)
    assert quoted(log_price, "JPYUSD") == pytest.approx(-2.0)
    assert unit_of("UST10") == "bp"
    assert unit_of("UST10_fut") == unit_of("AUDJPY") == "%"
    for name in ("AUDJPX", "NIKKEI_fut", "", "JPYJPY"):
        with pytest.raises(InputError, match="unknown series"):
            quoted(log_price, name)


def test_every_named_series_can_be_read() -> None:
    for name in series_names():
        assert np.isfinite(quoted(np.zeros(len(IDS)), name)), name


def test_the_calm_deviation_of_a_cross_needs_its_correlation() -> None:
    assert calm_sd(BASELINE, "JGB30") == pytest.approx(BASELINE.state.calm_sd[INDEX["JGB30"]])
    assert calm_sd(BASELINE, "AUDJPY") == pytest.approx(0.58, abs=0.02)  # as the state's AUDUSD was chosen


def test_carry_is_the_rate_less_income_for_shares_and_anything_down_to_parity_for_currencies() -> None:
    rate = BASELINE.state.policy_rate_pct
    assert carry_pct(BASELINE, "BTC") == (rate[1], rate[1])
    assert carry_pct(BASELINE, "SPX") == pytest.approx((rate[1] - 1.2,) * 2)
    assert carry_pct(BASELINE, "USDJPY") == (rate[0] - rate[1], 0.0)


def test_a_line_passes_at_its_limits_and_not_beyond_nor_without_a_number() -> None:
    limits = (-2.0, -0.6)
    assert line("A.x", "x", "bp", limits, -2.0, "").passed
    assert line("A.x", "x", "bp", limits, -0.6, "").passed
    assert not line("A.x", "x", "bp", limits, -0.59, "").passed
    assert not line("A.x", "x", "bp", limits, math.nan, "").passed
    assert line("B.x", "x", "bp", (3.0, 1.0), 2.0, "").low == 1.0


def test_share_lines_count_members_and_name_misses_and_who_is_responsible() -> None:
    members = [
        line(f"A.k.{n}", n, "", (0, 1), r, f"rule {n}", part_of="A.k") for n, r in zip("abc", (0, 5, 1), strict=True)
    ]
    share = share_line("A.k", "shares", members, 60.0)
    assert share.result == pytest.approx(200.0 / 3.0)
    assert share.passed
    assert share.note == "2 of 3; missed b"
    assert share.responsible == "rule b"
    assert share.counts
    assert not members[0].counts
    assert not all_of("A.k", "all", members).passed
    assert math.isnan(share_pct([]))


def noise(seeds: int, days: int, scale: float = 1.0) -> np.ndarray:
    root = np.linalg.cholesky(BASELINE.state.calm_covariance_log()) * scale
    steps = np.random.default_rng(5).standard_normal((seeds, days, len(IDS))) @ root.T
    return np.concatenate([np.zeros((seeds, 1, len(IDS))), steps.cumsum(axis=1)], axis=1)


def test_calm_lines_pass_for_noise_of_the_opening_state_and_miss_for_louder_noise() -> None:
    found = {entry.id: entry for entry in calm_lines_of(paths(noise(40, 60)))}
    assert found["A.sd.JGB30"].passed
    assert found["A.sd.JGB30"].result == pytest.approx(2.34, rel=0.05)
    assert found["A.correlation"].passed
    assert found["A.sign"].passed
    assert not found["A.acf_1"].passed  # independent days do not cluster
    assert len([e for e in found.values() if e.part_of == "A.correlation"]) == 171
    louder = {entry.id: entry for entry in calm_lines_of(paths(noise(40, 60, 1.5)))}
    assert not louder["A.sd.JGB30"].passed
    assert louder["A.sd.JGB30"].responsible


def test_drifts_are_means_over_seeds() -> None:
    log_price = noise(50, 60)
    up = log_price.copy()
    up[:, 1:, INDEX["UST10"]] -= 30e-4 * DURATION_YR[INDEX["UST10"]]
    before, after = ({e.id: e for e in calm_lines_of(paths(p))} for p in (log_price, up))
    moved = after["A.drift.UST10"].result - before["A.drift.UST10"].result
    assert moved == pytest.approx(30.0)
    assert not after["A.drift.UST10"].passed


def test_cascades_are_counted_in_seeds() -> None:
    called = np.zeros((20, 61))
    called[3, 7] = called[3, 8] = 1.5
    [cascades] = [e for e in calm_lines_of(paths(noise(20, 60), called)) if e.id == "A.cascades"]
    assert cascades.result == 95.0
    assert cascades.passed
    called[4, 60] = 1.01
    [cascades] = [e for e in calm_lines_of(paths(noise(20, 60), called)) if e.id == "A.cascades"]
    assert not cascades.passed


def test_targets_have_sources_ranges_and_series_that_exist() -> None:
    table = targets()
    for series, row in table["moments"]["series"].items():
        assert quoted(np.zeros(len(IDS)), series) == 0.0
        assert row["unit"] == unit_of(series)
        assert row["sd"] > 0.0
        assert all(len(row[name]) == 2 and row[name][1] > 0.0 for name in moments.SHAPE_TEXT)
    for experiment in table["impact"].values():
        assert experiment["source"]
        assert experiment["responsible"]
    for fact in (*table["stylised"].values(), *table["stress"].values()):
        assert fact["source"]
        assert fact["responsible"]
        assert fact.get("low", -math.inf) < fact.get("high", math.inf)


@pytest.mark.parametrize("what", ["sd", "kurtosis", "acf_1", "correlation", "drift", "episode"])
@pytest.mark.parametrize("series", ["JGB30", "UST10", "GILT10_fut", "SPX", "BTC", "AUDJPY", "EURUSD"])
def test_somebody_is_responsible_for_every_series(what: str, series: str) -> None:
    assert responsible(what, series)


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def test_parameters_held_responsible_exist() -> None:
    models = parameter_models()
    known = {f"{owner}.{name}" for owner, model in models.items() for name in model.model_fields}
    known |= {f"switches.{name}" for name in switches()}
    named = {name for text in _texts(targets()) for name in re.findall(r"\b[a-z_]+\.[a-z_0-9]+\b", text)}
    of_the_model = {name for name in named if name.partition(".")[0] in (*models, "switches")}
    assert len(of_the_model) > 30
    assert of_the_model - known == set()
