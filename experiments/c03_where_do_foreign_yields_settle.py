"""C3. Where do foreign 10- and 30-year yields settle once Japanese capital has gone home in an orderly way?"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from abm.output.measures import FOREIGN_BONDS, JAPANESE_HOLDERS
from abm.output.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILLION,
    drawing,
    heading,
    new_figure,
    save,
    zero_line,
)
from abm.scenarios import load_scenario
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
)
from abm.study.claims.arms import Arm
from abm.world.economy import DAYS_PER_YEAR
from abm.world.events import Flow, PolicyGuidance
from abm.world.instruments import INDEX

SETTLING, LAST = 42, 10  # two months after the last sale; closes over which a settled level is averaged
PACES = {"1 year": 1, "2 years": 2, "3 years": 3}
COLORS = {"1 year": VERMILLION, "2 years": ORANGE, "3 years": BLUE}
MARKETS = ("UST10", "UST30", "BUND10", "OAT10", "EGB30", "GILT10", "ACGB10")
CLAIMED_BP = (50.0, 75.0)
RESERVES = "ministry_of_finance"
NOBODY_RETURNS = ("repatriation", "policy_mix")  # the model's own holders stay: the return is what is imposed
UNHEDGED = {"life_insurers": 0.56, "pension_funds": 0.93, "banks": 0.16}  # part whose currency comes home [calc]
STATE = load_scenario("baseline").state
SHARE, LESS = 0.2, 0.1  # of the seeds, for the verdict and for the rest
JUDGED = ("1 year", "3 years")
YEN, HIGHER = "1 year, yen bought", "1 year, home yields higher"


def holdings_usd_bn(*holders: str) -> np.ndarray:
    """What some holders own of every market on 13 January 2026, USD bn, (markets,)."""
    return np.asarray(sum(STATE.holdings_usd_bn[name] for name in holders))


def amount_usd_bn(*holders: str) -> float:
    """Foreign bonds of some holders, USD bn."""
    owned = holdings_usd_bn(*holders)
    return float(sum(owned[INDEX[m]] for m in FOREIGN_BONDS))


FULL = amount_usd_bn(*JAPANESE_HOLDERS)
WITH_RESERVES = amount_usd_bn(*JAPANESE_HOLDERS, RESERVES)
SIZES = {"half, 1 year": FULL / 2.0, "1 year": FULL, "with reserves, 1 year": WITH_RESERVES}


def world(
    years: int,
    part: float = 1.0,
    holders: tuple[str, ...] = JAPANESE_HOLDERS,
    yen: bool = False,
    higher: bool = False,
    share: float = LESS,
) -> Arm:
    """Part of the holders' foreign bonds sold evenly over some years.

    yen: the currency that belongs to them is brought home too. higher: Japan's policy rate is expected to end higher.
    """
    owned, days = holdings_usd_bn(*holders), years * DAYS_PER_YEAR
    sales = {m: -part * float(owned[INDEX[m]]) for m in FOREIGN_BONDS}
    if yen:
        sales["USDJPY"] = -part * sum(open_part * amount_usd_bn(name) for name, open_part in UNHEDGED.items())
    flows = [Flow(market=m, amount_usd_bn=x, days=days, day=1) for m, x in sales.items() if x]
    news = [PolicyGuidance(day=1, bank="BOJ", terminal_change_bp=100.0)] if higher else []
    return arm("baseline", *flows, *news, days=days + SETTLING, without=NOBODY_RETURNS, share=share)


def path_effect(runs: Runs, name: str, market: str) -> np.ndarray:
    """Effect of the return on a yield, bp, (seeds, days of that arm + 1)."""
    days = runs[name].days
    return difference(runs[name], runs["calm"], lambda r: r.series(market)[:, : days + 1])


def world_yield(runs: Runs, name: str) -> np.ndarray:
    """Effect on the mean of the seven yields, weighted by what is outstanding, bp, (seeds, days of that arm + 1)."""
    weight = np.array([STATE.outstanding_usd_bn[INDEX[m]] for m in MARKETS])
    paths = np.array([path_effect(runs, name, m) for m in MARKETS])
    return np.asarray(np.tensordot(weight / weight.sum(), paths, axes=1))


def settled(path: np.ndarray) -> np.ndarray:
    """Mean of the last ten closes, two months after the last sale, (seeds,)."""
    return np.asarray(path[:, -LAST:].mean(axis=1))


def effects(runs: Runs) -> dict[str, Estimate]:
    """Where the mean yield settles after a fast and a slow return."""
    return {name: after(runs, name) for name in JUDGED}


def after(runs: Runs, name: str) -> Estimate:
    """Where the mean yield settles after a return."""
    text = f"mean yield abroad, settled after a full return within {name}"
    return mean(text, "bp", settled(world_yield(runs, name)))


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    fast, slow = found["1 year"], found["3 years"]
    if not (fast.known and slow.known):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    told = (
        f"After the sale of all foreign bonds of Japanese insurers, pension funds and banks, USD {FULL / 1000.0:.1f} "
        f"tn, yields abroad settle {fast.value:.0f} bp higher if it takes one year and {slow.value:.0f} bp if it takes "
        "three."
    )
    least = CLAIMED_BP[0]
    if fast.above(least) and slow.above(least):
        return Verdict(SUPPORTED, told)
    if fast.above(least) or slow.above(least):
        return Verdict(CONDITIONAL, f"{told} It depends on the pace.")
    if fast.below(least) and slow.below(least):
        return Verdict(NOT_SUPPORTED, told)
    return Verdict(UNDECIDED, told)


def more(runs: Runs) -> dict[str, Estimate]:
    """Other paces and sizes, by market, the worst on the way, what a trillion does, and whether it has settled."""
    found = {}
    for name in (n for n in runs if n not in ("calm", "1 year", "3 years")):
        found[name] = mean(f"mean yield abroad, settled: {name}", "bp", settled(world_yield(runs, name)))
    for name, usd_bn in SIZES.items():
        per_tn = settled(world_yield(runs, name)) * 1000.0 / usd_bn
        found[f"{name}, per tn"] = mean(f"mean yield abroad, settled, per USD tn sold: {name}", "bp", per_tn)
    for name in PACES:
        path = world_yield(runs, name)
        found[f"{name}, end"] = mean(f"mean yield abroad at the last sale, {name}", "bp", last_sale(path))
        drift = settled(path) - settled(path[:, :-LAST])
        found[f"{name}, drift"] = mean(f"mean yield abroad, last ten closes less the ten before, {name}", "bp", drift)
        for m in MARKETS:
            found[f"{name}, {m}"] = mean(f"{m}, settled: {name}", "bp", settled(path_effect(runs, name, m)))
    yen = difference(runs[YEN], runs["1 year"], lambda r: r.series("USDJPY"))
    found["yen"] = mean("USDJPY when the yen are bought as well, settled", "%", settled(yen))
    return found


def last_sale(path: np.ndarray) -> np.ndarray:
    """Effect at the last sale, (seeds,)."""
    return np.asarray(path[:, max(path.shape[1] - 1 - SETTLING, 0)])


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """The way of the mean yield by pace, where each market settles, and how that grows with the size."""
    with drawing():
        seeds = len(runs["calm"].seeds)
        told = f"{seeds} seeds, paired with a world in which nobody sells; grey band: the claimed 50 to 75 bp"
        title = "Where do foreign yields settle once Japanese capital is home?"
        figure, (row,) = new_figure(1, 3, (14, 4.8), title, told)
        _draw_ways(row[0], runs)
        _draw_markets(row[1], runs)
        _draw_sizes(row[2], runs)
        for ax in row:
            ax.axhspan(*CLAIMED_BP, color=GREY, alpha=0.25, linewidth=0)
            zero_line(ax)
            ax.set_ylim(top=1.3 * ax.get_ylim()[1])
        save(figure, path)


def _draw_ways(ax: Axes, runs: Runs) -> None:
    """The mean yield day by day."""
    for name, years in PACES.items():
        x = world_yield(runs, name)
        time = np.arange(x.shape[1]) / DAYS_PER_YEAR
        low, high = np.quantile(x, (0.05, 0.95), axis=0)
        ax.fill_between(time, low, high, color=COLORS[name], alpha=0.15, linewidth=0)
        ax.plot(time, x.mean(axis=0), color=COLORS[name], label=f"sold within {name}")
        ax.axvline(min(years, time[-1]), color=COLORS[name], linewidth=0.9, linestyle=":")
    ax.legend(loc="upper left")
    ax.set_xlabel("years from 13 January 2026")
    heading(ax, f"Mean foreign 10- and 30-year yield, USD {FULL / 1000.0:.1f} tn sold", "bp",
            "mean and 5-95 %, weighted by debt outstanding; dotted: last sale")  # fmt: skip


def _draw_markets(ax: Axes, runs: Runs) -> None:
    """Every market at every pace."""
    for offset, name in zip((-0.2, 0.0, 0.2), PACES, strict=True):
        estimates = [mean("", "bp", settled(path_effect(runs, name, m))) for m in MARKETS]
        _bars(ax, np.arange(len(MARKETS)) + offset, estimates, COLORS[name], f"within {name}")
    ax.set_xticks(range(len(MARKETS)), MARKETS, rotation=45)
    ax.legend(loc="upper left")
    heading(ax, "Where each market settles", "bp", "two months after the last sale; lines: 95 %")


def _draw_sizes(ax: Axes, runs: Runs) -> None:
    """Sizes of the return, and what may go with it."""
    sizes = np.array(list(SIZES.values())) / 1000.0
    estimates = [mean("", "bp", settled(world_yield(runs, name))) for name in SIZES]
    _bars(ax, sizes, estimates, VERMILLION, "half; all; all and official reserves (mostly short)")
    ax.plot([0.0, *sizes], [0.0, *(e.value for e in estimates)], color=VERMILLION, linewidth=0.9, alpha=0.6)
    for name, color, words in (
        (YEN, GREEN, "all, and the yen bought"),
        (HIGHER, PURPLE, "all, and Japan's policy rate expected to end 1 point higher"),
    ):
        _bars(ax, sizes[1:2], [mean("", "", settled(world_yield(runs, name)))], color, words)
    ax.set_xlim(0.0, 1.15 * sizes[-1])
    ax.set_xlabel("sold within one year, USD tn")
    ax.legend(loc="upper left")
    heading(ax, "How it grows with the size", "bp", "mean yield, two months after the last sale; lines: 95 %")


def _bars(ax: Axes, x: np.ndarray, estimates: list[Estimate], color: str, label: str) -> None:
    """Values with their intervals, where there are intervals."""
    known = all(e.known for e in estimates)
    error = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]] if known else None
    ax.errorbar(x, [e.value for e in estimates], yerr=error, fmt="o", markersize=4.5, color=color, label=label)


def record(runs: Runs) -> list:
    """No such return has happened; impact of official sales is the nearest there is."""
    sold = -sum(holdings_usd_bn(*JAPANESE_HOLDERS)[INDEX[m]] for m in ("UST2", "UST10", "UST30"))
    per_100 = settled(path_effect(runs, "1 year", "UST10")) * -100.0 / sold
    return [
        compared("lasting effect of USD 100 bn of official sales of Treasuries, 5-year, 20 bp in a market of 8 tn; "
                 "model: 10-year, other bonds sold alike", "bp", 5.0,
                 "Beltran, Kretchmer, Marquez and Thomas (2012), scaled to 30 tn", per_100),
    ]  # fmt: skip


CLAIM = Claim(
    id="C3",
    claim="Global term premia normalise: the neutral level of yields rises by 50 to 75 bp as the Japanese anchor goes.",
    question="After a full and orderly return of Japanese capital, where do foreign 10- and 30-year yields settle?",
    design="Everything that Japanese insurers, pension funds and banks hold in foreign bonds on 13 January 2026 is "
    "sold in even daily parts over 250, 500 or 750 trading days, then two months pass; against the same world in which "
    "nobody sells, same random numbers. An outside holder sells in their place, market by market, and their own rules "
    "of return are off, so that size and pace are exactly what is imposed. Sales only: what the money buys at home is "
    "left out; the yen are bought in one arm. Half the amount, and the amount with official reserves, within one year; "
    "and the full amount while Japan's policy rate is expected to end one percentage point higher. The mean yield is "
    "that of seven markets weighted by what is outstanding. After 2026 central banks have no meetings in any world.",
    rule="A settled level is the mean effect over the last ten closes. Supported if the mean yield settles at least 50 "
    "bp higher after a full return within one year and within three (both whole intervals above 50); under conditions "
    "if after one of them; not supported if below 50 after both (whole intervals). Otherwise it cannot be decided.",
    arms={
        "calm": arm("baseline", days=3 * DAYS_PER_YEAR + SETTLING, without=NOBODY_RETURNS, share=SHARE),
        **{name: world(years, share=SHARE if name in JUDGED else LESS) for name, years in PACES.items()},
        "half, 1 year": world(1, 0.5),
        "with reserves, 1 year": world(1, 1.0, (*JAPANESE_HOLDERS, RESERVES)),
        YEN: world(1, yen=True),
        HIGHER: world(1, higher=True),
    },
    core=("calm", *JUDGED),
    effects=effects,
    headline=lambda runs: after(runs, "1 year"),
    leading=("calm", "1 year"),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="No full return has happened. In fiscal 2022 life insurers sold JPY 14.2 tn of foreign bonds, while yields "
    "abroad rose with policy rates; Japan's Treasuries, USD 1.2 tn, hardly changed in the winter of 2025-26.",
    few=0.02,
)

if __name__ == "__main__":
    main(CLAIM)
