"""C14. Does the same normalisation of the Bank of Japan make less stress when it comes slowly and is announced?"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from abm.output.style import BLUE, GREEN, VERMILLION, drawing, heading, legend_below, new_figure, save, zero_line
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
from abm.study.moments import calm_sd
from abm.world.events import Event, PolicyGuidance, PolicyRate, PurchaseTaper

RISE_BP, TAPER_JPY_TN = 100.0, -0.8  # in all, of the policy rate and of monthly purchases: as in controlled_transition
TERMINAL_SHARE = PolicyRate.model_fields["terminal_share"].default
FIRST, LEAD = 25, 20  # trading day of the first step (18 February 2026), days from an announcement to what it is about
DAYS, YEAR = 120, 250
APART = {"at once": 0, "ten days apart": 10, "25 days apart": 25}  # trading days between four steps
FAST, MIDDLE, SLOW = APART
SURPRISE, STEPWISE, PLAN = "unannounced", "each step announced", "plan announced"
KNOWN = {SURPRISE: VERMILLION, STEPWISE: BLUE, PLAN: GREEN}
RULE_OFF = ("boj_policy_rule",)  # no other rise in between
CALM, CALM_YEAR = "calm", "calm, a year"
PACKAGED = {"chaotic_exit": "chaotic exit, a year", "controlled_transition": "controlled transition, a year"}
MARKETS = ("JGB10", "JGB30", "UST10", "USDJPY", "NIKKEI", "NASDAQ", "BTC")
WINDOW = 20  # trading days of realised volatility
HALF = 0.5


def name_of(speed: str, known: str) -> str:
    """Of a way to normalise."""
    return f"{speed}, {known}"


WAYS = {name_of(speed, known): (speed, known) for known in KNOWN for speed in APART}
CHAOTIC, CONTROLLED = name_of(FAST, SURPRISE), name_of(SLOW, STEPWISE)
FAST_KNOWN, SLOW_SURPRISE = name_of(FAST, STEPWISE), name_of(SLOW, SURPRISE)


def steps(speed: str) -> list[tuple[int, float]]:
    """Trading days of the steps, and the part of the whole that each is."""
    apart = APART[speed]
    return [(FIRST + n * apart, 0.25) for n in range(4)] if apart else [(FIRST, 1.0)]


def told(day: int, part: float) -> PolicyGuidance:
    """The announcement of a part: expectations end where unexpected rises of that size would leave them."""
    return PolicyGuidance(
        day=day,
        bank="BOJ",
        terminal_change_bp=TERMINAL_SHARE * part * RISE_BP,
        near_term_change_bp=part * RISE_BP,
    )


def normalisation(speed: str, known: str) -> list[Event]:
    """Rises and cuts of purchases, and the words before them."""
    events: list[Event] = []
    if known == PLAN:
        events.append(told(FIRST - LEAD, 1.0))
    for day, part in steps(speed):
        if known == STEPWISE:
            events.append(told(day - LEAD, part))
        expected = 0.0 if known == SURPRISE else 1.0
        events += [
            PolicyRate(day=day, bank="BOJ", change_bp=part * RISE_BP, expected_share=expected, keeps_meeting=True),
            PurchaseTaper(day=day, change_jpy_tn_per_month=part * TAPER_JPY_TN),
        ]
    return events


def world(name: str) -> Arm:
    """Half a year with a normalisation; fewer seeds where it does not decide the verdict."""
    share = 0.5 if name in CORE else 0.1
    return arm("baseline", *normalisation(*WAYS[name]), days=DAYS, without=RULE_OFF, share=share)


CORE = (CALM, CHAOTIC, FAST_KNOWN, SLOW_SURPRISE, CONTROLLED)


def volatility(runs: Ensemble) -> np.ndarray:
    """Highest root mean square of daily moves in twenty days, calm standard deviations, mean of markets, (seeds,)."""
    scaled = [(runs.moves(m) / calm_sd(runs.arm.scenario, m)) ** 2 for m in MARKETS]
    windows = np.lib.stride_tricks.sliding_window_view(scaled, min(WINDOW, runs.days), axis=-1)
    return np.sqrt(windows.mean(axis=-1)).mean(axis=0).max(axis=-1)


MEASURES: dict[str, tuple[str, str, Callable[[Ensemble], np.ndarray]]] = {
    "stress": ("highest stress index", "index", lambda r: r.measure("max_stress")),
    "volatility": ("highest 20-day volatility", "calm sd", volatility),
    "liquidations": ("liquidations", "USD bn", lambda r: r.measure("liquidations_usd_bn")),
    "JGB10": ("highest JGB10 yield", "bp", lambda r: r.measure("peak_change_bp.JGB10")),
    "JGB30": ("highest JGB30 yield", "bp", lambda r: r.measure("peak_change_bp.JGB30")),
    "yen": ("largest rise of the yen from a low", "%", lambda r: -r.measure("drawdown_pct.USDJPY")),
}


def added(runs: Runs, name: str, measure: str, calm: str = CALM) -> np.ndarray:
    """What a normalisation adds to a measure, (seeds,)."""
    return difference(runs[name], runs[calm], MEASURES[measure][2])


def together(runs: Runs, names: Sequence[str], measure: str) -> np.ndarray:
    """A measure of several arms on the seeds that all of them have, (arms, seeds)."""
    common = sorted(set.intersection(*(set(runs[name].seeds) for name in names)))
    return np.array([runs[name].at(common, MEASURES[measure][2](runs[name])) for name in names])


def effects(runs: Runs) -> dict[str, Estimate]:
    """How much less stress the controlled transition makes, and what speed and announcements have to do with it."""
    calm, chaotic, fast_known, slow_surprise, controlled = together(runs, CORE, "stress")
    speed = 0.5 * (chaotic - slow_surprise + fast_known - controlled)
    words = 0.5 * (chaotic - fast_known + slow_surprise - controlled)
    found = {
        "gap": gap(runs),
        "chaotic": mean("highest stress: added by the chaotic exit", "index", chaotic - calm),
        "controlled": mean("highest stress: added by the controlled transition", "index", controlled - calm),
        "avoided": ratio("part of it that the controlled transition avoids", chaotic - controlled, chaotic - calm),
        "speed": mean("highest stress: at once less slowly, announced or not", "index", speed),
        "announcing": mean("highest stress: unannounced less announced, at either speed", "index", words),
    }
    for name in list(MEASURES)[1:]:
        text, unit, of = MEASURES[name]
        found[name] = mean(f"{text}: chaotic less controlled", unit, difference(runs[CHAOTIC], runs[CONTROLLED], of))
    return found


def gap(runs: Runs) -> Estimate:
    """How much less stress the controlled transition makes."""
    chaotic, controlled = together(runs, (CHAOTIC, CONTROLLED), "stress")
    return mean("highest stress: chaotic exit less controlled transition", "index", chaotic - controlled)


def verdict(found: dict[str, Estimate]) -> Verdict:
    """As in the rule."""
    less, chaotic, avoided = found["gap"], found["chaotic"], found["avoided"]
    if not (less.known and chaotic.known):
        return Verdict(UNDECIDED, "Too few seeds for an interval.")
    worse = [MEASURES[name][0] for name in list(MEASURES)[1:] if found[name].above()]
    said = (
        f"At once and unannounced, the normalisation adds {chaotic.value:.2f} to the highest stress, in announced "
        f"steps {found['controlled'].value:.2f}. Also higher at once: {', '.join(worse) or 'none of the others'}."
    )
    if not chaotic.above():
        return Verdict(UNDECIDED, f"Not even the chaotic exit adds stress. {said}")
    if not less.above():
        return Verdict(NOT_SUPPORTED, said)
    matter = [word for word in ("speed", "announcing") if found[word].above()]
    if avoided.above(HALF) and len(matter) == 2:
        return Verdict(SUPPORTED, said)
    causes = " and ".join(matter) or "neither speed nor announcing by itself"
    return Verdict(CONDITIONAL, f"{said} {100 * avoided.value:.0f} % of it is avoided; what matters is {causes}.")


def more(runs: Runs) -> dict[str, Estimate]:
    """Every way by every measure, and the two packaged scenarios over their whole year."""
    found = {}
    for name in WAYS:
        for measure, (text, unit, _) in MEASURES.items():
            found[f"{name}: {measure}"] = mean(f"{text}: added, {name}", unit, added(runs, name, measure))
    for name, words in PACKAGED.items():
        for measure, (text, unit, _) in MEASURES.items():
            year = added(runs, name, measure, CALM_YEAR)
            found[f"{name}: {measure}"] = mean(f"{text}: added, {words}", unit, year)
    return found


def draw(path: Path, runs: Runs, found: dict[str, Estimate]) -> None:
    """What is added to each measure against speed, one line for each way to announce."""
    with drawing():
        many, few = (len(runs[name].seeds) for name in (CHAOTIC, name_of(MIDDLE, PLAN)))
        figure, rows = new_figure(
            2, 3, (12.5, 7.4), "Does speed decide between order and chaos?",
            "BoJ rate up by 100 bp and JPY 0.8 tn a month less bought, in one step or four; mean added to a world "
            f"without, same {many} seeds ({few} where not judged); bars: 95 %, cut at the frame",
        )  # fmt: skip
        for ax, (measure, (text, unit, _)) in zip(rows.flat, MEASURES.items(), strict=True):
            _panel(ax, runs, measure)
            heading(ax, f"{text[0].upper()}{text[1:]}", f"added, {unit}")
        legend_below(figure, rows.flat[0], 3)
        save(figure, path)


def _panel(ax, runs: Runs, measure: str) -> None:
    shown = [0.0]
    for place, (known, color) in enumerate(KNOWN.items()):
        estimates = [mean("", "", added(runs, name_of(speed, known), measure)) for speed in APART]
        values = [e.value for e in estimates]
        bars = all(e.known for e in estimates)
        error = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]] if bars else None
        at = np.arange(len(APART)) + 0.08 * (place - 1)
        label = {SURPRISE: "unannounced", STEPWISE: "each step announced 20 trading days before",
                 PLAN: "whole plan announced 20 trading days before the first step"}[known]  # fmt: skip
        shown += values
        ax.errorbar(at, values, yerr=error, fmt="o-", markersize=5, color=color, elinewidth=1.0, label=label)
    margin = 0.25 * max(max(shown) - min(shown), 1e-6)  # from means alone: few seeds have wide intervals
    ax.set_ylim(min(shown) - margin, max(shown) + margin)
    zero_line(ax)
    ax.set_xticks(range(len(APART)), ["at once", "four steps in\n30 trading days", "four steps in\n75 trading days"])


def record(runs: Runs) -> list:
    """The Bank of Japan had not moved; July 2024 is the nearest to an unexpected rise."""
    shares = runs[CHAOTIC].series("NIKKEI")
    last = min(FIRST + 2, shares.shape[1] - 1)
    return [
        compared("Bank of Japan, 13 January to 13 February 2026: policy rate", "bp", 0.0, "Bank of Japan"),
        compared("Nikkei in three days after 15 bp, 31 July to 5 August 2024; model: 100 bp at once", "%", -21.7,
                 "exchanges", shares[:, last] - shares[:, FIRST - 1]),
    ]  # fmt: skip


CLAIM = Claim(
    id="C14",
    claim="Controlled transition or chaotic exit decides the year.",
    question="Does the same normalisation, a policy rate 100 bp higher and JPY 0.8 tn less bought a month, make less "
    "stress when it comes slowly and is announced?",
    design="No fiscal shock, 120 days from 13 January 2026, the bank's own rate rule off. From 18 February the rate "
    "goes from 0.75 to 1.75 % and monthly purchases fall by JPY 0.8 tn: at once, in four steps ten days apart, or in "
    "four 25 days apart; unannounced, each step announced 20 trading days before, or the whole plan announced 20 days "
    "before the first step. Announcements move the expected path as far as unexpected rises do in the end, so that the "
    "total of news is the same; lower purchases come on top of the published plan and are expected in none. All "
    "against the same world without, same random numbers. Chaotic: at once and unannounced; controlled: 25 days apart, "
    "each step announced. The packaged scenarios chaotic_exit and controlled_transition, a year each, are told beside "
    "them; in the latter each rise is announced four weeks ahead and purchases fall by the published plan.",
    rule="Supported if the highest stress index is higher after the chaotic exit than in the controlled transition "
    "(interval above zero), more than half of what the chaotic exit adds is avoided (whole interval), and both speed "
    "and announcing lower it, averaged over the other. Supported under conditions if it is higher, but less is avoided "
    "or only one of the two matters. Not supported if it is not higher. Cannot be decided if not even the chaotic exit "
    "adds stress.",
    arms={
        CALM: arm("baseline", days=DAYS, without=RULE_OFF, share=0.5),
        **{name: world(name) for name in WAYS},
        CALM_YEAR: arm("baseline", days=YEAR, without=RULE_OFF, share=0.1),
        **{name: arm(name, days=YEAR, share=0.1) for name in PACKAGED},
    },
    core=CORE,
    effects=effects,
    headline=gap,
    leading=(CHAOTIC, CONTROLLED),
    verdict=verdict,
    more=more,
    draw=draw,
    record=record,
    reality="Until 13 February 2026 the Bank of Japan had done neither. Its way from -0.1 % in March 2024 to 0.75 % in "
    "December 2025 took four rises; that of 31 July 2024, about half of which was expected, was followed by the loss "
    "of a fifth of the Nikkei in three days, with weak US payrolls in between.",
    few=0.03,
)

if __name__ == "__main__":
    main(CLAIM)
