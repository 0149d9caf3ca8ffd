"""C12. Is the election the catalyst: does a strong mandate confirm fiscal dominance?"""

import datetime as dt
from pathlib import Path

import numpy as np

from abm.output.style import BLUE, GREEN, VERMILLION, date_ticks, drawing, heading, new_figure, save, zero_line
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
)

KNOWN = dt.date(2026, 2, 9)  # the first close after the election of Sunday 8 February
AFTER = 10  # trading days from it
DAYS = 30
COLORS = {"strong": VERMILLION, "weak": BLUE, "hung": GREEN}
WORDS = {"strong": "strong mandate", "weak": "weak mandate", "hung": "no majority"}


def election_day(runs: Ensemble) -> int:
    """Trading day on which the result is known."""
    return int(np.searchsorted(runs.dates, np.datetime64(KNOWN)))


def since_election(runs: Ensemble, market: str, after: int = AFTER) -> np.ndarray:
    """Change from the close before the result to so many days after it, bp or per cent, (seeds,)."""
    x, day = runs.series(market), election_day(runs)
    return np.asarray(x[:, min(day + after, x.shape[1] - 1)] - x[:, day - 1])


def against(runs: Runs, other: str, market: str, after: int = AFTER) -> np.ndarray:
    """Strong mandate less another result, paired, (seeds,)."""
    return difference(runs["strong"], runs[other], lambda r: since_election(r, market, after))


def effects(runs: Runs) -> dict[str, Estimate]:
    """What a strong mandate does to the 40-year and to the dollar, against the two other results."""
    return {
        "hung_40": lifted(runs),
        "weak_40": mean("JGB40 in ten days: strong less weak mandate", "bp", against(runs, "weak", "JGB40")),
        "hung_yen": mean("USDJPY in ten days: strong mandate less no majority", "%", against(runs, "hung", "USDJPY")),
        "itself": mean("JGB40 in ten days after a strong mandate", "bp", since_election(runs["strong"], "JGB40")),
    }


def lifted(runs: Runs) -> Estimate:
    """The 40-year after a strong mandate and after none."""
    return mean("JGB40 in ten days: strong mandate less no majority", "bp", against(runs, "hung", "JGB40"))


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    hung, weak, yen, itself = (found[name] for name in ("hung_40", "weak_40", "hung_yen", "itself"))
    if not (hung.known and weak.known):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = (
        f"Ten days after a strong mandate the 40-year stands {hung.value:.1f} bp above where no majority leaves it and "
        f"{weak.value:.1f} bp above a weak mandate; the dollar {yen.value:+.2f} %. "
        f"By itself it moves {itself.value:+.1f} bp."
    )
    if not hung.above() and not weak.above():
        return Verdict(NOT_SUPPORTED, told)
    if hung.above() and weak.above() and itself.above():
        return Verdict(SUPPORTED, told)
    return Verdict(
        CONDITIONAL, f"{told} What matters is what had been priced before: the result confirms, it adds little."
    )


def more(runs: Runs) -> dict[str, Estimate]:
    """The day after, the end of the run, and other markets."""
    found = {}
    for market in ("JGB10", "JGB30", "UST30"):
        text = f"{market} in ten days: strong mandate less no majority"
        found[market] = mean(text, "bp", against(runs, "hung", market))
    found["NIKKEI"] = mean("Nikkei in ten days: strong less none", "%", against(runs, "hung", "NIKKEI"))
    found["next day"] = mean("JGB40 on the day: strong less no majority", "bp", against(runs, "hung", "JGB40", 0))
    return found


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Mean paths after the three results, and paired differences by market."""
    with drawing():
        seeds = len(runs["strong"].seeds)
        title = "Is the election the catalyst?"
        figure, (row,) = new_figure(1, 3, (13, 4.4), title, f"{seeds} seeds, the same under every result; bars: 95 %")
        for ax, market, unit in ((row[0], "JGB40", "bp"), (row[1], "USDJPY", "%")):
            for name, color in COLORS.items():
                x = runs[name].series(market)
                ax.plot(runs[name].dates, x.mean(axis=0), color=color, label=WORDS[name])
            ax.axvline(np.datetime64(KNOWN), color="#333333", linewidth=0.9, linestyle=":")
            zero_line(ax)
            heading(ax, f"{market} since 13 January", unit, "mean; dotted: result known")
            date_ticks(ax, runs["strong"].dates, 4)
        row[0].legend(loc="lower left")
        markets = ("JGB10", "JGB30", "JGB40", "UST30", "USDJPY", "NIKKEI")
        for offset, other in ((-0.15, "hung"), (0.15, "weak")):
            estimates = [mean("", "", against(runs, other, m)) for m in markets]
            values = [e.value for e in estimates]
            known = all(e.known for e in estimates)
            error = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]] if known else None
            row[2].errorbar(np.arange(len(markets)) + offset, values, yerr=error, fmt="o", markersize=4,
                            color=COLORS[other], label=f"less {WORDS[other]}")  # fmt: skip
        row[2].set_xticks(range(len(markets)), markets, rotation=45)
        zero_line(row[2])
        row[2].legend(loc="best")
        heading(row[2], "Strong mandate against the others", "", "ten days; bp of yield, per cent of price")
        save(figure, path)


def record(runs: Runs) -> list:
    """Official closes around the election, a strong mandate (316 seats)."""
    strong = runs["strong"]
    day = election_day(strong)
    forty, dollar = strong.series("JGB40"), strong.series("USDJPY")
    return [
        compared("JGB40, 6 to 13 February 2026", "bp", -12.0, "Japan MoF", forty[:, day + 3] - forty[:, day - 1]),
        compared("USDJPY, 6 to 13 February 2026", "%", -2.9, "New York close", dollar[:, day + 3] - dollar[:, day - 1]),
    ]


CLAIM = Claim(
    id="C12",
    claim="The election is the catalyst: a strong mandate confirms fiscal dominance.",
    question="Does a strong mandate on 8 February lift super-long yields, against a weak or a hung one?",
    design="The main scenario with the election's result fixed as strong, weak or hung, 30 days, same random numbers; "
    "until 6 February the three worlds are one.",
    rule="Supported if ten days after the result the 40-year is higher after a strong mandate than after either other "
    "result and higher than before it (all three intervals above zero). Not supported if it is higher than after "
    "neither. Otherwise supported under conditions.",
    arms={
        "strong": arm("strong_mandate", days=DAYS),
        "weak": arm("weak_mandate", days=DAYS),
        "hung": arm("hung_parliament", days=DAYS),
    },
    core=("strong", "weak", "hung"),
    effects=effects,
    headline=lifted,
    leading=("strong", "hung"),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="The governing party won 316 seats. The 40-year fell from 3.63 % to 3.51 % in a week, the yen rose by "
    "three per cent and the Nikkei by almost six: markets took the result as an end of uncertainty.",
)

if __name__ == "__main__":
    main(CLAIM)
