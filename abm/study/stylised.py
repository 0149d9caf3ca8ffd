"""Section S: stylised facts of the whole, each a comparison of runs that differ in one thing."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from abm.scenarios import load_scenario
from abm.study.episodes import load_episode
from abm.study.impact import MONTH, QUIET, Pairs, effect, flow, impact_experiments
from abm.study.lines import Line, line, ratio
from abm.study.moments import (
    WEEK_DAYS,
    autocorrelation_of_size,
    correlation,
    daily_changes,
    excess_kurtosis,
    overlapping_changes,
    skewness,
)
from abm.study.paths import Experiment, Paths, experiment, quoted, with_events
from abm.study.targets import targets

STRESS: Final = "2024-08"  # the episode of stress
RISKY: Final = ("USDJPY", "AUDJPY", "NIKKEI", "BTC")
YEN_CROSSES: Final = ("USDJPY", "AUDJPY", "MXNJPY")
JUMPING: Final = ("USDJPY", "AUDJPY", "MXNJPY", "NIKKEI", "NASDAQ", "JGB10")
BEFORE: Final = (3, 13)  # days of the episode between the operations and the unwind
DURING: Final = (14, 29)  # days of the unwind
NO_MARGIN: Final = {"switches.margin_calls": False}
NO_CROWD: Final = {"carry_traders.crowding": 0.0}
POOR: Final = 0.5  # of dealers' capital
PUSH_USD_BN: Final = 10.0


def stylised_experiments(seeds: Any = 40, overrides: Mapping[str, Any] | None = None) -> dict[str, Experiment]:
    """All runs of section S; that of the episode and those of section B carry the names they have there."""
    own = dict(overrides or {})
    few = 4 if isinstance(seeds, int) else seeds
    quiet = load_scenario("baseline", overrides={**own, **QUIET}, days=2)
    pushed = with_events(quiet, flow("USDJPY", PUSH_USD_BN))
    impact = impact_experiments(seeds=few, overrides=own)
    runs = {name: impact[name] for name in ("quiet", "quiet: ust sale", "quiet: intervention")}
    runs["quiet: push"] = experiment(pushed, few)
    runs["poor"], runs["poor: push"] = (experiment(s, few, POOR) for s in (quiet, pushed))
    for name, extra in ((STRESS, {}), ("no margin", NO_MARGIN), ("no crowd", NO_CROWD)):
        runs[name] = experiment(load_episode(STRESS, {**own, **extra}).scenario, seeds)
    return runs


def stylised_lines_of(runs: Pairs) -> list[Line]:
    """Section S of runs that are there already."""
    return [*_tails(runs), *_crowding(runs), _jump(runs[STRESS]), *_decay(runs), _poor_dealers(runs)]


def _target(name: str, result: float, note: str = "") -> Line:
    t = targets()["stylised"][name]
    limits = (t.get("low", -np.inf), t.get("high", np.inf))
    return line(f"S.{name}", t["text"], t["unit"], limits, result, t["responsible"], note=note)


def _mean_of(paths: Paths, measure: Any) -> float:
    return float(np.mean([measure(daily_changes(paths.series(name))) for name in RISKY]))


def _tails(runs: Pairs) -> list[Line]:
    """Fat tails and clustering under stress, and what is left of them without margin calls."""
    out = []
    for name, measure in (
        ("tails", excess_kurtosis),
        ("clustering", lambda changes: autocorrelation_of_size(changes, 1)),
    ):
        with_calls, without = (_mean_of(runs[run], measure) for run in (STRESS, "no margin"))
        left = ratio(without, with_calls) if with_calls > 0.0 else float("nan")
        note = f"{without:.2f} of {with_calls:.2f}"
        out += [_target(name, with_calls), _target(f"{name}_without_margin", left, note)]
    return out


def _crowding(runs: Pairs) -> list[Line]:
    """Skewness of five-day changes of yen crosses, crowded and not."""

    def skew(name: str) -> float:
        crosses = (overlapping_changes(runs[name].series(cross), WEEK_DAYS) for cross in YEN_CROSSES)
        return float(np.mean([skewness(changes) for changes in crosses]))

    crowded, empty = skew(STRESS), skew("no crowd")
    return [_target("skew", crowded), _target("skew_of_crowding", crowded - empty, f"{crowded:.2f} less {empty:.2f}")]


def _jump(paths: Paths) -> Line:
    """Rise of the mean absolute correlation of five-day changes during the unwind."""
    before, during = mean_correlation(paths, BEFORE), mean_correlation(paths, DURING)
    return _target("jump", during - before, f"{during:.2f} after {before:.2f}")


def mean_correlation(paths: Paths, days: tuple[int, int]) -> float:
    """Mean absolute correlation of five-day changes between a first and a last day, all pairs of risky markets."""
    window = paths.log_price[:, days[0] - 1 : days[1] + 1]
    weekly = [overlapping_changes(quoted(window, name), WEEK_DAYS) for name in JUMPING]
    pairs = [abs(correlation(x, y)) for i, x in enumerate(weekly) for y in weekly[:i]]
    return float(np.mean(pairs))


def _decay(runs: Pairs) -> list[Line]:
    """Impact three weeks after a day's intervention, and a month after a month's sale, over the largest before."""
    yen = [effect(runs, "quiet: intervention", "USDJPY", day) for day in (1, MONTH)]
    sale = [effect(runs, "quiet: ust sale", "UST10", day) for day in (MONTH, 2 * MONTH)]
    return [_target("decay_yen", ratio(yen[1], yen[0])), _target("decay_bonds", ratio(sale[1], sale[0]))]


def _poor_dealers(runs: Pairs) -> Line:
    usual, poor = (effect(runs, f"{name}: push", "USDJPY", 1) for name in ("quiet", "poor"))
    return _target("poor_dealers", ratio(poor, usual), f"{poor:.2f} % after {usual:.2f} %")
