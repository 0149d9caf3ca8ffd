"""C8. How many dollars of Treasuries, sold by Japan, take the ten-year yield to 5 %, and what does the ladder buy?"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from abm.output.measures import median_interval
from abm.output.style import BLUE, GREEN, GREY, HALO, ORANGE, VERMILLION, drawing, heading, new_figure, save, zero_line
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
    estimate,
    main,
    mean,
    ratio,
    share,
)
from abm.study.claims.arms import Arm
from abm.world.events import Event, Flow, FxIntervention, RateCheck, TreasurySale, VerbalIntervention

LINE_PCT = 5.0
FIRST_DAY, SETTLING = 4, 5  # first day of a sale (19 January 2026), days after its last one that still count
OWN_TEN_YEARS_USD_BN = 180.0  # of the ministry's 200; what is sold beyond comes from outside holders
TREASURIES_USD_BN = 840.0  # all Treasuries of the ministry at the opening
OPENING_PCT = 4.18  # ten-year yield of 13 January 2026
STARTS_PCT = (OPENING_PCT, 4.4, 4.6, 4.8)
WEEKS = {1: VERMILLION, 4: BLUE, 10: GREEN}
MAIN_WEEKS = 4
COARSE_USD_BN = {1: (400.0,), 4: (400.0, 800.0, 1600.0), 10: (800.0,)}
MOST_A_DAY_USD_BN = 160.0
STEP_USD_BN = 25.0  # amounts are multiples of it
NARROW, CLOSE_USD_BN = 1.3, 100.0  # a bracket is narrow where its ends differ by this factor, or by so much
MOST_ARMS = 12  # amounts tried for one pace
SIDE, LESS = 0.25, 0.1  # parts of the seeds: for sales and steps, and for paces that do not decide the verdict
CORRECTION_PCT = -10.0
STEP_DAY, SOON, LATER = 8, 3, 20  # day of a step on the ladder (23 January 2026), days after it
PACKAGED_USD_BN = 100.0  # sold and brought home in the packaged scenario
OPERATION_JPY_TN = 5.0
STEPS: dict[str, Event] = {
    "words, level 2": VerbalIntervention(day=STEP_DAY, level=2),
    "words, level 4": VerbalIntervention(day=STEP_DAY, level=4),
    "rate check": RateCheck(day=STEP_DAY),
    "operation, JPY 1 tn": FxIntervention(day=STEP_DAY, amount_jpy_tn=1.0),
    "operation, JPY 5 tn": FxIntervention(day=STEP_DAY, amount_jpy_tn=OPERATION_JPY_TN),
}
# The ministry takes no step of its own.
IDLE: dict[str, Any] = {"days": STEP_DAY + LATER, "without": ("mof_ladder",), "share": SIDE}


# -- sales -----------------------------------------------------------------------------------------------------------


def sale_name(weeks: int, usd_bn: float) -> str:
    """Of the arm."""
    return f"USD {usd_bn:g} bn in {weeks} weeks"


def sale(weeks: int, usd_bn: float) -> Arm:
    """No shock, and so many dollars of ten-year Treasuries sold evenly; the dollars stay abroad."""
    days = 5 * weeks
    own = min(usd_bn, OWN_TEN_YEARS_USD_BN)
    events: list[Event] = [TreasurySale(day=FIRST_DAY, amount_usd_bn=own, days=days)]
    if usd_bn > own:
        events.append(Flow(day=FIRST_DAY, market="UST10", amount_usd_bn=own - usd_bn, days=days))
    return arm("baseline", *events, days=last_day(weeks), share=SIDE if weeks == MAIN_WEEKS else LESS)


def last_day(weeks: int) -> int:
    """The last that counts of a sale."""
    return FIRST_DAY + 5 * weeks - 1 + SETTLING


def amounts(runs: Runs, weeks: int) -> list[float]:
    """Amounts sold at a pace in the arms there are, USD bn, ascending, none first."""
    tried = (STEP_USD_BN * k for k in range(1, round(MOST_A_DAY_USD_BN * 5 * weeks / STEP_USD_BN) + 1))
    return [0.0, *(usd_bn for usd_bn in tried if sale_name(weeks, usd_bn) in runs)]


def window(runs: Ensemble, weeks: int) -> slice:
    """Days from the first of a sale to a week after its last, as far as the run goes."""
    return slice(FIRST_DAY, min(last_day(weeks), runs.days) + 1)


def by_amount(runs: Runs, weeks: int, of: Callable[[Ensemble], np.ndarray]) -> np.ndarray:
    """What ensembles give, (seeds,), for every amount sold at a pace, (amounts, seeds)."""
    sold = [runs[sale_name(weeks, usd_bn)] for usd_bn in amounts(runs, weeks)[1:]]
    ensembles = [runs["calm"], *sold]
    common = [seed for seed in ensembles[0].seeds if all(seed in e.seeds for e in ensembles)]
    return np.stack([e.at(common, of(e)) for e in ensembles])


def risen(runs: Runs, weeks: int) -> np.ndarray:
    """Highest ten-year yield of the window less the opening's, bp, (amounts, seeds); more sold never lowers it."""
    highest = by_amount(runs, weeks, lambda r: r.series("UST10")[:, window(r, weeks)].max(axis=1))
    return np.maximum.accumulate(highest, axis=0)


def needed(runs: Runs, weeks: int, start_pct: float) -> np.ndarray:
    """Dollars with which a seed's ten-year passes 5 %, USD bn, (seeds,); infinite if the largest amount does not do it.

    Linear between the amounts run. From another starting yield than the opening's the same rise is measured against
    the distance that is left.
    """
    distance_bp = 100.0 * (LINE_PCT - start_pct)
    sold = amounts(runs, weeks)
    found = []
    for path in risen(runs, weeks).T:
        above = np.flatnonzero(path > distance_bp)
        if not above.size:
            found.append(np.inf)
        elif above[0] == 0:
            found.append(0.0)
        else:
            i = int(above[0])
            part = (distance_bp - path[i - 1]) / (path[i] - path[i - 1])
            found.append(sold[i - 1] + part * (sold[i] - sold[i - 1]))
    return np.array(found)


def median(text: str, x: np.ndarray) -> Estimate:
    """Median of dollars over seeds, (seeds,), with its interval from order statistics."""
    middle = float(np.quantile(x, 0.5, method="inverted_cdf"))
    return estimate(text, "USD bn", middle, int(x.size), partial(median_interval, x))


def threshold(runs: Runs, weeks: int, start_pct: float) -> Estimate:
    """Dollars with which half of the seeds pass 5 %."""
    words = (
        f"sold in {weeks} week{'s' * (weeks > 1)} that take the ten-year from {start_pct:g} % past 5 % in half the runs"
    )
    return median(words, needed(runs, weeks, start_pct))


def refine(runs: Runs) -> dict[str, Arm]:
    """Amounts in the middle of brackets that are still wide, for every pace and starting yield."""
    asked = {}
    for weeks in WEEKS:
        sold, highest = amounts(runs, weeks), risen(runs, weeks)
        if len(sold) > MOST_ARMS:
            continue
        for start in STARTS_PCT:
            passed = (highest > 100.0 * (LINE_PCT - start)).mean(axis=1) >= 0.5
            usd_bn = next_amount(sold, passed, MOST_A_DAY_USD_BN * 5 * weeks)
            if usd_bn is not None:
                asked[sale_name(weeks, usd_bn)] = sale(weeks, usd_bn).shortened(runs["calm"].days)
    return asked


def next_amount(sold: list[float], passed: np.ndarray, most: float) -> float | None:
    """Where to look next for the amount at which `passed`, ascending in it, turns true; None where that is known."""
    if passed[0]:
        return None
    if not passed.any():
        return min(2.0 * sold[-1], most) if sold[-1] < most else None
    i = int(passed.argmax())
    low, high = sold[i - 1], sold[i]
    middle = STEP_USD_BN * round((np.sqrt(low * high) if low else 0.5 * high) / STEP_USD_BN)
    return middle if high > max(NARROW * low, low + CLOSE_USD_BN) and low < middle < high else None


def moved(runs: Runs, weeks: int, market: str) -> np.ndarray:
    """Effect of a sale on the day of the window on which its mean is largest in size, (amounts, seeds)."""
    paths = by_amount(runs, weeks, lambda r: r.series(market)[:, window(r, weeks)])
    effect = paths - paths[0]
    days = np.abs(effect.mean(axis=1)).argmax(axis=1)
    return np.stack([x[:, day] for x, day in zip(effect, days, strict=True)])


def moved_at(runs: Runs, weeks: int, market: str, usd_bn: float) -> np.ndarray:
    """The same for an amount between those run, (seeds,); beyond the largest, that of the largest."""
    sold = amounts(runs, weeks)
    return np.array([np.interp(usd_bn, sold, x) for x in moved(runs, weeks, market).T])


def brought_home(runs: Runs, market: str) -> np.ndarray:
    """Effect of USD 100 bn sold in four weeks and turned into yen, at the end of the sale, bp, per cent, (seeds,)."""
    last = FIRST_DAY + 5 * MAIN_WEEKS - 1
    return difference(runs["brought home"], runs["calm"], lambda r: r.series(market)[:, min(last, r.days)])


# -- words, checks, operations ---------------------------------------------------------------------------------------


def yen_gained(runs: Runs, step: str, after: int) -> np.ndarray:
    """Yen by which a step lowers the dollar after so many days, (seeds,), positive strengthens the yen."""
    return -difference(runs[step], runs["idle"], lambda r: r.level("USDJPY")[:, min(STEP_DAY + after, r.days)])


# -- what is asked ---------------------------------------------------------------------------------------------------


def effects(runs: Runs) -> dict[str, Estimate]:
    """Dollars that take the ten-year to 5 % from two starting yields, shares at that amount, yen and yields."""
    found = {
        "needed": threshold(runs, MAIN_WEEKS, OPENING_PCT),
        "needed_from_46": threshold(runs, MAIN_WEEKS, 4.6),
    }
    usd_bn = found["needed"].value
    usd_bn = usd_bn if np.isfinite(usd_bn) else amounts(runs, MAIN_WEEKS)[-1]
    for name in ("SPX", "NASDAQ"):
        made = moved_at(runs, MAIN_WEEKS, name, usd_bn)
        found[name] = mean(f"{name}: largest mean effect of USD {usd_bn:.0f} bn in four weeks", "%", made)
    home, kept = brought_home(runs, "USDJPY"), brought_home(runs, "UST10")
    found["yen"] = mean("USDJPY: USD 100 bn sold in four weeks and brought home", "%", home)
    found["ust10"] = mean("UST10: the same", "bp", kept)
    return found


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    needs, nearer, shares, yen, ust = (found[name] for name in ("needed", "needed_from_46", "SPX", "yen", "ust10"))
    if not (nearer.seeds > 5 and shares.known and yen.known and ust.known):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = (
        f"Sold within four weeks, {_dollars(needs)} take the ten-year from 4.18 % past 5 % in half of the runs, and "
        f"{_dollars(nearer)} from 4.6 %; the ministry owns USD {TREASURIES_USD_BN:.0f} bn. The S&P 500 then falls by "
        f"{-shares.value:.0f} %. USD 100 bn brought home move the dollar by {yen.value:+.1f} % and the ten-year by "
        f"{ust.value:+.1f} bp."
    )
    if nearer.low > TREASURIES_USD_BN or not ust.above() or not yen.below():
        return Verdict(NOT_SUPPORTED, told)
    if needs.high < TREASURIES_USD_BN and shares.below(CORRECTION_PCT):
        return Verdict(SUPPORTED, told)
    if needs.low > TREASURIES_USD_BN:
        told += " Within four weeks all it owns do not suffice from 4.18 %; faster, or from a higher yield, they may."
    return Verdict(CONDITIONAL, told)


def _dollars(e: Estimate) -> str:
    return f"USD {e.value:.0f} bn" if np.isfinite(e.value) else "more than any amount tried"


def more(runs: Runs) -> dict[str, Estimate]:
    """Thresholds by pace and start, other yields, shares of runs, yen per step and per dollar."""
    found = {}
    for weeks in WEEKS:
        for start in STARTS_PCT:
            found[f"needed, {weeks}, {start:g}"] = threshold(runs, weeks, start)
    for start in STARTS_PCT:
        passed = risen(runs, MAIN_WEEKS)[0] > 100.0 * (LINE_PCT - start)
        found[f"calm, {start:g}"] = share(f"past 5 % from {start:g} % within five weeks without a sale", passed)
    for market, unit in (("UST10", "bp"), ("UST30", "bp"), ("SPX", "%"), ("NASDAQ", "%")):
        text = f"{market}: largest mean effect of all USD {TREASURIES_USD_BN:.0f} bn in four weeks"
        found[f"all, {market}"] = mean(text, unit, moved_at(runs, MAIN_WEEKS, market, TREASURIES_USD_BN))
    for step in STEPS:
        for after in (SOON, LATER):
            text = f"{step}: yen gained after {after} days"
            found[f"{step}, {after}"] = mean(text, "yen per dollar", yen_gained(runs, step, after))
    rate = runs["calm"].level("USDJPY")[:, 0].mean()
    spent = 1000.0 * OPERATION_JPY_TN / rate
    gained = yen_gained(runs, f"operation, JPY {OPERATION_JPY_TN:g} tn", LATER) / spent
    found["per_bn"] = mean("operation of JPY 5 tn: yen per dollar gained per USD bn, twenty days after", "yen", gained)
    sold = -difference(runs["brought home"], runs["calm"], lambda r: r.level("USDJPY")[:, _sold_by(r)])
    found["per_bn_sold"] = mean("Treasuries sold and brought home: the same, at the end of the sale", "yen",
                                sold / PACKAGED_USD_BN)  # fmt: skip
    found["cost"] = ratio("the same: bp on the ten-year per yen gained", brought_home(runs, "UST10"), sold, "bp")
    return found


def _sold_by(runs: Ensemble) -> int:
    return min(FIRST_DAY + 5 * MAIN_WEEKS - 1, runs.days)


# -- figure ----------------------------------------------------------------------------------------------------------


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Probability against dollars, threshold against starting yield, shares and yields against dollars, the ladder."""
    with drawing():
        seeds = len(needed(runs, MAIN_WEEKS, OPENING_PCT))
        title = "How many dollars of Treasuries take the ten-year to 5 %?"
        figure, axes = new_figure(
            2,
            2,
            (12, 8.2),
            title,
            f"{seeds} seeds, the same for every amount sold, fewer for other paces than four weeks; bars: 95 %",
        )
        _draw_probability(axes[0, 0], runs)
        _draw_threshold(axes[0, 1], runs)
        _draw_moves(axes[1, 0], runs)
        _draw_ladder(axes[1, 1], runs)
        save(figure, path)


def _weeks(weeks: int) -> str:
    return f"sold in {weeks} week{'s' * (weeks > 1)}"


def _draw_probability(ax: Any, runs: Runs) -> None:
    for weeks, color in WEEKS.items():
        for start, style in ((OPENING_PCT, "-"), (4.6, "--")):
            dollars = np.sort(needed(runs, weeks, start))
            reached = dollars[np.isfinite(dollars)]
            height = 100.0 * np.arange(reached.size + 1) / dollars.size
            ax.step([*reached[:1], *reached], height[: 1 + reached.size], where="post", color=color, linestyle=style,
                    label=_weeks(weeks) if start == OPENING_PCT else None)  # fmt: skip
    ax.axhline(50.0, color="#333333", linewidth=0.9, linestyle=":")
    _own(ax)
    ax.set_ylim(0.0, 102.0)
    ax.set_xlim(0.0, 1.3 * max(amounts(runs, weeks)[-1] for weeks in WEEKS))
    ax.set_xlabel("ten-year Treasuries sold, USD bn")
    ax.legend(loc="lower right")
    words = f"until a week after the last sale; from {OPENING_PCT:g} % (solid) and 4.6 % (dashed)"
    heading(ax, "Probability of the ten-year passing 5 %", "% of seeds", words)


def _own(ax: Any) -> None:
    ax.axvline(TREASURIES_USD_BN, color=GREY, linewidth=1.0)
    ax.annotate("all the ministry's Treasuries", (TREASURIES_USD_BN, 0.98), xycoords=("data", "axes fraction"),
                xytext=(-3, 0), textcoords="offset points", rotation=90, ha="right", va="top", fontsize=7.0,
                color="#555555", path_effects=HALO, zorder=5)  # fmt: skip


def _draw_threshold(ax: Any, runs: Runs) -> None:
    for shift, (weeks, color) in zip((-0.008, 0.0, 0.008), WEEKS.items(), strict=True):
        estimates = [threshold(runs, weeks, start) for start in STARTS_PCT]
        kept = [(s, e) for s, e in zip(STARTS_PCT, estimates, strict=True) if np.isfinite(e.value)]
        most = amounts(runs, weeks)[-1]
        error = np.array([(e.value - e.low, min(e.high, most) - e.value) for _, e in kept]).reshape(-1, 2).T
        ax.errorbar([s + shift for s, _ in kept], [e.value for _, e in kept], yerr=error, fmt="o-", color=color,
                    label=_weeks(weeks))  # fmt: skip
    ax.axhline(TREASURIES_USD_BN, color=GREY, linewidth=1.0)
    ax.annotate("all the ministry's Treasuries", (STARTS_PCT[0], TREASURIES_USD_BN), xytext=(-8, 3),
                textcoords="offset points", fontsize=7.5, color="#555555")  # fmt: skip
    ax.set_ylim(0.0, None)
    ax.set_xticks(STARTS_PCT, [f"{start:g}" for start in STARTS_PCT])
    ax.set_xlabel("ten-year yield at which the sale begins, %")
    ax.legend(loc="upper right")
    heading(ax, "Dollars that take it to 5 % in half of the runs", "USD bn")


def _draw_moves(ax: Any, runs: Runs) -> None:
    sold = amounts(runs, MAIN_WEEKS)
    for market, color in (("SPX", BLUE), ("NASDAQ", ORANGE)):
        ax.plot(sold, moved(runs, MAIN_WEEKS, market).mean(axis=1), "o-", color=color, markersize=4, label=market)
    ax.axhline(CORRECTION_PCT, color="#333333", linewidth=0.9, linestyle=":")
    zero_line(ax)
    _own(ax)
    ax.set_xlabel("ten-year Treasuries sold in four weeks, USD bn")
    ax.legend(loc="lower left")
    heading(ax, "What the sale does to American shares", "%", "largest mean effect; dotted: a correction of 10 %")


def _draw_ladder(ax: Any, runs: Runs) -> None:
    for offset, after, color in ((-0.19, SOON, BLUE), (0.19, LATER, ORANGE)):
        for place, step in enumerate(STEPS):
            e = mean("", "", yen_gained(runs, step, after))
            error = [[e.value - e.low], [e.high - e.value]] if e.known else None
            label = f"after {after} days" if place == 0 else None
            ax.barh(place + offset, e.value, 0.36, xerr=error, color=color, ecolor="#333333", label=label)
    ax.set_yticks(range(len(STEPS)), list(STEPS))
    ax.invert_yaxis()
    ax.axvline(0.0, color="#666666", linewidth=0.8)
    ax.legend(loc="upper right")
    heading(ax, "What a step of the ladder buys", "", "yen per dollar gained, from 159")


def record(runs: Runs) -> list:
    """Nothing was sold; the ten-year and the dollar after the rate checks."""
    check, source = runs["rate check"], "Fed H.15, constant maturity"
    highest = runs["calm"].level("UST10")[:, 1:23].max(axis=1)
    dollar = check.level("USDJPY")
    return [
        compared("highest ten-year yield, 14 January to 13 February 2026, no sale", "%", 4.30, source, highest),
        compared("USDJPY, 22 to 28 January 2026, rate checks on the 23rd", "yen", -5.4, "New York close",
                 dollar[:, STEP_DAY + SOON] - dollar[:, STEP_DAY - 1]),
    ]  # fmt: skip


CLAIM = Claim(
    id="C8",
    claim="The Ministry of Finance's ladder ends in selling Treasuries: the yen is defended at the cost of US yields, "
    "past 5 % on the ten-year, an equity correction, dearer mortgages and corporate credit.",
    question="How many dollars of Treasuries take the ten-year to 5 %, from which starting yield and over how many "
    "weeks, and what do words and checks buy?",
    design="No fiscal shock; from 19 January 2026 ten-year Treasuries are sold evenly in one, four or ten weeks, same "
    "random numbers for every amount. The ministry owns USD 840 bn of Treasuries, USD 200 bn of them ten-years; what "
    "is sold beyond USD 180 bn comes from outside holders, the dollars stay abroad, and the Fed buys none: the worst "
    "case for the ten-year. Highest closes until a week after the sale. Amounts are bisected until the one with which "
    "half of the seeds pass 5 % is known within a factor of 1.3 or USD 100 bn, then interpolated seed by seed. Another "
    "starting yield is the same rise against a shorter distance. Brought home: the packaged sale of USD 100 bn, turned "
    "into yen. Ladder: single steps on 23 January, the ministry otherwise silent. The model has neither mortgages nor "
    "corporate bonds, so that part of the claim is not judged.",
    rule="Supported if less than the ministry's USD 840 bn, sold in four weeks, take the ten-year from 4.18 % past 5 % "
    "in half of the runs, and the S&P 500 falls by more than 10 % with that amount (whole intervals). Not supported if "
    "not even from 4.6 % do they suffice (whole interval), or if USD 100 bn sold and brought home do not raise the "
    "ten-year or do not strengthen the yen (intervals). Otherwise supported under conditions.",
    arms={
        "calm": arm("baseline"),
        "brought home": arm("treasury_sale", days=last_day(MAIN_WEEKS)),
        **{sale_name(w, usd_bn): sale(w, usd_bn) for w, tried in COARSE_USD_BN.items() for usd_bn in tried},
        "idle": arm("baseline", **IDLE),
        **{name: arm("baseline", step, **IDLE) for name, step in STEPS.items()},
    },
    core=("calm", "brought home", *(sale_name(MAIN_WEEKS, usd_bn) for usd_bn in COARSE_USD_BN[MAIN_WEEKS])),
    effects=effects,
    headline=lambda runs: threshold(runs, MAIN_WEEKS, OPENING_PCT),
    leading=("calm", *(sale_name(MAIN_WEEKS, usd_bn) for usd_bn in COARSE_USD_BN[MAIN_WEEKS])),
    horizon=last_day(MAIN_WEEKS),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    refine=refine,
    searched=tuple(sale(w, STEP_USD_BN) for w in WEEKS for _ in range(MOST_ARMS - len(COARSE_USD_BN[w]))),
    reality="No Treasuries were sold and no yen bought. The rate checks of 23 January took the dollar from 158 to 153 "
    "yen in three trading days. The ten-year stood between 4.04 and 4.30 % until 13 February.",
)

if __name__ == "__main__":
    main(CLAIM)
