"""A small world and sweeps of it, quick enough for tests."""

from pathlib import Path
from typing import Any

from abm.study.sweep.plan import Plan, plan_from

SMALL_WORLD = {
    "carry_traders.members": 50,
    "crypto_longs.members": 50,
    "jgb_fast_money.members": 20,
}
UNIFORM = {"name": "dealers.capacity_scale", "distribution": "uniform", "low": 0.5, "high": 2.0}
SWITCH = {"name": "switches.repatriation", "distribution": "categorical", "values": [True, False]}
AMOUNT = {"name": "event.fiscal_announcement.amount_jpy_tn", "distribution": "triangular"}
AMOUNT |= {"low": 5.0, "mode": 20.0, "high": 40.0}


def small_tables(**changes: Any) -> dict[str, Any]:
    """Tables of a sweep file; keys of [sweep] or whole tables may be changed."""
    header = {
        "name": "small",
        "scenario": "sanaenomics",
        "days": 5,
        "seeds": 2,
        "measures": ["end_change_bp.JGB40", "end_change_pct.USDJPY", "unconverged_days"],
    }
    tables: dict[str, Any] = {
        "sweep": header,
        "set": SMALL_WORLD,
        "design": {"kind": "latin_hypercube", "points": 6},
        "parameter": [AMOUNT, UNIFORM],
    }
    for key, value in changes.items():
        if key in ("set", "design", "parameter", "link"):
            tables[key] = value
        else:
            header[key] = value
    return tables


def small_plan(folder: Path = Path(), **changes: Any) -> Plan:
    """The plan of `small_tables`."""
    return plan_from(small_tables(**changes), folder=folder)
