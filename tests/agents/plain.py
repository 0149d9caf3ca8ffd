"""A screen in plain numbers, for the plain versions of the mass sectors."""

import numpy as np

from abm.world.instruments import CURRENCIES, IDS
from abm.world.view import View
from tests.agents.reference import Screen


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
