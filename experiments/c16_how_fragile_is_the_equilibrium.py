"""C16. How large a shock is needed before the response stops being proportional?"""

from pathlib import Path

import numpy as np

from abm.output.style import BLUE, GREY, VERMILLION, drawing, heading, new_figure, save
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

STIMULUS_JPY_TN, TAX_JPY_TN = 21.3, 5.0  # of the main scenario
SIZES = (0.5, 1.0, 2.0, 4.0, 8.0)
JUDGED = (0.5, 1.0, 8.0)  # the verdict rests on these
ANNOUNCED, WITHIN = 4, 10
DAYS = 20
MARKETS = {"JGB40": "bp", "UST30": "bp", "USDJPY": "%"}


def name_of(size: float) -> str:
    """Of the arm."""
    return f"{size:g} times"


def world(size: float) -> Arm:
    """The main scenario with a programme so many times as large."""
    settings = {
        "event.fiscal_announcement.amount_jpy_tn": size * STIMULUS_JPY_TN,
        "event.tax_cut.amount_jpy_tn_per_year": size * TAX_JPY_TN,
    }
    return arm("sanaenomics", days=DAYS, settings=settings)


def response(runs: Runs, size: float, market: str = "JGB40") -> np.ndarray:
    """Effect on the day on which its mean is largest within ten days, bp or per cent, (seeds,)."""
    effect = difference(runs[name_of(size)], runs["calm"], lambda r: r.series(market))
    window = effect[:, ANNOUNCED : ANNOUNCED + WITHIN + 1]
    return np.asarray(window[:, int(np.abs(window.mean(axis=0)).argmax())])


def amplification(runs: Runs, size: float, market: str = "JGB40") -> Estimate:
    """Response to a shock over that many times the response to half the main scenario's, per unit of shock."""
    text = f"{market}: response per unit, {size:g} times the stimulus against {SIZES[0]:g} times"
    scaled = response(runs, SIZES[0], market) * size / SIZES[0]
    return ratio(text, response(runs, size, market), scaled)


def effects(runs: Runs) -> dict[str, Estimate]:
    """Amplification at the main scenario's size and at eight times it, and the response to it."""
    return {
        "main": amplification(runs, 1.0),
        "amplified": amplification(runs, SIZES[-1]),
        "response": mean("JGB40: response to the main scenario", "bp", response(runs, 1.0)),
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
    return found


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Response against size, beside proportionality, and amplification by market."""
    with drawing():
        seeds = len(runs["calm"].seeds)
        figure, (row,) = new_figure(
            1, 2, (12, 4.5), "How fragile is the equilibrium?", f"{seeds} seeds, paired with no shock; bars: 95 %"
        )
        estimates = [mean("", "", response(runs, size)) for size in SIZES]
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
        save(figure, path)


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
    "largest mean effect within ten days. Amplification: response per unit of shock over that of the half programme.",
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
)

if __name__ == "__main__":
    main(CLAIM)
