"""C9. Does the yen slide towards 160 under a fiscal shock, and does the Ministry of Finance stop it?"""

from pathlib import Path

import numpy as np

from abm.output.style import BLUE, GREY, VERMILLION, date_ticks, drawing, heading, new_figure, save
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
    share,
)

LINE = 160.0  # yen per dollar
LADDER = ("mof_ladder", "mof_operations")
NAMES = {"shock": "fiscal shock", "calm": "no shock", "shock, no ministry": "fiscal shock, ministry idle"}
COLORS = {"shock": VERMILLION, "calm": GREY, "shock, no ministry": BLUE}


def highest(runs: Ensemble) -> np.ndarray:
    """Highest close of USDJPY, yen, (seeds,)."""
    return runs.level("USDJPY")[:, 1:].max(axis=1)


def days_above(runs: Ensemble) -> np.ndarray:
    """Days with a close above 160, (seeds,)."""
    return (runs.level("USDJPY")[:, 1:] > LINE).sum(axis=1).astype(float)


def weakest(runs: Runs) -> np.ndarray:
    """Effect of the shock on USDJPY on the day on which its mean is largest, per cent, (seeds,)."""
    effect = difference(runs["shock"], runs["calm"], lambda r: r.series("USDJPY"))
    return np.asarray(effect[:, int(effect.mean(axis=0).argmax())])


def effects(runs: Runs) -> dict[str, Estimate]:
    """Effect of the shock on the yen, shares of runs past 160, and what the ministry takes off."""
    return {
        "effect": effect(runs),
        "past": share("a close above 160 under the shock", highest(runs["shock"]) > LINE),
        "past_calm": share("a close above 160 without it", highest(runs["calm"]) > LINE),
        "days": mean("days above 160 that the shock adds", "days", difference(runs["shock"], runs["calm"], days_above)),
        "ministry": mean(
            "days above 160 that the ministry prevents",
            "days",
            difference(runs["shock, no ministry"], runs["shock"], days_above),
        ),
    }


def effect(runs: Runs) -> Estimate:
    """Of the shock on the yen."""
    return mean("effect of the shock on USDJPY at its largest", "%", weakest(runs))


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    weaker, past, calm = found["effect"], found["past"], found["past_calm"]
    if not (weaker.known and past.known):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = (
        f"The shock weakens the yen by {weaker.value:.1f} % at most; the dollar closes above 160 in {past.value:.0f} % "
        f"of runs, without the shock in {calm.value:.0f} %. The ministry takes {found['ministry'].value:.1f} days off."
    )
    if not weaker.above():
        return Verdict(NOT_SUPPORTED, told)
    if past.above(50.0) and found["days"].above():
        if past.low > calm.high:
            return Verdict(SUPPORTED, told)
        return Verdict(CONDITIONAL, f"{told} From 159 the ordinary noise of twelve weeks is enough to pass the line.")
    if past.below(50.0) and not found["days"].above():
        return Verdict(NOT_SUPPORTED, told)
    return Verdict(CONDITIONAL, f"{told} It takes bad news on top.")


def more(runs: Runs) -> dict[str, Estimate]:
    """Highest closes and days above the line by world."""
    found = {}
    for name, words in NAMES.items():
        found[f"highest, {name}"] = mean(f"highest close, {words}", "yen", highest(runs[name]))
        found[f"days, {name}"] = mean(f"days above 160, {words}", "days", days_above(runs[name]))
    return found


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Bands of the three worlds, and time spent above every level."""
    with drawing():
        title = "Does the yen slide towards 160?"
        figure, (row,) = new_figure(
            1, 2, (12, 4.5), title, f"{len(runs['shock'].seeds)} seeds, the same in every world"
        )
        dates = runs["shock"].dates
        levels = np.arange(150.0, 172.0, 0.5)
        for name, words in NAMES.items():
            x = runs[name].level("USDJPY")
            low, median, high = np.quantile(x, (0.05, 0.5, 0.95), axis=0)
            row[0].fill_between(dates, low, high, color=COLORS[name], alpha=0.13, linewidth=0)
            row[0].plot(dates, median, color=COLORS[name], label=words)
            above = [100.0 * float((x[:, 1:] > level).mean()) for level in levels]
            row[1].plot(levels, above, color=COLORS[name], label=words)
        row[0].axhline(LINE, color="#333333", linewidth=0.9, linestyle="--")
        row[1].axvline(LINE, color="#333333", linewidth=0.9, linestyle="--")
        heading(row[0], "USDJPY", "yen per dollar", "median and 5-95 % of seeds")
        heading(row[1], "Time spent above a level", "% of days", "all seeds")
        row[1].set_xlabel("yen per dollar")
        row[0].legend(loc="lower left")
        row[1].legend(loc="upper right")
        date_ticks(row[0], dates, 4)
        save(figure, path)


def record(runs: Runs) -> list:
    """Closes in New York."""
    level = runs["shock"].level("USDJPY")
    return [
        compared(
            "highest close, 14 January to 13 February 2026", "yen", 158.5, "New York close", level[:, 1:23].max(axis=1)
        ),
        compared("28 January 2026, after rate checks", "yen", 153.1, "New York close", level[:, 11]),
    ]


CLAIM = Claim(
    id="C9",
    claim="The yen slides towards 160.",
    question="Does the yen slide towards 160 under the fiscal shock, and does the Ministry of Finance stop it?",
    design="The main scenario with the ministry's rules and without them (no words, checks or operations), and the "
    "world without the shock, from the same opening of 159 yen on 13 January 2026, 60 days, same random numbers.",
    rule="Supported if the shock weakens the yen (interval of the largest mean effect above zero), most runs close "
    "above 160 (whole interval), the shock adds days above it, and clearly more runs pass than without the shock. "
    "Supported under conditions if most pass but about as many without the shock, or if the shock adds days but most "
    "runs do not pass. Not supported if the shock does not weaken the yen, or most runs stay below and it adds no day.",
    arms={
        "shock": arm("sanaenomics"),
        "calm": arm("baseline"),
        "shock, no ministry": arm("sanaenomics", without=LADDER),
    },
    core=("shock", "calm", "shock, no ministry"),
    effects=effects,
    headline=effect,
    leading=("shock", "calm"),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="The dollar stood at 159 yen before the announcement, fell to 153 within two days of the rate checks of 23 "
    "January, with no operation, rose to 157 before the election and stood at 153 on 13 February; 160 was not reached.",
)

if __name__ == "__main__":
    main(CLAIM)
