"""C16. How large a shock is needed before the response stops being proportional?"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from abm.output.style import BLUE, DARK, GREY, VERMILLION, drawing, heading, new_figure, save
from abm.study.claims import (
    CONDITIONAL,
    NOT_SUPPORTED,
    SUPPORTED,
    UNDECIDED,
    Claim,
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
from abm.study.claims.arms import Arm
from abm.study.claims.tipping import Bracket, bisected

STIMULUS_JPY_TN, TAX_JPY_TN = 21.3, 5.0  # of the main scenario
SIZES = (0.5, 1.0, 2.0, 4.0, 8.0)
JUDGED = (0.5, 1.0, 8.0)  # the verdict rests on these
ANNOUNCED, WITHIN = 4, 10
DAYS = 20
MARKETS = {"JGB40": "bp", "UST30": "bp", "USDJPY": "%"}

# -- the phase diagram: from which size on the response is a tenth more than proportional, by concern beforehand --
CONCERNS, TIPPED, STEPS, SHARE = (0.1, 0.3, 0.4, 0.5), 1.1, 2, 0.25
USUAL = 0.3  # concern_mean as packaged
CONCERNED = ("dealers", "arbitrageurs", "real_money")


def name_of(size: float) -> str:
    """Of the arm."""
    return f"{size:g} times"


def programme(size: float) -> dict[str, float]:
    """Settings of a programme so many times as large as that of the main scenario."""
    return {
        "event.fiscal_announcement.amount_jpy_tn": size * STIMULUS_JPY_TN,
        "event.tax_cut.amount_jpy_tn_per_year": size * TAX_JPY_TN,
    }


def world(size: float) -> Arm:
    """The main scenario with a programme so many times as large."""
    return arm("sanaenomics", days=DAYS, settings=programme(size))


def response(runs: Runs, name: str, market: str = "JGB40", calm: str = "calm") -> np.ndarray:
    """Effect on the day on which its mean is largest within ten days, bp or per cent, (seeds,)."""
    effect = difference(runs[name], runs[calm], lambda r: r.series(market))
    window = effect[:, ANNOUNCED : ANNOUNCED + WITHIN + 1]
    return np.asarray(window[:, int(np.abs(window.mean(axis=0)).argmax())])


def amplification(runs: Runs, size: float, market: str = "JGB40") -> Estimate:
    """Response to a shock over that many times the response to half the main scenario's, per unit of shock."""
    text = f"{market}: response per unit, {size:g} times the stimulus against {SIZES[0]:g} times"
    scaled = response(runs, name_of(SIZES[0]), market) * size / SIZES[0]
    return ratio(text, response(runs, name_of(size), market), scaled)


def effects(runs: Runs) -> dict[str, Estimate]:
    """Amplification at the main scenario's size and at eight times it, and the response to it."""
    return {
        "main": amplification(runs, 1.0),
        "amplified": amplification(runs, SIZES[-1]),
        "response": mean("JGB40: response to the main scenario", "bp", response(runs, name_of(1.0))),
    }


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    amplified, at_main = found["amplified"], found["main"]
    if not (amplified.known and at_main.known):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = (
        f"Per unit of stimulus, eight times the programme moves the 40-year {amplified.value:.2f} times as much as "
        f"half of it does; the programme itself {at_main.value:.2f} times."
    )
    if at_main.above(1.0):
        return Verdict(SUPPORTED, f"{told} The system already amplifies at the size announced.")
    if amplified.above(1.0):
        return Verdict(CONDITIONAL, f"{told} It amplifies shocks larger than the one announced.")
    return Verdict(NOT_SUPPORTED, f"{told} The response grows no faster than the shock.")


def more(runs: Runs) -> dict[str, Estimate]:
    """Amplification by size and market, and what gives way."""
    found = {}
    for market in MARKETS:
        for size in SIZES[1:]:
            found[f"{market}, {size:g}"] = amplification(runs, size, market)
    for size in SIZES:
        liquidated = difference(runs[name_of(size)], runs["calm"], lambda r: r.measure("liquidations_usd_bn"))
        found[f"liquidations, {size:g}"] = mean(f"liquidations added, {size:g} times", "USD bn", liquidated)
        depth = difference(runs[name_of(size)], runs["calm"], lambda r: r.measure("least_depth_pct.JGB30"))
        found[f"depth, {size:g}"] = mean(f"thinnest JGB30 depth, {size:g} times", "points of day 0", depth)
    for concern in CONCERNS:
        at = search(runs, concern)
        text = f"programme that tips the response, concern of {concern:g} beforehand (limits: of the search)"
        low, high = (at.low, at.high) if at.within else (math.nan, math.nan)
        found[f"tips, {concern:g}"] = Estimate(text, "times the programme", at.value, low, high, at.seeds)
    return found


# -- the search for the tipping line ---------------------------------------------------------------------------------


def point(size: float, concern: float) -> str:
    """Name of an arm of the phase diagram; size 0 is the world without a programme."""
    return f"{name_of(size)}, concern {concern:g}"


def placed(runs: Runs, size: float, concern: float) -> Arm:
    """A programme of this size where people are so concerned about public debt in quiet times."""
    settings = {f"{sector}.concern_mean": concern for sector in CONCERNED}
    if size > 0.0:
        settings |= programme(size)
    world = runs[name_of(1.0) if size > 0.0 else "calm"].arm.changed(settings)
    return replace(world.shortened(ANNOUNCED + WITHIN), share=SHARE)


def tips(runs: Runs, size: float, concern: float) -> bool:
    """Whether the mean response per unit of shock exceeds that to half the programme by a tenth."""
    calm = point(0.0, concern)
    small, large = (abs(float(response(runs, point(x, concern), calm=calm).mean())) for x in (SIZES[0], size))
    return large / size > TIPPED * small / SIZES[0]


def search(runs: Runs, concern: float) -> Bracket:
    """The first size that tips, doubled until one does, then bisected in logarithms, as far as it has been run."""
    low, high, seeds = SIZES[0], math.inf, len(runs[point(0.0, concern)].seeds)
    for size in SIZES[1:]:
        if point(size, concern) not in runs:
            return Bracket(low, high, seeds, size)
        if tips(runs, size, concern):
            high = size
            break
        low = size
    if math.isinf(high):
        return Bracket(low, high, seeds)

    def tipped(size: float) -> bool | None:
        return tips(runs, size, concern) if point(size, concern) in runs else None

    return bisected(low, high, seeds, STEPS, 3, tipped)


def refine(runs: Runs) -> Mapping[str, Arm]:
    """For every concern the worlds to compare with, then the next size of the search."""
    asked = {}
    for concern in CONCERNS:
        sizes = [size for size in (0.0, SIZES[0]) if point(size, concern) not in runs]
        if not sizes and (wanted := search(runs, concern).wanted) is not None:
            sizes = [wanted]
        asked |= {point(size, concern): placed(runs, size, concern) for size in sizes}
    return asked


# -- the figure ------------------------------------------------------------------------------------------------------


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Response against size, beside proportionality, amplification by market, and where it begins."""
    with drawing():
        seeds = len(runs["calm"].seeds)
        figure, (row,) = new_figure(
            1, 3, (14, 4.5), "How fragile is the equilibrium?", f"{seeds} seeds, paired with no shock; bars: 95 %"
        )
        estimates = [mean("", "", response(runs, name_of(size))) for size in SIZES]
        values = [e.value for e in estimates]
        error = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]]
        row[0].errorbar(SIZES, values, yerr=error if estimates[0].known else None, fmt="o-", color=VERMILLION)
        row[0].plot(SIZES, [values[0] * size / SIZES[0] for size in SIZES], color=GREY, linestyle="--",
                    label="in proportion to the smallest")  # fmt: skip
        row[0].set_xlabel("size of the programme, main scenario = 1")
        row[0].legend(loc="upper left")
        heading(row[0], "Largest mean effect on the 40-year", "bp", "within ten days of the announcement")
        for market, color in zip(MARKETS, (VERMILLION, BLUE, GREY), strict=True):
            factors = [amplification(runs, size, market) for size in SIZES[1:]]
            known = all(e.known for e in factors)
            error = [[e.value - e.low for e in factors], [e.high - e.value for e in factors]] if known else None
            row[1].errorbar(SIZES[1:], [e.value for e in factors], yerr=error, fmt="o-", color=color, label=market)
        row[1].axhline(1.0, color="#333333", linewidth=0.9, linestyle="--")
        row[1].set_xlabel("size of the programme, main scenario = 1")
        row[1].legend(loc="best")
        heading(row[1], "Amplification", "response per unit of shock, half = 1", "above one: more than proportional")
        _phases(row[2], runs)
        save(figure, path)


def _phases(ax: Axes, runs: Runs) -> None:
    rows = [(concern, search(runs, concern)) for concern in CONCERNS]
    inside = [(x, at) for x, at in rows if at.within]
    error = [[at.value - at.low for _, at in inside], [at.high - at.value for _, at in inside]]
    ax.errorbar([x for x, _ in inside], [at.value for _, at in inside], yerr=error, fmt="o-", color=VERMILLION)
    ax.plot([x for x, at in rows if not at.within], [SIZES[-1] for _, at in rows if not at.within], "^", color=GREY)
    ax.plot(USUAL, 1.0, "*", color=DARK, markersize=11)
    ax.annotate("main scenario", (USUAL, 1.0), xytext=(8, -11), textcoords="offset points", fontsize=8)
    ax.set_yscale("log")
    ax.set_xticks(CONCERNS, [f"{x:g}" for x in CONCERNS])
    ax.set_yticks(SIZES, [f"{x:g}" for x in SIZES])
    ax.minorticks_off()
    ax.set_ylim(0.9 * SIZES[0], 1.3 * SIZES[-1])
    ax.set_xlabel("members' mean concern in quiet times, fraction of full alarm")
    words = "first size a tenth more than proportional; bars: limits of\nthe search; triangles: none up to eight times"
    heading(ax, "Where amplification begins", "size of the programme, main scenario = 1", words)


def record(runs: Runs) -> list:
    """One shock of one size happened."""
    return [
        compared("JGB40, 19 to 20 January 2026", "bp", 18.0, "Japan MoF", runs[name_of(1.0)].moves("JGB40")[:, 4]),
    ]


CLAIM = Claim(
    id="C16",
    claim="A fragile equilibrium.",
    question="How large a fiscal shock is needed before the response stops being proportional?",
    design="The main scenario's programme (JPY 21.3 tn and a tax cut of JPY 5 tn a year) at half, once, twice, four "
    "and eight times its size, and no programme, 20 days from 13 January 2026, same random numbers. Response: "
    "largest mean effect within ten days. Amplification: response per unit of shock over that of the half programme. "
    "Phase diagram: size of the programme and how concerned dealers, arbitrageurs and global real money are about the "
    "debt in quiet times; for each concern the first size whose response is a tenth more than proportional is found by "
    "doubling and bisection.",
    rule="Supported if the announced size is already amplified (interval above 1); under conditions if only a "
    "larger one is; not supported if not even eight times the programme is.",
    arms={"calm": arm("baseline", days=DAYS), **{name_of(size): world(size) for size in SIZES}},
    core=("calm", *map(name_of, JUDGED)),
    effects=effects,
    headline=lambda runs: amplification(runs, 1.0),
    leading=("calm", name_of(SIZES[0]), name_of(1.0)),
    horizon=ANNOUNCED + WITHIN,
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="One shock of one size was observed, and half of its effect was gone within two days: nothing ran away.",
    refine=refine,
    searched=(arm("baseline", days=ANNOUNCED + WITHIN, share=SHARE),) * (len(CONCERNS) * (1 + len(SIZES) + STEPS)),
)

if __name__ == "__main__":
    main(CLAIM)
