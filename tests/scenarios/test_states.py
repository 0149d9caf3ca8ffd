"""Opening states: complete, consistent, and translated correctly into what the model reads."""

import numpy as np
import pytest

from abm.scenarios import load_scenario, load_state, state_names
from abm.scenarios.figures import CONFIDENCES
from abm.scenarios.state import State, nearest_correlation
from abm.world.economy import path_average_pct
from abm.world.instruments import CCY, DURATION_YR, HOLDABLE, IDS, INDEX, IS_FX, unit_value_usd

STATES = {name: load_state(name) for name in state_names()}


@pytest.fixture(params=sorted(STATES))
def state(request: pytest.FixtureRequest) -> State:
    return STATES[request.param]


def test_packaged_states_are_there() -> None:
    assert sorted(STATES) == ["2022-09-21", "2024-04-26", "2024-07-10", "2026-01-13"]


def test_every_figure_says_where_it_comes_from(state: State) -> None:
    for path, figure in state.figures.items():
        assert figure.source, path
        assert figure.conf in CONFIDENCES, path
        assert figure.date <= state.date or path[0] in ("correlation", "macro", "speed_per_yr"), path


def test_sectors_own_no_more_than_is_outstanding_and_the_rest_has_a_holder(state: State) -> None:
    owned = sum(state.holdings_usd_bn.values())
    rest = state.outstanding_usd_bn - owned
    assert (rest[HOLDABLE] > 0.0).all()
    assert (rest[IS_FX] == 0.0).all()


def test_holdings_are_those_of_the_matrix_of_balance_sheets() -> None:
    held = STATES["2026-01-13"].holdings_usd_bn
    assert held["bank_of_japan"][INDEX["JGB10"]] == 1573
    assert held["life_insurers"].sum() == pytest.approx(1682)
    assert held["real_money"][INDEX["UST10"]] == pytest.approx(0.7 * 11_210, abs=1)
    assert held["real_money"][INDEX["SPX"]] == pytest.approx(0.17 * 60_000)
    assert held["bitcoin_holders"][INDEX["BTC"]] == pytest.approx(0.35 * 1904, abs=1)
    assert "rest_of_world" not in held


def test_calm_covariance_is_positive_definite_with_the_stated_deviations(state: State) -> None:
    covariance = state.calm_covariance_log()
    np.testing.assert_array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0.0
    sd = np.sqrt(np.diag(covariance))
    bond, price = INDEX["JGB30"], INDEX["NIKKEI"]
    assert sd[bond] == pytest.approx(DURATION_YR[bond] * state.calm_sd[bond] / 1e4)
    assert sd[price] == pytest.approx(state.calm_sd[price] / 100.0)


def test_bond_prices_fall_as_yields_rise(state: State) -> None:
    quoted, prices = state.correlation, state.calm_covariance_log()
    bond, other, dollar = INDEX["UST10"], INDEX["JGB30"], INDEX["USDJPY"]
    assert quoted[bond, dollar] > 0.3 and prices[bond, dollar] < 0.0
    assert quoted[bond, other] > 0.0 and prices[bond, other] > 0.0
    assert quoted[dollar, INDEX["NIKKEI"]] > 0.0 and prices[dollar, INDEX["NIKKEI"]] > 0.0


def test_correlations_of_crosses_agree_with_those_observed() -> None:
    state = STATES["2026-01-13"]
    covariance = state.calm_covariance_log()
    weights = np.zeros(len(IDS))
    weights[[INDEX["AUDUSD"], INDEX["USDJPY"]]] = 1.0
    assert 100.0 * np.sqrt(weights @ covariance @ weights) == pytest.approx(0.58, abs=0.01)  # AUDJPY, calm 2025


def test_an_inconsistent_correlation_matrix_is_moved_to_the_nearest_one() -> None:
    impossible = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    mended = nearest_correlation(impossible)
    assert np.linalg.eigvalsh(impossible).min() < 0.0 < np.linalg.eigvalsh(mended).min()
    np.testing.assert_allclose(np.diag(mended), 1.0, atol=1e-12)
    np.testing.assert_array_equal(mended, mended.T)


def test_a_consistent_correlation_matrix_stays(state: State) -> None:
    np.testing.assert_array_equal(state.correlation, state.stated_correlation)


@pytest.mark.parametrize(("bond", "currency"), [("JGB2", "JPY"), ("UST2", "USD")])
def test_expected_policy_paths_average_to_the_two_year_yield(state: State, bond: str, currency: str) -> None:
    average = path_average_pct(state.open_public(), DURATION_YR[INDEX[bond]])[CCY[currency], 0]
    assert average == pytest.approx(state.levels[INDEX[bond]], abs=0.005)


def test_public_opening_carries_the_macro_figures_and_the_plans() -> None:
    public = STATES["2026-01-13"].open_public()
    assert public.interest_to_revenue_pct == pytest.approx(100 * 13.0 / 80)
    assert public.planned_purchases_jpy_tn_per_month.sum() == pytest.approx(2.9)
    assert public.issuance_jpy_tn_per_month is public.planned_issuance_jpy_tn_per_month
    super_long = public.planned_issuance_jpy_tn_per_month[[INDEX["JGB20"], INDEX["JGB30"], INDEX["JGB40"]]]
    assert 12 * super_long.sum() == pytest.approx(17.4, abs=0.1)


def test_inherited_positions_are_the_same_units_at_the_new_prices() -> None:
    old, new = STATES["2024-07-10"], STATES["2026-01-13"]
    for amounts in (
        (old.outstanding_usd_bn, new.outstanding_usd_bn),
        (old.holdings_usd_bn["life_insurers"], new.holdings_usd_bn["life_insurers"]),
    ):
        units = [amount / unit_value_usd(s.log_price) for amount, s in zip(amounts, (old, new), strict=True)]
        np.testing.assert_allclose(units[0][HOLDABLE], units[1][HOLDABLE], rtol=1e-6)
    assert "at this state's prices" in old.figures["outstanding_usd_bn", "BTC"].source


def test_what_a_state_does_not_say_is_inherited() -> None:
    old, new = STATES["2024-07-10"], STATES["2026-01-13"]
    np.testing.assert_array_equal(old.correlation, new.correlation)
    assert old.macro["inflation_expected_pct"] == new.macro["inflation_expected_pct"]
    assert old.macro["gdp_jpy_tn"] < new.macro["gdp_jpy_tn"]


def test_parameters_of_a_state_reach_the_scenario_unless_it_sets_them() -> None:
    key = "carry_traders.gross_usd_bn"
    assert load_scenario("carry_unwind_2024").params["carry_traders"].gross_usd_bn == 250
    assert load_scenario("carry_unwind_2024", {key: 90.0}).params["carry_traders"].gross_usd_bn == 90
    assert load_scenario("baseline").params["carry_traders"].gross_usd_bn == 150
