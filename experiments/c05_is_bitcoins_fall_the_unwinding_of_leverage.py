"""C5. How much of bitcoin's fall in a shock is left once nobody holds it with leverage or on borrowed yen?"""

from pathlib import Path

import numpy as np

from abm.output.style import BLUE, GREY, PURPLE, VERMILLION, date_ticks, drawing, heading, new_figure, save, zero_line
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
from abm.world.events import RiskAversion

SHOCK_DAY, DAYS_AFTER = 4, 10
DAYS = 30  # of the shock with flight from risk and of the unlevered worlds
FLIGHT = RiskAversion(day=SHOCK_DAY, change_sd=2.0, half_life_days=10.0)
NO_LEVERAGE = ("crypto_leverage", "yen_carry_funding", "carry_positions")
HALF = 0.5
WEEKS_AFTER = slice(0, 3)  # weeks of days 1 to 15


def path_effect(runs: Runs, shocked: str, calm: str) -> np.ndarray:
    """Effect of the shock on bitcoin, per cent, (seeds, days + 1)."""
    return difference(runs[shocked], runs[calm], lambda r: r.series("BTC")[:, : DAYS + 1])


def fall(runs: Runs, shocked: str, calm: str) -> np.ndarray:
    """Mean effect of the shock on bitcoin over the ten days from it, per cent, negative falls, (seeds,)."""
    effect = path_effect(runs, shocked, calm)
    return effect[:, SHOCK_DAY : SHOCK_DAY + DAYS_AFTER].mean(axis=1)


def effects(runs: Runs) -> dict[str, Estimate]:
    """Part of the fall that leverage makes, and both falls."""
    levered, plain = fall(runs, "shock", "calm"), fall(runs, "shock, unlevered", "calm, unlevered")
    n = min(len(levered), len(plain))
    levered, plain = levered[:n], plain[:n]
    return {
        "part": ratio("part of the fall that goes with leverage", levered - plain, levered),
        "fall": mean("fall with leverage, mean of ten days", "%", levered),
        "fall_unlevered": mean("fall without leverage and yen debt", "%", plain),
        "made_by_leverage": mean("difference", "%", levered - plain),
    }


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    part, whole, made = found["part"], found["fall"], found["made_by_leverage"]
    if not (part.known and whole.known):
        return Verdict(UNDECIDED, "Too few seeds, or a fall too near zero for a ratio.")
    told = (
        f"In a flight from risk with the fiscal shock bitcoin falls by {-whole.value:.1f} % with leverage and by "
        f"{-found['fall_unlevered'].value:.1f} % without: leverage makes {100 * part.value:.0f} % of the fall."
    )
    if not whole.below():
        return Verdict(UNDECIDED, f"Bitcoin does not fall in this shock. {told}")
    if part.above(HALF):
        return Verdict(SUPPORTED, told)
    if made.below():
        return Verdict(CONDITIONAL, f"{told} Leverage deepens the fall, it is not most of it.")
    return Verdict(NOT_SUPPORTED, told)


def more(runs: Runs) -> dict[str, Estimate]:
    """The fiscal shock alone, betas, who sold, who holds."""
    alone = difference(runs["fiscal shock alone"], runs["calm"], lambda r: r.series("BTC"))
    window = alone[:, SHOCK_DAY : SHOCK_DAY + DAYS_AFTER].mean(axis=1)
    flows = {name: _bought(runs, name) for name in ("crypto_longs", "bitcoin_holders", "carry_traders", "dealers")}
    sold = -sum(np.minimum(x, 0.0) for x in flows.values())
    levered = -np.minimum(flows["crypto_longs"], 0.0)
    return {
        "alone": mean("effect of the fiscal shock alone", "%", window),
        "beta_calm": mean("beta to the Nasdaq, calm", "ratio", beta(runs["calm"])),
        "beta_shock": mean("beta to the Nasdaq, from the shock on", "ratio", beta(runs["shock"])),
        "levered_selling": ratio("part of selling by leveraged accounts", levered, sold),
        **{f"bought_{name}": mean(f"bought by {name.replace('_', ' ')}, three weeks", "USD bn", x)
           for name, x in flows.items()},
    }  # fmt: skip


def _bought(runs: Runs, sector: str) -> np.ndarray:
    """Effect of the shock on net purchases of bitcoin in the first three weeks, USD bn, (seeds,)."""
    return difference(runs["shock"], runs["calm"], lambda r: r.flows([sector], ["BTC"])[:, WEEKS_AFTER].sum(axis=1))


def beta(runs: Ensemble) -> np.ndarray:
    """Slope of bitcoin's daily move on the Nasdaq's in the twenty days from the shock, (seeds,)."""
    x, y = (runs.moves(m)[:, SHOCK_DAY - 1 : SHOCK_DAY + 19] for m in ("NASDAQ", "BTC"))
    x, y = (z - z.mean(axis=1, keepdims=True) for z in (x, y))
    return (x * y).sum(axis=1) / (x * x).sum(axis=1)


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """The fall with and without leverage, and who sold to whom."""
    shock = runs["shock"]
    with drawing():
        title = "How much of bitcoin's fall is leverage?"
        figure, (row,) = new_figure(
            1, 2, (11, 4.4), title, f"{len(shock.seeds)} seeds, paired with and without the shock"
        )
        pairs = (("shock", "calm", VERMILLION, "leverage as it is"),
                 ("shock, unlevered", "calm, unlevered", BLUE, "nobody levered, no yen debt"))  # fmt: skip
        for shocked, calm, color, name in pairs:
            x = path_effect(runs, shocked, calm)
            low, high = np.quantile(x, (0.05, 0.95), axis=0)
            row[0].fill_between(shock.dates, low, high, color=color, alpha=0.15, linewidth=0)
            row[0].plot(shock.dates, x.mean(axis=0), color=color, label=name)
        zero_line(row[0])
        row[0].legend(loc="lower right")
        heading(row[0], "Effect of the shock on bitcoin", "%", "mean and 5-95 %")
        date_ticks(row[0], shock.dates, 4)
        names = ("crypto_longs", "bitcoin_holders", "carry_traders", "dealers", "arbitrageurs", "real_money")
        bought = [float(_bought(runs, name).mean()) for name in names]
        row[1].barh([n.replace("_", " ") for n in names], bought, color=[PURPLE, *[GREY] * 5])
        row[1].invert_yaxis()
        row[1].axvline(0.0, color="#666666", linewidth=0.8)
        heading(row[1], "Who sold, who holds", "", "effect on net purchases in three weeks, USD bn")
        save(figure, path)


def record(runs: Runs) -> list:
    """Closes of bitcoin."""
    change, source = runs["fiscal shock alone"].series("BTC"), "daily closes, UTC"
    flight = runs["shock"].series("BTC")
    return [
        compared("13 to 20 January, fiscal shock alone", "%", -7.6, source, change[:, 5]),
        compared("13 January to 5 February, fiscal shock alone", "%", -41.9, source, change[:, 17]),
        compared("13 January to 5 February, with flight from risk", "%", -41.9, source, flight[:, 17]),
    ]


CLAIM = Claim(
    id="C5",
    claim="Bitcoin is a leveraged macro asset: it falls because leverage must be unwound, not because the thesis "
    "changed.",
    question="How much of bitcoin's fall in a shock is left once nobody holds it with leverage or on borrowed yen?",
    design="The main scenario with a flight from risk of two standard deviations of the VIX on the day of the "
    "announcement, against the same world without either, once as it is and once with leverage of bitcoin accounts, "
    "borrowing in yen and the trades of carry funds, who hold bitcoin on borrowed money too, switched off from the "
    "start; same random numbers. The fiscal shock alone is run as well.",
    rule="The fall is the mean effect of the shock over the ten days from it. Supported if leverage makes more than "
    "half of the fall (whole interval), supported under conditions if it deepens the fall (interval excludes zero) "
    "by less, not supported if it does not. Cannot be decided if bitcoin does not fall.",
    arms={
        "calm": arm("baseline"),
        "shock": arm("sanaenomics", FLIGHT, days=DAYS),
        "calm, unlevered": arm("baseline", days=DAYS, without=NO_LEVERAGE),
        "shock, unlevered": arm("sanaenomics", FLIGHT, days=DAYS, without=NO_LEVERAGE),
        "fiscal shock alone": arm("sanaenomics"),
    },
    core=("calm", "shock", "calm, unlevered", "shock, unlevered"),
    effects=effects,
    horizon=SHOCK_DAY + DAYS_AFTER,
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="Bitcoin fell by 7.6 % (log) from 13 to 20 January, with tariff news on the 20th, and by 42 % until 5 "
    "February, through days on which Japanese yields fell: whatever drove it then was not this shock.",
)

if __name__ == "__main__":
    main(CLAIM)
