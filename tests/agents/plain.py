"""A screen in plain numbers and plain objects, for the plain versions of the mass sectors.

`abm bench` times these worlds against the model (abm/study/bench/plain.py).
"""

import numpy as np

from abm.agents.carry_traders import ASSETS, CarryTraders
from abm.agents.crypto_longs import CryptoLongs
from abm.world.instruments import AUD, BTC, CURRENCIES, IDS, INDEX, JPY, MXN, USD, USDJPY
from abm.world.margin import BROKER
from abm.world.view import View
from tests.agents.reference import CarryWorld, CryptoAccount, CryptoWorld, Fund, RetailAccount, Screen


def plain_prices(log_price: np.ndarray) -> dict[str, float]:
    """Log prices by name."""
    return dict(zip(IDS, log_price.tolist(), strict=True))


def plain_screen(view: View, sector: str = "carry_traders") -> Screen:
    """What one sector reads off the screen."""
    by_currency = {
        name: dict(zip(CURRENCIES, getattr(view.public, field).tolist(), strict=True))
        for name, field in (
            ("rate", "policy_rate_pct"),
            ("terminal", "terminal_rate_pct"),
            ("near", "near_term_pct"),
            ("speed", "speed_per_yr"),
        )
    }
    covariance = {(a, b): float(view.covariance[i, j]) for i, a in enumerate(IDS) for j, b in enumerate(IDS)}
    return Screen(
        day=view.day,
        price=plain_prices(view.log_price),
        past=[plain_prices(row) for row in view.history],
        vol=plain_prices(view.vol),
        calm_vol=plain_prices(view.calm_vol),
        covariance=covariance,
        depth=plain_prices(view.depth),
        intervention_risk=view.public.intervention_risk,
        hike_risk=view.public.hike_risk,
        risk_aversion=view.public.risk_aversion_sd,
        margin_factor=view.public.margin_factor.get(sector, 1.0),
        **by_currency,
    )


def plain_carry_world(sector: CarryTraders, view: View) -> CarryWorld:
    """The institutions of a sector whose books were just opened, as objects. view: the screen of day 0."""
    screen = plain_screen(view)
    funds = [_fund(sector, k, i) for k, i in enumerate(sector.funds)]
    for fund in funds:
        fund.start(screen)
    floor = {name: float(BROKER.floor[m]) for name, m in INDEX.items()}
    retail = [_retail_account(sector, i) for i in np.flatnonzero(~sector.is_fund)]
    return CarryWorld(funds, retail, floor, sector.params, -sum(fund.jpy for fund in funds))


def _fund(sector: CarryTraders, k: int, i: int) -> Fund:
    """The fund of that number, which is member i."""
    net = sector.book.cash[i] - sector.book.loans[i]
    units = {IDS[m]: float(sector.book.units[i, m]) for m in ASSETS}
    units["AUDUSD"] = float(net[AUD])
    return Fund(
        p=sector.params,
        weights={IDS[m]: float(w) for m, w in zip(ASSETS, sector.weights[k], strict=True)},
        leverage_open=float(sector.leverage_open[k]),
        limit=float(sector.leverage_limit[k]),
        appetite_slack=float(sector.appetite_slack[k]),
        var_slack=float(sector.var_slack[k]),
        response=float(sector.response[k]),
        horizon=float(sector.horizon_days[k]),
        band=float(sector.band[k]),
        stop=float(sector.stop[k]),
        units=units,
        usd=float(net[USD]),
        jpy=float(net[JPY]),
        mxn=float(net[MXN]),
    )


def _retail_account(sector: CarryTraders, i: int) -> RetailAccount:
    return RetailAccount(
        core=float(sector.core_usd_bn[i]),
        response=float(sector.response_usd_bn[i]),
        lookback=int(sector.retail_lookback_days[i]),
        leverage=float(sector.retail_leverage[i]),
        band=float(sector.retail_band_usd_bn[i]),
        dollars=float(sector.book.contracts[i, USDJPY]),
        jpy=float(sector.book.cash[i, JPY]),
    )


def plain_crypto_world(sector: CryptoLongs) -> CryptoWorld:
    """The accounts of a sector whose books were just opened, as objects."""
    accounts = [_crypto_account(sector, i) for i in range(sector.n)]
    return CryptoWorld(accounts, sector.params, sector.params.funding_pct, sum(a.coins for a in accounts))


def _crypto_account(sector: CryptoLongs, i: int) -> CryptoAccount:
    net = sector.book.cash[i] - sector.book.loans[i]
    return CryptoAccount(
        p=sector.params,
        leverage=float(sector.leverage[i]),
        maintenance=float(sector.maintenance[i]),
        budget=float(sector.budget_usd_bn[i]),
        lookback=int(sector.lookback_days[i]),
        yen_funded=bool(sector.yen_funded[i]),
        exit_rate=sector.exit_rate,
        entry_rate=float(sector.entry_rate[i]),
        coins=float(sector.book.contracts[i, BTC]),
        usd=float(net[USD]),
        jpy=float(net[JPY]),
        entering=bool(sector.pending[i]),
        leaving=bool(sector.leaving[i]),
        refilling=bool(sector.refilling[i]),
    )
