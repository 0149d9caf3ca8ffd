"""Japanese pension funds: they hold a policy mix, trade only outside its bands, and move the mix when yields allow."""

from typing import ClassVar, Final

import mesa
import numpy as np

from abm.agents.base import Opening, Params, Sector, par, pareto_sizes
from abm.agents.portfolio import (
    FOREIGN_BONDS,
    FOREIGN_EQUITIES,
    HEDGEABLE,
    group_tilts,
    hedge_forwards,
    heterogeneous_split,
    running_income,
    with_yen_cash,
)
from abm.world.instruments import HOLDABLE, INDEX, JGBS, JPY, N_MARKETS, indices, unit_value_usd
from abm.world.orders import join, no_orders, post
from abm.world.streams import Streams
from abm.world.view import View

JGB10 = INDEX["JGB10"]
CLASSES: Final = (JGBS, FOREIGN_BONDS, indices("NIKKEI"), FOREIGN_EQUITIES)
CLASS_NAMES: Final = ("domestic_bonds", "foreign_bonds", "domestic_equities", "foreign_equities")
N_CLASSES: Final = len(CLASSES)
IN_CLASS: Final = np.stack([np.isin(np.arange(N_MARKETS), c).astype(float) for c in CLASSES])  # (classes, markets)
TRADED: Final = HOLDABLE[IN_CLASS[:, HOLDABLE].any(axis=0)]
HEDGED_WHEN_TRADED: Final = np.isin(TRADED, FOREIGN_BONDS[HEDGEABLE > 0]).astype(float)
SOURCE: Final = "SOURCES.md 1"


class PensionFundParams(Params):
    """Parameters of the pension funds."""

    members: int = par(101, "institutions", "SOURCES.md 8", "GPIF and the other funds", 2, 5000)
    gpif_share: float = par(0.70, "share", SOURCE + ": 293 of about 413 tn", "GPIF's part of the assets", 0.01, 0.99)
    mix_sigma: float = par(0.2, "log", "[L]", "dispersion of the other funds' mixes", 0, 1)
    cash_share: float = par(0.01, "of assets", "[mem]", "yen cash held for benefits", 0, 0.2)
    band_domestic_bonds_pp: float = par(6.0, "pp", SOURCE + " [mem]", "GPIF's band", 0.1, 50)
    band_foreign_bonds_pp: float = par(5.0, "pp", SOURCE + " [mem]", "GPIF's band", 0.1, 50)
    band_domestic_equities_pp: float = par(6.0, "pp", SOURCE + " [mem]", "GPIF's band", 0.1, 50)
    band_foreign_equities_pp: float = par(6.0, "pp", SOURCE + " [mem]", "GPIF's band", 0.1, 50)
    other_band_low_pp: float = par(3.0, "pp", "[L]", "narrowest band of other funds", 0.1, 50)
    other_band_high_pp: float = par(7.0, "pp", "[L]", "widest band of other funds", 0.1, 50)
    horizon_low_days: float = par(20.0, "days", "SOURCES.md 3, pensions", "fastest return to half band", 1)
    horizon_high_days: float = par(60.0, "days", "SOURCES.md 3, pensions", "slowest", 1, 1000)
    bp_per_shift_pp: float = par(
        25.0, "bp per pp", "SOURCES.md 3, pension funds", "JGB10 rise per point of mix shift", 1
    )
    shift_cap_pp: float = par(10.0, "pp", "[L]", "largest shift to domestic bonds", 0, 50)
    shift_from_foreign_bonds: float = par(0.5, "share", "[L]", "of the shift taken from foreign bonds", 0, 0.5)
    shift_from_foreign_equities: float = par(0.25, "share", "[L]", "of the shift taken from foreign equities", 0, 0.5)
    other_hedge_high: float = par(0.5, "share", "[L]", "highest hedge ratio of other funds' foreign bonds", 0, 1)
    depth_share: float = par(0.25, "share", "SOURCES.md 8", "of a usual day that the sector may take", 0, 5)
    limit_pct: float = par(3.0, "%", "[L]", "adverse price move at which it stops trading for the day", 0.1, 50)


def outside_band(deviation: np.ndarray, band: np.ndarray, returning: np.ndarray) -> np.ndarray:
    """Classes being brought back: from the day the band is left until half of it is reached."""
    size = np.abs(deviation)
    return (size > band) | (returning & (size > 0.5 * band))


def rebalancing_trades(
    deviation: np.ndarray, band: np.ndarray, returning: np.ndarray, horizon_days: np.ndarray
) -> np.ndarray:
    """Today's purchases per class (members, classes), shares of assets, adding up to zero.

    A class being brought back moves by half a band over the horizon. The others take the other side, in proportion
    to how far they are on the other side of policy, or equally if none is.
    """
    lead = np.where(returning, -np.sign(deviation) * 0.5 * band / horizon_days[:, None], 0.0)
    net = lead.sum(axis=1, keepdims=True)
    room = np.where(returning, 0.0, np.maximum(np.sign(net) * deviation, 0.0))
    room = np.where(room.sum(axis=1, keepdims=True) > 0.0, room, 1.0 * ~returning)
    return lead - net * room / np.maximum(room.sum(axis=1, keepdims=True), 1e-300)


def mix_shift_pp(rise_bp: np.ndarray, bp_per_pp: float, cap_pp: float) -> np.ndarray:
    """Whole percentage points of policy weight moved to domestic bonds: one per so many bp of JGB10."""
    return np.clip(np.floor(rise_bp / bp_per_pp + 1e-9), 0.0, cap_pp)


class PensionFunds(Sector):
    """Pension funds, one row each. Classes: domestic bonds, foreign bonds, domestic equities, foreign equities.

    policy, band (members, classes): policy weights and the deviation from them that is left alone, shares of assets.
    returning (members, classes): class is being brought back to half its band. horizon_days: over which it is.
    to_shift (members, classes): change of the policy mix not yet traded, shares of assets. shifting: the part of it
    posted today. shifted_pp: mix shift so far, percentage points. allowance_bp: rise of JGB10 the fund waits for
    beyond the public rule. hedge: share of foreign bonds whose currency is sold forward. is_gpif: the first.
    """

    id: ClassVar[str] = "pension_funds"
    Params: ClassVar[type[Params]] = PensionFundParams
    rules: ClassVar[tuple[str, ...]] = ("pension_rebalancing", "policy_mix")
    home: ClassVar[int] = JPY
    params: PensionFundParams

    def __init__(self, model: mesa.Model, params: PensionFundParams, streams: Streams) -> None:
        super().__init__(model, params, streams)
        n, p = self.n, params
        others = pareto_sizes(n - 1, streams.on(self.id, "sizes"))
        self.is_gpif = np.arange(n) == 0
        self.size = np.append(p.gpif_share, (1.0 - p.gpif_share) * others)
        self.tilt = group_tilts(streams.on(self.id, "mix"), n, list(CLASSES), p.mix_sigma)
        self.horizon_days = streams.on(self.id, "horizon").uniform(
            p.horizon_low_days, max(p.horizon_high_days, p.horizon_low_days), n
        )
        low, high = p.other_band_low_pp, max(p.other_band_high_pp, p.other_band_low_pp)
        self.band = 0.01 * streams.on(self.id, "bands").uniform(low, high, (n, N_CLASSES))
        self.drift = streams.on(self.id, "policy").uniform(-0.4, 0.4, (n, N_CLASSES))
        self.hedge = p.other_hedge_high * streams.on(self.id, "hedge").random(n)
        self.allowance_bp = p.bp_per_shift_pp * streams.on(self.id, "reviews").random(n)
        self._be_gpif(0)
        self.policy, self.to_shift = np.zeros((n, N_CLASSES)), np.zeros((n, N_CLASSES))
        self.returning, self.shifted_pp = np.zeros((n, N_CLASSES), dtype=bool), np.zeros(n)
        self.shifting = np.zeros((n, N_CLASSES))

    def _be_gpif(self, i: int) -> None:
        """The largest fund has published bands, holds the average mix, hedges nothing and follows the public rule."""
        p = self.params
        bands = (p.band_domestic_bonds_pp, p.band_foreign_bonds_pp, p.band_domestic_equities_pp)
        self.band[i] = 0.01 * np.array([*bands, p.band_foreign_equities_pp])
        self.tilt[i], self.hedge[i], self.allowance_bp[i] = 1.0, 0.0, 0.0

    # -- day 0 -------------------------------------------------------------------------------------------------

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Holdings by size and taste, part of the other funds' foreign bonds hedged, some yen cash."""
        units = heterogeneous_split(holdings_usd_bn, self.size, self.tilt)
        book = with_yen_cash(units, self.params.cash_share, self.n)
        hedged = np.zeros_like(units)
        hedged[:, FOREIGN_BONDS] = self.hedge[:, None] * units[:, FOREIGN_BONDS] * HEDGEABLE
        book.contracts_usd_bn[:] = hedge_forwards(hedged)
        return book

    def start(self, view: View) -> None:
        """Policy mixes: GPIF's 25 % each as far as the opening lies well inside its bands, others near their own."""
        weights = self.weights(view)
        wanted = np.where(self.is_gpif[:, None], 1.0 / N_CLASSES - weights, self.drift * self.band)
        gap = np.clip(wanted, -0.7 * self.band, 0.7 * self.band)
        self.policy = weights + gap - gap.mean(axis=1, keepdims=True)
        self.jgb10_at_opening = float(view.level[JGB10])

    # -- the day -----------------------------------------------------------------------------------------------

    def income(self, view: View) -> np.ndarray:
        """Benefits less contributions equal investment income, so that cash neither piles up nor runs out."""
        return -running_income(self.book, view, self.loan_spread_pct)

    def weights(self, view: View) -> np.ndarray:
        """Weights of the classes (members, classes)."""
        value = (self.book.units * view.unit_value_usd) @ IN_CLASS.T
        return value / np.maximum(value.sum(axis=1, keepdims=True), 1e-300)

    def decide(self, view: View) -> np.ndarray:
        """Back from outside the bands, and on to a new policy mix."""
        weights = self.weights(view)
        blocks, self.shifting = [], np.zeros_like(weights)
        if view.on("pension_rebalancing"):
            deviation = weights - self.policy + self.to_shift
            self.returning = outside_band(deviation, self.band, self.returning)
            if self.returning.any():
                trades = rebalancing_trades(deviation, self.band, self.returning, self.horizon_days)
                blocks.append(self._trade(view, trades, weights, "rebalancing")[0])
        if view.on("policy_mix") and self.to_shift.any():
            trades = self.to_shift / self.horizon_days[:, None]
            orders, done = self._trade(view, trades, weights, "repatriation")
            self.shifting = done * trades
            blocks.append(orders)
        return join(blocks)

    def _trade(self, view: View, trades: np.ndarray, weights: np.ndarray, reason: str) -> tuple[np.ndarray, float]:
        """Orders that trade shares of assets per class, spread over a class as it is held, and the part depth allows.

        One part for all markets, so that sales pay for purchases. Every order gives up as the price moves away.
        """
        who = np.flatnonzero(trades.any(axis=1))
        if not who.size:
            return no_orders(), 1.0
        held = self.book.units[who][:, TRADED] * view.unit_value_usd[TRADED]
        of_class = trades[who] / np.maximum(weights[who], 1e-300)
        wanted = held * (of_class @ IN_CLASS[:, TRADED])
        allowed = self.params.depth_share * view.depth[TRADED] * view.vol[TRADED]
        part = float(min(1.0, np.min(allowed / np.maximum(np.abs(wanted.sum(axis=0)), 1e-300))))
        amount = part * wanted
        orders = post(
            TRADED,
            amount,
            reason,
            slope=np.abs(amount) / (self.params.limit_pct / 100.0),
            lo=np.maximum(2.0 * np.minimum(amount, 0.0), -0.4 * held),
            hi=2.0 * np.maximum(amount, 0.0),
            funding=JPY,
            hedge=np.multiply.outer(self.hedge[who], HEDGED_WHEN_TRADED),
            members=who,
        )
        return orders, part

    # -- the close ---------------------------------------------------------------------------------------------

    def end_of_day(self, view: View) -> None:
        """The mix shift goes on; at the turn of a quarter the mix is reviewed."""
        self.to_shift = self.to_shift - self.shifting
        if view.on("policy_mix") and view.month_first and view.date.month in (1, 4, 7, 10):
            self._review(view)

    def _review(self, view: View) -> None:
        """Policy moves to domestic bonds by whole points as JGB10 exceeds its opening, and back one step later."""
        p = self.params
        rise_bp = 100.0 * (view.level[JGB10] - self.jgb10_at_opening) - self.allowance_bp
        target_pp = mix_shift_pp(rise_bp, p.bp_per_shift_pp, p.shift_cap_pp)
        target_pp = np.where(target_pp < self.shifted_pp, np.minimum(target_pp + 1.0, self.shifted_pp), target_pp)
        change_pp = target_pp - self.shifted_pp
        foreign_bonds, foreign_equities = p.shift_from_foreign_bonds, p.shift_from_foreign_equities
        rest = 1.0 - foreign_bonds - foreign_equities
        change = np.multiply.outer(0.01 * change_pp, np.array([1.0, -foreign_bonds, -rest, -foreign_equities]))
        self.policy, self.to_shift = self.policy + change, self.to_shift + change
        self.shifted_pp = target_pp
        gpif = change_pp[self.is_gpif]
        if gpif.any():
            self._words.append(f"GPIF moves {gpif[0]:+.0f} points of its policy mix to domestic bonds")

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Weights, policy weights and hedge ratio, per cent."""
        value = (self.book.units * unit_value_usd(log_price)) @ IN_CLASS.T
        share = 100.0 * value / np.maximum(value.sum(axis=1, keepdims=True), 1e-300)
        columns = {f"{name}_pct": share[:, k] for k, name in enumerate(CLASS_NAMES)}
        columns |= {f"{name}_policy_pct": 100.0 * self.policy[:, k] for k, name in enumerate(CLASS_NAMES)}
        return columns
