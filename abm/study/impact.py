"""Section B: push one flow, keep the news off, compare on common random numbers.

Decisions that central banks draw and words of the ministry are news.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from abm.scenarios import Scenario, load_scenario
from abm.study.lines import Line, all_of, line, ratio
from abm.study.moments import calm_sd
from abm.study.paths import Experiment, Paths, experiment, with_events
from abm.study.targets import targets
from abm.world import events as ev
from abm.world.economy import DAYS_PER_YEAR, next_day
from abm.world.instruments import INDEX, TO_QUOTED

MONTH: Final = 21
TWO_WEEKS: Final = 10
LATER: Final = MONTH + 63  # a quarter after a month of buying
SUPER_LONG: Final = ("JGB20", "JGB30", "JGB40")
ABROAD: Final = ("UST10", "UST30", "BUND10", "GILT10")
NO_DECISIONS: Final = {f"switches.{rule}": False for rule in ("boj_policy_rule", "fed_rule", "ecb_rule")}
QUIET: Final = {"switches.news": False, "switches.mof_ladder": False, **NO_DECISIONS}
NO_TICKET: Final = {**QUIET, "switches.mof_operations": False}
STRESSED_DAY: Final = 6  # of the shock in which depth is measured: the second day after the announcement
SLOPES: Final = {
    "short debt": ("JGB2", "UST2"),
    "long debt": ("JGB10", "JGB30", "UST10", "UST30"),
    "shares": ("NIKKEI", "SPX"),
}
SLOPE_PCT: Final = 1.0  # of what is outstanding, bought over a month

type Pairs = Mapping[str, Paths]


# -- experiments ---------------------------------------------------------------------------------------------------


def flow(market: str, usd_bn: float, days: int = 1, day: int = 1) -> ev.Flow:
    """An outside holder buys (negative: sells) so much from a day on, the currency not touched."""
    return ev.Flow(market=market, amount_usd_bn=usd_bn, days=days, day=day)


def impact_experiments(seeds: Any = 4, overrides: Mapping[str, Any] | None = None) -> dict[str, Experiment]:
    """All runs of section B. Names start with that of the run they are compared with: "quiet", "no ticket", "shock"."""
    quiet = load_scenario("baseline", overrides={**(overrides or {}), **QUIET}, days=LATER)
    silent = load_scenario("baseline", overrides={**(overrides or {}), **NO_TICKET}, days=TWO_WEEKS)
    shock = load_scenario("sanaenomics", overrides=overrides, days=STRESSED_DAY)
    tn = _usd_bn_per_tn(quiet)
    runs = {"quiet": quiet, "no ticket": silent, "shock": shock}
    runs["quiet: ust sale"] = with_events(quiet, flow("UST10", -100.0, MONTH))
    runs["quiet: super-longs"] = with_events(quiet, *_super_longs(quiet, tn, 1)).shortened(2)
    runs["shock: super-longs"] = with_events(shock, *_super_longs(shock, tn, STRESSED_DAY))
    runs["quiet: jgb30"] = with_events(quiet, flow("JGB30", -4.0 * tn)).shortened(2)
    runs["quiet: intervention"] = with_events(quiet, ev.FxIntervention(day=1, amount_jpy_tn=1.0)).shortened(MONTH)
    purchase = ev.AssetPurchase(day=1, market="JGB10", amount_jpy_tn=1.0)
    runs["quiet: purchase"] = with_events(quiet, purchase).shortened(MONTH)
    runs["no ticket: check"] = with_events(silent, ev.RateCheck(day=1))
    for size in (1, 2):
        runs[f"quiet: btc {size}"] = with_events(quiet, flow("BTC", -float(size))).shortened(2)
    runs |= {f"quiet: slope {market}": _slope_run(quiet, market) for group in SLOPES.values() for market in group}
    more = {"shock": 4, "shock: super-longs": 4}  # news stays on there, so more seeds
    return {name: experiment(run, _more(seeds, more.get(name, 1))) for name, run in runs.items()}


def _more(seeds: Any, times: int) -> Any:
    return seeds * times if isinstance(seeds, int) else tuple(seeds)


def _usd_bn_per_tn(scenario: Scenario) -> float:
    return 1000.0 / float(scenario.state.levels[INDEX["USDJPY"]])


def _super_longs(scenario: Scenario, usd_bn: float, day: int) -> list[ev.Event]:
    """JPY 1 tn of super-long bonds, in proportion to what is outstanding, bought in a day."""
    outstanding = np.array([scenario.state.outstanding_usd_bn[INDEX[m]] for m in SUPER_LONG])
    parts = usd_bn * outstanding / outstanding.sum()
    return [flow(market, float(part), 1, day) for market, part in zip(SUPER_LONG, parts, strict=True)]


def _slope_run(quiet: Scenario, market: str) -> Scenario:
    amount = SLOPE_PCT / 100.0 * float(quiet.state.outstanding_usd_bn[INDEX[market]])
    return with_events(quiet, flow(market, amount, MONTH))


# -- lines ---------------------------------------------------------------------------------------------------------


def impact_lines_of(runs: Pairs) -> list[Line]:
    """Section B of runs that are there already."""
    out: list[Line] = []
    for name, members in _experiments(runs).items():
        text = targets()["impact"][name]["text"]
        inside = [replace(member, part_of=f"B.{name}") for member in members]
        out += [all_of(f"B.{name}", text, inside), *inside]
    return out


def effect(runs: Pairs, name: str, series: str, day: int) -> float:
    """Mean paired difference of a change since day 0: bp for bonds, per cent otherwise."""
    return float(differences(runs, name, series)[:, day].mean())


def differences(runs: Pairs, name: str, series: str) -> np.ndarray:
    """Path with the flow less the path without it, seed by seed, (seeds, days + 1)."""
    pushed, plain = runs[name], runs[name.partition(":")[0]]
    row = {seed: i for i, seed in enumerate(plain.seeds)}
    both = [(i, row[seed]) for i, seed in enumerate(pushed.seeds) if seed in row]
    a, b = pushed.series(series), plain.series(series)
    return np.array([a[i] - b[k][: a.shape[1]] for i, k in both])


def _experiments(runs: Pairs) -> dict[str, list[Line]]:
    found = {
        "ust_sale": _ust_sale(runs),
        "super_longs": _super_long_lines(runs),
        "spill_over": _spill_over(runs),
        "intervention": _intervention(runs),
        "channels": _channels(runs),
        "rate_check": _rate_check(runs),
        "shares": _shares(runs),
        "bitcoin": _bitcoin(runs),
        "inflation": [_target("inflation", "cpi", cpi_effect_pct(runs["quiet"].scenario))],
    }
    return {**found, "slopes": _slopes(runs)} if all(name in runs for name in slope_runs()) else found


def slope_runs() -> list[str]:
    """Names of the runs that only the demand slopes need or share: one outside purchase of each of their markets."""
    return [f"quiet: slope {market}" for group in SLOPES.values() for market in group]


def _target(experiment_name: str, name: str, result: float, note: str = "") -> Line:
    """A line of an experiment; range, unit and words are data."""
    table = targets()["impact"][experiment_name]
    t = table[name]
    return line(
        f"B.{experiment_name}.{name}",
        t["text"],
        t["unit"],
        (t.get("low", -np.inf), t.get("high", np.inf)),
        result,
        t.get("responsible", table["responsible"]),
        t.get("observed"),
        note=note,
    )


def _ust_sale(runs: Pairs) -> list[Line]:
    name = "quiet: ust sale"
    return [
        _target("ust_sale", "end", effect(runs, name, "UST10", MONTH)),
        _target("ust_sale", "persistent", effect(runs, name, "UST10", LATER)),
    ]


def _super_long_lines(runs: Pairs) -> list[Line]:
    def mean_of(name: str, day: int) -> float:
        return float(np.mean([effect(runs, name, market, day) for market in SUPER_LONG]))

    return [
        _target("super_longs", "calm", mean_of("quiet: super-longs", 1)),
        _target("super_longs", "stressed", mean_of("shock: super-longs", STRESSED_DAY)),
    ]


def _spill_over(runs: Pairs) -> list[Line]:
    """Moves abroad per 10 bp of JGB30."""
    name = "quiet: jgb30"
    own = effect(runs, name, "JGB30", 1)
    note = f"JGB30 {own:+.1f} bp"
    return [_target("spill_over", m, ratio(10.0 * effect(runs, name, m, 1), own), note) for m in ABROAD]


def _intervention(runs: Pairs) -> list[Line]:
    name = "quiet: intervention"
    path = differences(runs, name, "USDJPY").mean(axis=0)
    return [
        _target("intervention", "close", float(path[1])),
        _target("intervention", "low", float(path[1:].min())),
        _target("intervention", "after_20_days", float(path[20])),
    ]


def _channels(runs: Pairs) -> list[Line]:
    """What JPY 1 tn does in currencies and in bonds, in calm daily standard deviations, day 1."""
    scenario = runs["quiet"].scenario

    def size(name: str, markets: Iterable[str]) -> float:
        return float(np.mean([abs(effect(runs, name, m, 1)) / calm_sd(scenario, m) for m in markets]))

    yields, foreign = ("JGB10", "JGB30", "UST10", "UST30", "BUND10"), ("UST10", "UST30", "BUND10")
    by_yen, by_bonds = "quiet: intervention", "quiet: purchase"
    return [
        _target("channels", "intervention", ratio(size(by_yen, ["USDJPY"]), size(by_yen, yields))),
        _target("channels", "purchase", ratio(size(by_bonds, foreign), size(by_bonds, ["USDJPY"]))),
        _target("channels", "currency", ratio(size(by_yen, ["USDJPY"]), size(by_bonds, ["USDJPY"]))),
    ]


def _rate_check(runs: Pairs) -> list[Line]:
    path = differences(runs, "no ticket: check", "USDJPY").mean(axis=0)
    low = float(path[1:4].min())
    back = 100.0 * (1.0 - float(path[TWO_WEEKS]) / low) if low < 0.0 else float("nan")
    return [_target("rate_check", "low", low), _target("rate_check", "given_back", back)]


def _shares(runs: Pairs) -> list[Line]:
    return [_target("shares", m, effect(runs, f"quiet: slope {m}", m, MONTH)) for m in SLOPES["shares"]]


def _bitcoin(runs: Pairs) -> list[Line]:
    one, two = (effect(runs, f"quiet: btc {size}", "BTC", 1) for size in (1, 2))
    return [_target("bitcoin", "one_bn", one), _target("bitcoin", "concave", ratio(two, one))]


def cpi_effect_pct(scenario: Scenario, depreciation_pct: float = 10.0) -> float:
    """Rise of consumer prices after a year in which the yen stays so much weaker, by the model's public rule, per cent.

    The level of USDJPY is prescribed, as the target is about a yen that is held there.
    """
    weak = plain = scenario.state.open_public()
    for day in range(DAYS_PER_YEAR):
        weak = next_day(weak, depreciation_pct if day == 0 else 0.0, weak.average_coupon_pct, True)
        plain = next_day(plain, 0.0, plain.average_coupon_pct, True)
    return weak.import_prices_pct - plain.import_prices_pct


def _slopes(runs: Pairs) -> list[Line]:
    out = []
    for group, markets in SLOPES.items():
        found = {market: demand_slope(*_holdings_and_prices(runs, market)) for market in markets}
        note = ", ".join(f"{market} {slope:.1f}" for market, slope in found.items())
        out.append(_target("slopes", group.replace(" ", "_"), float(np.mean(list(found.values()))), note))
    return out


def _holdings_and_prices(runs: Pairs, market: str) -> tuple[np.ndarray, np.ndarray]:
    """Log changes of everybody else's holdings and of the price that an outside purchase brings about.

    What the outside holder bought, everybody else sold. Ten closes around a quarter after the purchase and, for the
    other end of the regression, those of day 0, where neither has changed.
    """
    late = slice(LATER - 10, LATER)
    moved = differences(runs, f"quiet: slope {market}", market)[:, late].ravel()
    price = moved / TO_QUOTED[INDEX[market]]
    others = np.log1p(-SLOPE_PCT / 100.0) * np.ones_like(price)
    return np.concatenate([others, np.zeros_like(price)]), np.concatenate([price, np.zeros_like(price)])


def demand_slope(log_holdings: np.ndarray, log_prices: np.ndarray) -> float:
    """Elasticity of demand: least-squares slope of log holdings on log prices, sign turned."""
    x = log_prices - log_prices.mean()
    spread = float((x**2).sum())
    return -float((x * (log_holdings - log_holdings.mean())).sum()) / spread if spread > 0.0 else float("inf")
