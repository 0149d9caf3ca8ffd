"""Dated events: what a scenario, an authority or a person at the page may do to the world.

An event changes news, policy stance, positions or constraints, never a price. What a scenario schedules and what
an authority decides by its own rule are the same objects and take the same way: the public state hears of them
(`economy.hear`), and so does the sector named by `addressee`, if any.
"""

import datetime as dt
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from abm.world.instruments import BANK_IDS, COUNTRY_IDS, IDS, JGB_IDS

MarketId = Literal[IDS]  # type: ignore[valid-type]
JgbId = Literal[JGB_IDS]  # type: ignore[valid-type]
BankId = Literal[BANK_IDS]  # type: ignore[valid-type]
CountryId = Literal[COUNTRY_IDS]  # type: ignore[valid-type]
MeetingBankId = Literal["BOJ", "FED", "ECB"]  # that decide by a rule of their own
Margined = Literal["carry_traders", "crypto_longs", "jgb_fast_money"]
OFFER_YIELDS_PCT = (-2.0, 20.0)  # at which a fixed-rate offer may stand
SignedBp = Annotated[float, Field(ge=-500, le=500)]


class Event(BaseModel):
    """What every event has: when (a date or a day; both empty for one that emerges) and who causes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    addressee: ClassVar[str | None] = None
    kind: str
    date: dt.date | None = Field(None, description="trading date on which it becomes known; the next one if a holiday")
    day: int | None = Field(None, ge=1, le=5000, description="trading day, counted from 1; instead of date")
    note: str = Field("", max_length=200, description="words for the event log")
    cause: str = Field("scenario", description="who causes it: scenario, or the sector whose rule it is")


class FiscalAnnouncement(Event):
    """Spending without funding becomes known."""

    addressee: ClassVar[str | None] = "government"
    kind: Literal["fiscal_announcement"] = "fiscal_announcement"
    amount_jpy_tn: float = Field(ge=-200, le=500, description="unfunded spending over the programme, yen trillion")
    years: float = Field(1.0, gt=0, le=20, description="over how many years it is spent")


class TaxCut(Event):
    """A tax is cut or suspended without replacement."""

    addressee: ClassVar[str | None] = "government"
    kind: Literal["tax_cut"] = "tax_cut"
    amount_jpy_tn_per_year: float = Field(ge=-50, le=100, description="revenue forgone, yen trillion a year")
    years: float = Field(2.0, gt=0, le=20, description="for how many years")


class Election(Event):
    """A general election is held; the mandate decides how much of the announced programme stands."""

    addressee: ClassVar[str | None] = "government"
    kind: Literal["election"] = "election"
    mandate: Literal["strong", "weak", "hung", "open"] = Field(
        "open", description="outcome; open: drawn by the government's rule"
    )


class PolicyMeeting(Event):
    """A scheduled policy meeting: the bank decides by its own rule."""

    kind: Literal["policy_meeting"] = "policy_meeting"
    bank: MeetingBankId = Field(description="which central bank meets")


class PolicyRate(Event):
    """A policy rate is changed."""

    kind: Literal["policy_rate"] = "policy_rate"
    bank: BankId = Field(description="which central bank")
    change_bp: SignedBp = Field(description="change of the policy rate, basis points")
    expected_share: float = Field(0.0, ge=0, le=1, description="part already in the expectations curve")
    terminal_share: float = Field(0.3, ge=-1, le=2, description="part of the surprise carried into the terminal rate")
    keeps_meeting: bool = Field(
        False,
        description="whether a meeting on that day stays in the public calendar, instead of being known to bring this",
    )


class PolicyGuidance(Event):
    """Words that move the rate people expect the policy to end at, or a meeting that leaves the rate where it is."""

    kind: Literal["policy_guidance"] = "policy_guidance"
    bank: BankId = Field(description="which central bank")
    terminal_change_bp: SignedBp = Field(description="change of the perceived terminal rate, basis points")
    near_term_change_bp: SignedBp = Field(0.0, description="change of the rate expected within a year, basis points")


class AssetPurchase(Event):
    """A central bank buys (or sells) bonds beyond its plan."""

    addressee: ClassVar[str | None] = "bank_of_japan"
    kind: Literal["asset_purchase"] = "asset_purchase"
    market: JgbId = Field("JGB30", description="which bond")
    amount_jpy_tn: float = Field(ge=-50, le=100, description="yen trillion, positive buys")
    days: int = Field(1, ge=1, le=500, description="spread evenly over so many trading days")
    fixed_yield_pct: float | None = Field(
        None,
        ge=OFFER_YIELDS_PCT[0],
        le=OFFER_YIELDS_PCT[1],
        description="offer to buy at this yield; the amount is then the most it buys",
    )


class PurchaseTaper(Event):
    """The announced monthly purchases change."""

    addressee: ClassVar[str | None] = "bank_of_japan"
    kind: Literal["purchase_taper"] = "purchase_taper"
    change_jpy_tn_per_month: float = Field(ge=-10, le=20, description="change of monthly purchases, yen trillion")
    expected_share: float = Field(0.0, ge=0, le=1, description="part of a published plan that prices already hold")


class VerbalIntervention(Event):
    """Words about the yen."""

    addressee: ClassVar[str | None] = "ministry_of_finance"
    kind: Literal["verbal_intervention"] = "verbal_intervention"
    level: int = Field(2, ge=1, le=4, description="1 watching closely ... 4 decisive action, no option excluded")


class RateCheck(Event):
    """The ministry asks dealers for quotes: the last step before operations."""

    addressee: ClassVar[str | None] = "ministry_of_finance"
    kind: Literal["rate_check"] = "rate_check"


class FxIntervention(Event):
    """Yen bought (positive) or sold against dollars."""

    addressee: ClassVar[str | None] = "ministry_of_finance"
    kind: Literal["fx_intervention"] = "fx_intervention"
    amount_jpy_tn: float = Field(ge=-30, le=30, description="yen bought, yen trillion")
    days: int = Field(1, ge=1, le=250, description="spread evenly over so many trading days")


class TreasurySale(Event):
    """The ministry sells Treasuries out of the reserves."""

    addressee: ClassVar[str | None] = "ministry_of_finance"
    kind: Literal["treasury_sale"] = "treasury_sale"
    amount_usd_bn: float = Field(ge=-1000, le=1200, description="USD bn sold")
    days: int = Field(1, ge=1, le=500, description="spread evenly over so many trading days")
    market: Literal["UST2", "UST10", "UST30"] = Field("UST10", description="which Treasury")
    repatriate: bool = Field(False, description="also turn the dollars into yen")


class IssuanceChange(Event):
    """The issuance plan changes: cuts are negative, buy-backs are cuts below zero."""

    addressee: ClassVar[str | None] = "government"
    kind: Literal["issuance_change"] = "issuance_change"
    market: JgbId = Field(description="which bond")
    change_jpy_tn_per_month: float = Field(ge=-10, le=10, description="change of monthly issuance, yen trillion")


class AuctionResult(Event):
    """A government bond auction's result becomes known."""

    kind: Literal["auction_result"] = "auction_result"
    market: JgbId = Field(description="which bond")
    strength_sd: float = Field(ge=-8, le=8, description="bid-to-cover against its average, standard deviations")


class DataSurprise(Event):
    """Economic data differ from what was expected; the country's expected policy path moves."""

    kind: Literal["data_surprise"] = "data_surprise"
    country: CountryId = Field(description="whose data")
    terminal_change_bp: SignedBp = Field(description="change of the perceived terminal rate, basis points")
    near_term_change_bp: SignedBp | None = Field(
        None,
        description="change of the rate expected within a year, basis points; empty: twice that of the terminal rate",
    )
    growth_sd: float = Field(
        0.0,
        ge=-8,
        le=8,
        description="surprise about activity, standard deviations; moves earnings if US, JP or EU",
    )


class RiskAversion(Event):
    """Investors everywhere want more compensation for risk; fades with a half-life."""

    kind: Literal["risk_aversion"] = "risk_aversion"
    change_sd: float = Field(ge=-5, le=10, description="change of risk appetite, standard deviations of the VIX")
    half_life_days: float = Field(10.0, gt=0, le=500, description="half-life, trading days")


class MarginChange(Event):
    """Brokers or exchanges change margins."""

    kind: Literal["margin_change"] = "margin_change"
    sector: Margined = Field(description="whose accounts")
    factor: float = Field(gt=0, le=20, description="new margin rates as a multiple of the old")


class Flow(Event):
    """An outside holder buys or sells, spread evenly over the days (impact measurement)."""

    addressee: ClassVar[str | None] = "rest_of_world"
    kind: Literal["flow"] = "flow"
    market: MarketId = Field(description="which market")
    amount_usd_bn: float = Field(ge=-20000, le=20000, description="USD bn in total, negative sells")
    days: int = Field(1, ge=1, le=1000, description="spread evenly over so many trading days")
    hedged: bool = Field(True, description="true: the currency is not touched")


EVENT_KINDS: dict[str, type[Event]] = {cls.model_fields["kind"].default: cls for cls in Event.__subclasses__()}
