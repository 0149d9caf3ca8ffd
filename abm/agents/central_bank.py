"""What the Federal Reserve and the European Central Bank have in common: a rate rule and an optional backstop.

At its meetings a bank moves its rate by 25 bp towards the rate that people expect it to end at, the likelier the
further away it is; the probability is the one the public had priced, so that decisions have no mean effect. The
backstop, off unless its size is set, buys the bonds whose market depth has collapsed.
"""

from typing import Any, ClassVar

import mesa
import numpy as np

from abm.agents.base import Params, Sector, par
from abm.world import economy
from abm.world.events import Event, MeetingBankId
from abm.world.instruments import BANK_CCY
from abm.world.orders import no_orders, post
from abm.world.streams import Streams
from abm.world.view import View


class CentralBankParams(Params):
    """Parameters of a bank with a rate rule."""

    step_bp: float = par(25.0, "bp", "banks' practice since 2008 [mem]", "size of a move", 5.0, 100.0)
    odds_at_terminal: float = par(
        -3.0,
        "log-odds",
        "SOURCES.md 3, Fed and ECB [L]",
        "log-odds of a move where the terminal rate is reached",
        -10,
        5,
    )
    odds_per_gap_pp: float = par(
        4.0, "1/pp", "two cuts a year priced for the Fed at a gap of 0.4-0.5 pp [L]",
        "rise of the log-odds per point between policy and terminal rate", 0, 40,
    )  # fmt: skip
    backstop_usd_bn: float = par(
        0.0, "USD bn a day", "off by default (SOURCES.md 3); the Fed bought 75 a day in March 2020 [mem]",
        "bonds bought each day on which depth has collapsed", 0, 1000,
    )  # fmt: skip
    backstop_depth_share: float = par(
        0.4, "fraction", "Treasury depth in March 2020 against its usual level [mem]",
        "share of the usual depth below which the backstop buys", 0, 1,
    )  # fmt: skip


def move_probability(gap_pp: float, odds_at_terminal: float, odds_per_gap_pp: float) -> float:
    """Probability of a move towards the terminal rate at a meeting: logistic(a + b |r_inf - r|), gap in points."""
    return economy.logistic(odds_at_terminal + odds_per_gap_pp * abs(gap_pp))


def backstop_purchases(depth_ratio: np.ndarray, trigger_share: float, total_usd_bn: float) -> np.ndarray:
    """Day's purchases, USD bn per market, split by how far each market's depth is below the trigger."""
    shortfall = np.maximum(trigger_share - depth_ratio, 0.0)
    return np.asarray(total_usd_bn * shortfall / max(shortfall.sum(), 1e-300))


class CentralBank(Sector):
    """A central bank that follows a rate rule. Subclasses name the bank, its switches and its bonds."""

    Params = CentralBankParams
    params: CentralBankParams
    bank: ClassVar[MeetingBankId]
    bonds: ClassVar[np.ndarray]

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.rate_rule, self.backstop_rule = self.rules
        self.loan_spread_pct = 0.0
        self.usual_depth = np.zeros(len(self.bonds))

    def announce(self, view: View) -> list[Event]:
        """On the day of a meeting that is not yet decided, the decision by the rule."""
        public = view.public
        if not view.on(self.rate_rule) or public.meetings.get(self.bank) != 0 or self.bank in public.decided:
            return []
        p = self.params
        currency = BANK_CCY[self.bank]
        gap = float(public.terminal_rate_pct[currency] - public.policy_rate_pct[currency])
        probability = move_probability(gap, p.odds_at_terminal, p.odds_per_gap_pp)
        moved = bool(self.uniform(view, "rate decision")[0] < probability)
        step = float(np.copysign(p.step_bp, gap))
        return [economy.decision(self.bank, step, probability, moved, cause=self.id)]

    def decide(self, view: View) -> np.ndarray:
        """Backstop purchases where depth has collapsed."""
        p = self.params
        if p.backstop_usd_bn == 0.0 or not view.on(self.backstop_rule):
            return no_orders()
        ratio = view.depth[self.bonds] / np.maximum(self.usual_depth, view.depth[self.bonds])
        bought = backstop_purchases(ratio, p.backstop_depth_share, p.backstop_usd_bn)
        return post(self.bonds, bought[None, :], "asset_purchase", funding=self.home)

    def end_of_day(self, view: View) -> None:
        """Usual depth is the highest seen, forgotten with a half-life of a year."""
        self.usual_depth = np.maximum(self.usual_depth * 0.5 ** (1.0 / economy.DAYS_PER_YEAR), view.depth[self.bonds])
