"""C4. Do shares fall through the discount rate, forced selling or the yen, and which index falls more?"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from abm.output.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
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
    parts_of_effect,
    ratio,
)
from abm.world.events import Flow

INDICES = {"NIKKEI": VERMILLION, "NASDAQ": BLUE, "SPX": GREY}
GROWTH = ("NIKKEI", "NASDAQ")  # long-duration indices of the claim
ANNOUNCED, WITHIN = 4, 10  # trading day of the announcement (19 January 2026), days after it that count
COUNTED_DAYS = ANNOUNCED + WITHIN
HALF = 0.5
PRICERS = ("real_money", "dealers", "arbitrageurs")  # who values shares
RATES = {f"{who}.real_duration_{name}_yr": 0.0 for who in PRICERS for name in ("nikkei", "spx", "nasdaq")}
EXPORTS = {f"{who}.exporter_gain": 0.0 for who in PRICERS}
VOLATILITY = {f"{who}.risk_premium_pct": 0.0 for who in PRICERS}
FORCED_RULES = ("margin_calls", "carry_positions", "yen_carry_funding", "solvency", "impairment", "lapses")
FORCED_REASONS = ("margin_call", "liquidation", "stop_loss", "carry_unwind", "risk_limit", "impairment", "lapse")
CHANNELS: dict[str, dict[str, Any]] = {
    "discount rate": {"settings": RATES},
    "exports": {"settings": EXPORTS, "share": 0.5},
    "forced selling": {"without": FORCED_RULES, "share": 0.5},
    "volatility": {"settings": VOLATILITY, "share": 0.5},
}
COLORS = {"discount rate": VERMILLION, "exports": GREEN, "forced selling": ORANGE, "volatility": PURPLE}
WORDS = {
    "discount rate": "discount rate",
    "exports": "weak yen, exporters",
    "forced selling": "forced selling",
    "volatility": "price of volatility",
}
IDLE = ("mof_ladder", "mof_operations")  # the ministry does not stop the yen where it is pushed
PUSHED_USD_BN = (-50.0, 0.0, 50.0, 100.0, 200.0)  # dollars bought against yen in the week from the announcement
PUSH_DAYS = 5
PUSHED_SHARE = 0.25


def pushed(amount: float) -> str:
    """Name of the arm in which so many dollars are bought."""
    return f"shock, USD {amount:g} bn bought"


def path_effect(runs: Runs, market: str, without: str = "") -> np.ndarray:
    """Effect of the shock, per cent, (seeds, days + 1); without: a channel that is closed in both worlds, which are
    run only as long as it counts.
    """
    ending = f", no {without}" if without else ""
    return difference(runs[f"shock{ending}"], runs[f"calm{ending}"], lambda r: r.series(market))


def lowest_day(runs: Runs, market: str) -> int:
    """Day within ten days of the announcement on which the mean effect is lowest, all channels open."""
    path = path_effect(runs, market).mean(axis=0)
    return ANNOUNCED + int(path[ANNOUNCED : ANNOUNCED + WITHIN + 1].argmin())


def fall(runs: Runs, market: str, without: str = "") -> np.ndarray:
    """Effect on that day, per cent, negative falls, (seeds,)."""
    return path_effect(runs, market, without)[:, lowest_day(runs, market)]


def through(runs: Runs, market: str, channel: str) -> np.ndarray:
    """Part of the fall that goes with a channel, per cent, negative falls, (seeds,)."""
    closed = fall(runs, market, channel)
    return fall(runs, market)[: len(closed)] - closed


def effects(runs: Runs) -> dict[str, Estimate]:
    """Part of the two indices' fall through the discount rate, the falls, and who falls more."""
    falls = {name: fall(runs, name) for name in INDICES}
    rates = {name: through(runs, name, "discount rate") for name in INDICES}
    n = len(rates["SPX"])
    made, whole = (np.sum([x[name][:n] for name in GROWTH], axis=0) for x in (rates, falls))
    found = {"part": ratio("part of the fall of Nikkei and Nasdaq through the discount rate", made, whole)}
    found |= {name: mean(f"{name}: effect at its lowest", "%", falls[name]) for name in INDICES}
    found |= {f"rate_{name}": mean(f"{name}: of it through the discount rate", "%", rates[name]) for name in INDICES}
    for name in GROWTH:
        found[f"{name}_SPX"] = mean(f"{name} less SPX", "%", falls[name] - falls["SPX"])
    return found


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    part = found["part"]
    if not all(e.known for e in found.values()):
        return Verdict(UNDECIDED, "Too few seeds, or a fall too near zero for a ratio.")
    told = (
        f"At its lowest the effect is {found['NIKKEI'].value:.2f} % on the Nikkei, {found['NASDAQ'].value:.2f} % on "
        f"the Nasdaq and {found['SPX'].value:.2f} % on the S&P 500; the discount rate makes "
        f"{100 * part.value:.0f} % of the first two."
    )
    fallen = [name for name in GROWTH if found[name].below()]
    deepened = [name for name in fallen if found[f"rate_{name}"].below()]
    more_than_spx = [name for name in GROWTH if found[f"{name}_SPX"].below()]
    if not deepened:
        return Verdict(NOT_SUPPORTED, told)
    if len(fallen) == len(more_than_spx) == len(GROWTH) and part.above(HALF):
        return Verdict(SUPPORTED, told)
    return Verdict(CONDITIONAL, f"{told} Deepened by the discount rate: {', '.join(deepened)}.")


def more(runs: Runs) -> dict[str, Estimate]:
    """The other channels, parts by who traded, the yen at which the Nikkei's sign turns."""
    found = {}
    for name in INDICES:
        for channel in list(CHANNELS)[1:]:
            made = through(runs, name, channel)
            found[f"{channel}, {name}"] = mean(f"{name}: through {WORDS[channel]}", "%", made)
        found[f"rest, {name}"] = mean(f"{name}: the rest, and channels together", "%", rest(runs, name))
        for who, made in traded(runs, name).items():
            found[f"{who}, {name}"] = mean(f"{name}: first two days, {who}", "%", made)
    found["NIKKEI_NASDAQ"] = mean("Nikkei less Nasdaq", "%", fall(runs, "NIKKEI") - fall(runs, "NASDAQ"))
    intercept, slope, _, _ = yen_line(runs)
    found["slope"] = mean("Nikkei per 1 % of yen weakness from dollars bought", "%", slope)
    found["turn"] = ratio("yen weakness at which the Nikkei no longer falls", -intercept, slope, "%")
    dollars = difference(runs["shock"], runs["calm"], lambda r: ten_days(r, "USDJPY"))
    found["yen"] = mean("yen weakness that the shock itself brings, mean of ten days", "%", dollars)
    return found


def rest(runs: Runs, market: str) -> np.ndarray:
    """What the four channels closed one by one do not explain, per cent, (seeds,)."""
    made = [through(runs, market, channel) for channel in CHANNELS]
    n = min(map(len, made))
    return fall(runs, market)[:n] - sum(x[:n] for x in made)


def traded(runs: Runs, market: str) -> dict[str, np.ndarray]:
    """Effect on parts of the move in the week of days 1 to 5, the first two from the announcement, %, (seeds,)."""
    groups = {
        "re-valued at new rates, yen and volatility": lambda _, reason: reason == "valuation",
        "forced sales": lambda _, reason: reason in FORCED_REASONS,
        "quotes and inventory": lambda _, reason: reason == "market_making",
    }
    return parts_of_effect(runs["shock"], runs["calm"], market, groups, rest="everything else")


def ten_days(runs: Ensemble, market: str) -> np.ndarray:
    """Mean change since day 0 over the ten days from the announcement, per cent, (seeds,)."""
    return runs.series(market)[:, ANNOUNCED : ANNOUNCED + WITHIN].mean(axis=1)


def yen_line(runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Effect on the Nikkei against effect on the yen, mean of ten days, over the dollars bought.

    Intercept and slope of each seed's line, (seeds,), and its points in yen and Nikkei, per cent, (amounts, seeds).
    """
    yen, nikkei = (
        np.stack([difference(runs[pushed(a)], runs["calm, idle"], partial(ten_days, market=m)) for a in PUSHED_USD_BN])
        for m in ("USDJPY", "NIKKEI")
    )
    x, y = yen - yen.mean(axis=0), nikkei - nikkei.mean(axis=0)
    slope = (x * y).sum(axis=0) / (x * x).sum(axis=0)
    return nikkei.mean(axis=0) - slope * yen.mean(axis=0), slope, yen, nikkei


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Paths of the three indices, channels of their falls, and the Nikkei against the yen."""
    with drawing():
        seeds, dates = len(runs["shock"].seeds), runs["shock"].dates
        title = "Through what do shares fall in the fiscal shock?"
        figure, (row,) = new_figure(1, 3, (14, 4.8), title, f"{seeds} seeds, paired with and without the shock")
        for name, color in INDICES.items():
            x = path_effect(runs, name)
            estimates = [mean("", "", day) for day in x.T]
            if estimates[-1].known:
                row[0].fill_between(dates, [e.low for e in estimates], [e.high for e in estimates], color=color,
                                    alpha=0.18, linewidth=0)  # fmt: skip
            row[0].plot(dates, x.mean(axis=0), color=color, label=name)
        zero_line(row[0])
        row[0].legend(loc="lower right")
        heading(row[0], "Effect of the shock on shares", "%", "mean and its 95 % interval")
        date_ticks(row[0], dates, 4)
        _draw_channels(row[1], runs)
        _draw_yen(row[2], runs)
        save(figure, path)


def _draw_channels(ax: Any, runs: Runs) -> None:
    width = 0.14
    for place, name in enumerate(INDICES):
        bars = {WORDS[c]: (through(runs, name, c), COLORS[c]) for c in CHANNELS}
        bars = {"all": (fall(runs, name), "#222222"), **bars, "rest and interplay": (rest(runs, name), GREY)}
        for i, (words, (made, color)) in enumerate(bars.items()):
            e = mean("", "", made)
            error = [[e.value - e.low], [e.high - e.value]] if e.known else None
            ax.bar(place + (i - 2.5) * width, e.value, width, yerr=error, color=color, ecolor="#333333",
                   error_kw={"linewidth": 0.8}, label=words if place == 0 else None)  # fmt: skip
    ax.set_xticks(range(len(INDICES)), list(INDICES))
    zero_line(ax)
    ax.legend(loc="lower right", ncols=2)
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.35 * (high - low), high)
    words = "on the day the mean is lowest; difference when one is closed"
    heading(ax, "Channels of the fall", "%", words)


def _draw_yen(ax: Any, runs: Runs) -> None:
    _, _, yen, nikkei = yen_line(runs)
    x, y = yen.mean(axis=1), nikkei.mean(axis=1)
    ax.plot(x, y, "o-", color=VERMILLION)
    for amount, a, b in zip(PUSHED_USD_BN, x, y, strict=True):
        ax.annotate(f"{amount:+g}" if amount else "shock alone", (a, b), xytext=(4, -11), textcoords="offset points",
                    fontsize=7.5)  # fmt: skip
    ax.margins(0.12)
    zero_line(ax)
    ax.axvline(0.0, color="#666666", linewidth=0.8)
    if y[0] < 0.0 < y[-1]:
        turn = float(np.interp(0.0, y, x))
        ax.annotate(f"turns at {turn:+.1f} %", (turn, 0.0), xytext=(30, -26), textcoords="offset points",
                    fontsize=8.0, arrowprops={"arrowstyle": "-", "color": "#333333"})  # fmt: skip
    ax.set_xlabel("effect on USDJPY, per cent (right: weaker yen)")
    heading(ax, "When a weak yen turns the Nikkei's sign", "effect on the Nikkei, %",
            "mean of ten days; labels: USD bn bought against yen")  # fmt: skip


def record(runs: Runs) -> list:
    """Closes of the indices; the model's day 3 is 16 January, day 5 the 20th."""
    shock = runs["shock"]
    observed = {"NIKKEI": -1.8, "NASDAQ": -2.4, "SPX": -2.1}
    return [
        compared(f"{name}, 16 to 20 January 2026", "%", value, "exchanges, closes",
                 shock.series(name)[:, 5] - shock.series(name)[:, 3])
        for name, value in observed.items()
    ]  # fmt: skip


CLAIM = Claim(
    id="C4",
    claim="Risk assets fall through the discount rate, not earnings; long-duration growth suffers most (Nikkei, "
    "Nasdaq).",
    question="Do shares fall through the discount rate, forced selling or the yen in the fiscal shock, which index "
    "falls more, and when does a weak yen turn the sign?",
    design="The main scenario against the same world without the shock, 60 days from 13 January 2026, same random "
    "numbers. Both again with one channel closed: shares valued without the ten-year yield (real durations of zero "
    "instead of 10 years for the Nikkei, 14 for the S&P 500, 20 for the Nasdaq, which are inputs), without exporters' "
    "gain from a weak yen (the only way in which this shock reaches earnings), without margin calls, carry positions "
    "and insurers' limits, without a premium for volatility. A channel's part is the fall less the fall without it, on "
    "the same day; what is left over is the rest and their interplay. Then, with the ministry idle, outsiders buy "
    "dollars against yen (USD -50 to 200 bn) in the week of the announcement.",
    rule="The fall of an index is the effect on the day within ten days of the announcement on which its mean is "
    "lowest. Supported if Nikkei and Nasdaq both fall, both by more than the S&P 500 (intervals below zero), and the "
    "discount rate makes more than half of their fall (whole interval). Not supported if neither falls, or the "
    "discount rate deepens the fall of neither. Otherwise supported under conditions.",
    arms={
        "calm": arm("baseline"),
        "shock": arm("sanaenomics"),
        **{f"calm, no {name}": arm("baseline", days=COUNTED_DAYS, **changed) for name, changed in CHANNELS.items()},
        **{f"shock, no {name}": arm("sanaenomics", days=COUNTED_DAYS, **changed) for name, changed in CHANNELS.items()},
        "calm, idle": arm("baseline", days=COUNTED_DAYS, without=IDLE, share=PUSHED_SHARE),
        **{
            pushed(amount): arm(
                "sanaenomics",
                *([Flow(day=ANNOUNCED, market="USDJPY", amount_usd_bn=amount, days=PUSH_DAYS)] if amount else []),
                days=COUNTED_DAYS,
                without=IDLE,
                share=PUSHED_SHARE,
            )
            for amount in PUSHED_USD_BN
        },
    },
    core=("calm", "shock", "calm, no discount rate", "shock, no discount rate"),
    effects=effects,
    horizon=COUNTED_DAYS,
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="From 16 to 20 January the Nasdaq lost 2.4 %, the S&P 500 2.1 % and the Nikkei 1.8 %, with tariff news on "
    "the same day; within a week all three were back, and the Nikkei rose by 6 % until mid-February.",
)

if __name__ == "__main__":
    main(CLAIM)
