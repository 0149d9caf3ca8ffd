"""Events in words, for the log of the page."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from abm.output.attribution import BANK_WORDS, short

AT_THE_PAGE: Final = "ordered at the page"
TRIVIAL_USD_M: Final = 1.0  # losses of the insurance fund below are in the table of events alone
STEPS: Final = (
    "silence", "watching", "concerned", "one-sided moves", "decisive action", "rate check", "operation",
)  # fmt: skip
ALERTS: Final = {
    "default",
    "non_convergence",
    "margin_rounds_exhausted",
    "rate_check",
    "fx_intervention",
}


@dataclass(frozen=True)
class Told:
    """An event as the log shows it. tone: "act" if ordered at the page, "alert", "quiet", "trivial", or nothing."""

    day: int
    date: dt.date | None
    kind: str
    who: str
    text: str
    tone: str


def told(day: int, date: dt.date | None, kind: str, cause: str, text: str, details: Mapping[str, Any]) -> Told:
    """One row of the recorder's events in words. Unknown kinds keep the recorder's text."""
    mine = text == AT_THE_PAGE
    who = "You" if mine else short(cause)
    say = WORDS.get(kind)
    words = say(details) if say else text
    if kind == "policy_guidance" and text == "policy rate unchanged":
        words = _hold(details)
    tone = "act" if mine else "alert" if kind in ALERTS else ""
    if kind == "insurance_fund" and (paid := re.search(r"losses: (\S+) USD bn by insurance_fund", text)):
        usd_m = 1000.0 * float(paid[1])
        words = text.replace(paid[0], f"the insurance fund bears ${usd_m:.2g} m")
        tone = "quiet" if usd_m >= TRIVIAL_USD_M else "trivial"
    who = who[:1].upper() + who[1:]
    return Told(day, date, kind, who, words.removeprefix(f"{who} "), tone)


def _hold(d: Mapping[str, Any]) -> str:
    return f"{BANK_WORDS[d['bank']]} leaves its rate unchanged"


def _rate(d: Mapping[str, Any]) -> str:
    if d["change_bp"] == 0:
        return _hold(d)
    verb = "raises" if d["change_bp"] > 0 else "lowers"
    return f"{BANK_WORDS[d['bank']]} {verb} its rate by {abs(d['change_bp']):.3g} bp"


def _guidance(d: Mapping[str, Any]) -> str:
    return f"{BANK_WORDS[d['bank']]} guidance: terminal rate {d['terminal_change_bp']:+.3g} bp"


def _purchase(d: Mapping[str, Any]) -> str:
    amount = d["amount_jpy_tn"]
    words = f"BoJ {'buys' if amount > 0 else 'sells'} ¥{abs(amount):.3g} tn of {d['market']}{_over(d['days'])}"
    return words if d["fixed_yield_pct"] is None else f"{words}, at most, at a yield of {d['fixed_yield_pct']:.3g} %"


def _intervention(d: Mapping[str, Any]) -> str:
    verb = "buys" if d["amount_jpy_tn"] > 0 else "sells"
    return f"MoF {verb} ¥{abs(d['amount_jpy_tn']):.3g} tn against dollars{_over(d['days'])}"


def _sale(d: Mapping[str, Any]) -> str:
    verb = "sells" if d["amount_usd_bn"] > 0 else "buys"
    home = ", dollars into yen" if d["repatriate"] else ""
    return f"MoF {verb} ${abs(d['amount_usd_bn']):.4g} bn of {d['market']}{_over(d['days'])}{home}"


def _over(days: int) -> str:
    return f" over {days} days" if days > 1 else ""


def _auction(d: Mapping[str, Any]) -> str:
    sd = d["strength_sd"]
    strength = "weak" if sd < -1 else "strong" if sd > 1 else "ordinary"
    return f"{d['market']} auction {strength}, {sd:+.1f} sd"


def _surprise(d: Mapping[str, Any]) -> str:
    return f"{d['country']} data: growth {d['growth_sd']:+.2g} sd, terminal rate {d['terminal_change_bp']:+.3g} bp"


def _margins(d: Mapping[str, Any]) -> str:
    return f"Margins of {short(d['sector'])} at {d['factor']:.3g} times the old rates"


def _flow(d: Mapping[str, Any]) -> str:
    verb = "buys" if d["amount_usd_bn"] > 0 else "sells"
    return f"An outside holder {verb} ${abs(d['amount_usd_bn']):.4g} bn of {d['market']}{_over(d['days'])}"


WORDS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "fiscal_announcement": lambda d: f"Stimulus of ¥{d['amount_jpy_tn']:.3g} tn, unfunded",
    "tax_cut": lambda d: f"Tax cut of ¥{d['amount_jpy_tn_per_year']:.3g} tn a year for {d['years']:.3g} years",
    "election": lambda d: "General election" if d["mandate"] == "open" else f"Election: {d['mandate']} mandate",
    "policy_meeting": lambda d: f"{BANK_WORDS[d['bank']]} meets",
    "policy_rate": _rate,
    "policy_guidance": _guidance,
    "asset_purchase": _purchase,
    "purchase_taper": lambda d: f"BoJ changes its purchases by ¥{d['change_jpy_tn_per_month']:+.3g} tn a month",
    "verbal_intervention": lambda d: f"Words on the yen: {STEPS[d['level']]}",
    "rate_check": lambda d: "Rate check",
    "fx_intervention": _intervention,
    "treasury_sale": _sale,
    "issuance_change": lambda d: f"Issuance of {d['market']} {d['change_jpy_tn_per_month']:+.2g} ¥ tn a month",
    "auction_result": _auction,
    "data_surprise": _surprise,
    "risk_aversion": lambda d: f"Risk aversion {d['change_sd']:+.2g} sd",
    "margin_change": _margins,
    "flow": _flow,
}
