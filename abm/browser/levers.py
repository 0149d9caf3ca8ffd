"""What can be pulled: actions that happen on the next day, and parameters that hold from the next start.

What comes from the browser is checked here; InputError says what is wrong with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from abm.browser.words import AT_THE_PAGE
from abm.scenarios import Scenario
from abm.scenarios.sectors import parameter_models, switches
from abm.world import events as ev
from abm.world.errors import InputError, unknown_name, wrong_value
from abm.world.instruments import JGB_IDS

USTS: Final = ("UST2", "UST10", "UST30")


@dataclass(frozen=True)
class Field:
    """A number within bounds, or one of some options."""

    name: str
    label: str
    unit: str = ""
    value: Any = 0.0
    lo: float = 0.0
    hi: float = 0.0
    step: float = 1.0
    options: tuple[str, ...] = ()

    def checked(self, value: Any, where: str) -> Any:
        """The value, if it is allowed."""
        if self.options:
            if value not in self.options:
                raise unknown_name(where, self.label, str(value), self.options)
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.lo <= value <= self.hi:
            raise wrong_value(where, self.label, value, f"a number from {self.lo:g} to {self.hi:g} {self.unit}".strip())
        return float(value)

    def for_form(self) -> dict[str, Any]:
        """As the form of the page takes it."""
        kind = "select" if self.options else "number"
        bounds = {"lo": self.lo, "hi": self.hi, "step": self.step}
        return {"name": self.name, "label": self.label, "unit": self.unit, "kind": kind, **bounds,
                "options": [[o, o.replace("_", " ")] for o in self.options]}  # fmt: skip


@dataclass(frozen=True)
class Action:
    """Something a person at the page may do to the world on the next day."""

    name: str
    label: str
    about: str
    fields: tuple[Field, ...]
    build: Callable[..., ev.Event]

    def event(self, values: Mapping[str, Any]) -> ev.Event:
        """The event, from what was typed."""
        checked = {f.name: f.checked(values.get(f.name), self.label) for f in self.fields}
        return self.build(**checked, note=AT_THE_PAGE)

    @property
    def defaults(self) -> dict[str, Any]:
        """What the fields say at first."""
        return {f.name: f.value for f in self.fields}


def _stimulus(amount_jpy_tn: float, note: str) -> ev.Event:
    return ev.FiscalAnnouncement(amount_jpy_tn=amount_jpy_tn, years=1.0, note=note)


def _us_data(terminal_change_bp: float, growth_sd: float, note: str) -> ev.Event:
    return ev.DataSurprise(country="US", terminal_change_bp=terminal_change_bp, growth_sd=growth_sd, note=note)


def _hike(change_bp: float, note: str) -> ev.Event:
    return ev.PolicyRate(bank="BOJ", change_bp=change_bp, note=note)


def _treasuries(amount_usd_bn: float, market: Any, days: float, dollars: str, note: str) -> ev.Event:
    return ev.TreasurySale(
        amount_usd_bn=amount_usd_bn, market=market, days=int(days), repatriate=dollars == "turned_into_yen", note=note
    )


ACTIONS: Final = (
    Action("hike", "BoJ moves its rate", "The Bank of Japan changes its policy rate, which nobody expected.",
           (Field("change_bp", "Change", "bp", 25.0, -100, 200, 5),), _hike),
    Action("purchase", "BoJ buys bonds", "An exceptional purchase, beyond the announced plan.",
           (Field("amount_jpy_tn", "Amount", "¥ tn", 0.5, 0.01, 20, 0.1),
            Field("market", "Bond", value="JGB30", options=JGB_IDS)),
           ev.AssetPurchase),
    Action("check", "MoF checks rates", "It asks dealers for quotes, the last step before it acts.", (), ev.RateCheck),
    Action("intervene", "MoF buys yen", "An operation in the currency market, dollars sold.",
           (Field("amount_jpy_tn", "Amount", "¥ tn", 3.0, 0.1, 20, 0.1),), ev.FxIntervention),
    Action("treasuries", "MoF sells Treasuries", "Out of the reserves.",
           (Field("amount_usd_bn", "Amount", "$ bn", 100.0, 1, 1000, 10),
            Field("market", "Bond", value="UST10", options=USTS),
            Field("days", "Over", "days", 5.0, 1, 250, 1),
            Field("dollars", "Dollars", value="kept", options=("kept", "turned_into_yen"))), _treasuries),
    Action("stimulus", "Stimulus", "Unfunded spending becomes known.",
           (Field("amount_jpy_tn", "Amount", "¥ tn", 20.0, 1, 200, 1),), _stimulus),
    Action("margins", "Raise margins", "Brokers or exchanges ask for a multiple of the margin.",
           (Field("sector", "Accounts", value="crypto_longs", options=get_args(ev.Margined)),
            Field("factor", "Multiple", "x", 1.5, 0.5, 5, 0.1)), ev.MarginChange),
    Action("us_data", "US data surprise", "The expected path of the Fed and expected earnings move.",
           (Field("terminal_change_bp", "Terminal rate", "bp", 20.0, -100, 100, 5),
            Field("growth_sd", "Growth", "sd", 1.0, -5, 5, 0.5)), _us_data),
    Action("aversion", "Risk aversion", "Investors everywhere want more compensation for risk.",
           (Field("change_sd", "Change", "sd", 2.0, -3, 6, 0.5),), ev.RiskAversion),
)  # fmt: skip
BY_NAME: Final = {action.name: action for action in ACTIONS}


def action_event(name: str, values: Mapping[str, Any]) -> ev.Event:
    """The event of an action by its name. InputError for an unknown name or a value out of bounds."""
    if name not in BY_NAME:
        raise unknown_name("page", "action", name, BY_NAME)
    try:
        return BY_NAME[name].event(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{BY_NAME[name].label}: {first['loc'][-1]}: {first['msg']}") from None


# -- parameters ------------------------------------------------------------------------------------------------------

SLIDERS: Final[dict[str, tuple[str, float, float, float]]] = {  # label, lowest, highest, step
    "news.scale": ("Random news", 0.0, 3.0, 0.1),
    "life_insurers.pace_span_pct": ("Insurers' repatriation, fastest", 0.0, 5.0, 0.1),
    "life_insurers.tolerance_pp": ("Insurers' patience abroad", 0.0, 3.0, 0.1),
    "banks.eve_limit": ("Banks' interest-rate limit", 0.05, 0.4, 0.01),
    "jgb_fast_money.position_limit_usd_bn": ("Fast money's futures", 0.0, 200.0, 5.0),
    "carry_traders.gross_usd_bn": ("Yen carry", 0.0, 1000.0, 10.0),
    "carry_traders.leverage_median": ("Leverage of carry funds", 1.5, 8.0, 0.1),
    "carry_traders.crowding": ("Crowding of yen shorts", 0.0, 2.0, 0.05),
    "crypto_longs.open_interest_usd_bn": ("Bitcoin open interest", 0.0, 150.0, 5.0),
    "crypto_longs.leverage_median": ("Leverage of bitcoin longs", 1.0, 30.0, 0.5),
    "dealers.capacity_scale": ("Dealers' balance sheet", 0.1, 3.0, 0.1),
    "arbitrageurs.capacity_scale": ("Arbitrageurs' balance sheet", 0.1, 3.0, 0.1),
    "arbitrageurs.global_reading": ("JGB re-pricing read as global", 0.0, 1.0, 0.05),
    "ministry_of_finance.line_above_opening_pct": ("Ministry's line for the yen", -5.0, 15.0, 0.25),
}


def slider_fields(scenario: Scenario) -> list[dict[str, Any]]:
    """The sliders with unit, range and meaning; a range reaches to the scenario's own value."""
    fields = []
    for key, (label, low, high, step) in SLIDERS.items():
        sector, name = key.split(".")
        field = parameter_models()[sector].model_fields[name]
        extra: Any = field.json_schema_extra or {}
        value = parameter(scenario, key)
        lo, hi = min(low, value), max(high, value)
        meaning = f"{field.description}; {lo:g} to {hi:g}"
        about = meaning[:1].upper() + meaning[1:]
        bounds = {"lo": lo, "hi": hi, "step": step, "unit": extra.get("unit", "")}
        fields.append({"name": key, "label": label, "kind": "range", "about": about, **bounds})
    return fields


def switch_fields() -> list[dict[str, Any]]:
    """A check box for every behaviour rule."""
    return [
        {"name": f"switches.{rule}", "label": rule.replace("_", " "), "kind": "check", "about": about.replace("_", " ")}
        for rule, about in switches().items()
    ]


def parameter(scenario: Scenario, key: str) -> float:
    """A parameter's value in a scenario, by "sector.name"."""
    sector, name = key.split(".")
    model: BaseModel = scenario.news if sector == "news" else scenario.params[sector]
    return float(getattr(model, name))


def settings(scenario: Scenario) -> dict[str, Any]:
    """What sliders and check boxes say for a scenario."""
    values: dict[str, Any] = {key: parameter(scenario, key) for key in SLIDERS}
    return values | {f"switches.{rule}": on for rule, on in scenario.switches.items()}


def checked_setting(key: Any, value: Any) -> Any:
    """A setting from the page, if it is one of those offered; its range is checked by the scenario."""
    if key in SLIDERS and isinstance(value, int | float) and not isinstance(value, bool):
        sector, name = key.split(".")
        whole = parameter_models()[sector].model_fields[name].annotation is int
        return int(value) if whole else float(value)
    if isinstance(key, str) and key.removeprefix("switches.") in switches() and isinstance(value, bool):
        return value
    raise wrong_value("page", str(key)[:80], value, "a parameter or a switch that the page offers")
