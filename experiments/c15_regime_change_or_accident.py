"""C15. Does the fiscal shock leave another regime: higher volatility, thinner markets, less carry for the risk?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from abm.output.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILLION,
    date_ticks,
    drawing,
    heading,
    new_figure,
    save,
    zero_line,
)
from abm.study.claims import (
    CONDITIONAL,
    NOT_SUPPORTED,
    SUPPORTED,
    UNDECIDED,
    Claim,
    Ensemble,
    Estimate,
    Runs,
    Verdict,
    arm,
    compared,
    difference,
    main,
    mean,
    ratio,
)
from abm.study.moments import calm_sd
from abm.world.economy import DAYS_PER_YEAR
from abm.world.events import FiscalAnnouncement, TaxCut
from abm.world.instruments import IDS, JGB_IDS

DAYS, SHARE, LESS = 250, 0.3, 0.1  # parts of the seeds: for the verdict and for the rest
ANNOUNCED, WITHIN = 4, 10  # trading day of the announcement (19 January 2026), days after it that count for its peak
SPAN = 60  # trading days of the early window, from the announcement, and of the late one, up to the end
CHANGE = 1.1  # a standard deviation over sixty days is known to 9 %: a smaller change is not noticed
STIMULUS_JPY_TN, TAX_JPY_TN, TAX_YEARS = 21.3, 5.0, 2.0  # of the main scenario
WITHDRAWN = 24  # trading day on which the programme is taken back (17 February 2026), before its first bonds
JAPAN = (*JGB_IDS, "NIKKEI", "USDJPY")
ABROAD = tuple(m for m in IDS if m not in JAPAN)
CARRY = {"USDJPY": "FED", "AUDJPY": "RBA", "MXNJPY": "BANXICO"}  # funded in yen, and whose rate it earns
WEEK, FORTNIGHT = 5, 10  # trading days
COLORS = {"volatility": VERMILLION, "depth": BLUE, "carry": GREEN}


def early(runs: Ensemble) -> slice:
    """Days of the early window."""
    return slice(ANNOUNCED, min(ANNOUNCED + SPAN, runs.days + 1))


def late(runs: Ensemble) -> slice:
    """Days of the late window: the last sixty, of a short run its second half."""
    return slice(max(runs.days + 1 - SPAN, (runs.days + 1) // 2), runs.days + 1)


def volatility(runs: Ensemble, days: slice, markets: tuple[str, ...] = JAPAN) -> np.ndarray:
    """Root mean square of daily moves in calm standard deviations, mean of the markets, (seeds,)."""
    within = slice(days.start - 1, days.stop - 1)
    scaled = [runs.moves(m)[:, within] / calm_sd(runs.arm.scenario, m) for m in markets]
    return np.mean([np.sqrt((x**2).mean(axis=1)) for x in scaled], axis=0)


def depth(runs: Ensemble, days: slice, markets: tuple[str, ...] = JGB_IDS) -> np.ndarray:
    """Dollars that move a market's daily auction by 1 %, over those of day 0, mean of the markets, (seeds,)."""
    found = [runs.column(f"depth_usd_bn_per_pct.{m}") for m in markets]
    return np.mean([x[:, days].mean(axis=1) / x[:, 0] for x in found], axis=0)


def carry(runs: Ensemble, days: slice) -> np.ndarray:
    """Rate differential against the yen over realised volatility, both per year, mean of three pairs, (seeds,)."""
    found = []
    for pair, bank in CARRY.items():
        rates = runs.column(f"policy_rate_pct.{bank}") - runs.column("policy_rate_pct.BOJ")
        moves = runs.moves(pair)[:, days.start - 1 : days.stop - 1]
        found.append(rates[:, days].mean(axis=1) / np.sqrt(DAYS_PER_YEAR * (moves**2).mean(axis=1)))
    return np.mean(found, axis=0)


MEASURES: dict[str, tuple[str, Callable[[Ensemble, slice], np.ndarray], float]] = {
    "volatility": ("volatility of Japanese markets", volatility, CHANGE),
    "depth": ("depth of the auctions of JGBs", depth, 1.0 / CHANGE),
    "carry": ("yen carry per unit of risk", carry, 1.0 / CHANGE),
}


def against_calm(runs: Runs, measure: str, when: Callable[[Ensemble], slice], world: str = "shock") -> Estimate:
    """A measure with the shock over the same without, in a window."""
    words, of, _ = MEASURES[measure]
    span = "sixty days from the shock" if when is early else "last sixty days"
    names = {"shock": "with the shock", "withdrawn": "programme withdrawn"}
    shocked, calm = _pair(runs, world, lambda r: of(r, when(r)))
    return ratio(f"{words}, {span}: {names[world]} over without", shocked, calm)


def _pair(runs: Runs, world: str, of: Callable[[Ensemble], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What a world and the calm one give, (seeds, ...) each, on the seeds that both have."""
    a, b = runs[world], runs["calm"]
    common = [seed for seed in a.seeds if seed in b.seeds]
    return a.at(common, of(a)), b.at(common, of(b))


def effects(runs: Runs) -> dict[str, Estimate]:
    """The three measures long after the shock, then right after it."""
    found = {f"late_{name}": against_calm(runs, name, late) for name in MEASURES}
    return found | {f"early_{name}": against_calm(runs, name, early) for name in MEASURES}


def towards(e: Estimate, line: float) -> tuple[bool, bool]:
    """Whether a ratio has moved as the claim says at all, and by as much as counts (whole interval)."""
    if line > 1.0:
        return e.above(1.0), e.above(line)
    return e.below(1.0), e.below(line)


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    if not all(found[f"late_{name}"].known for name in MEASURES):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = "; ".join(
        f"{words} {_percent(found[f'early_{name}'])} and {_percent(found[f'late_{name}'])}"
        for name, (words, _, _) in MEASURES.items()
    )
    told = f"Against no shock, in the sixty days from it and in the last sixty of the year: {told}."
    moved, counts = zip(*(towards(found[f"late_{name}"], line) for name, (_, _, line) in MEASURES.items()), strict=True)
    if all(counts):
        return Verdict(SUPPORTED, told)
    if any(counts) or all(moved):
        return Verdict(CONDITIONAL, f"{told} Some of it stays, not all of it by a tenth.")
    return Verdict(NOT_SUPPORTED, f"{told} Nothing stays that anybody would notice.")


def _percent(e: Estimate) -> str:
    return f"{100.0 * (e.value - 1.0):+.1f} %"


def more(runs: Runs) -> dict[str, Estimate]:
    """Half-lives, other markets, levels that stay, and what stays of a programme that is taken back."""
    n = len(runs["shock"].seeds)
    yields = path_effect(runs, "JGB40").mean(axis=0)[1:]
    found = {
        "half_life_40": half_life("JGB40 yield", yields, 1, n),
        "half_life_depth": half_life("depth of the auctions of JGBs", -by_block(runs, "depth", 1), 1, n),
        "half_life_volatility": half_life("volatility, by week", by_block(runs, "volatility", WEEK), WEEK, n),
    }
    for words, markets in (("JGB30", ("JGB30",)), ("JGB40", ("JGB40",)), ("markets abroad", ABROAD)):
        for when, span in ((early, "sixty days from the shock"), (late, "last sixty days")):
            shocked, calm = _pair(runs, "shock", lambda r, m=markets, when=when: volatility(r, when(r), m))
            text = f"volatility of {words}, {span}: with the shock over without"
            found[f"{words}, {span}"] = ratio(text, shocked, calm)
    for world, words in (("shock", "programme kept"), ("withdrawn", "programme withdrawn")):
        for market, unit in (("JGB10", "bp"), ("JGB40", "bp"), ("USDJPY", "%")):
            x = path_effect(runs, market, world)[:, late(runs[world])].mean(axis=1)
            found[f"{world}, {market}"] = mean(f"{market}, last sixty days, {words}", unit, x)
    path = path_effect(runs, "JGB40", "withdrawn")
    top = path[:, ANNOUNCED + int(path.mean(axis=0)[ANNOUNCED : ANNOUNCED + WITHIN + 1].argmax())]
    end = path[:, late(runs["withdrawn"])].mean(axis=1)
    found["hysteresis"] = ratio("JGB40: part of the peak left at the end, programme withdrawn", end, top)
    return found | {f"withdrawn, {name}": against_calm(runs, name, late, "withdrawn") for name in MEASURES}


def path_effect(runs: Runs, market: str, world: str = "shock") -> np.ndarray:
    """Effect of the shock, bp or per cent, (seeds, days + 1)."""
    return difference(runs[world], runs["calm"], lambda r: r.series(market))


def by_block(runs: Runs, measure: str, length: int) -> np.ndarray:
    """Effect on a measure over successive blocks of days from day 1, mean with the shock over that without less one."""
    of = MEASURES[measure][1]
    ends = range(length, runs["calm"].days + 1, length)
    shocked, calm = _pair(runs, "shock", lambda r: np.stack([of(r, slice(d - length + 1, d + 1)) for d in ends]).T)
    return np.asarray(shocked.mean(axis=0) / calm.mean(axis=0) - 1.0)


def half_life(words: str, path: np.ndarray, length: int, seeds: int) -> Estimate:
    """Days from the largest mean effect of the first sixty until it is half of it; not defined if it never is.

    path: effect on blocks of so many days.
    """
    top = int(path[: SPAN // length].argmax())
    back = np.flatnonzero(path[top:] <= 0.5 * path[top])
    days = float(length * back[0]) if back.size else np.nan
    text = f"{words}: days until half of the largest mean effect is gone"
    return Estimate(text, "days", days, np.nan, np.nan, seeds)


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """The three measures through the year, early against late, and the level that stays."""
    with drawing():
        seeds, dates = len(runs["shock"].seeds), runs["shock"].dates
        title = "Another regime, or an accident?"
        subtitle = f"{seeds} seeds, {runs['shock'].days} trading days, paired with and without the shock; bars: 95 %"
        figure, (row,) = new_figure(1, 3, (14, 4.8), title, subtitle)
        for name, color in COLORS.items():
            path_of = 100.0 * by_block(runs, name, FORTNIGHT)
            middles = dates[FORTNIGHT // 2 :: FORTNIGHT][: path_of.size]
            row[0].plot(middles, path_of, "o-", markersize=3, color=color, label=MEASURES[name][0])
        for line in (100.0 * (CHANGE - 1.0), 100.0 * (1.0 / CHANGE - 1.0)):
            row[0].axhline(line, color="#333333", linewidth=0.9, linestyle=":")
        zero_line(row[0])
        row[0].legend(loc="upper right")
        heading(row[0], "Effect of the shock by fortnight", "%", "mean with it over mean without; dotted: a tenth")
        date_ticks(row[0], dates, 6)
        _draw_ratios(row[1], runs, found)
        worlds = (("shock", ORANGE, "programme kept"), ("withdrawn", GREY, "withdrawn on 17 February"))
        for world, color, words in worlds:
            x = path_effect(runs, "JGB40", world)
            low, high = np.quantile(x, (0.05, 0.95), axis=0)
            row[2].fill_between(dates, low, high, color=color, alpha=0.18, linewidth=0)
            row[2].plot(dates, x.mean(axis=0), color=color, label=words)
        zero_line(row[2])
        row[2].legend(loc="upper right")
        heading(row[2], "Effect on the 40-year yield", "bp", "mean and 5-95 % of paired differences")
        date_ticks(row[2], dates, 6)
        save(figure, path)


def _draw_ratios(ax: Any, runs: Runs, found: dict[str, Estimate]) -> None:
    groups = {
        "sixty days from the shock": {name: found[f"early_{name}"] for name in MEASURES},
        "last sixty days": {name: found[f"late_{name}"] for name in MEASURES},
        "last sixty, programme withdrawn": {name: against_calm(runs, name, late, "withdrawn") for name in MEASURES},
    }
    shades = (VERMILLION, BLUE, GREY)
    for i, ((words, estimates), color) in enumerate(zip(groups.items(), shades, strict=True)):
        x = np.arange(len(MEASURES)) + 0.2 * (i - 1)
        values = [100.0 * (e.value - 1.0) for e in estimates.values()]
        known = all(e.known for e in estimates.values())
        sides = [[100.0 * (e.value - e.low), 100.0 * (e.high - e.value)] for e in estimates.values()]
        ax.errorbar(x, values, yerr=np.array(sides).T if known else None, fmt="o", color=color, label=words)
    for line in (100.0 * (CHANGE - 1.0), 100.0 * (1.0 / CHANGE - 1.0)):
        ax.axhline(line, color="#333333", linewidth=0.9, linestyle=":")
    zero_line(ax)
    ax.set_xticks(range(len(MEASURES)), ["volatility,\nJapan", "depth,\nJGBs", "carry per risk,\nyen pairs"])
    ax.set_xlim(-0.5, len(MEASURES) - 0.5)
    ax.legend(loc="best")
    heading(ax, "With the shock against without", "%", "dotted: a tenth, what sixty days can tell")


def record(runs: Runs) -> list:
    """Daily changes of the 30-year in the weeks that are public."""
    shock, source = runs["shock"], "Japan MoF, constant maturity"
    moves = shock.moves("JGB30")
    return [
        compared(f"JGB30, root mean square of daily changes, {words}", "bp a day", value, source,
                 np.sqrt((moves[:, days] ** 2).mean(axis=1)))
        for words, value, days in (
            ("19 January to 13 February 2026", 6.4, slice(3, 22)),
            ("28 January to 13 February 2026", 2.8, slice(10, 22)),
        )
    ]  # fmt: skip


WITHDRAWAL = (
    FiscalAnnouncement(day=WITHDRAWN, amount_jpy_tn=-STIMULUS_JPY_TN),
    TaxCut(day=WITHDRAWN, amount_jpy_tn_per_year=-TAX_JPY_TN, years=TAX_YEARS),
)
AS_ANNOUNCED = {f"government.{mandate}_factor": 1.0 for mandate in ("strong", "weak", "hung")}

CLAIM = Claim(
    id="C15",
    claim="Not an accident but a regime change: higher volatility, tighter liquidity, fewer free lunches.",
    question="Long after the fiscal shock, are volatility higher, auctions thinner and carry smaller for its risk, or "
    "does the system return?",
    design="The main scenario against the same world without the shock, 250 trading days from 13 January 2026, same "
    "random numbers. Volatility: root mean square of daily moves in calm standard deviations, mean of JGBs, Nikkei and "
    "USDJPY. Depth: dollars that move the daily auction of a JGB by 1 %. Carry per unit of risk: policy-rate "
    "differential over realised volatility, mean of USDJPY, AUDJPY and MXNJPY. Each over the sixty days from the "
    "announcement and over the last sixty of the year. Hysteresis: the programme, which no election changes, is taken "
    "back on the twenty-fourth day, before its first bonds.",
    rule="Supported if in the last sixty days volatility is higher by a tenth, depth and carry per unit of risk lower "
    "by as much (whole intervals of the ratios beyond 1.1 and 1/1.1; a standard deviation over sixty days is known to "
    "9 %). Under conditions if at least one of the three is, or if all three have moved that way (intervals exclude "
    "one). Otherwise not supported.",
    arms={
        "calm": arm("baseline", days=DAYS, share=SHARE),
        "shock": arm("sanaenomics", days=DAYS, share=SHARE),
        "withdrawn": arm("sanaenomics", *WITHDRAWAL, days=DAYS, settings=AS_ANNOUNCED, share=LESS),
    },
    core=("calm", "shock"),
    effects=effects,
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="Four weeks are public, not a year. The 30-year moved by 6.4 bp a day from 19 January to 13 February, but "
    "by 2.8 bp from 28 January on, near the 2.3 bp of calm days: as far as can be seen, volatility returned.",
    few=0.03,
)

if __name__ == "__main__":
    main(CLAIM)
