"""Section B: experiments, measures against series made by hand, and the smallest real run."""

import math

import numpy as np
import pytest

from abm import load_scenario
from abm.study import impact
from abm.study.impact import (
    cpi_effect_pct,
    demand_slope,
    differences,
    effect,
    impact_experiments,
    impact_lines_of,
)
from abm.study.paths import Paths
from abm.study.targets import targets
from abm.world.instruments import IDS, INDEX, TO_QUOTED

BASELINE = load_scenario("baseline", days=impact.LATER)


def flat(seeds: tuple[int, ...], days: int = impact.LATER) -> Paths:
    return Paths(BASELINE, seeds, np.zeros((len(seeds), days + 1, len(IDS))), np.zeros((len(seeds), days + 1)))


def moved(paths: Paths, market: str, by: float, from_day: int = 1) -> Paths:
    log_price = paths.log_price.copy()
    log_price[:, from_day:, INDEX[market]] += by / TO_QUOTED[INDEX[market]]
    return Paths(paths.scenario, paths.seeds, log_price, paths.called_pct)


def test_differences_pair_the_seeds_that_both_runs_have() -> None:
    plain = moved(flat((1, 2, 3)), "UST10", 4.0)
    runs = {"quiet": plain, "quiet: x": moved(flat((3, 1)), "UST10", 10.0)}
    assert differences(runs, "quiet: x", "UST10").shape == (2, impact.LATER + 1)
    assert effect(runs, "quiet: x", "UST10", 5) == pytest.approx(6.0)
    assert effect(runs, "quiet: x", "UST10", 0) == 0.0


def test_the_slope_is_the_elasticity_that_made_the_data() -> None:
    price = np.array([0.0, 0.0, 0.01, 0.02, -0.01])
    assert demand_slope(0.3 - 2.5 * price, price) == pytest.approx(2.5)
    assert math.isinf(demand_slope(price, np.zeros(5)))


def test_depreciation_reaches_prices_within_the_range_and_in_proportion() -> None:
    ten, twenty = (cpi_effect_pct(BASELINE, pct) for pct in (10.0, 20.0))
    assert ten == pytest.approx(0.3, abs=0.01)
    assert twenty == pytest.approx(2.0 * ten)
    assert cpi_effect_pct(BASELINE, 0.0) == 0.0


def test_experiments_differ_from_what_they_are_compared_with_in_the_flow_alone() -> None:
    plan = impact_experiments(seeds=2, overrides={"banks.members": 5})
    for name, run in plan.items():
        base = plan[name.partition(":")[0]]
        assert base.seeds == run.seeds
        assert run.trial.days <= base.trial.days
        extra = set(run.trial.scenario.events) - set(base.trial.scenario.events)
        assert bool(extra) == (":" in name), name
        assert run.trial.scenario.params["banks"].members == 5
    assert not plan["quiet"].trial.scenario.switches["news"]
    assert plan["shock"].trial.scenario.switches["news"]
    assert not plan["no ticket"].trial.scenario.switches["mof_operations"]


def made(**effects: tuple[str, float]) -> dict[str, Paths]:
    """All runs of section B without any effect but those given by run (blanks as underscores): market and size."""
    wanted = impact_experiments(seeds=1)
    runs = {name: flat((1,)) for name in wanted}
    for name, (market, by) in effects.items():
        key = next(k for k in wanted if k.replace(": ", "_").replace(" ", "_").replace("-", "_") == name)
        runs[key] = moved(runs[key], market, by)
    return runs


def test_ten_experiments_pass_only_if_all_of_their_lines_do() -> None:
    runs = made(quiet_ust_sale=("UST10", 6.0), quiet_jgb30=("JGB30", 10.0), quiet_intervention=("USDJPY", -0.28),
                quiet_purchase=("USDJPY", 0.05), no_ticket_check=("USDJPY", -3.5), quiet_btc_1=("BTC", -4.0),
                quiet_btc_2=("BTC", -7.0), quiet_slope_NIKKEI=("NIKKEI", 5.0), quiet_slope_SPX=("SPX", 9.0),
                quiet_slope_JGB2=("JGB2", -1.0), quiet_slope_UST2=("UST2", -1.0), quiet_slope_JGB10=("JGB10", -3.0),
                quiet_slope_JGB30=("JGB30", -2.0), quiet_slope_UST10=("UST10", -3.0), quiet_slope_UST30=("UST30", -2.0),
                quiet_super_longs=("JGB30", -3.0))  # fmt: skip
    runs["quiet: intervention"] = moved(runs["quiet: intervention"], "UST10", 0.01)
    found = {entry.id: entry for entry in impact_lines_of(runs)}
    assert [e.id for e in found.values() if e.counts] == [f"B.{name}" for name in targets()["impact"]]
    assert found["B.ust_sale"].passed
    assert found["B.super_longs.calm"].result == pytest.approx(-1.0)
    assert not found["B.super_longs"].passed  # nothing under stress
    assert found["B.intervention.close"].passed
    assert not found["B.intervention.low"].passed
    assert not found["B.intervention"].passed
    assert found["B.rate_check.low"].passed
    assert not found["B.rate_check.given_back"].passed  # all of it stays
    assert found["B.bitcoin"].passed
    assert found["B.bitcoin.concave"].result == pytest.approx(1.75)
    assert found["B.shares.NIKKEI"].passed
    assert not found["B.shares"].passed
    assert found["B.inflation"].passed
    assert not found["B.spill_over"].passed
    assert found["B.slopes.short_debt"].result > found["B.slopes.long_debt"].result > 0.0
    assert all(entry.responsible for entry in found.values() if not entry.passed)
