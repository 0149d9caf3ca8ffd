"""C6. Is there a mix of bond purchases, policy rate and issuance that saves both the bonds and the yen?"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from abm.output.style import BLUE, GREEN, GREY, HALO, VERMILLION, drawing, heading, new_figure, save, zero_line
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
from abm.study.claims.arms import Arm
from abm.world.economy import INFLATION_PER_PURCHASE, YEN_PER_INFLATION
from abm.world.events import AssetPurchase, Event, IssuanceChange, PolicyRate

ANSWER, WITHIN = 5, 20  # trading day of the answer (20 January 2026, after the announcement), days from it that count
PURCHASES_JPY_TN = (0.0, 5.0, 15.0)  # 0.8 and 2.5 % of GDP: what the Bank of England bought and offered in 2022
PURCHASE_DAYS = 13  # trading days, as then
RISES_BP = (0.0, 25.0, 50.0)
PLANNED_JPY_TN = {"JGB20": 0.70, "JGB30": 0.60, "JGB40": 0.15}  # super-long issuance a month, opening state
CUT = 0.5  # part of it that is sold as two-year bonds instead
OWN_RULES = ("boj_policy_rule", "exceptional_purchases", "debt_management", "mof_ladder", "mof_operations")
SUPER_LONG = ("JGB30", "JGB40")
DAYS = 40
FEW = 0.2  # of the seeds, for policies that do not decide the verdict


def name_of(purchases: float, rise: float, cut: bool) -> str:
    """Of a policy."""
    words = [f"buy {purchases:g}"] * (purchases > 0) + [f"rise {rise:g}"] * (rise > 0) + ["cut"] * cut
    return ", ".join(words) or NONE


NONE, CALM = "no answer", "no shock"
POLICIES = {name_of(p, r, c): (p, r, c) for c in (False, True) for p in PURCHASES_JPY_TN for r in RISES_BP}
BUY, RISE, BOTH, CUT_ALONE = "buy 15", "rise 50", "buy 15, rise 50", "cut"
SINGLE, WAYS = (BUY, RISE), (BUY, RISE, BOTH, CUT_ALONE)
WORDS = {
    BUY: "purchases of JPY 15 tn",
    RISE: "a rise of 50 bp",
    BOTH: "both together",
    CUT_ALONE: "halved super-long issuance",
}


def policy(purchases: float, rise: float, cut: bool) -> list[Event]:
    """What is announced before the market opens on the day of the answer."""
    events: list[Event] = []
    total = sum(PLANNED_JPY_TN.values())
    if purchases:
        events += [
            AssetPurchase(day=ANSWER, market=bond, amount_jpy_tn=purchases * planned / total, days=PURCHASE_DAYS)
            for bond, planned in PLANNED_JPY_TN.items()
        ]
    if rise:
        events.append(PolicyRate(day=ANSWER, bank="BOJ", change_bp=rise))
    if cut:
        changes = {bond: -CUT * planned for bond, planned in PLANNED_JPY_TN.items()} | {"JGB2": CUT * total}
        events += [IssuanceChange(day=ANSWER, market=m, change_jpy_tn_per_month=x) for m, x in changes.items()]
    return events


def world(name: str) -> Arm:
    """The shock with a policy."""
    share = 1.0 if name in (NONE, *WAYS) else FEW
    return arm("sanaenomics", *policy(*POLICIES[name]), days=DAYS, without=OWN_RULES, share=share)


def _highest(x: np.ndarray) -> np.ndarray:
    return x[:, ANSWER : ANSWER + WITHIN + 1].max(axis=1)


def peak(runs: Ensemble, bonds: tuple[str, ...] = SUPER_LONG) -> np.ndarray:
    """Highest yield from the answer on, mean of the bonds, bp above day 0, (seeds,)."""
    return _highest(np.mean([runs.series(bond) for bond in bonds], axis=0))


def weakest_yen(runs: Ensemble) -> np.ndarray:
    """Highest USDJPY from the answer on, per cent above day 0, (seeds,)."""
    return _highest(runs.series("USDJPY"))


def insolvencies(runs: Ensemble) -> np.ndarray:
    """Days on which accounts of a sector fail with losses to others, summed over sectors, (seeds,)."""
    return runs.measure("defaults")


def at_the_end(runs: Ensemble, series: str) -> np.ndarray:
    """Change from day 0 to the mean of the last five days, bp or per cent, (seeds,)."""
    return runs.series(series)[:, -5:].mean(axis=1)


MEASURES: dict[str, tuple[str, str, Callable[[Ensemble], np.ndarray]]] = {
    "yield": ("highest super-long yield", "bp", peak),
    "yen": ("highest USDJPY", "%", weakest_yen),
    "insolvencies": ("insolvencies", "number", insolvencies),
    "stress": ("highest stress index", "index", lambda r: r.measure("max_stress")),
    "liquidations": ("liquidations", "USD bn", lambda r: r.measure("liquidations_usd_bn")),
    "inflation": (f"inflation after {DAYS} days", "percentage points", lambda r: r.measure("inflation_end_pct")),
}


def answered(runs: Runs, name: str, of: Callable[[Ensemble], np.ndarray]) -> np.ndarray:
    """Effect of a policy, paired with the shock without an answer, (seeds,)."""
    return difference(runs[name], runs[NONE], of)


def effects(runs: Runs) -> dict[str, Estimate]:
    """What purchases cost in yen, and what the policies that decide the verdict do to both."""
    found = {"price": price(runs)}
    for name in WAYS:
        found[f"{name}: yield"] = mean(f"{WORDS[name]}: highest super-long yield", "bp", answered(runs, name, peak))
        found[f"{name}: yen"] = mean(f"{WORDS[name]}: highest USDJPY", "%", answered(runs, name, weakest_yen))
    return found


def price(runs: Runs) -> Estimate:
    """Yen given up by purchases."""
    saved, lost = -answered(runs, BUY, peak) / 10.0, answered(runs, BUY, weakest_yen)
    return ratio("yen given up by purchases per 10 bp taken off the yield peak", lost, saved, "% per 10 bp")


def escapes(found: dict[str, Estimate], name: str) -> bool:
    """Whether a policy lowers one of the two significantly and does not raise the other significantly."""
    bonds, yen = found[f"{name}: yield"], found[f"{name}: yen"]
    return (bonds.below() and not yen.above()) or (yen.below() and not bonds.above())


def moves(found: dict[str, Estimate], name: str) -> bool:
    """Whether a policy lowers either significantly."""
    return found[f"{name}: yield"].below() or found[f"{name}: yen"].below()


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    if not all(found[f"{name}: {what}"].known for name in WAYS for what in ("yield", "yen")):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = "Yield peak and dollar move with " + "; ".join(
        f"{WORDS[n]} by {found[f'{n}: yield'].value:+.1f} bp and {found[f'{n}: yen'].value:+.2f} %" for n in WAYS
    )
    if not any(moves(found, name) for name in WAYS):
        return Verdict(UNDECIDED, f"{told}. None of them helps bonds or yen by more than chance.")
    out = [name for name in WAYS if escapes(found, name)]
    if not out:
        return Verdict(SUPPORTED, f"{told}. Whatever helps one of the two harms the other.")
    named = ", ".join(WORDS[name] for name in out)
    label = NOT_SUPPORTED if any(name in SINGLE for name in out) else CONDITIONAL
    return Verdict(label, f"{told}. A way out: {named}.")


def more(runs: Runs) -> dict[str, Estimate]:
    """What the shock itself does, each bond, what is left at the end, and the other consequences of every policy."""
    shock = {what: difference(runs[NONE], runs[CALM], MEASURES[what][2]) for what in ("yield", "yen")}
    found = {what: mean(f"shock: {MEASURES[what][0]}", MEASURES[what][1], x) for what, x in shock.items()}
    for name in WAYS:
        for bond in SUPER_LONG:
            one = answered(runs, name, lambda r, b=bond: peak(r, (b,)))
            found[f"{name}: {bond}"] = mean(f"{WORDS[name]}: highest {bond}", "bp", one)
        for series, unit in (("JGB30", "bp"), ("USDJPY", "%")):
            last = answered(runs, name, lambda r, s=series: at_the_end(r, s))
            found[f"{name}: {series} end"] = mean(f"{WORDS[name]}: {series}, last five days", unit, last)
    for name in (n for n in POLICIES if n != NONE):
        for what, (text, unit, of) in MEASURES.items():
            if f"{name}: {what}" not in found and (name not in WAYS or what not in ("yield", "yen")):
                found[f"{name}: {what}"] = mean(f"{name}: {text}", unit, answered(runs, name, of))
    return found


def on_common_seeds(
    runs: Runs, names: Iterable[str], of: Callable[[Ensemble], np.ndarray], base: str = NONE
) -> dict[str, np.ndarray]:
    """Effects of policies on the seeds that all of them have, so that they can be ranked; each (seeds,)."""
    names = list(names)
    common = sorted(set.intersection(*(set(runs[name].seeds) for name in (*names, base))))
    reference = runs[base].at(common, of(runs[base]))
    return {name: runs[name].at(common, of(runs[name])) - reference for name in names}


def undominated(points: dict[str, tuple[float, float]]) -> list[str]:
    """Policies to which no other is at least as good in both and better in one; lower is better, in order of yield."""
    best = [
        name
        for name, (x, y) in points.items()
        if not any(u <= x and v <= y and (u, v) != (x, y) for u, v in points.values())
    ]
    return sorted(best, key=lambda name: points[name])


COLORS = dict(zip(PURCHASES_JPY_TN, (GREY, BLUE, VERMILLION), strict=True))
MARKERS = dict(zip(RISES_BP, ("o", "^", "s"), strict=True))


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """The frontier, and what else the policies bring."""
    bonds, yen = (on_common_seeds(runs, POLICIES, of) for of in (peak, weakest_yen))
    points = {name: (float(bonds[name].mean()), float(yen[name].mean())) for name in POLICIES}
    best = undominated(points)
    with drawing():
        figure, (row,) = new_figure(
            1, 3, (13.5, 6.2), "Is there a way out of the credibility trap?",
            f"mean effects of answers on the day after the announcement, against none, on the same {len(bonds[NONE])} "
            f"seeds; the four that decide the verdict have {len(runs[NONE].seeds)}",
            width_ratios=[2.1, 1.0, 1.0],
        )  # fmt: skip
        _frontier(row[0], bonds, yen, best)
        ordered = sorted(POLICIES, key=lambda name: points[name])
        failed = max(abs(float(answered(runs, name, insolvencies).mean())) for name in POLICIES)
        _consequence(row[1], runs, ordered, best, "stress")
        heading(
            row[1],
            "Highest stress index",
            "",
            f"added, by any jump, good or bad\ninsolvencies change by {failed:.2g} at most",
        )
        row[1].set_yticks(range(len(ordered)), ordered)
        _consequence(row[2], runs, ordered, best, "inflation")
        heading(row[2], f"Inflation after {DAYS} days", "", "added; lines: 95 %, cut at the frame\ndark: not dominated")
        row[2].set_yticks(range(len(ordered)), [""] * len(ordered))
        save(figure, path)


def _frontier(ax, bonds: dict[str, np.ndarray], yen: dict[str, np.ndarray], best: list[str]) -> None:
    for name, (purchases, rise, cut) in POLICIES.items():
        x, y, color = mean("", "", bonds[name]), mean("", "", yen[name]), COLORS[purchases]
        if x.known and y.known:
            ax.plot([x.low, x.high], [y.value] * 2, color=color, alpha=0.35, linewidth=1.0, zorder=2)
            ax.plot([x.value] * 2, [y.low, y.high], color=color, alpha=0.35, linewidth=1.0, zorder=2)
        ax.plot(x.value, y.value, MARKERS[rise], color=color, markerfacecolor=color if cut else "white", markersize=8,
                markeredgewidth=1.6, zorder=3)  # fmt: skip
        if name in best:
            ax.plot(x.value, y.value, "o", color="#222222", markerfacecolor="none", markersize=15, zorder=2.5)
            ax.annotate(name, (x.value, y.value), xytext=(-9, -9), textcoords="offset points", ha="right", va="top",
                        fontsize=8.0, path_effects=HALO)  # fmt: skip
    ax.plot([bonds[n].mean() for n in best], [yen[n].mean() for n in best], color="#222222", linewidth=1.0, zorder=2)
    (left, right), (low, high) = _span(bonds.values()), _span(yen.values())
    ax.fill_between([left, 0.0], low, 0.0, color=GREEN, alpha=0.10, linewidth=0, zorder=0)
    ax.set(xlim=(left, right), ylim=(low, high), xlabel="highest super-long yield in 20 days, bp (left: bonds saved)")
    zero_line(ax)
    ax.axvline(0.0, color="#666666", linewidth=0.8, zorder=1.5)
    ax.text(0.02, 0.02, "out of the trap:\nlower yields, stronger yen", transform=ax.transAxes, color="#00634A",
            fontsize=9.0, va="bottom")  # fmt: skip
    ax.legend(handles=_key(), loc="upper right")
    words = "crossing of the axes: no answer\ncrosses: 95 %, cut at the frame"
    heading(ax, "Bonds or yen", "highest USDJPY in 20 days, % (up: yen sacrificed)", words)


def _span(effects: Iterable[np.ndarray]) -> tuple[float, float]:
    """Limits of an axis from means alone: intervals from few seeds would stretch it."""
    means = [float(x.mean()) for x in effects]
    margin = 0.18 * max(max(means) - min(means), 1e-6)
    return min(means) - margin, max(means) + margin


def _key() -> list[Line2D]:
    """What colours, shapes and rings mean."""
    key = [Line2D([], [], marker="o", linestyle="", color=c, label=f"buys JPY {p:g} tn") for p, c in COLORS.items()]
    key += [
        Line2D([], [], marker=m, linestyle="", color="#444444", markerfacecolor="white", label=f"rate +{r:g} bp")
        for r, m in MARKERS.items()
    ]
    return [
        *key,
        Line2D([], [], marker="o", linestyle="", color="#444444", label="filled: super-long issuance halved"),
        Line2D([], [], marker="o", markersize=11, color="#222222", markerfacecolor="none", label="not dominated"),
    ]


def _consequence(ax, runs: Runs, ordered: list[str], best: list[str], what: str) -> None:
    _, unit, of = MEASURES[what]
    added = {name: answered(runs, name, of) for name in ordered}
    for place, name in enumerate(ordered):
        e = mean("", "", added[name])
        error = [[e.value - e.low], [e.high - e.value]] if e.known else None
        color = "#222222" if name in best else GREY
        ax.errorbar(e.value, place, xerr=error, fmt="o", markersize=4, color=color, elinewidth=1.0)
    ax.invert_yaxis()
    ax.axvline(0.0, color="#666666", linewidth=0.8)
    ax.set(xlim=_span(added.values()), xlabel=unit)


def record(runs: Runs) -> list:
    """The bank neither bought nor raised; closes of the official curve and in New York."""
    none = runs[NONE]
    return [
        compared("40-year, 20 to 28 January 2026, without an answer by the bank", "bp", -21.0, "Japan MoF",
                 none.series("JGB40")[:, 11] - none.series("JGB40")[:, 5]),
        compared("Bank of Japan, 20 January to 13 February 2026: exceptional purchases", "JPY tn", 0.0,
                 "Bank of Japan"),
    ]  # fmt: skip


CLAIM = Claim(
    id="C6",
    claim="Credibility trap: buying bonds saves government bonds and sacrifices the yen; not buying saves the yen and "
    "risks the system.",
    question="Is there a mix of bond purchases, policy rate and issuance that lowers the peak of super-long yields "
    "without weakening the yen, or strengthens the yen without raising that peak?",
    design="The main scenario, 40 days, with answers on 20 January 2026, the day after the announcement: purchases of "
    "super-long bonds of JPY 0, 5 or 15 tn over 13 days (0.8 and 2.5 % of GDP, about what the Bank of England bought "
    "and offered in 2022), an unexpected rise of the policy rate of 0, 25 or 50 bp, and half of planned super-long "
    "issuance sold as two-year bonds or not: 18 policies, same random numbers. The authorities' own rules on rate, "
    "purchases, issuance and the yen are off, so that nothing else answers. Yield: highest mean of the 30- and 40-year "
    "in 20 days from the answer; yen: highest USDJPY in them; both against the shock without an answer. That purchases "
    f"weaken the yen is for the most part an assumption of the model: {INFLATION_PER_PURCHASE:g} points of expected "
    f"inflation per per cent of GDP bought, {YEN_PER_INFLATION:g} per cent of USDJPY per point.",
    rule="A policy escapes if it lowers yield peak or USDJPY (interval below zero) and does not raise the other "
    "(interval not above zero). Judged are large purchases, the large rise, both together, and the issuance cut alone. "
    "Supported if none escapes; supported under conditions if only the issuance cut or only purchases and rise "
    "together do; not supported if purchases or the rise escape by themselves; cannot be decided if none lowers "
    "either.",
    arms={**{name: world(name) for name in POLICIES}, CALM: arm("baseline", days=DAYS, without=OWN_RULES, share=FEW)},
    core=(NONE, *WAYS),
    effects=effects,
    headline=price,
    leading=(NONE, BUY),
    horizon=ANSWER + WITHIN,
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="Neither was done: the Bank of Japan left its rate at 0.75 % on 23 January and bought nothing beyond its "
    "plan. Half of the rise of super-long yields was gone within two days all the same, and the yen turned on a "
    "rate check by the ministry, a third way this experiment leaves out.",
)

if __name__ == "__main__":
    main(CLAIM)
