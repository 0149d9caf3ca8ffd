"""C10. How much yen carry does a policy rate of 1.0 to 1.5 % close: by its level, as a surprise, or in a turbulence?"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from abm.output.style import BLUE, DARK, GREEN, GREY, VERMILLION, date_ticks, drawing, heading, new_figure, save
from abm.study.claims import (
    CONDITIONAL,
    NOT_SUPPORTED,
    SUPPORTED,
    UNDECIDED,
    Claim,
    Compared,
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
from abm.study.claims.arms import Arm
from abm.study.claims.tipping import Bracket, bisected
from abm.world.events import Event, PolicyGuidance, PolicyRate, RiskAversion

NOW_PCT, RATES_PCT = 0.75, (1.0, 1.25, 1.5)
RISE_DAY, DAYS = 21, 40  # trading days: the rise is on 12 February 2026, twenty days from it count
FLIGHT = RiskAversion(day=RISE_DAY, change_sd=2.0, half_life_days=10.0)
HELD = {"days": DAYS, "without": ("boj_policy_rule",)}  # the bank decides nothing else in between
CLOSING = ("carry", "carry_unwind", "risk_limit", "stop_loss", "margin_call")  # why funds, not retail accounts, trade
LESS = 0.25  # part of the seeds for what does not decide the verdict
HALF_PCT, TOP_PCT = 50.0, 140.0  # killed; top of the figure, so that intervals of a few seeds do not flatten the bars
FIRST, LAST = RATES_PCT[0], RATES_PCT[-1]
KINDS = {"announced": (GREEN, "announced in small steps over four weeks"),
         "surprise": (BLUE, "a surprise"),
         "turbulent": (VERMILLION, "announced, with a flight from risk")}  # fmt: skip

# -- the phase diagram: where, for a given leverage, more than half is closed in half of the runs --
LEVERAGES, SIZES_USD_BN, STEPS, SHARE = (3.0, 5.0, 7.0), (75.0, 600.0), 3, 0.1
MOST_OVER_MEDIAN = 1.6  # highest leverage over the median one, as by default
STATES = {"January 2026": (150.0, 0.25), "July 2024": (250.0, 1.0)}  # size, USD bn, and crowding against July 2024
USUAL_LEVERAGE = 5.0
LINES = {"no rise": (GREY, "no rise at all"),
         "surprise": (BLUE, "1.0 %, a surprise"),
         "turbulent": (VERMILLION, "1.0 %, announced, with a flight from risk")}  # fmt: skip


# -- worlds ----------------------------------------------------------------------------------------------------------


def guided(change_bp: float) -> Iterator[Event]:
    """Guidance that lifts the expected path, day by day, to where a surprise of this size would, and then the rise."""
    share, days = PolicyRate.model_fields["terminal_share"].default, range(1, RISE_DAY)
    step = change_bp / len(days)
    for day in days:
        yield PolicyGuidance(day=day, bank="BOJ", terminal_change_bp=share * step, near_term_change_bp=step)
    yield PolicyRate(day=RISE_DAY, bank="BOJ", change_bp=change_bp, expected_share=1.0)


def name_of(kind: str, rate_pct: float) -> str:
    """Of the arm."""
    return f"{kind}, {rate_pct:g} %"


def worlds(rate_pct: float, share: float) -> dict[str, Arm]:
    """The rise to a rate: announced long ahead, a surprise, announced but with a flight from risk on its day."""
    change_bp = 100.0 * (rate_pct - NOW_PCT)
    surprise = PolicyRate(day=RISE_DAY, bank="BOJ", change_bp=change_bp, expected_share=0.0)
    return {
        name_of("announced", rate_pct): arm("baseline", *guided(change_bp), share=share, **HELD),
        name_of("surprise", rate_pct): arm("baseline", surprise, share=share, **HELD),
        name_of("turbulent", rate_pct): arm("baseline", *guided(change_bp), FLIGHT, share=share, **HELD),
    }


# -- what is counted -------------------------------------------------------------------------------------------------


def repaid(runs: Ensemble) -> np.ndarray:
    """Yen debt repaid by carry funds until the end of every week, USD bn, (seeds, weeks)."""
    return -np.cumsum(runs.flows(["carry_traders"], ["USDJPY"], CLOSING), axis=1)


def yen_debt_usd_bn(runs: Ensemble) -> float:
    """Yen debt of carry funds on day 0: gross x mean of 1 - 1/leverage over the distribution leverage is drawn from."""
    p = runs.arm.scenario.params["carry_traders"]
    z = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    leverage = np.clip(p.leverage_median * np.exp(p.leverage_sigma * z), 1.5, max(p.leverage_most, p.leverage_median))
    return float(p.gross_usd_bn * (1.0 - 1.0 / leverage).mean())


def closed_pct(runs: Runs, name: str, without: str) -> np.ndarray:
    """Yen debt repaid four weeks after the rise beyond a world without it, % of the debt of day 0, (seeds,)."""
    more = difference(runs[name], runs[without], repaid)[:, -1]
    return 100.0 * more / yen_debt_usd_bn(runs[name])


def by_rise(runs: Runs, kind: str, rate_pct: float) -> Estimate:
    """What a rise closes beyond the same world without it; in a turbulence, beyond the flight from risk alone."""
    without, where = ("flight", ", beyond the flight alone") if kind == "turbulent" else ("calm", "")
    text = f"carry closed by a rise to {rate_pct:g} %, {KINDS[kind][1]}{where}"
    return mean(text, "% of yen debt", closed_pct(runs, name_of(kind, rate_pct), without))


def effects(runs: Runs) -> dict[str, Estimate]:
    """Part of the yen debt closed at 1.0 and 1.5 %, and by a flight from risk without any rise."""
    return {
        "surprise, first": by_rise(runs, "surprise", FIRST),
        "announced, first": by_rise(runs, "announced", FIRST),
        "turbulent, first": by_rise(runs, "turbulent", FIRST),
        "surprise, last": by_rise(runs, "surprise", LAST),
        "turbulent, last": by_rise(runs, "turbulent", LAST),
        "flight": mean("carry closed by a flight from risk alone", "% of yen debt", closed_pct(runs, "flight", "calm")),
    }


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    of_rates = {name: e for name, e in found.items() if name != "flight"}
    if not all(e.known for e in of_rates.values()):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    value = {name: e.value for name, e in found.items()}
    said = (
        f"A rise to {FIRST} % closes {value['announced, first']:.0f} % of the funds' yen debt if announced ahead and "
        f"{value['surprise, first']:.0f} % as a surprise; {LAST} % at once closes {value['surprise, last']:.0f} %. "
        f"A flight from risk closes {value['flight']:.0f} % without any rise; announced rises to {FIRST} and {LAST} % "
        f"then add {value['turbulent, first']:.0f} and {value['turbulent, last']:.0f} points."
    )
    kills = [name for name, e in of_rates.items() if e.above(HALF_PCT)]
    if "announced, first" in kills:
        return Verdict(SUPPORTED, said)
    if kills:
        which = "; ".join(found[name].text.removeprefix("carry closed by ") for name in kills)
        return Verdict(CONDITIONAL, f"{said} More than half is closed by: {which}.")
    if all(e.below(HALF_PCT) for e in of_rates.values()):
        return Verdict(NOT_SUPPORTED, said)
    return Verdict(UNDECIDED, said)


def more(runs: Runs) -> dict[str, Estimate]:
    """Dollars closed by rate and kind, a rise already in the curve, the dollar in yen, and tipping sizes."""
    found = {"in the curve": mean("carry closed at 1 %, all of it in the curve since day 0", "% of yen debt",
                                  closed_pct(runs, "in the curve", "calm"))}  # fmt: skip
    for rate in RATES_PCT:
        for kind, (_, words) in KINDS.items():
            closed = difference(runs[name_of(kind, rate)], runs["calm"], repaid)[:, -1]
            found[f"usd, {kind}, {rate:g}"] = mean(f"yen debt repaid, {rate:g} %, {words}", "USD bn", closed)
    found["usd, flight"] = mean("yen debt repaid, flight from risk without a rise", "USD bn",
                                difference(runs["flight"], runs["calm"], repaid)[:, -1])  # fmt: skip
    for rate in (FIRST, LAST):
        yen = difference(runs[name_of("surprise", rate)], runs["calm"], lambda r: r.series("USDJPY"))[:, -1]
        found[f"yen, {rate:g}"] = mean(f"USDJPY four weeks after a surprise rise to {rate:g} %", "%", yen)
    return {**found, **tipping_sizes(runs)}


def tipping_sizes(runs: Runs) -> dict[str, Estimate]:
    """Size of the trade at which half of the runs close more than half, by leverage; limits are those of the search."""
    found = {}
    for line, (_, words) in LINES.items():
        for leverage in LEVERAGES:
            at = search(runs, line, leverage)
            text = f"size that tips at leverage {leverage:g}, {words} (limits: of the search)"
            found[f"tips, {line}, {leverage:g}"] = Estimate(
                text, "USD bn", at.value, at.low or math.nan, at.high if at.within else math.nan, at.seeds
            )
    return found


# -- the search for the tipping line ---------------------------------------------------------------------------------


def point(line: str, size: float, leverage: float) -> str:
    """Name of an arm of the phase diagram."""
    return f"{line}, USD {size:g} bn, {leverage:g} x"


def crowded(size: float) -> float:
    """Crowding that goes with a size, on the straight line through January 2026 and July 2024, within its bounds."""
    (small, calm), (large, crowd) = STATES.values()
    return float(np.clip(calm + (crowd - calm) * (size - small) / (large - small), 0.0, 3.0))


def placed(runs: Runs, line: str, size: float, leverage: float) -> Arm:
    """The world of a line with carry funds of this size and leverage."""
    settings = {
        "carry_traders.gross_usd_bn": size,
        "carry_traders.crowding": crowded(size),
        "carry_traders.leverage_median": leverage,
        "carry_traders.leverage_most": MOST_OVER_MEDIAN * leverage,
    }
    world = runs["calm" if line == "no rise" else name_of(line, FIRST)].arm
    return replace(world.changed(settings), share=SHARE)


def tips(runs: Ensemble) -> bool:
    """Whether half of the runs close more than half of the yen debt."""
    return bool(np.median(100.0 * repaid(runs)[:, -1] / yen_debt_usd_bn(runs)) > HALF_PCT)


def search(runs: Runs, line: str, leverage: float) -> Bracket:
    """Bisection of the size in logarithms as far as it has been run, both ends first."""
    low, high = SIZES_USD_BN
    seeds = 0
    for end in (low, high):
        name = point(line, end, leverage)
        if name not in runs:
            return Bracket(low, high, seeds, end)
        seeds = len(runs[name].seeds)
        if tips(runs[name]) != (end == high):
            return Bracket(0.0, low, seeds) if end == low else Bracket(high, math.inf, seeds)

    def tipped(size: float) -> bool | None:
        name = point(line, size, leverage)
        return tips(runs[name]) if name in runs else None

    return bisected(low, high, seeds, STEPS, 0, tipped)


def refine(runs: Runs) -> Mapping[str, Arm]:
    """The next size of every row of the phase diagram."""
    asked = {}
    for line in LINES:
        for leverage in LEVERAGES:
            size = search(runs, line, leverage).wanted
            if size is not None:
                asked[point(line, size, leverage)] = placed(runs, line, size, leverage)
    return asked


# -- the figure ------------------------------------------------------------------------------------------------------


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Closed by rate and kind, paths of closing, and the phase diagram."""
    with drawing():
        title = "Does a policy rate of 1.0 % kill the carry trade?"
        debt = yen_debt_usd_bn(runs["calm"])
        subtitle = (
            f"{len(runs['calm'].seeds)} seeds, paired with a rate of {NOW_PCT} %; funds owe USD {debt:.0f} bn in "
            "yen on day 0; the rise comes on 12 February 2026; bars: 95 %"
        )
        figure, (row,) = new_figure(1, 3, (14, 4.8), title, subtitle)
        _by_rate(row[0], runs)
        _paths(row[1], runs)
        _phases(row[2], runs)
        save(figure, path)


def _by_rate(ax: Axes, runs: Runs) -> None:
    for offset, (kind, (color, words)) in zip((-0.27, 0.0, 0.27), KINDS.items(), strict=True):
        names = {rate: name_of(kind, rate) for rate in RATES_PCT}
        if kind == "turbulent":
            names = {NOW_PCT: "flight", **names}
        for place, rate in enumerate((NOW_PCT, *RATES_PCT)):
            if rate not in names:
                continue
            e = mean("", "", closed_pct(runs, names[rate], "calm"))
            error = [[e.value - e.low], [e.high - e.value]] if e.known else None
            ax.bar(place + offset, e.value, 0.25, yerr=error, color=color, ecolor="#333333",
                   label=words if rate == FIRST else None)  # fmt: skip
    ax.axhline(HALF_PCT, color="#333333", linewidth=0.9, linestyle="--")
    ax.axhline(0.0, color="#666666", linewidth=0.8)
    ax.set_xticks(range(1 + len(RATES_PCT)), [f"{rate:.2f} %" for rate in (NOW_PCT, *RATES_PCT)])
    ax.set_xlabel(f"policy rate after the rise; {NOW_PCT} %: flight from risk without a rise")
    ax.set_ylim(top=TOP_PCT)
    ax.legend(loc="upper left")
    heading(ax, "Carry closed four weeks after the rise", "% of yen debt", "beyond the calm world; dashed: half")


def _paths(ax: Axes, runs: Runs) -> None:
    shown = (
        ("announced", FIRST, GREEN, "-"),
        ("surprise", FIRST, BLUE, "-"),
        ("turbulent", FIRST, VERMILLION, "-"),
        ("announced", LAST, GREEN, "--"),
        ("surprise", LAST, BLUE, "--"),
        ("turbulent", LAST, VERMILLION, "--"),
    )
    dates = runs["calm"].dates
    ends = np.minimum(5 * np.arange(repaid(runs["calm"]).shape[1] + 1), runs["calm"].days)
    for kind, rate, color, style in shown:
        path = difference(runs[name_of(kind, rate)], runs["calm"], repaid).mean(axis=0)
        ax.plot(dates[ends], [0.0, *path], color=color, linestyle=style, label=f"{rate} %, {kind}")
    flight = difference(runs["flight"], runs["calm"], repaid).mean(axis=0)
    ax.plot(dates[ends], [0.0, *flight], color=GREY, label="flight from risk alone")
    ax.axvline(dates[min(RISE_DAY, runs["calm"].days)], color="#333333", linewidth=0.9, linestyle=":")
    ax.axhline(0.0, color="#666666", linewidth=0.8)
    ax.legend(loc="upper left")
    date_ticks(ax, dates, 5)
    heading(ax, "Yen debt repaid, by the end of each week", "USD bn", "mean beyond the calm world; dotted: the rise")


def _phases(ax: Axes, runs: Runs) -> None:
    for offset, (line, (color, words)) in zip((-0.06, 0.0, 0.06), LINES.items(), strict=True):
        rows = [(x + offset, search(runs, line, x)) for x in LEVERAGES]
        inside = [(x, at) for x, at in rows if at.within]
        error = [[at.value - at.low for _, at in inside], [at.high - at.value for _, at in inside]]
        ax.errorbar([x for x, _ in inside], [at.value for _, at in inside], yerr=error, fmt="o-", markersize=4,
                    color=color, label=words)  # fmt: skip
        for x, at in rows:
            if not at.within:
                ax.plot(x, SIZES_USD_BN[1 if at.low > 0.0 else 0], "^" if at.low > 0.0 else "v", color=color)
    for words, (size, _) in STATES.items():
        ax.plot(USUAL_LEVERAGE, size, "*", color=DARK, markersize=11)
        ax.annotate(f"size of {words}", (USUAL_LEVERAGE, size), xytext=(8, 5), textcoords="offset points", fontsize=8)
    ax.set_yscale("log")
    ticks = (75, 100, 150, 200, 300, 400, 600)
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()
    ax.set_ylim(0.92 * SIZES_USD_BN[0], 1.75 * SIZES_USD_BN[1])
    ax.set_xlabel("median leverage of funds, times equity")
    ax.legend(loc="upper right", title="tips above the line:", alignment="left", title_fontsize=8)
    words = (
        "half of runs close over half; bars: limits of the search;\ntriangles: beyond the range; stars: actual sizes"
    )
    heading(ax, "Where the trade tips", "size of the trade, USD bn (crowding grows with it)", words)


def record(runs: Runs) -> list[Compared]:
    """Net yen shorts of non-commercial traders, a part of the carry trade that is counted."""
    source, calm, unwind = "CFTC, non-commercial net yen", runs["calm"], runs["unwind of 2024"]
    january, summer = (100.0 * repaid(r)[:, 3] / yen_debt_usd_bn(r) for r in (calm, unwind))
    return [
        compared("net yen shorts closed, 9 July to 6 August 2024; model: yen debt, the unwind of 2024 in 20 days",
                 "% of them", 93.8, source, summer),
        compared("net yen shorts closed, 13 January to 10 February 2026, no rise; model: yen debt, calm, in 20 days",
                 "% of them", 57.7, source, january),
    ]  # fmt: skip


CLAIM = Claim(
    id="C10",
    claim="A policy rate of 1.0 % kills the carry trade.",
    question="How much yen carry does a policy rate of 1.0, 1.25 or 1.5 % close, and is it the level, the surprise or "
    "the turbulence around it?",
    design="From 13 January 2026, when the rate is 0.75 %, it rises on 12 February to 1.0, 1.25 or 1.5 %: announced in "
    "twenty small steps before, after which the expected path is where a surprise leaves it; as a surprise; announced, "
    "with a flight from risk of two standard deviations of the VIX on the day. The bank's own rule is off; same "
    "random numbers. Closed is the yen debt that carry funds have repaid by 40 days, twenty from the rise, beyond "
    "the same world without a rise. Phase diagram: size of the trade and median leverage of funds are moved, crowding "
    "with the size as between January 2026 and July 2024; for each leverage the size at which half of the runs close "
    "more than half is found by bisection.",
    rule="Killed means that more than half of the yen debt is closed (whole interval). Supported if a rise to 1.0 % "
    "announced ahead kills; under conditions if only a surprise, a turbulence (beyond what the flight from risk closes "
    "by itself) or 1.5 % kills; not supported if none of them does (every interval below half); else undecided.",
    arms={
        "calm": arm("baseline", **HELD),
        "flight": arm("baseline", FLIGHT, **HELD),
        **worlds(FIRST, 1.0),
        **worlds(RATES_PCT[1], LESS),
        **worlds(LAST, 1.0),
        "in the curve": arm("baseline", PolicyRate(day=RISE_DAY, bank="BOJ", change_bp=25.0, expected_share=1.0),
                            share=LESS, **HELD),
        "unwind of 2024": arm("carry_unwind_2024", days=30, share=LESS),
    },
    core=("calm", "flight", name_of("announced", FIRST), name_of("surprise", FIRST), name_of("turbulent", FIRST),
          name_of("surprise", LAST), name_of("turbulent", LAST)),
    effects=effects,
    headline=lambda runs: by_rise(runs, "surprise", FIRST),
    leading=("calm", name_of("surprise", FIRST)),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="The rate stayed at 0.75 % until 13 February 2026, yet net yen shorts at the futures exchange fell from 45 "
    "to 19 thousand contracts in four weeks in which the ministry checked rates. In the summer of 2024, with a rise to "
    "0.25 %, operations and weak US payrolls, they fell from 182 to 11 thousand.",
    refine=refine,
    searched=(arm("baseline", share=SHARE, **HELD),) * (len(LINES) * len(LEVERAGES) * (2 + STEPS)),
)  # fmt: skip

if __name__ == "__main__":
    main(CLAIM)
