"""Section S against paths made by hand."""

import numpy as np
import pytest

from abm.study import stylised
from abm.study.episodes import load_episode
from abm.study.impact import MONTH
from abm.study.paths import Paths
from abm.study.stylised import mean_correlation, stylised_experiments, stylised_lines_of
from abm.study.targets import targets
from abm.world.instruments import IDS, INDEX

SCENARIO = load_episode(stylised.STRESS).scenario
SEEDS, DAYS = 30, SCENARIO.days


def paths(steps: np.ndarray) -> Paths:
    log_price = np.concatenate([np.zeros((len(steps), 1, len(IDS))), steps.cumsum(axis=1)], axis=1)
    return Paths(SCENARIO, tuple(range(len(steps))), log_price, np.zeros(log_price.shape[:2]))


def independent(seed: int = 0, days: int = DAYS) -> np.ndarray:
    return 0.01 * np.random.default_rng(seed).standard_normal((SEEDS, days, len(IDS)))


def crash(steps: np.ndarray, day: int) -> np.ndarray:
    """Everything falls together for two days."""
    out = steps.copy()
    out[:, day - 1 : day + 1] -= 0.08
    return out


def impact(first: float, later: float, market: str, month: int = 1) -> Paths:
    log_price = np.zeros((2, 85, len(IDS)))
    log_price[:, 1 : MONTH + month, INDEX[market]] = first
    log_price[:, MONTH * month :, INDEX[market]] = later
    return Paths(SCENARIO, (1, 2), log_price, np.zeros(log_price.shape[:2]))


@pytest.fixture(scope="module")
def runs() -> dict[str, Paths]:
    quiet = impact(0.0, 0.0, "USDJPY")
    return {
        stylised.STRESS: paths(crash(independent(), 16)),
        "no margin": paths(independent()),
        "no crowd": paths(independent()),
        "quiet": quiet,
        "poor": quiet,
        "quiet: push": impact(0.004, 0.004, "USDJPY"),
        "poor: push": impact(0.006, 0.006, "USDJPY"),
        "quiet: intervention": impact(-0.004, -0.002, "USDJPY"),
        "quiet: ust sale": impact(-0.01, -0.009, "UST10", 2),
    }


def test_facts_are_found_where_they_were_put(runs: dict[str, Paths]) -> None:
    found = {entry.id: entry for entry in stylised_lines_of(runs)}
    assert set(found) == {f"S.{name}" for name in targets()["stylised"]}
    for name in ("tails", "tails_without_margin", "clustering", "skew", "skew_of_crowding", "jump"):
        assert found[f"S.{name}"].passed, name
    assert found["S.decay_yen"].result == pytest.approx(0.5)
    assert found["S.decay_bonds"].result == pytest.approx(0.9)
    assert found["S.poor_dealers"].result == pytest.approx(1.5)


def test_facts_are_missed_without_a_crash(runs: dict[str, Paths]) -> None:
    calm = {**runs, stylised.STRESS: paths(independent(4)), "poor: push": runs["quiet: push"]}
    found = {entry.id: entry for entry in stylised_lines_of(calm)}
    for name in ("tails", "clustering", "skew", "skew_of_crowding", "jump", "poor_dealers"):
        assert not found[f"S.{name}"].passed, name
        assert found[f"S.{name}"].responsible


def test_correlation_of_a_common_move_is_one() -> None:
    steps = np.repeat(independent()[:, :, :1], len(IDS), axis=2)
    steps[:, :, INDEX["USDMXN"]] = 0.0
    steps[:, :, INDEX["AUDUSD"]] = 0.0
    assert mean_correlation(paths(steps), stylised.DURING) == pytest.approx(1.0)


def test_runs_differ_in_one_thing() -> None:
    plan = stylised_experiments(seeds=3)
    stress, no_margin, no_crowd = (plan[n].trial.scenario for n in (stylised.STRESS, "no margin", "no crowd"))
    off = {name for name, on in no_margin.switches.items() if on != stress.switches[name]}
    assert off == {"margin_calls"}
    assert no_margin.params == stress.params
    assert no_crowd.params["carry_traders"].crowding == 0.0
    assert stress.params["carry_traders"].crowding == 1.0
    assert plan["poor"].trial.dealer_wealth == plan["poor: push"].trial.dealer_wealth == stylised.POOR
    assert plan["quiet: push"].trial.dealer_wealth == 1.0
