"""C11. Does debt service explode within a year, and does the Bank of Japan end up buying what the market will not?"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from abm.output.style import (
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    WINE,
    band,
    date_ticks,
    drawing,
    heading,
    new_figure,
    save,
)
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
    ratio,
    share,
)
from abm.study.claims.arms import Arm
from abm.world.economy import DAYS_PER_YEAR, REFUNDING_MIX, REPRICING_SHARE
from abm.world.instruments import JGB_IDS

DAYS, SHARE, LESS = 250, 0.3, 0.1  # parts of the seeds: for the verdict and for the rest
TIMES = 4.0
STIMULUS_JPY_TN, TAX_JPY_TN = 21.3, 5.0  # of the main scenario
PROJECTED_JPY_TN, PROJECTED_YEARS = (13.0, 21.6), 3  # interest bill of FY2026 and FY2029, Ministry of Finance
PROJECTED_PCT = 100.0 * ((PROJECTED_JPY_TN[1] / PROJECTED_JPY_TN[0]) ** (1.0 / PROJECTED_YEARS) - 1.0)  # a year
HALF_PCT = 50.0
LEAST_EXTRA_JPY_TN = 0.1  # less comes from the conversion into yen
LEAST_JPY_TN = 1e-6  # smaller purchases are rounding
DAYS_PER_MONTH, QUARTER_WEEKS = 21.0, 13
RISES_BP = (-np.inf, 10.0, 20.0, 40.0, np.inf)  # of the 30-year yield over five days
WORDS = {"calm": "no programme", "shock": "programme", "four times": f"{TIMES:g} times the programme"}
COLORS = {"calm": GREY, "shock": VERMILLION, "four times": WINE}
BUYERS: Mapping[str, tuple[str, ...]] = {
    "Bank of Japan": ("bank_of_japan",),
    "dealers and arbitrageurs": ("dealers", "arbitrageurs"),
    "global real money": ("real_money",),
    "banks": ("banks",),
    "life insurers": ("life_insurers",),
    "pension funds": ("pension_funds",),
    "fast money": ("jgb_fast_money",),
}


# -- worlds ----------------------------------------------------------------------------------------------------------


def world(times: float = 1.0, without: tuple[str, ...] = (), share: float = SHARE) -> Arm:
    """The main scenario for a year, with a programme so many times as large, and rules switched off."""
    settings = {
        "event.fiscal_announcement.amount_jpy_tn": times * STIMULUS_JPY_TN,
        "event.tax_cut.amount_jpy_tn_per_year": times * TAX_JPY_TN,
    }
    return arm("sanaenomics", days=DAYS, settings=settings, without=without, share=share)


# -- what is counted -------------------------------------------------------------------------------------------------


def macro(runs: Ensemble) -> dict[str, Any]:
    """Macro figures of the opening: debt, GDP, revenue and interest, JPY tn."""
    return runs.arm.scenario.state.macro


def refunding_pct(runs: Ensemble) -> np.ndarray:
    """Yield at which debt is refunded, (seeds, days + 1)."""
    return np.asarray(sum(w * runs.level(bond) for w, bond in zip(REFUNDING_MIX, JGB_IDS, strict=True)))


def debt_jpy_tn(runs: Ensemble) -> np.ndarray:
    """Government bonds, (seeds, days + 1)."""
    return runs.column("debt_to_gdp_pct.JP") * macro(runs)["gdp_jpy_tn"] / 100.0


def bill_jpy_tn(runs: Ensemble) -> np.ndarray:
    """Interest bill of a year, (seeds, days + 1).

    Not recorded itself; from yields and debt by the identity of the macro block: old debt matures at its average coupon
    and is refunded, new debt borrows, at yesterday's yields.
    """
    debt, y = debt_jpy_tn(runs), refunding_pct(runs)[:, :-1]
    first = float(macro(runs)["interest_jpy_tn"])
    coupon = 100.0 * first / float(macro(runs)["debt_jpy_tn"])
    refunded = REPRICING_SHARE / DAYS_PER_YEAR * debt[:, :-1] * (y - coupon)
    change = (refunded + np.diff(debt, axis=1) * y) / 100.0
    return first + np.concatenate([np.zeros((len(debt), 1)), np.cumsum(change, axis=1)], axis=1)


def growth_pct(runs: Ensemble) -> np.ndarray:
    """Rise of the interest bill over the run, % of the opening, (seeds,)."""
    bill = bill_jpy_tn(runs)
    return np.asarray(100.0 * (bill[:, -1] / bill[:, 0] - 1.0))


def ratio_pct(runs: Ensemble) -> np.ndarray:
    """Interest bill over tax revenue, (seeds, days + 1)."""
    return runs.column("interest_to_revenue_pct.JP")


def in_yen(runs: Ensemble, usd_bn: np.ndarray) -> np.ndarray:
    """Weekly flows in JPY tn, at the week's average exchange rate."""
    usd_per_yen = 1.0 / runs.level("USDJPY")[:, 1:]
    weeks = usd_bn.shape[1]
    average = [usd_per_yen[:, 5 * w : 5 * w + 5].mean(axis=1) for w in range(weeks)]
    return usd_bn / np.array(average).T / 1000.0


def issued(runs: Ensemble) -> np.ndarray:
    """Bonds sold by the government, JPY tn, (seeds, weeks)."""
    return -in_yen(runs, runs.flows(["government"], JGB_IDS, ["issuance"]))


def beyond_plan(runs: Ensemble) -> np.ndarray:
    """Bonds bought by the Bank of Japan beyond its plan until the end, JPY tn, (seeds,)."""
    return runs.column("boj_purchases_jpy_tn").sum(axis=1)


def extra(runs: Runs, name: str) -> np.ndarray:
    """Bonds sold more than without the programme, JPY tn, (seeds,); zero as long as only exchange rates differ."""
    more = difference(runs[name], runs["calm"], lambda r: issued(r).sum(axis=1))
    return np.where(more > LEAST_EXTRA_JPY_TN, more, 0.0)


def bought_pct(runs: Runs, name: str) -> Estimate:
    """Part of the extra bonds that the Bank of Japan buys beyond its plan."""
    bought = difference(runs[name], runs["calm"], beyond_plan)
    text = f"extra bonds bought by the Bank of Japan beyond its plan, {WORDS[name]}"
    return ratio(text, 100.0 * bought, extra(runs, name), "% of them")


def effects(runs: Runs) -> dict[str, Estimate]:
    """What the bank ends up buying of the extra bonds, and how the interest bill grows in a year."""
    return {
        "bought": bought_pct(runs, "shock"),
        "bought, four times": bought_pct(runs, "four times"),
        **{f"bill, {name}": mean(f"rise of the interest bill in the run, {words}", "%", growth_pct(runs[name]))
           for name, words in WORDS.items()},
    }  # fmt: skip


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    prints = {"shock": found["bought"], "four times": found["bought, four times"]}
    bills = {name: found[f"bill, {name}"] for name in prints}
    if not all(e.known for e in (*prints.values(), *bills.values())):
        return Verdict(UNDECIDED, "Too few seeds, or no extra bonds yet.")
    told = (
        f"The interest bill rises by {bills['shock'].value:.1f} % in a year with the programme and by "
        f"{found['bill, calm'].value:.1f} % without; the ministry's own projection is {PROJECTED_PCT:.1f} % a year. "
        f"Beyond its plan the Bank of Japan buys {prints['shock'].value:.1f} % of the extra bonds; of a programme "
        f"{TIMES:g} times as large {prints['four times'].value:.1f} %, with a bill that rises by "
        f"{bills['four times'].value:.1f} %."
    )
    explodes = {name: e.above(PROJECTED_PCT) for name, e in bills.items()}
    forced = {name: e.above(HALF_PCT) for name, e in prints.items()}
    if explodes["shock"] and forced["shock"]:
        return Verdict(SUPPORTED, told)
    if any(explodes.values()) or any(forced.values()):
        return Verdict(CONDITIONAL, f"{told} {_which(explodes, forced)}")
    if all(e.below(PROJECTED_PCT) for e in bills.values()) and all(e.below(HALF_PCT) for e in prints.values()):
        return Verdict(NOT_SUPPORTED, told)
    return Verdict(UNDECIDED, told)


def _which(explodes: Mapping[str, bool], forced: Mapping[str, bool]) -> str:
    """What holds, and where."""
    bill = [WORDS[name] for name, true in explodes.items() if true]
    press = [WORDS[name] for name, true in forced.items() if true]
    return f"Debt service explodes with: {', '.join(bill) or 'neither'}; the press is forced by: " + (
        f"{', '.join(press) or 'neither'}."
    )


def more(runs: Runs) -> dict[str, Estimate]:
    """Ratios, what the programme adds and why, how often the bank steps in and after what, what that changes."""
    found: dict[str, Estimate] = {}
    for name, words in WORDS.items():
        found[f"ratio, {name}"] = mean(f"interest to revenue at the end, {words}", "%", ratio_pct(runs[name])[:, -1])
        text = f"interest to revenue three years from the opening at the yields of the last month, {words}"
        found[f"later, {name}"] = mean(text, "%", three_years_on_pct(runs[name]))
        ever = runs[name].column("boj_purchases_jpy_tn").sum(axis=1) > LEAST_JPY_TN
        found[f"ever, {name}"] = share(f"bought beyond plan within the run, {words}", ever)
        found[f"tn, {name}"] = mean(f"bought beyond plan, {words}", "JPY tn", beyond_plan(runs[name]))
    for name in ("shock", "four times"):
        found[f"extra, {name}"] = mean(f"extra bonds sold, {WORDS[name]}", "JPY tn", extra(runs, name))
        cost, lost = added(runs, name)
        found[f"cost, {name}"] = mean(f"interest to revenue added by the larger bill, {WORDS[name]}", "points", cost)
        found[f"lost, {name}"] = mean(f"interest to revenue added by revenue forgone, {WORDS[name]}", "points", lost)
        saved = difference(runs[f"{name}, nothing exceptional"], runs[name], lambda r: r.measure("peak_pct.JGB40"))
        text = f"JGB40: highest yield without exceptional purchases less with, {WORDS[name]}"
        found[f"saved, {name}"] = mean(text, "bp", 100.0 * saved)
    return {**found, **{text: e for text, e in by_rise(runs).items()}}


def three_years_on_pct(runs: Ensemble) -> np.ndarray:
    """Interest to revenue three years from the opening if yields, debt and revenue stay where the run ends, (seeds,).

    Carried forward by the model's own rule for maturing debt, which within seven years is all of the opening's.
    """
    bill, debt = bill_jpy_tn(runs), debt_jpy_tn(runs)
    revenue = 100.0 * bill[:, -1] / ratio_pct(runs)[:, -1]
    coupon = 100.0 * bill[:, 0] / debt[:, 0]
    y = refunding_pct(runs)[:, -21:].mean(axis=1)
    years = 3.0 - runs.days / DAYS_PER_YEAR
    later = bill[:, -1] + years * REPRICING_SHARE * debt[:, -1] * (y - coupon) / 100.0
    return np.asarray(100.0 * later / revenue)


def added(runs: Runs, name: str) -> tuple[np.ndarray, np.ndarray]:
    """What a programme adds to interest over revenue: by the bill at unchanged revenue, and the rest, points."""
    revenue = float(macro(runs["calm"])["revenue_jpy_tn"])
    whole = difference(runs[name], runs["calm"], lambda r: ratio_pct(r)[:, -1])
    cost = 100.0 * difference(runs[name], runs["calm"], lambda r: bill_jpy_tn(r)[:, -1]) / revenue
    return cost, whole - cost


def by_rise(runs: Runs) -> dict[str, Estimate]:
    """Share of days on which the bank buys beyond its plan, by what the 30-year yield did in the five days before."""
    rises, bought = [], []
    for name in WORDS:
        y = 100.0 * runs[name].level("JGB30")
        days = np.arange(2, y.shape[1])
        rises.append((y[:, days - 1] - y[:, np.maximum(days - 6, 0)]).ravel())
        bought.append((runs[name].column("boj_purchases_jpy_tn")[:, days] > LEAST_JPY_TN).ravel())
    rise, day = np.concatenate(rises), np.concatenate(bought)
    found = {}
    for low, high in pairwise(RISES_BP):
        where = f"below {high:g}" if np.isinf(low) else f"above {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
        text = f"days with purchases beyond plan, after {where} bp in five days (JGB30)"
        found[where] = replace(share(text, day[(rise >= low) & (rise < high)]), unit="% of days")
    return found


# -- the figure ------------------------------------------------------------------------------------------------------


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """Interest over revenue, what the bank buys of all that is sold, when it steps in, who takes the extra bonds."""
    with drawing():
        title = "Does debt service force the printing press?"
        subtitle = f"{len(runs['shock'].seeds)} seeds, the same in every world; a year from 13 January 2026"
        figure, ((burden, part), (when, who)) = new_figure(2, 2, (12, 8.4), title, subtitle)
        _burden(burden, runs)
        _part(part, runs)
        _when(when, runs)
        _who(who, runs)
        save(figure, path)


def _burden(ax: Axes, runs: Runs) -> None:
    dates = runs["calm"].dates
    for name, words in WORDS.items():
        band(ax, dates, ratio_pct(runs[name]), COLORS[name], words)
    first = ratio_pct(runs["calm"])[:, 0].mean()
    ax.plot(dates, first * (1.0 + PROJECTED_PCT / 100.0) ** (np.arange(dates.size) / DAYS_PER_YEAR), color="#333333",
            linestyle="--", linewidth=1.0, label="pace of the ministry's projection")  # fmt: skip
    ax.legend(loc="upper left")
    date_ticks(ax, dates, 6)
    heading(ax, "Interest bill over tax revenue", "%", "median, 25-75 % and 5-95 %; jumps: revenue forgone by tax cuts")


def part_pct(runs: Ensemble) -> dict[str, float]:
    """Part of all bonds sold that the bank buys, its plan included, by quarters of thirteen weeks, %, mean."""
    plan = float(runs.arm.scenario.state.planned_purchases_jpy_tn_per_month.sum()) / DAYS_PER_MONTH
    sold, beyond = issued(runs), runs.column("boj_purchases_jpy_tn")[:, 1:]
    found = {}
    for first in range(0, sold.shape[1], QUARTER_WEEKS):
        last = min(first + QUARTER_WEEKS, sold.shape[1])
        bought = (plan + beyond[:, 5 * first : 5 * last]).sum(axis=1)
        found[f"{first + 1}-{last}"] = 100.0 * float(bought.mean() / sold[:, first:last].sum(axis=1).mean())
    return found


def _part(ax: Axes, runs: Runs) -> None:
    lines = [(name, words, COLORS[name], "-") for name, words in WORDS.items()]
    without = "four times, nothing exceptional"
    lines.append((without, f"{WORDS['four times']}, exceptional purchases switched off", BLUE, "--"))
    for name, words, color, style in lines:
        part = part_pct(runs[name])
        ax.plot(list(part), list(part.values()), "o", linestyle=style, markersize=4, color=color, label=words)
    ax.set_xlabel("weeks")
    ax.set_ylim(0.0, 1.6 * ax.get_ylim()[1])
    ax.legend(loc="upper left")
    heading(ax, "Part of all bonds sold that the Bank of Japan buys", "%", "its plan and whatever it buys beyond it")


def _when(ax: Axes, runs: Runs) -> None:
    rows = by_rise(runs)
    values = [e.value for e in rows.values()]
    limits = [(e.value - e.low, e.high - e.value) if e.known else (0.0, 0.0) for e in rows.values()]
    ax.bar(range(len(rows)), values, 0.6, yerr=np.transpose(limits), color=ORANGE, ecolor="#333333")
    labels = [f"{words}\n({e.seeds:,} days)" for words, e in rows.items()]
    ax.set_xticks(range(len(rows)), labels)
    ax.set_xlabel("rise of the 30-year yield in the five days before, bp")
    heading(ax, "When does it buy beyond its plan?", "% of days with purchases", "all worlds together; lines: 95 %")


def _who(ax: Axes, runs: Runs) -> None:
    for offset, name in ((-0.19, "shock"), (0.19, "four times")):
        whole = float(extra(runs, name).mean())
        parts = [100.0 * float(difference(runs[name], runs["calm"], lambda r, s=s: _taken(r, s)).mean()) / whole
                 if whole else 0.0 for s in BUYERS.values()]  # fmt: skip
        ax.barh(np.arange(len(BUYERS)) + offset, parts, 0.36, color=COLORS[name],
                label=f"{WORDS[name]}, JPY {whole:.0f} tn")  # fmt: skip
    ax.set_yticks(range(len(BUYERS)), list(BUYERS))
    ax.invert_yaxis()
    ax.axvline(0.0, color="#666666", linewidth=0.8)
    ax.legend(loc="lower right")
    heading(
        ax, "Who takes the extra bonds within the year?", "", "net purchases added by the programme, % of them, mean"
    )


def _taken(runs: Ensemble, sectors: tuple[str, ...]) -> np.ndarray:
    """Net purchases of Japanese bonds, JPY tn, (seeds,)."""
    return in_yen(runs, runs.flows(sectors, JGB_IDS)).sum(axis=1)


def record(runs: Runs) -> list[Compared]:
    """The ministry's projection, and exceptional purchases until 13 February."""
    shock = runs["shock"]
    bought = shock.column("boj_purchases_jpy_tn")[:, :23].sum(axis=1)
    return [
        compared("interest bill: rise a year, projection of January 2026 for FY2026 to FY2029; model: first year",
                 "%", PROJECTED_PCT, "Ministry of Finance", growth_pct(shock)),
        compared("interest bill of FY2029 over today's revenue, projection at a 10-year of 3.0 to 3.6 %; model: three "
                 "years on", "%", 100.0 * PROJECTED_JPY_TN[1] / 80.0, "Ministry of Finance", three_years_on_pct(shock)),
        compared("bought beyond plan, 13 January to 13 February 2026", "JPY tn", 0.0, "Bank of Japan", bought),
    ]  # fmt: skip


CLAIM = Claim(
    id="C11",
    claim="Debt service explodes; fiscal dominance forces the printing press.",
    question="How does the interest bill grow over a year of the fiscal shock, and when does the Bank of Japan end up "
    "buying what the market will not?",
    design="A year from 13 January 2026 without a programme, with the main scenario's and with one four times as large "
    "(bonds follow six weeks after it is announced), same random numbers; the last two also with exceptional "
    "purchases switched off. The interest bill follows from recorded yields and debt. What the bank buys beyond "
    "its plan is compared with the bonds sold beyond what is sold without a programme. The model has no rule by which "
    "the bill itself moves the bank: it steps in when super-long yields jump or auctions fail, so dominance through "
    "the budget can be seen only as far as it shows in yields.",
    rule="Debt service explodes if the interest bill rises within the year by more than the ministry's own projection "
    "does a year (13.0 to 21.6 tn in three years, 18.4 %). The press is forced if the bank buys, beyond its plan, more "
    "than half of the extra bonds (whole intervals). Supported if both hold in the main scenario; under conditions if "
    "one does, or if it takes four times the programme; not supported if all four intervals lie below; else undecided.",
    arms={
        "calm": arm("baseline", days=DAYS, share=SHARE),
        "shock": world(),
        "four times": world(TIMES),
        "shock, nothing exceptional": world(without=("exceptional_purchases",), share=LESS),
        "four times, nothing exceptional": world(TIMES, ("exceptional_purchases",), LESS),
    },
    core=("calm", "shock", "four times"),
    effects=effects,
    headline=lambda runs: bought_pct(runs, "shock"),
    leading=("calm", "shock"),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="Until 13 February 2026 the Bank of Japan bought nothing beyond its plan, on 20 January neither; the "
    "governor spoke of readiness in exceptional conditions on the 23rd. The ministry projects an interest bill that "
    "grows by two thirds in three years, at higher yields than today's.",
    few=0.03,
)

if __name__ == "__main__":
    main(CLAIM)
