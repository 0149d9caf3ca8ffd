"""C7. Does a surprise rise of 25 bp in Japan destabilise the rest of the world more than one of 100 bp in the US?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from abm.output.style import BLUE, GREY, VERMILLION, drawing, heading, new_figure, save
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
from abm.world.events import PolicyRate
from abm.world.instruments import JGB_IDS

DAY, AFTER = 8, 20  # trading day of the rise (23 January 2026), days from it that count
BOJ = PolicyRate(day=DAY, bank="BOJ", change_bp=25.0, expected_share=0.0)
FED = PolicyRate(day=DAY, bank="FED", change_bp=100.0, expected_share=0.0)
HELD = {"days": 30, "without": ("boj_policy_rule", "fed_rule")}  # neither bank decides anything else in between
IN_2024 = {"state": "2024-07-10", "share": 0.25}
THIRD = ("BUND10", "OAT10", "EGB30", "GILT10", "ACGB10", "EMBOND", "EURUSD", "GBPUSD", "AUDUSD", "BTC")
JAPANS, AMERICAS = "25 bp in Japan", "100 bp in the US"
US, JAPAN = ("UST2", "UST10", "UST30", "SPX", "NASDAQ"), (*JGB_IDS, "NIKKEI")
ELSEWHERE = {"boj": (*THIRD, *US), "fed": (*THIRD, *JAPAN)}  # the dollar in yen belongs to both and is left out
WINDOW = slice(DAY - 1, DAY - 1 + AFTER)  # of daily moves


def volatility(runs: Ensemble, markets: tuple[str, ...]) -> np.ndarray:
    """Root mean square of daily moves in calm standard deviations, mean of the markets, (seeds,)."""
    scenario = runs.arm.scenario
    scaled = [runs.moves(m)[:, WINDOW] / calm_sd(scenario, m) for m in markets]
    return np.mean([np.sqrt((x**2).mean(axis=1)) for x in scaled], axis=0)


def drawdown(runs: Ensemble, markets: tuple[str, ...]) -> np.ndarray:
    """Deepest fall of shares and bitcoin there from the rise on, per cent, positive, mean of the markets, (seeds,)."""
    falls = []
    for m in (m for m in markets if m in ("SPX", "NASDAQ", "NIKKEI", "BTC")):
        x = runs.series(m)[:, DAY - 1 : DAY + AFTER]
        falls.append((np.maximum.accumulate(x, axis=1) - x).max(axis=1))
    return np.mean(falls, axis=0)


def correlation(runs: Ensemble, markets: tuple[str, ...]) -> np.ndarray:
    """Mean absolute correlation of daily moves between the markets, (seeds,)."""
    moves = np.stack([runs.moves(m)[:, WINDOW] for m in markets], axis=1)
    moves = moves - moves.mean(axis=2, keepdims=True)
    moves /= np.sqrt((moves**2).sum(axis=2, keepdims=True))
    table = np.abs(moves @ moves.transpose(0, 2, 1))
    n = len(markets)
    return (table.sum(axis=(1, 2)) - n) / (n * (n - 1))


def depth_lost(runs: Ensemble, markets: tuple[str, ...]) -> np.ndarray:
    """Mean loss of depth against the day before the rise, per cent, mean of the markets, (seeds,)."""
    depth = [runs.column(f"depth_usd_bn_per_pct.{m}") for m in markets]
    lost = [100.0 * (1.0 - x[:, DAY : DAY + AFTER].mean(axis=1) / x[:, DAY - 1]) for x in depth]
    return np.mean(lost, axis=0)


def forced(runs: Ensemble, markets: tuple[str, ...]) -> np.ndarray:
    """Sales of those markets under margin calls, liquidations and stops in the four weeks from the rise, USD bn."""
    sold = runs.flows([], markets, ["margin_call", "liquidation", "stop_loss", "carry_unwind"])
    return -sold[:, 1:6].sum(axis=1)


MEASURES: dict[str, tuple[str, str, Callable[[Ensemble, tuple[str, ...]], np.ndarray]]] = {
    "volatility": ("volatility elsewhere", "calm sd", volatility),
    "forced": ("forced sales elsewhere", "USD bn", forced),
    "drawdown": ("drawdown of shares and bitcoin elsewhere", "%", drawdown),
    "correlation": ("correlation between markets elsewhere", "points", correlation),
    "depth": ("depth lost elsewhere", "% of before", depth_lost),
}


def caused(runs: Runs, bank: str, measure: str, start: str = "") -> np.ndarray:
    """What a rise adds to a measure, (seeds,)."""
    of = MEASURES[measure][2]
    return difference(runs[f"{bank}{start}"], runs[f"calm{start}"], lambda r: of(r, ELSEWHERE[bank]))


def effects(runs: Runs) -> dict[str, Estimate]:
    """Ratio of the volatility that the two rises add, and for every measure the difference, Japan less US."""
    found = {"ratio": _ratio(runs)}
    for name, (text, unit, _) in MEASURES.items():
        boj, fed = (caused(runs, bank, name) for bank in ("boj", "fed"))
        found[name] = mean(f"{text}: 25 bp in Japan less 100 bp in the US", unit, boj - fed)
    return found


def _ratio(runs: Runs, start: str = "", where: str = "") -> Estimate:
    boj, fed = (caused(runs, bank, "volatility", start) for bank in ("boj", "fed"))
    return ratio(f"volatility that 25 bp in Japan add elsewhere over that of 100 bp in the US{where}", boj, fed)


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    if not found["volatility"].known:
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    words = {name: MEASURES[name][0] for name in MEASURES}
    larger = [words[name] for name in MEASURES if found[name].above()]
    smaller = [words[name] for name in MEASURES if found[name].below()]
    told = f"Added volatility elsewhere is {found['ratio'].value:.2f} times that of the US rise. "
    told += f"Japan's rise does more by {', '.join(larger) or 'no measure'}; less by {', '.join(smaller) or 'none'}."
    if found["volatility"].above() and not smaller:
        return Verdict(SUPPORTED, told)
    if larger:
        return Verdict(CONDITIONAL, told)
    return Verdict(NOT_SUPPORTED if found["volatility"].below() else UNDECIDED, told)


def more(runs: Runs) -> dict[str, Estimate]:
    """Each rise by itself, and the ratio from where the two economies stood in July 2024."""
    found = {}
    for name, (text, unit, _) in MEASURES.items():
        for bank, words in (("boj", JAPANS), ("fed", AMERICAS)):
            found[f"{name}_{bank}"] = mean(f"{text}: added by {words}", unit, caused(runs, bank, name))
    return {**found, "ratio_2024": _ratio(runs, ", July 2024", ", from July 2024")}


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Both rises by measure, each as a multiple of the larger, and by market."""
    with drawing():
        seeds = len(runs["calm"].seeds)
        title = "25 bp in Japan against 100 bp in the United States"
        figure, (row,) = new_figure(1, 2, (12, 4.6), title, f"{seeds} seeds, paired with the world without a rise")
        for offset, bank, color, name in (
            (-0.2, "boj", VERMILLION, JAPANS),
            (0.2, "fed", BLUE, AMERICAS),
        ):
            for place, measure in enumerate(MEASURES):
                both = {b: mean("", "", caused(runs, b, measure)) for b in ("boj", "fed")}
                scale = max(abs(e.value) for e in both.values()) or 1.0
                e = both[bank]
                error = [[(e.value - e.low) / scale], [(e.high - e.value) / scale]] if e.known else None
                row[0].barh(place + offset, e.value / scale, 0.36, xerr=error, color=color, ecolor="#333333",
                            label=name if place == 0 else None)  # fmt: skip
        row[0].set_yticks(range(len(MEASURES)), [text for text, _, _ in MEASURES.values()])
        row[0].invert_yaxis()
        row[0].axvline(0.0, color="#666666", linewidth=0.8)
        row[0].legend(loc="lower right")
        heading(row[0], "What each rise adds", "", "larger of the two = 1; lines: 95 %")
        markets = (*THIRD, *US, *JAPAN, "USDJPY")
        for bank, color, name in (("boj", VERMILLION, JAPANS), ("fed", BLUE, AMERICAS)):
            added = [difference(runs[bank], runs["calm"], lambda r, m=m: volatility(r, (m,))).mean() for m in markets]
            row[1].plot(range(len(markets)), added, "o", color=color, markersize=4, label=name)
        row[1].set_xticks(range(len(markets)), markets, rotation=90)
        row[1].axhline(0.0, color=GREY, linewidth=0.8)
        row[1].legend(loc="upper left")
        heading(row[1], "Volatility added, by market", "calm standard deviations", "twenty days from the rise")
        save(figure, path)


def record(runs: Runs) -> list:
    """The Bank of Japan left its rate alone on 23 January; July 2024 is the nearest precedent."""
    source, change = "Bank of Japan; exchanges", runs["boj, July 2024"].series("NIKKEI")
    return [
        compared("Nikkei in three days after 15 bp, 31 July to 5 August 2024; model: 25 bp, day 7 to 10", "%", -21.7,
                 source, change[:, DAY + 2] - change[:, DAY - 1]),
        compared("Bank of Japan, 23 January 2026: change of the policy rate", "bp", 0.0, "Bank of Japan"),
    ]  # fmt: skip


CLAIM = Claim(
    id="C7",
    claim="25 bp in Japan destabilise more than 100 bp in the US.",
    question="Does a surprise of 25 bp in Japan destabilise the rest of the world more than one of 100 bp in the US?",
    design="Three worlds from 13 January 2026 on the same random numbers: no rise (both banks' own rules off); a "
    "rise of 25 bp by the Bank of Japan on 23 January; one of 100 bp by the Federal Reserve on that day; nothing of "
    "either was in the curve. Elsewhere is every market outside the country that acts, the dollar in yen left out, "
    "over twenty trading days. The same from the opening of 10 July 2024, when yen carry was four times as large and "
    "US rates were higher.",
    rule="Five measures, each paired with the world without a rise: volatility in calm standard deviations, forced "
    "sales, drawdown of shares and bitcoin, correlation, depth lost. Supported if Japan's rise adds more volatility "
    "(interval of the difference excludes zero) and is the smaller by no measure; supported under conditions if it "
    "does more by some measure; not supported if it adds less volatility and does more by none; else it cannot be "
    "decided.",
    arms={
        "calm": arm("baseline", **HELD),
        "boj": arm("baseline", BOJ, **HELD),
        "fed": arm("baseline", FED, **HELD),
        "calm, July 2024": arm("baseline", **HELD, **IN_2024),
        "boj, July 2024": arm("baseline", BOJ, **HELD, **IN_2024),
        "fed, July 2024": arm("baseline", FED, **HELD, **IN_2024),
    },
    core=("calm", "boj", "fed"),
    effects=effects,
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="The Bank of Japan did not move on 23 January 2026. The nearest precedent is 31 July 2024, 15 bp of which "
    "about half was expected, when the Nikkei lost a fifth in three days, with weak US payrolls in between.",
)

if __name__ == "__main__":
    main(CLAIM)
