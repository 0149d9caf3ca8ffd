"""Rest of the world: outside holders, the other side of planned issuance, and the system's open end."""

from dataclasses import dataclass, replace
from typing import Any, Final

import mesa
import numpy as np

from abm.agents.base import Params, Sector, par
from abm.world.economy import DAYS_PER_MONTH
from abm.world.events import Event, Flow
from abm.world.instruments import INDEX, IS_FX, JGBS, JPY, SUPER_LONG, USD
from abm.world.orders import join, no_orders, post
from abm.world.streams import Streams
from abm.world.view import View

IS_SUPER_LONG: Final = np.isin(JGBS, SUPER_LONG)  # (JGBs,)


class RestOfWorldParams(Params):
    """Rest of the world."""

    members: int = par(1, "institutions", "SOURCES.md 8", "one account closes the system", 1, 1)
    absorbed_share_super_long: float = par(
        0.70, "fraction", "[L] complement of life insurers' 0.30", "planned super-long issuance bought here", 0, 1
    )
    absorbed_share_other: float = par(
        1.0, "fraction", "[L]", "planned issuance to ten years bought here, by maturing money reinvested", 0, 1
    )


@dataclass(frozen=True)
class ScheduledFlow:
    """An outside holder's flow under way: USD bn a day in a market, days left, currency hedged or not."""

    market: int
    usd_bn_per_day: float
    days_left: int
    hedged: bool


def planned_absorption(view: View, share_super_long: float, share_other: float) -> np.ndarray:
    """Usual purchases out of planned issuance, USD bn a day, (JGBs,): share x planned issuance / 21 days.

    What was planned on day 0 is in the prices, so it needs a buyer at any price; only departures from the plan are
    supply or demand. Planned central-bank purchases have their sellers in the same way and are posted by nobody.
    """
    share = np.where(IS_SUPER_LONG, share_super_long, share_other)
    planned = view.public.planned_issuance_jpy_tn_per_month[JGBS]
    return share * planned / DAYS_PER_MONTH * 1000.0 * view.usd_per_currency[JPY]


class RestOfWorld(Sector):
    """One account: scheduled flows of outside holders and the routine absorption of planned issuance.

    flows: flows under way.
    """

    id = "rest_of_world"
    Params = RestOfWorldParams
    params: RestOfWorldParams
    rules = ("planned_absorption", "outside_flow")

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.flows: tuple[ScheduledFlow, ...] = ()

    def receive(self, event: Event) -> None:
        """An outside holder starts to trade."""
        if isinstance(event, Flow):
            per_day = event.amount_usd_bn / event.days
            flow = ScheduledFlow(INDEX[event.market], per_day, event.days, event.hedged)
            self.flows = (*self.flows, flow)

    def decide(self, view: View) -> np.ndarray:
        """Today's part of every flow under way, and what is bought of planned issuance as long as it is sold."""
        blocks = [no_orders()]
        if view.on("outside_flow"):
            blocks += [self._post_flow(view, flow) for flow in self.flows]
        if view.on("planned_absorption") and view.on("government_issuance"):
            p = self.params
            bought = planned_absorption(view, p.absorbed_share_super_long, p.absorbed_share_other)
            blocks.append(post(JGBS, bought[None, :], "reinvestment"))
        return join(blocks)

    def _post_flow(self, view: View, flow: ScheduledFlow) -> np.ndarray:
        """One day of a flow, not selling more than the rest of the world owns; a dollar holder's currency legs."""
        quantity, market = flow.usd_bn_per_day, flow.market
        if IS_FX[market]:
            return post(market, np.array([quantity]), "outside_flow")
        owned = float(self.book.holdings_usd(view.log_price)[0, market])
        quantity = max(quantity, -max(owned, 0.0))
        return post(market, np.array([quantity]), "outside_flow", funding=USD, hedge=1.0 if flow.hedged else 0.0)

    def end_of_day(self, view: View) -> None:
        """Flows come a day closer to their end."""
        ahead = (replace(flow, days_left=flow.days_left - 1) for flow in self.flows)
        self.flows = tuple(flow for flow in ahead if flow.days_left > 0)

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Scheduled flows under way, USD bn a day."""
        return {"scheduled_usd_bn_per_day": np.array([sum(abs(flow.usd_bn_per_day) for flow in self.flows)])}
