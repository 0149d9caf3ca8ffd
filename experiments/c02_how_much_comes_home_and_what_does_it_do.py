"""C2. How much Japanese money do rising home yields bring home, and what does it do to yields abroad?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from abm.output.measures import FOREIGN_MARKETS, JAPANESE_HOLDERS
from abm.output.style import (
    BLUE,
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
from abm.study.claims.runs import WEEK
from abm.world.events import PolicyGuidance
from abm.world.instruments import INDEX

DAYS = 84  # four months from 13 January 2026, with the review of policy mixes at the turn of the quarter
MONTH_DAYS = 21
ANNOUNCED, WITHIN = 4, 10  # trading day of the announcement, days from it on that are called first
WEALTH_CONSTANT: dict[str, Any] = {"days": ANNOUNCED + WITHIN, "without": ["dealer_wealth_effect"], "share": 0.25}
LAST = 10  # closes at the end over which what is left of an effect is averaged
NOBODY_RETURNS = ("repatriation", "policy_mix")
HIGHER = PolicyGuidance(day=ANNOUNCED, bank="BOJ", terminal_change_bp=100.0)
WORLDS = {"shock": "fiscal shock", "higher": "home yields higher for good"}
MARKETS = ("UST10", "UST30", "BUND10", "OAT10", "GILT10", "ACGB10")
MAIN = "UST30"
MATERIAL_BP, HALF = 1.0, 0.5
INTERMEDIARIES = ("dealers", "arbitrageurs")
GROUPS: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "repatriation": (VERMILLION, lambda s, r: r == "repatriation"),
    "Japanese holders, other reasons": (ORANGE, lambda s, r: s in JAPANESE_HOLDERS and r != "repatriation"),
    "JGB move read as news": (BLUE, lambda s, r: s in INTERMEDIARIES and r == "fiscal_concern"),
    "books of dealers, arbitrageurs": (SKY, lambda s, r: s in INTERMEDIARIES and r != "fiscal_concern"),
}
ELSE = "everybody else"
HOLDERS = {"life_insurers": BLUE, "pension_funds": GREEN, "banks": PURPLE}


def path_effect(runs: Runs, world: str, market: str, other: str = "") -> np.ndarray:
    """Effect of a world against calm, both without some rules or with all, (seeds, days + 1), bp."""
    return difference(runs[f"{world}{other}"], runs[f"calm{other}"], lambda r: r.series(market))


def lifted(runs: Runs, world: str, market: str) -> np.ndarray:
    """What the money that the world brings home adds to a yield, (seeds, days + 1), bp."""
    whole, without = path_effect(runs, world, market), path_effect(runs, world, market, ", nobody returns")
    n = min(len(whole), len(without))
    return np.asarray(whole[:n] - without[:n])


def first(path: np.ndarray) -> np.ndarray:
    """Mean of the ten days from the announcement, (seeds,)."""
    return np.asarray(path[:, ANNOUNCED : ANNOUNCED + WITHIN].mean(axis=1))


def last(path: np.ndarray) -> np.ndarray:
    """Mean of the last ten days, (seeds,)."""
    return np.asarray(path[:, -LAST:].mean(axis=1))


def effects(runs: Runs) -> dict[str, Estimate]:
    """What the return adds to the US 30-year in both worlds, beside their whole effects on it."""
    found = {}
    for world, words in WORLDS.items():
        made, whole = last(lifted(runs, world, MAIN)), last(path_effect(runs, world, MAIN))
        found[f"lifted_{world}"] = added(runs, world)
        found[f"whole_{world}"] = mean(f"{MAIN} after four months: whole effect, {words}", "bp", whole)
        more_than_half = made - HALF * whole[: len(made)]
        found[f"half_{world}"] = mean(f"added by the return less half of the whole, {words}", "bp", more_than_half)
        home = _home(runs, world)
        found[f"home_{world}"] = mean(f"brought home beyond the usual, {words}", "USD bn a month", home)
    return found


def added(runs: Runs, world: str) -> Estimate:
    """What the return adds to the US 30-year by the end."""
    text = f"{MAIN} after four months: added by the return, {WORLDS[world]}"
    return mean(text, "bp", last(lifted(runs, world, MAIN)))


def _home(runs: Runs, world: str) -> np.ndarray:
    """Foreign assets sold to be brought home beyond what calm brings, all holders, USD bn a month, (seeds,)."""
    return per_month(runs, returned(runs, world, JAPANESE_HOLDERS).sum(axis=1))


def returned(
    runs: Runs, world: str, holders: tuple[str, ...], reasons: tuple[str, ...] = ("repatriation",)
) -> np.ndarray:
    """Foreign assets sold by week beyond what is sold in calm, USD bn, (seeds, weeks)."""
    return -difference(runs[world], runs["calm"], lambda r: r.flows(holders, FOREIGN_MARKETS, reasons))


def per_month(runs: Runs, usd_bn: np.ndarray) -> np.ndarray:
    """A sum over the run as a monthly rate from the announcement on."""
    return np.asarray(usd_bn * MONTH_DAYS / (runs["calm"].days - ANNOUNCED + 1))


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    shock, higher = found["lifted_shock"], found["lifted_higher"]
    if not (shock.known and higher.known):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = (
        f"The fiscal shock brings home USD {found['home_shock'].value:.1f} bn a month beyond the usual, which adds "
        f"{shock.value:.2f} bp to the US 30-year; home yields higher for good bring USD "
        f"{found['home_higher'].value:.1f} bn a month and add {higher.value:.2f} bp."
    )
    if shock.above(MATERIAL_BP):
        if found["half_shock"].above():
            return Verdict(SUPPORTED, told)
        return Verdict(CONDITIONAL, f"{told} It is not most of what the shock does there.")
    if higher.above(MATERIAL_BP):
        return Verdict(CONDITIONAL, f"{told} It takes home yields that stay far higher.")
    if shock.below(MATERIAL_BP) and higher.below(MATERIAL_BP):
        return Verdict(NOT_SUPPORTED, told)
    return Verdict(UNDECIDED, told)


def more(runs: Runs) -> dict[str, Estimate]:
    """Flows by holder, what they add market by market, impact per yen, first days, dealers' capital."""
    usual = per_month(runs, -runs["calm"].flows(JAPANESE_HOLDERS, FOREIGN_MARKETS, ("repatriation",)).sum(axis=1))
    found = {"usual": mean("brought home in calm", "USD bn a month", usual)}
    for world, words in WORLDS.items():
        for holder in JAPANESE_HOLDERS:
            name = holder.replace("_", " ")
            flow, sold = (returned(runs, world, (holder,), why).sum(axis=1) for why in (("repatriation",), ()))
            found[f"home_{world}_{holder}"] = mean(
                f"brought home beyond the usual by {name}, {words}", "USD bn a month", per_month(runs, flow)
            )
            found[f"sold_{world}_{holder}"] = mean(
                f"the same, sales for any reason, {name}, {words}", "USD bn a month", per_month(runs, sold)
            )
        for market in MARKETS:
            made = last(lifted(runs, world, market))
            found[f"{market}_{world}"] = mean(f"{market}: added by the return, {words}", "bp", made)
    for market in MARKETS:
        made, home = last(lifted(runs, "higher", market)), _jpy_tn(runs, "higher")
        found[f"{market}_per_tn"] = ratio(f"{market}: per JPY tn brought home, {WORLDS['higher']}", made, home, "bp")
        effect = first(path_effect(runs, "shock", market))
        found[f"{market}_first"] = mean(f"{market}, first ten days: whole effect, fiscal shock", "bp", effect)
    for name, x in parts(runs, "shock", MAIN).items():
        found[name] = mean(f"{MAIN} in two days, fiscal shock: by {name}", "bp", x)
    whole, constant = path_effect(runs, "shock", MAIN), path_effect(runs, "shock", MAIN, ", dealers' wealth constant")
    lost = first(constant) - first(whole)[: len(constant)]
    found["wealth"] = mean(f"{MAIN}, first ten days: change without the dealers' wealth effect", "bp", lost)
    return found


def _jpy_tn(runs: Runs, world: str) -> np.ndarray:
    """Brought home beyond the usual over the run, JPY tn at the opening rate, (seeds,)."""
    jpy_tn_per_usd_bn = float(runs["calm"].arm.scenario.state.levels[INDEX["USDJPY"]]) / 1000.0
    return jpy_tn_per_usd_bn * returned(runs, world, JAPANESE_HOLDERS).sum(axis=1)


def parts(runs: Runs, world: str, market: str, weeks: int = 1) -> dict[str, np.ndarray]:
    """Parts of a world's effect on a market in the first weeks, bp, (seeds,); week 1 ends two days into the shock."""
    groups = {name: belongs for name, (_, belongs) in GROUPS.items()}
    return parts_of_effect(runs[world], runs["calm"], market, groups, weeks, ELSE)


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """How much comes home, what it adds to yields abroad, and who moved them in the first days."""
    with drawing():
        seeds = len(runs["calm"].seeds)
        told = f"{seeds} seeds, means of paired differences with the world without a shock\n"
        told += "home yields higher for good: Japan's policy rate is expected to end one percentage point higher"
        figure, (row,) = new_figure(1, 3, (14, 4.8), "How much comes home, and what does it do abroad?", told)
        _draw_flows(row[0], runs)
        _draw_added(row[1], runs, found)
        _draw_parts(row[2], runs)
        save(figure, path)


def _draw_flows(ax: Axes, runs: Runs) -> None:
    """What every holder brings home, added up."""
    weeks = returned(runs, "shock", JAPANESE_HOLDERS).shape[1]
    dates = runs["calm"].dates[np.minimum(np.arange(weeks + 1) * WEEK, runs["calm"].days)]
    for world, style in (("higher", "-"), ("shock", "--")):
        for holder, color in HOLDERS.items():
            total = returned(runs, world, (holder,)).mean(axis=0).cumsum()
            ax.plot(dates, np.append(0.0, total), style, color=color,
                    label=holder.replace("_", " ") if world == "higher" else None)  # fmt: skip
    zero_line(ax)
    ax.legend(loc="upper left")
    heading(ax, "Brought home beyond the usual", "USD bn since 13 January",
            "dashed: fiscal shock; solid: home yields higher for good")  # fmt: skip
    date_ticks(ax, runs["calm"].dates, 5)


def _draw_added(ax: Axes, runs: Runs, found: dict[str, Estimate]) -> None:
    """What the return adds market by market, beside what counts as something."""
    for offset, world, color in ((-0.12, "shock", VERMILLION), (0.12, "higher", BLUE)):
        estimates = [mean("", "bp", last(lifted(runs, world, m))) for m in MARKETS]
        known = all(e.known for e in estimates)
        error = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]] if known else None
        whole = found[f"whole_{world}"].value
        ax.errorbar(np.arange(len(MARKETS)) + offset, [e.value for e in estimates], yerr=error, fmt="o", markersize=5,
                    color=color, label=f"{WORLDS[world]} (its whole effect on {MAIN}: {whole:.1f} bp)")  # fmt: skip
    ax.axhline(MATERIAL_BP, color="#333333", linewidth=0.9, linestyle="--")
    zero_line(ax)
    ax.set_xticks(range(len(MARKETS)), MARKETS)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.3 * (high - low))
    ax.legend(loc="upper left")
    heading(
        ax,
        "Added to yields abroad by the return",
        "bp",
        "after four months, lines 95 %; dashed: 1 bp, the least counted",
    )


def _draw_parts(ax: Axes, runs: Runs) -> None:
    """Parts of the shock's effect on every market, one upon the other."""
    made = [{name: float(x.mean()) for name, x in parts(runs, "shock", m).items()} for m in MARKETS]
    colors = {**{name: color for name, (color, _) in GROUPS.items()}, ELSE: GREY}
    stacked_parts(ax, MARKETS, made, colors, 0.7)
    heading(ax, "Who moved yields abroad, fiscal shock", "bp", "in two days")


def record(runs: Runs) -> list:
    """Official net purchases of foreign long-term debt, and the US 30-year on the day."""
    bought = runs["shock"].flows(JAPANESE_HOLDERS, FOREIGN_MARKETS, ())[:, :4].sum(axis=1)
    return [
        compared("foreign long-term debt bought by residents, January 2026; model: bonds and shares, four weeks",
                 "USD bn", 4.0, "Japan MoF, JPY 0.64 tn at 158.95", bought),
        compared("US 30-year, 16 to 20 January 2026; model: day 3 to 5", "bp", 8.0, "Federal Reserve H.15",
                 runs["shock"].series(MAIN)[:, 5] - runs["shock"].series(MAIN)[:, 3]),
    ]  # fmt: skip


CLAIM = Claim(
    id="C2",
    claim="Rising home yields bring Japanese insurers and pension funds home; their sales of Treasuries and European "
    "bonds lift yields there mechanically.",
    question="How large and how fast is the return of Japanese money, and what part of the rise of yields abroad is "
    "it?",
    design="Two worlds against calm, 84 days from 13 January 2026, on the same random numbers: the main scenario's "
    "fiscal shock; and no fiscal shock, but a policy rate in Japan expected to end one percentage point higher, known "
    "on 19 January. All three again while nobody returns: repatriation by insurers and banks and the shift of pension "
    "funds' policy mix are off. What the return adds is the effect of a world with these rules less that without: of "
    "sales abroad and of what is bought with them at home. The fiscal shock is run without the dealers' wealth effect "
    "as well.",
    rule="Judged on the US 30-year over the last ten days. Supported if the money that the fiscal shock brings home "
    "adds at least 1 bp (whole interval) and more than half of the shock's effect there (interval of the excess above "
    "zero); under conditions if it adds 1 bp but not most of the effect, or only the world of higher home yields adds "
    "1 bp; not supported if both add less than 1 bp (whole intervals). Otherwise it cannot be decided.",
    arms={
        "calm": arm("baseline", days=DAYS),
        "shock": arm("sanaenomics", days=DAYS),
        "higher": arm("baseline", HIGHER, days=DAYS),
        "calm, nobody returns": arm("baseline", days=DAYS, without=NOBODY_RETURNS),
        "shock, nobody returns": arm("sanaenomics", days=DAYS, without=NOBODY_RETURNS),
        "higher, nobody returns": arm("baseline", HIGHER, days=DAYS, without=NOBODY_RETURNS),
        "calm, dealers' wealth constant": arm("baseline", **WEALTH_CONSTANT),
        "shock, dealers' wealth constant": arm("sanaenomics", **WEALTH_CONSTANT),
    },
    core=("calm", "shock", "higher", "calm, nobody returns", "shock, nobody returns", "higher, nobody returns"),
    effects=effects,
    headline=lambda runs: added(runs, "shock"),
    leading=("calm", "shock", "calm, nobody returns", "shock, nobody returns"),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="No wave of repatriation is in the record: in January 2026 residents of Japan bought JPY 0.64 tn of "
    "foreign long-term debt, net. The US 30-year rose by 8 bp to 4.91 % on 20 January, with tariff news on that day, "
    "and was back at 4.84 % two days later.",
    few=0.03,
)

if __name__ == "__main__":
    main(CLAIM)
