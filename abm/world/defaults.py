"""Insolvencies: who bears the loss of an account whose debts exceed what it owns."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from abm.world.instruments import BTC, USD
from abm.world.ledger import Ledger

Array = np.ndarray[Any, Any]

INSURANCE_FUND: Final = "insurance_fund"
DUST_USD_BN: Final = 1e-9  # a dollar: a smaller shortfall is rounding, not a default


@dataclass(frozen=True)
class Defaults:
    """What was booked. members: failed members of the sector. loss_usd_bn: by who bears it, a sector or the fund."""

    members: Array
    loss_usd_bn: dict[str, float] = field(default_factory=dict)


def settle_defaults(
    ledger: Ledger, sector: str, lender: str, log_price: Array, *, insurance_member: int | None = None
) -> Defaults:
    """Wind up the members with negative equity; their creditor takes over what they own and owe.

    The lender's accounts bear the loss by their shares of its lending. With an insurance fund (a house account of
    the sector), exchange rules come first: bitcoin perpetuals still open pass to the shorts, the fund pays as far as
    its dollars go, then the shorts, pro rata to their positions (auto-deleveraging); the lender is left with what
    there are no shorts to pay for.

    insurance_member: the fund's row.
    """
    rows = ledger.rows[sector]
    equity = ledger.book(sector).equity_usd(log_price)
    failing = equity < -DUST_USD_BN
    if insurance_member is not None:
        failing[insurance_member] = False
    members = np.flatnonzero(failing)
    if not members.size:
        return Defaults(members)
    failed, loss_usd_bn = rows.start + members, -equity[members]
    borne: dict[str, float] = {}
    left = loss_usd_bn
    if insurance_member is not None:
        left = left - _claim_on_fund(ledger, rows.start + insurance_member, failed, left, borne)
        left = left - _deleverage(ledger, failed, left, borne)
    creditors = ledger.rows[lender]
    ledger.absorb(failed, np.arange(creditors.start, creditors.stop), ledger.share[creditors])
    _add(borne, lender, float(left.sum()))
    return Defaults(members, borne)


def _claim_on_fund(ledger: Ledger, fund: int, failed: Array, loss_usd_bn: Array, borne: dict[str, float]) -> Array:
    """The fund pays each account the same part of its loss, as far as its dollars go; returns what it paid."""
    total = loss_usd_bn.sum()
    available = max(float(ledger.cash[fund, USD] - ledger.loans[fund, USD]), 0.0)
    paid = loss_usd_bn * min(1.0, available / total)
    ledger.transfer(fund, failed, USD, paid)
    _add(borne, INSURANCE_FUND, float(paid.sum()))
    return np.asarray(paid)


def _deleverage(ledger: Ledger, failed: Array, loss_usd_bn: Array, borne: dict[str, float]) -> Array:
    """Shorts close the accounts' open perpetuals at the mark and pay their losses; returns what they paid."""
    short = np.maximum(-ledger.contracts[:, BTC], 0.0)
    short[failed] = 0.0
    holders = np.flatnonzero(short)
    if not holders.size:
        return np.zeros_like(loss_usd_bn)
    share = short[holders] / short[holders].sum()
    ledger.novate(failed, holders, BTC, share)
    total = float(loss_usd_bn.sum())
    ledger.collect(holders, share * total, failed, loss_usd_bn, USD)
    for name, rows in ledger.rows.items():
        inside = (holders >= rows.start) & (holders < rows.stop)
        _add(borne, name, total * float(share[inside].sum()))
    return loss_usd_bn


def _add(borne: dict[str, float], holder: str, usd_bn: float) -> None:
    if usd_bn > 0.0:
        borne[holder] = borne.get(holder, 0.0) + usd_bn
