"""Opening states: levels, risk, policy, who owns what, macro figures, each with unit, date, source and confidence."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np

from abm.scenarios.checks import unit_and_source
from abm.scenarios.figures import Dates, Figure, Number, Parameter, Path, Rules, fold
from abm.scenarios.sectors import NEWS, parameter_models
from abm.world.economy import Public
from abm.world.errors import InputError
from abm.world.events import MeetingBankId
from abm.world.instruments import (
    CURRENCIES,
    HOLDABLE,
    IDS,
    INDEX,
    JGB_IDS,
    MARKETS,
    N_MARKETS,
    REST,
    TO_QUOTED,
    Market,
    log_price_of_level,
    unit_value_usd,
)

HOLDABLE_IDS = tuple(IDS[i] for i in HOLDABLE)
EIGENVALUE_FLOOR = 0.01  # of the correlation matrix, so that it can be inverted
MOST_CORRECTED = 0.15  # correlation points; figures that need more to be consistent are wrong, not rounded
MACRO_RULES: Rules = {
    "gdp_jpy_tn": Number("JPY tn a year", 50, 5000),
    "debt_jpy_tn": Number("JPY tn", 50, 10_000),
    "revenue_jpy_tn": Number("JPY tn a year", 5, 1000),
    "interest_jpy_tn": Number("JPY tn a year", 0, 1000),
    "inflation_pct": Number("% year on year", -10, 100),
    "inflation_expected_pct": Number("% a year", -10, 100),
}


def _level_rule(market: Market) -> Number:
    if market.kind == "bond":
        return Number("%", -5, 60)
    units = {"equity": "points", "crypto": "USD", "fx": f"{market.currency} per {market.base}"}
    return Number(units[market.kind], 1e-6, 1e9)


def _sd_rule(market: Market) -> Number:
    return Number("bp a day", 0.01, 200) if market.kind == "bond" else Number("% a day", 0.001, 50)


def _holdings_rules() -> Rules:
    return dict.fromkeys(HOLDABLE_IDS, Number("USD bn", 0, 1e7))


def state_rules() -> dict[str, Rules]:
    """Every figure an opening state may hold, by section: its unit and range."""
    sectors = parameter_models()
    return {
        "levels": {m.id: _level_rule(m) for m in MARKETS},
        "calm_sd": {m.id: _sd_rule(m) for m in MARKETS},
        "correlation": {a: dict.fromkeys(IDS, Number("correlation", -1, 1)) for a in IDS},
        "policy_rate_pct": dict.fromkeys(CURRENCIES, Number("%", -5, 100)),
        "terminal_rate_pct": dict.fromkeys(CURRENCIES, Number("%", -5, 100)),
        "speed_per_yr": dict.fromkeys(CURRENCIES, Number("1/year", 0.01, 20)),
        "outstanding_usd_bn": dict.fromkeys(HOLDABLE_IDS, Number("USD bn", 0.001, 1e7)),
        "holdings_usd_bn": {name: _holdings_rules() for name in sectors if name not in (REST, NEWS)},
        "macro": MACRO_RULES,
        "planned_issuance_jpy_tn_per_month": dict.fromkeys(JGB_IDS, Number("JPY tn a month", -20, 50)),
        "planned_purchases_jpy_tn_per_month": dict.fromkeys(JGB_IDS, Number("JPY tn a month", 0, 50)),
        "meetings": dict.fromkeys(get_args(MeetingBankId), Dates()),
        "days_since_rate_change": dict.fromkeys(get_args(MeetingBankId), Number("trading days", 0, 10_000)),
        "parameters": {
            name: {key: Parameter(unit_and_source(field)[0]) for key, field in model.model_fields.items()}
            for name, model in sectors.items()
        },
    }


OPTIONAL_SECTIONS = ("correlation", "holdings_usd_bn", "meetings", "parameters")  # complete where they are empty


@dataclass(frozen=True, eq=False)
class State:
    """The opening state of a run: the close of ``date``, which is day 0.

    figures: path of names to figure, complete and checked. Arrays over markets or currencies are read-only and in the
    order of `instruments`; what is not in a table is zero.
    """

    name: str
    title: str
    date: dt.date
    figures: Mapping[Path, Figure]

    @cached_property
    def levels(self) -> np.ndarray:
        """Quoted levels at the close, (markets,): yields in per cent, prices otherwise."""
        return self._over(IDS, "levels")

    @cached_property
    def log_price(self) -> np.ndarray:
        """Log prices at the close, (markets,)."""
        return _frozen(log_price_of_level(self.levels))

    @cached_property
    def calm_sd(self) -> np.ndarray:
        """Calm daily standard deviations, (markets,): basis points for bonds, per cent otherwise."""
        return self._over(IDS, "calm_sd")

    @cached_property
    def correlation(self) -> np.ndarray:
        """Calm correlations of changes as quoted (yields, not bond prices), (markets, markets), positive definite."""
        return _frozen(nearest_correlation(self.stated_correlation))

    @cached_property
    def stated_correlation(self) -> np.ndarray:
        """Correlations as the file gives them, (markets, markets), rounded and perhaps not quite consistent."""
        matrix = np.eye(N_MARKETS)
        for (first, second), value in self.section("correlation").items():
            matrix[INDEX[first], INDEX[second]] = matrix[INDEX[second], INDEX[first]] = value
        return _frozen(matrix)

    def calm_covariance_log(self) -> np.ndarray:
        """Calm covariance of daily log price changes, (markets, markets).

        A yield rising by dy moves a bond's log price by -duration * dy, so correlations of a bond with anything but
        another bond change sign.
        """
        scale = self.calm_sd / TO_QUOTED
        return self.correlation * np.outer(scale, scale)

    @cached_property
    def policy_rate_pct(self) -> np.ndarray:
        """Policy rates, per cent, (currencies,)."""
        return self._over(CURRENCIES, "policy_rate_pct")

    @cached_property
    def terminal_rate_pct(self) -> np.ndarray:
        """Where people expect policy rates to end, per cent, (currencies,)."""
        return self._over(CURRENCIES, "terminal_rate_pct")

    @cached_property
    def speed_per_yr(self) -> np.ndarray:
        """Speed of the expected path towards the terminal rate, per year, (currencies,)."""
        return self._over(CURRENCIES, "speed_per_yr")

    @cached_property
    def outstanding_usd_bn(self) -> np.ndarray:
        """Value outstanding, USD bn, (markets,); zero for exchange rates."""
        return self._over(IDS, "outstanding_usd_bn")

    @cached_property
    def holdings_usd_bn(self) -> dict[str, np.ndarray]:
        """Holdings by sector, USD bn, (markets,); the rest of the world holds what is left and is not listed."""
        sectors = {path[0]: None for path in self.section("holdings_usd_bn")}
        return {name: self._over(IDS, "holdings_usd_bn", name) for name in sectors}

    @cached_property
    def macro(self) -> dict[str, Any]:
        """Macro figures of Japan by name, units in the names."""
        return {path[0]: value for path, value in self.section("macro").items()}

    @cached_property
    def meetings(self) -> dict[str, tuple[dt.date, ...]]:
        """Known dates on which each bank's policy meetings decide, in order."""
        return {path[0]: value for path, value in self.section("meetings").items()}

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Parameters that belong to this state, by sector and name."""
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        for (sector, name), value in self.section("parameters").items():
            found[sector][name] = value
        return dict(found)

    @cached_property
    def planned_issuance_jpy_tn_per_month(self) -> np.ndarray:
        """Planned gross issuance, yen trillion a month, (markets,)."""
        return self._over(IDS, "planned_issuance_jpy_tn_per_month")

    @cached_property
    def planned_purchases_jpy_tn_per_month(self) -> np.ndarray:
        """Announced purchases of the Bank of Japan, yen trillion a month, (markets,)."""
        return self._over(IDS, "planned_purchases_jpy_tn_per_month")

    def open_public(self) -> Public:
        """What everybody publicly knows on day 0."""
        return Public(
            policy_rate_pct=self.policy_rate_pct,
            terminal_rate_pct=self.terminal_rate_pct,
            near_term_pct=_frozen(np.zeros(len(CURRENCIES))),
            speed_per_yr=self.speed_per_yr,
            issuance_jpy_tn_per_month=self.planned_issuance_jpy_tn_per_month,
            planned_issuance_jpy_tn_per_month=self.planned_issuance_jpy_tn_per_month,
            purchases_jpy_tn_per_month=self.planned_purchases_jpy_tn_per_month,
            planned_purchases_jpy_tn_per_month=self.planned_purchases_jpy_tn_per_month,
            days_since_rate_change={path[0]: int(n) for path, n in self.section("days_since_rate_change").items()},
            **self.macro,
        )

    def section(self, *names: str) -> dict[Path, Any]:
        """Values of a section by the rest of their path."""
        n = len(names)
        return {path[n:]: figure.value for path, figure in self.figures.items() if path[:n] == names}

    def document(self) -> dict[str, Any]:
        """Tables that describe this state wholly, whatever it extended."""
        return {"name": self.name, "title": self.title, "date": self.date, **fold(self.figures)}

    def _over(self, names: tuple[str, ...], *section: str) -> np.ndarray:
        values = self.section(*section)
        return _frozen(np.array([values.get((name,), 0.0) for name in names]))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def nearest_correlation(matrix: np.ndarray) -> np.ndarray:
    """The matrix if its eigenvalues are all above the floor, else one near it: floored, diagonal scaled back to one."""
    values, vectors = np.linalg.eigh(matrix)
    if values.min() >= EIGENVALUE_FLOOR:
        return matrix
    lifted = (vectors * np.maximum(values, EIGENVALUE_FLOOR)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(lifted))
    nearest = lifted * np.outer(scale, scale)
    return (nearest + nearest.T) / 2.0


# -- rules that concern several figures ------------------------------------------------------------------------------


def in_market_order(figures: Mapping[Path, Figure], where: str) -> dict[Path, Figure]:
    """Figures with every correlation under one name, whichever of its two markets came first in the file."""
    out: dict[Path, Figure] = {}
    for path, figure in figures.items():
        if path[0] != "correlation":
            out[path] = figure
            continue
        first, second = sorted(path[1:], key=INDEX.__getitem__, reverse=True)
        if first == second and figure.value != 1.0:
            raise InputError(f"{where}: correlation.{first}.{first} = {figure.value:g}, but it must be 1")
        twin = out.get(("correlation", first, second))
        if twin is not None and twin.value != figure.value:
            raise InputError(
                f"{where}: correlation of {first} and {second} is given twice, {twin.value:g} and {figure.value:g}, "
                "but correlations must be symmetric"
            )
        if first != second:
            out["correlation", first, second] = figure
    return out


def same_units(parent: State, own: Mapping[Path, Figure], date: dt.date) -> dict[Path, Figure]:
    """The parent's figures with its positions revalued: the same units at the prices of the state that extends it."""
    levels = np.array([own.get(("levels", m), parent.figures["levels", m]).value for m in IDS])
    ratio = unit_value_usd(log_price_of_level(levels)) / unit_value_usd(parent.log_price)
    inherited = dict(parent.figures)
    for path, figure in parent.figures.items():
        if path[0] in ("outstanding_usd_bn", "holdings_usd_bn") and ratio[INDEX[path[-1]]] != 1.0:
            value = round(figure.value * float(ratio[INDEX[path[-1]]]), 6)
            source = f"{figure.source}; the units of state {parent.name} at this state's prices"
            inherited[path] = replace(figure, value=value, date=date, source=source)
    return inherited


def check_complete(figures: Mapping[Path, Figure], rules: Mapping[str, Rules], where: str) -> None:
    """Every required figure is there."""
    for section, entries in rules.items():
        if section in OPTIONAL_SECTIONS:
            continue
        for name in entries:
            if (section, name) not in figures:
                raise InputError(f"{where}: {section}.{name} is missing; every {section} entry must be given")
    for i, second in enumerate(IDS):
        for first in IDS[i + 1 :]:
            if ("correlation", first, second) not in figures:
                raise InputError(f"{where}: correlation.{first}.{second} is missing; every pair must be given")


def check_consistent(state: State, where: str) -> None:
    """Nobody owns what does not exist, and the correlations can all hold at once."""
    owned = np.sum([*state.holdings_usd_bn.values(), np.zeros(N_MARKETS)], axis=0)
    for i in np.flatnonzero(owned > state.outstanding_usd_bn * (1.0 + 1e-9)):
        raise InputError(
            f"{where}: holdings_usd_bn of {IDS[i]} add up to {owned[i]:,.2f} USD bn, "
            f"but only {state.outstanding_usd_bn[i]:,.2f} USD bn are outstanding"
        )
    correction = np.abs(state.correlation - state.stated_correlation)
    if correction.max() > MOST_CORRECTED:
        a, b = np.unravel_index(int(correction.argmax()), correction.shape)
        raise InputError(
            f"{where}: correlations contradict each other, that of {IDS[b]} and {IDS[a]} would have to be "
            f"{state.correlation[a, b]:.2f} instead of {state.stated_correlation[a, b]:g}"
        )
