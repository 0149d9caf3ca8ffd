"""C13. Is Tokyo today London, New York and Sydney tomorrow: in what order, how late and how far do yields follow?"""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from abm.output.measures import JAPANESE_HOLDERS
from abm.output.style import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    date_ticks,
    drawing,
    heading,
    new_figure,
    save,
    stacked_parts,
    zero_line,
)
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
    parts_of_effect,
    ratio,
)
from abm.study.claims.arms import Arm

DAYS = 40  # that are shown
ANNOUNCED, WITHIN = 4, 10  # trading day of the announcement, days from it on that count
COUNTED_DAYS = ANNOUNCED + WITHIN
HOME = "JGB10"
PLACES = {"GILT10": ("London", GREEN), "UST10": ("New York", BLUE), "ACGB10": ("Sydney", ORANGE)}
ABROAD = {**PLACES, "BUND10": ("Frankfurt", PURPLE)}
MUCH, LATER_DAYS = 0.5, 1.0
INTERMEDIARIES = ("dealers", "arbitrageurs")
CHANNELS: Mapping[str, Mapping[str, Any]] = {
    "reading of JGB moves as news": {f"{s}.global_reading": 0.0 for s in INTERMEDIARIES},
    "arbitrageurs' joint books": {"arbitrageurs.capacity_scale": 0.0},
    "losses of dealers' capital": {"switches.dealer_wealth_effect": False},
    "repatriation": {"switches.repatriation": False, "switches.policy_mix": False},
}
GROUPS: Mapping[str, tuple[str, Callable[[str, str], bool]]] = {
    "JGB moves read as news": (BLUE, lambda s, r: s in INTERMEDIARIES and r == "fiscal_concern"),
    "books of dealers, arbitrageurs": (SKY, lambda s, r: s in INTERMEDIARIES and r != "fiscal_concern"),
    "repatriation": (VERMILLION, lambda s, r: r == "repatriation"),
    "Japanese holders, else": (ORANGE, lambda s, r: s in JAPANESE_HOLDERS and r != "repatriation"),
}
ELSE = "everybody else"


def world(scenario: str, settings: Mapping[str, Any]) -> Arm:
    """A scenario without a channel, as long as it counts."""
    return arm(scenario, days=COUNTED_DAYS, settings=settings, share=0.5)


def path_effect(runs: Runs, market: str, without: str = "") -> np.ndarray:
    """Effect of the fiscal shock on a yield, with all channels or without one, bp, (seeds, days + 1)."""
    other = f", without {without}" if without else ""
    return difference(runs[f"shock{other}"], runs[f"calm{other}"], lambda r: r.series(market)[:, : DAYS + 1])


def window(path: np.ndarray) -> np.ndarray:
    """The ten days from the announcement, (seeds, ten days)."""
    return path[:, ANNOUNCED : ANNOUNCED + WITHIN]


def risen(runs: Runs, market: str, without: str = "") -> np.ndarray:
    """Mean effect of the ten days, bp, (seeds,)."""
    return np.asarray(window(path_effect(runs, market, without)).mean(axis=1))


def half_day(path: np.ndarray) -> np.ndarray:
    """Days from the announcement until half of the ten days' largest effect is there, (seeds,)."""
    x = window(path)
    return np.asarray((x >= 0.5 * x.max(axis=1, keepdims=True)).argmax(axis=1), dtype=float)


def later(runs: Runs, market: str) -> np.ndarray:
    """How many days later than in Tokyo, (seeds,)."""
    return half_day(path_effect(runs, market)) - half_day(path_effect(runs, HOME))


def effects(runs: Runs) -> dict[str, Estimate]:
    """Size against the same maturity in Tokyo, rise and lag in every place."""
    home = risen(runs, HOME)
    found = {}
    for market, (place, _) in ABROAD.items():
        text = f"{place}, {market}"
        found[f"size_{market}"] = ratio(f"{text}: effect over that on {HOME}, ten days", risen(runs, market), home)
        found[f"rise_{market}"] = mean(f"{text}: mean effect of ten days", "bp", risen(runs, market))
        found[f"later_{market}"] = mean(f"{text}: half of the effect is there later than in Tokyo by", "days",
                                        later(runs, market))  # fmt: skip
    return {**found, "home": mean(f"Tokyo, {HOME}: mean effect of ten days", "bp", home)}


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    rise = [found[f"rise_{m}"] for m in PLACES]
    if not all(e.known for e in (*rise, found["home"])):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    where = ", ".join(
        f"{place} {found[f'rise_{m}'].value:+.1f} bp ({found[f'size_{m}'].value:.2f} of Tokyo, "
        f"{found[f'later_{m}'].value:+.1f} days)"
        for m, (place, _) in PLACES.items()
    )
    told = f"In the ten days from the announcement Tokyo's 10-year stands {found['home'].value:.1f} bp higher; {where}."
    if not found["home"].above():
        return Verdict(UNDECIDED, f"Tokyo itself does not move. {told}")
    if not all(e.above() for e in rise):
        return Verdict(NOT_SUPPORTED, told)
    if all(found[f"size_{m}"].above(MUCH) and found[f"later_{m}"].above(LATER_DAYS) for m in PLACES):
        return Verdict(SUPPORTED, told)
    far = "far" if all(found[f"size_{m}"].above(MUCH) for m in PLACES) else "not as far"
    soon = "later" if all(found[f"later_{m}"].above(LATER_DAYS) for m in PLACES) else "at once rather than tomorrow"
    return Verdict(CONDITIONAL, f"{told} Yields follow, {far}, and {soon}.")


def more(runs: Runs) -> dict[str, Estimate]:
    """First day, what is left after a month, parts of the first two days, and what is gone without single channels."""
    found = {}
    for market, (place, _) in ABROAD.items():
        path = path_effect(runs, market)
        found[f"first_{market}"] = mean(f"{place}, {market}: effect on the day", "bp", path[:, ANNOUNCED])
        found[f"left_{market}"] = mean(f"{place}, {market}: effect in the last ten days", "bp",
                                       path[:, -WITHIN:].mean(axis=1))  # fmt: skip
        for name, x in parts(runs, market).items():
            found[f"{market}, {name}"] = mean(f"{place}, {market}, first two days: by {name}", "bp", x)
        for channel in CHANNELS:
            found[f"{market} without {channel}"] = gone(runs, market, channel)
    return found


def gone(runs: Runs, market: str, channel: str) -> Estimate:
    """Part of the ten days' effect that is gone when a channel is off; negative: the effect is larger without it."""
    without = risen(runs, market, channel)
    lost = risen(runs, market)[: len(without)] - without
    return mean(f"{ABROAD[market][0]}, {market}: ten days' effect lost without {channel}", "bp", lost)


def parts(runs: Runs, market: str) -> dict[str, np.ndarray]:
    """Parts of the effect in the week of days 1 to 5, the first two days of the shock, bp, (seeds,)."""
    groups = {name: belongs for name, (_, belongs) in GROUPS.items()}
    return parts_of_effect(runs["shock"], runs["calm"], market, groups, rest=ELSE)


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """The way of every yield, who moved them, and what is gone without single channels."""
    with drawing():
        title = "Is Tokyo today London, New York and Sydney tomorrow?"
        told = f"{len(runs['shock'].seeds)} seeds, effect of the fiscal shock: paired with no shock"
        figure, (row,) = new_figure(1, 3, (14.5, 4.8), title, told)
        _draw_ways(row[0], runs)
        _draw_parts(row[1], runs)
        _draw_channels(row[2], runs)
        save(figure, path)


def _draw_ways(ax: Axes, runs: Runs) -> None:
    """Mean effects day by day."""
    dates = runs["shock"].dates[: DAYS + 1]
    for market, (place, color) in {HOME: ("Tokyo", DARK), **ABROAD}.items():
        ax.plot(dates, path_effect(runs, market).mean(axis=0), color=color, label=f"{place}, {market}")
    zero_line(ax)
    ax.legend(loc="upper right")
    heading(ax, "Effect on 10-year yields", "bp", "means; announced on 19 January")
    date_ticks(ax, dates, 5)


def _draw_parts(ax: Axes, runs: Runs) -> None:
    """Parts of the effect in every place, one upon the other."""
    made = [{name: float(x.mean()) for name, x in parts(runs, m).items()} for m in ABROAD]
    colors = {**{name: color for name, (color, _) in GROUPS.items()}, ELSE: GREY}
    stacked_parts(ax, [f"{name}\n{m}" for m, (name, _) in ABROAD.items()], made, colors, 0.6)
    heading(ax, "Whose trades moved them", "bp", "first two days, mean")


def _draw_channels(ax: Axes, runs: Runs) -> None:
    """The effect with all channels and without each, market by market."""
    rows = ["", *CHANNELS]
    for k, (market, (_, color)) in enumerate(ABROAD.items()):
        estimates = [mean("", "", risen(runs, market, channel)) for channel in rows]
        known = all(e.known for e in estimates)
        error = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]]
        at = np.arange(len(rows)) + 0.15 * (k - 1.5)
        ax.errorbar([e.value for e in estimates], at, xerr=error if known else None, fmt="o", markersize=4.5,
                    color=color)  # fmt: skip
    ax.set_yticks(range(len(rows)), ["all channels", *(textwrap.fill(f"without {name}", 18) for name in CHANNELS)])
    ax.invert_yaxis()
    ax.axvline(0.0, color="#666666", linewidth=0.8)
    ax.set_xlabel("bp, mean of ten days from the announcement")
    heading(ax, "Which channel leads: the effect without it", "", "colours as on the left; lines: 95 %")


def record(runs: Runs) -> list:
    """Closes of 16 to 20 January 2026, with tariff news on the last day, and a dealer's estimate of pass-through."""
    shock, source = runs["shock"], "{}, 16 to 20 January 2026; model: day 3 to 5"
    closes = {
        "JGB10": (14.8, "Japan MoF"),
        "UST10": (6.0, "Federal Reserve H.15"),
        "GILT10": (8.8, "future, -0.70 % of price over a duration of 8"),
        "BUND10": (1.5, "future, -0.13 % of price over a duration of 8.7"),
    }
    rows = [
        compared(source.format(m), "bp", bp, who, shock.series(m)[:, 5] - shock.series(m)[:, 3])
        for m, (bp, who) in closes.items()
    ]
    own = path_effect(runs, "JGB30")[:, 5]
    for market in ("UST10", "BUND10", "GILT10"):
        passed = 10.0 * path_effect(runs, market)[:, 5] / own
        rows.append(compared(f"{market} per 10 bp of the 30-year JGB, effect on 20 January", "bp", 2.5,
                             "Goldman Sachs, January 2026, second hand", passed))  # fmt: skip
    return rows


CLAIM = Claim(
    id="C13",
    claim="Tokyo today is London, New York and Sydney tomorrow.",
    question="In what order, how late and how far do yields in London, New York and Sydney follow the fiscal shock in "
    "Tokyo, and which channel leads?",
    design="The main scenario against the same world without it, 40 days from 13 January 2026, same random numbers. "
    "All markets close together once a day, so a lag is one of trading days. Both worlds again without one channel at "
    "a time: dealers' and arbitrageurs' reading of JGB moves as news about bonds elsewhere; arbitrageurs, whose joint "
    "book carries pressure from market to market and who also lean against it; losses of dealers' and arbitrageurs' "
    "capital; repatriation. Nobody doubts any other government in this model: what reaches the other markets comes "
    "from Tokyo.",
    rule="Counted are the ten days from the announcement. Not supported unless the 10-year yields of London, New York "
    "and Sydney all stand higher on average (intervals above zero). Supported if they do, each by more than half as "
    "much as the 10-year in Tokyo (interval of the ratio), and half of the largest effect is there more than a day "
    "later than in Tokyo (interval of the mean); under conditions if they rise, but by less or sooner. Cannot be "
    "decided if Tokyo does not move.",
    arms={
        "shock": arm("sanaenomics"),
        "calm": arm("baseline"),
        **{f"shock, without {c}": world("sanaenomics", s) for c, s in CHANNELS.items()},
        **{f"calm, without {c}": world("baseline", s) for c, s in CHANNELS.items()},
    },
    core=("shock", "calm"),
    effects=effects,
    horizon=COUNTED_DAYS,
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="From 16 to 20 January, with tariff news on the last day, the 10-year rose by 15 bp in Tokyo, 6 in New "
    "York, about 9 in London and 1 to 2 in Frankfurt. Two days later Tokyo and New York had given back more than half "
    "of it, London and Frankfurt nothing.",
)

if __name__ == "__main__":
    main(CLAIM)
