"""Opening states: the observed prices clear on day 1, and stay while nothing happens.

Tolerances in calm daily standard deviations. Bitcoin has a wider one on single days: accounts come and go by chance,
entries equal exits on average only. Equities earn their carry.
"""

import numpy as np
import pandas as pd
import pytest

from abm import MarketModel
from abm.scenarios import load_scenario, load_state, state_names
from abm.world.instruments import IDS, TO_QUOTED

DAY_1_SD, DAY_1_BTC_SD = 0.02, 0.75
DAY_10_SD = 0.75
# Whatever makes somebody trade for a reason of the day: news, clients, and authorities that decide by chance.
OF_THE_DAY = ("news", "client_flows", "boj_policy_rule", "fed_rule", "ecb_rule", "mof_ladder", "mof_operations")
USER = """
[state]
name = "mine"
title = "A state of my own"
date = 2025-11-04
extends = "2026-01-13"

[levels]
source = "invented"
conf = "calc"
JGB10 = {value = 1.6, unit = "%"}
JGB30 = {value = 3.0, unit = "%"}
UST10 = {value = 4.5, unit = "%"}
USDJPY = {value = 150.0, unit = "JPY per USD"}
NIKKEI = {value = 50000, unit = "points"}
"""


@pytest.fixture(scope="module", params=[*state_names(), "mine.toml"])
def state(request, tmp_path_factory) -> str:
    """Name of a packaged state, or path of one that a user could write."""
    if not request.param.endswith(".toml"):
        return request.param
    path = tmp_path_factory.mktemp("states") / request.param
    path.write_text(USER)
    return str(path)


def opening_moves(state: str, days: int = 1, seed: int = 1) -> pd.DataFrame:
    """How far every market moves in the first days after the opening when nothing happens, largest first.

    state: packaged name or path of a state file. Columns: market; move, bp for bonds and per cent otherwise; sd, the
    move in calm daily standard deviations; sector, reason, part: whose orders had most in it, and how much of the move.
    """
    quiet = {f"switches.{rule}": False for rule in OF_THE_DAY}
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


def told(moves: pd.DataFrame) -> str:
    return moves.head(5).to_string()


def test_day_one_clears_at_the_observed_prices(state):
    moves = opening_moves(state)
    limit = np.where(moves["market"] == "BTC", DAY_1_BTC_SD, DAY_1_SD)
    assert (moves["sd"].abs() <= limit).all(), told(moves)


def test_prices_stay_while_nothing_happens(state):
    moves = opening_moves(state, days=10)
    limit = np.where(moves["market"] == "BTC", 2 * DAY_10_SD, DAY_10_SD)
    assert (moves["sd"].abs() <= limit).all(), told(moves)


def test_a_state_that_is_not_at_rest_is_found_out(tmp_path):
    """Planned sales that nobody absorbs move the market that they are in, and are named."""
    path = tmp_path / "heavy.toml"
    extra = "[parameters.rest_of_world]\n" + (
        'absorbed_share_other = {value = 0.0, source = "invented", conf = "calc"}\n'
    )
    path.write_text(USER + extra)
    worst = opening_moves(str(path), days=3).query("market != 'BTC'").iloc[0]
    assert worst["market"].startswith("JGB") and abs(worst["sd"]) > DAY_1_SD
    assert (worst["sector"], worst["reason"]) == ("government", "issuance")


def test_moves_are_in_units_of_the_states_own_volatility(state):
    moves = opening_moves(state, days=2).set_index("market")
    assert set(moves.index) == set(IDS)
    calm_sd = pd.Series(load_state(state).calm_sd, IDS)[moves.index]
    np.testing.assert_allclose(moves["move"], moves["sd"] * calm_sd)
