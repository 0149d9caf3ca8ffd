"""Does a world open at rest? With nothing new to react to, day 0's prices should clear every later day too."""

from typing import Any, Final

import pandas as pd

from abm.model import MarketModel
from abm.scenarios import load_scenario
from abm.world.instruments import IDS, TO_QUOTED

# Whatever makes somebody trade for a reason of the day: news, clients, and authorities that decide by chance.
OF_THE_DAY: Final = ("news", "client_flows", "boj_policy_rule", "fed_rule", "ecb_rule", "mof_ladder", "mof_operations")


def opening_moves(state: str, days: int = 1, seed: int = 1) -> pd.DataFrame:
    """How far every market moves in the first days after the opening when nothing happens, largest first.

    state: packaged name or path of a state file. Columns: market; move, bp for bonds and per cent otherwise; sd, the
    move in calm daily standard deviations; sector, reason, part: whose orders had most in it, and how much of the move.
    """
    quiet: dict[str, Any] = {f"switches.{rule}": False for rule in OF_THE_DAY}
    scenario = load_scenario("baseline", overrides=quiet, days=days, state=state)
    model = MarketModel(scenario, rng=seed)
    model.run_for(days)
    move = (model.log_price - model.opening_log_price) * TO_QUOTED
    parts = model.attribution.assign(part=lambda rows: rows["bp"].fillna(rows["pct"]))
    parts = parts.groupby(["market", "sector", "reason"], observed=True)["part"].sum().reset_index()
    most = parts.loc[parts["part"].abs().groupby(parts["market"], observed=True).idxmax()].set_index("market")
    table = pd.DataFrame({"move": move, "sd": move / scenario.state.calm_sd}, index=pd.Index(IDS, name="market"))
    most.index = most.index.astype(str)
    table = table.join(most).reset_index()
    return table.sort_values("sd", key=abs, ascending=False, ignore_index=True)
