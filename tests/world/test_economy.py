"""The macro block: expectations, prices, debt and signals, against sums worked out independently."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.world import economy
from abm.world import events as ev
from abm.world.instruments import (
    BANK_CCY,
    BONDS,
    CCY,
    DURATION_YR,
    FX,
    INDEX,
    IS_BOND,
    JGBS,
    JPY,
    N_CCY,
    N_MARKETS,
    QUOTE_CCY,
    USDJPY,
)
from tests.agents.screen import make_public

PUBLIC = make_public()


def news(event: ev.Event, public: economy.Public = PUBLIC) -> np.ndarray:
    return economy.expected_log_price(economy.hear(event, public)) - economy.expected_log_price(public)


def quiet_days(public: economy.Public, days: int, signalling: bool = True) -> economy.Public:
    for _ in range(days):
        public = economy.next_day(public, 0.0, public.average_coupon_pct, signalling)
    return public


# -- expectations --------------------------------------------------------------------------------------------------


def test_path_starts_at_the_policy_rate_and_ends_at_the_terminal_rate() -> None:
    path = economy.path_average_pct(replace(PUBLIC, near_term_pct=np.full(6, 0.2)), np.array([1e-9, 1e9]))
    assert path[:, 0] == pytest.approx(PUBLIC.policy_rate_pct + 0.2)
    assert path[:, 1] == pytest.approx(PUBLIC.terminal_rate_pct, abs=1e-6)


def test_path_average_is_the_average_of_the_path() -> None:
    years, k, start, end = 8.9, 0.5, 0.75, 1.5
    t = (np.arange(200_000) + 0.5) / 200_000 * years
    by_hand = np.mean(end + (start - end) * np.exp(-k * t))
    assert economy.path_average_pct(PUBLIC, years)[JPY, 0] == pytest.approx(by_hand, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    bank=st.sampled_from(["BOJ", "FED", "ECB"]),
    step=st.floats(-100, 100).filter(lambda x: abs(x) > 1),
    p=st.floats(0, 1),
)
def test_decisions_drawn_with_the_priced_probability_have_no_mean_effect(bank: str, step: float, p: float) -> None:
    moved = news(economy.decision(bank, step, p, True, "x"))
    held = news(economy.decision(bank, step, p, False, "x"))
    assert p * moved + (1.0 - p) * held == pytest.approx(np.zeros(N_MARKETS), abs=1e-12)
    surprise = moved - held
    assert np.abs(surprise[BONDS]).max() > 1e-4  # a full step separates the two, whatever had been priced


def test_a_move_that_was_fully_priced_is_no_news() -> None:
    priced = ev.PolicyRate(bank="BOJ", change_bp=25, expected_share=1.0)
    assert news(priced) == pytest.approx(np.zeros(N_MARKETS), abs=1e-15)
    assert economy.hear(priced, PUBLIC).policy_rate_pct[JPY] == pytest.approx(1.0)


def test_a_surprise_rise_lowers_bond_prices_at_home_and_lifts_the_yen() -> None:
    change = news(ev.PolicyRate(bank="BOJ", change_bp=25))
    slope = -np.expm1(-0.5 * 2.0) / (0.5 * 2.0)
    two_year = 0.25 * slope + 0.3 * 0.25 * (1.0 - slope)  # the start moves by the surprise, the end by 0.3 of it
    assert change[INDEX["JGB2"]] == pytest.approx(-2.0 * two_year / 100.0)
    assert change[USDJPY] == pytest.approx(-12.0 * two_year / 100.0)
    assert np.all(change[JGBS] < 0.0)
    foreign = [i for i in BONDS if QUOTE_CCY[i] != JPY]
    assert np.all(change[foreign] == 0.0)
    assert np.all(change[[i for i in FX if i != USDJPY]] == 0.0)


def test_every_central_bank_can_move_its_rate_and_what_people_expect_of_it() -> None:
    for bank, market in (("BOE", "GILT10"), ("RBA", "ACGB10"), ("BANXICO", "EMBOND")):
        heard = economy.hear(ev.PolicyRate(bank=bank, change_bp=50), PUBLIC)
        currency = BANK_CCY[bank]
        assert heard.policy_rate_pct[currency] == pytest.approx(PUBLIC.policy_rate_pct[currency] + 0.5)
        change = news(ev.PolicyGuidance(bank=bank, terminal_change_bp=20))
        assert change[INDEX[market]] < 0.0 and np.count_nonzero(change[BONDS]) == 1
    data = ev.DataSurprise(country="UK", terminal_change_bp=8, growth_sd=1.0)
    assert news(data)[INDEX["GILT10"]] < 0.0 and np.all(economy.earnings_news(data) == 0.0)


def test_easing_that_a_fall_of_shares_brings_moves_the_yen_as_any_other_rate() -> None:
    easing = np.zeros(N_CCY)
    easing[JPY] = 0.2
    eased = replace(PUBLIC, easing_pct=easing)
    change = economy.expected_log_price(eased) - economy.expected_log_price(PUBLIC)
    two, ten = (eased.average_rate_pct - PUBLIC.average_rate_pct)[JPY, economy.ROUND]
    assert change[USDJPY] == pytest.approx(-(2.0 * two + 4.5 * ten) / 100.0)


def covariance_of_equal_yields() -> np.ndarray:
    """Log prices whose yields, or they themselves, all move alike and correlate by 0.4, (markets, markets)."""
    sd = 0.01 * np.where(IS_BOND, DURATION_YR, 1.0)
    return np.outer(sd, sd) * (0.4 + 0.6 * np.eye(N_MARKETS))


def test_news_about_japan_is_read_abroad_by_regression_and_not_at_home() -> None:
    heard = economy.hear(ev.PolicyGuidance(bank="BOJ", terminal_change_bp=20), PUBLIC)
    own = (heard.expected_log_price - PUBLIC.expected_log_price)[INDEX["JGB10"]]
    read = economy.read_abroad(PUBLIC, heard, covariance_of_equal_yields())
    foreign = [i for i in BONDS if QUOTE_CCY[i] != JPY]
    assert own < 0.0
    assert read[foreign] == pytest.approx(0.5 * 0.4 * own * DURATION_YR[foreign] / DURATION_YR[INDEX["JGB10"]])
    assert np.delete(read, foreign) == pytest.approx(0.0)


def test_news_about_the_us_is_read_in_full_and_an_operation_half_in_other_currencies() -> None:
    heard = economy.hear(ev.DataSurprise(country="US", terminal_change_bp=8), replace(PUBLIC, intervention_risk=0.6))
    own = (heard.expected_log_price - PUBLIC.expected_log_price)[INDEX["UST10"]]
    read = economy.read_abroad(PUBLIC, heard, covariance_of_equal_yields())
    others = [i for i in FX if i != USDJPY]
    assert read[JGBS] == pytest.approx(0.4 * own * DURATION_YR[JGBS] / DURATION_YR[INDEX["UST10"]])
    assert read[others] == pytest.approx(0.5 * 0.4 * -0.02 * (0.6 - PUBLIC.intervention_risk))
    assert read[USDJPY] == 0.0 and read[INDEX["UST10"]] == 0.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_yield_abroad_moves_by_no_more_than_the_yield_that_is_read(sign: float) -> None:
    held = np.ones(N_MARKETS)
    held[INDEX["JGB10"]] = sign * 0.1  # as while the Bank of Japan held it
    covariance = covariance_of_equal_yields() * np.outer(held, held)
    heard = economy.hear(ev.PolicyGuidance(bank="BOJ", terminal_change_bp=20), PUBLIC)
    own = (heard.expected_log_price - PUBLIC.expected_log_price)[INDEX["JGB10"]]
    read = economy.read_abroad(PUBLIC, heard, covariance)
    for market in ("UST10", "BUND10", "GILT10"):
        years = DURATION_YR[INDEX[market]] / DURATION_YR[INDEX["JGB10"]]
        assert read[INDEX[market]] == pytest.approx(sign * 0.5 * years * own)


def test_easing_that_a_fall_of_shares_brings_is_not_read_again_abroad() -> None:
    easing = np.zeros(N_CCY)
    easing[[CCY["USD"], CCY["EUR"]]] = 0.2, 0.1
    eased = replace(PUBLIC, easing_pct=easing)
    assert np.all(economy.read_abroad(PUBLIC, eased, covariance_of_equal_yields()) == 0.0)
    assert economy.expected_log_price(eased)[INDEX["BUND10"]] > economy.expected_log_price(PUBLIC)[INDEX["BUND10"]]


def test_only_an_unusual_fall_of_shares_makes_people_expect_easing() -> None:
    calm, highest = np.full(N_MARKETS, 0.01), np.zeros(N_MARKETS)
    usual_pct = 2.0 * 0.01 * np.sqrt(20.0) * 100.0
    fall = np.zeros(N_MARKETS)
    fall[INDEX["NIKKEI"]] = -(usual_pct + 10.0) / 100.0
    fall[INDEX["SPX"]] = -(usual_pct - 0.1) / 100.0
    easing = economy.easing_expected_pct(fall, highest, calm)
    assert easing[JPY] == pytest.approx(0.3)
    assert np.delete(easing, JPY) == pytest.approx(0.0)
    lower = economy.expected_log_price(replace(PUBLIC, easing_pct=easing)) - economy.expected_log_price(PUBLIC)
    assert np.all(lower[JGBS] > 0.0) and lower[USDJPY] > 0.0  # yields fall, and so does the yen


def test_weak_data_lower_rates_most_at_the_front_and_growth_with_them() -> None:
    heard = economy.hear(ev.DataSurprise(country="US", terminal_change_bp=-15.0), PUBLIC)
    usd = CCY["USD"]
    assert heard.near_term_pct[usd] - PUBLIC.near_term_pct[usd] == pytest.approx(-0.30)
    two, ten = (economy.path_average_pct(heard, t) - economy.path_average_pct(PUBLIC, t) for t in (2.0, 10.0))
    assert two[usd, 0] < ten[usd, 0] < 0.0
    assert heard.growth_pct[usd] == pytest.approx(ten[usd, 0])


def test_hike_odds_have_the_slopes_of_the_rule() -> None:
    p = 0.28
    neutral = economy.HikeRule(intercept=np.log(p / (1 - p)), per_rate_gap_pp=0.0, inertia=0.0)

    def at(yen_pct: float, jgb30_bp: float) -> float:
        return economy.perceived_hike_risk(PUBLIC, yen_pct, jgb30_bp, neutral)

    assert at(0.0, 0.0) == pytest.approx(p)
    assert at(1.0, 0.0) - p == pytest.approx(0.05, abs=0.005)
    assert at(0.0, 10.0) - p == pytest.approx(-0.08, abs=0.015)
    assert at(0.0, -10.0) == pytest.approx(p)  # a rally is no reason to raise


def test_hike_risk_is_low_after_a_rise_and_comes_back() -> None:
    def risk(days: int) -> float:
        return economy.perceived_hike_risk(replace(PUBLIC, days_since_rate_change={"BOJ": days}), 0.0, 0.0)

    assert risk(13) < 0.06  # 13 January 2026, five weeks after a rise: a hold was expected on the 23rd
    assert risk(13) < risk(86) < risk(250)
    assert 0.2 < risk(250) < 0.4  # four rises in 16 meetings


def test_hike_risk_falls_as_the_rate_reaches_its_end_and_rises_with_inflation() -> None:
    base = economy.perceived_hike_risk(PUBLIC, 0.0, 0.0)
    there = replace(PUBLIC, policy_rate_pct=PUBLIC.terminal_rate_pct)
    hot = replace(PUBLIC, inflation_pct=3.0, inflation_expected_pct=3.0)
    assert economy.perceived_hike_risk(there, 0.0, 0.0) < base < economy.perceived_hike_risk(hot, 0.0, 0.0)


def test_a_decision_counts_once_and_restarts_inertia() -> None:
    meeting = economy.hear(ev.PolicyMeeting(bank="BOJ"), PUBLIC)
    assert meeting.meetings["BOJ"] == 0
    raised = economy.hear(ev.PolicyRate(bank="BOJ", change_bp=25), meeting)
    assert raised.decided == {"BOJ"}
    assert raised.days_since_rate_change["BOJ"] == 0
    tomorrow = quiet_days(raised, 1)
    assert tomorrow.decided == frozenset()
    assert tomorrow.days_since_rate_change == {"BOJ": 1, "FED": 21, "ECB": 149}
    held = economy.hear(ev.PolicyRate(bank="BOJ", change_bp=0), PUBLIC)
    assert held.days_since_rate_change["BOJ"] == PUBLIC.days_since_rate_change["BOJ"]


# -- prices and debt -----------------------------------------------------------------------------------------------


def test_ten_per_cent_depreciation_held_a_year_adds_0_3_per_cent_to_prices() -> None:
    fallen = economy.next_day(PUBLIC, 10.0, 1.2, True)
    after = quiet_days(fallen, 250)
    assert 0.2 <= after.import_prices_pct <= 0.4
    assert after.import_prices_pct == pytest.approx(0.30, abs=0.005)
    assert after.inflation_pct - PUBLIC.inflation_pct <= after.import_prices_pct
    assert quiet_days(after, 1500).inflation_pct == pytest.approx(PUBLIC.inflation_pct, abs=0.01)


def test_a_point_of_yield_adds_1_65_tn_of_interest_in_a_year() -> None:
    dear = cheap = PUBLIC
    for _ in range(250):
        dear, cheap = (economy.next_day(p, 0.0, y, True) for p, y in ((dear, 2.7), (cheap, 1.7)))
    assert dear.interest_jpy_tn - cheap.interest_jpy_tn == pytest.approx(1.65, abs=0.05)
    assert dear.interest_jpy_tn - 13.0 == pytest.approx(0.15 * 1088 * (2.7 - 1300 / 1088) / 100, rel=1e-9)


def test_interest_never_exceeds_the_yield_on_all_debt() -> None:
    public = PUBLIC
    for _ in range(12 * 250):
        public = economy.next_day(public, 0.0, 3.0, True)
    assert public.average_coupon_pct == pytest.approx(3.0, rel=0.02)


def test_refunding_yield_is_a_weighted_mean() -> None:
    assert sum(economy.REFUNDING_MIX) == pytest.approx(1.0)
    assert economy.refunding_yield_pct(np.full(5, 1.7)) == pytest.approx(1.7)


def test_programmes_run_for_their_years_and_revenue_comes_back() -> None:
    cut = economy.hear(ev.TaxCut(amount_jpy_tn_per_year=5.0, years=0.04), PUBLIC)  # ten trading days
    both = economy.hear(ev.FiscalAnnouncement(amount_jpy_tn=21.3, years=1.0), cut)
    assert both.deficit_jpy_tn_per_yr == pytest.approx(26.3)
    assert both.revenue_jpy_tn == pytest.approx(75.0)
    assert both.unfunded_pct_gdp == pytest.approx(100 * (21.3 + 0.2) / 640)
    later = quiet_days(both, 10)
    assert later.deficit_jpy_tn_per_yr == pytest.approx(21.3)
    assert later.revenue_jpy_tn == pytest.approx(80.0)
    assert quiet_days(later, 240).deficit_jpy_tn_per_yr == pytest.approx(0.0, abs=1e-12)


def test_new_deficits_add_to_the_debt() -> None:
    public = economy.hear(ev.FiscalAnnouncement(amount_jpy_tn=20.0, years=2.0), PUBLIC)
    assert quiet_days(public, 250).debt_jpy_tn - 1088.0 == pytest.approx(10.0)


def test_an_election_is_heard() -> None:
    assert economy.hear(ev.Election(mandate="hung"), PUBLIC).mandate == "hung"


def test_exceptional_purchases_lift_expected_inflation_and_lower_the_yen() -> None:
    bought = economy.hear(ev.AssetPurchase(amount_jpy_tn=6.4), PUBLIC)  # one per cent of GDP
    assert bought.inflation_expected_pct - 2.0 == pytest.approx(economy.INFLATION_PER_PURCHASE)
    assert bought.exceptional_purchases_jpy_tn == 6.4
    change = news(ev.AssetPurchase(amount_jpy_tn=6.4))
    assert change[USDJPY] > 0.0
    assert np.count_nonzero(change) == 1
    assert economy.hear(ev.AssetPurchase(amount_jpy_tn=6.4, fixed_yield_pct=2.5), PUBLIC) is PUBLIC


def test_a_taper_keeps_the_mix_and_never_turns_into_sales() -> None:
    less = economy.hear(ev.PurchaseTaper(change_jpy_tn_per_month=-1.45), PUBLIC)
    assert less.purchases_jpy_tn_per_month == pytest.approx(PUBLIC.purchases_jpy_tn_per_month / 2)
    none = economy.hear(ev.PurchaseTaper(change_jpy_tn_per_month=-10.0), PUBLIC)
    assert np.all(none.purchases_jpy_tn_per_month == 0.0)
    assert none.planned_purchases_jpy_tn_per_month.sum() == pytest.approx(2.9)


def test_a_taper_of_the_published_plan_is_no_news() -> None:
    published = economy.hear(ev.PurchaseTaper(change_jpy_tn_per_month=-0.2, expected_share=1.0), PUBLIC)
    assert published.purchases_jpy_tn_per_month.sum() == pytest.approx(2.7)
    assert published.planned_purchases_jpy_tn_per_month == pytest.approx(published.purchases_jpy_tn_per_month)
    half = economy.hear(ev.PurchaseTaper(change_jpy_tn_per_month=1.0, expected_share=0.5), PUBLIC)
    assert half.planned_purchases_jpy_tn_per_month.sum() == pytest.approx(3.4)
    whole = economy.hear(ev.PurchaseTaper(change_jpy_tn_per_month=0.5), PUBLIC)
    assert half.inflation_expected_pct == pytest.approx(whole.inflation_expected_pct)


# -- signals -------------------------------------------------------------------------------------------------------


def words(level: int = 4) -> ev.Event:
    return ev.VerbalIntervention(level=level)


def test_perceived_risk_rises_with_the_ladder_and_halves_within_days() -> None:
    heard = [economy.hear(words(level), PUBLIC).intervention_risk for level in (1, 2, 3, 4)]
    checked = economy.hear(ev.RateCheck(), PUBLIC)
    assert heard == sorted(heard)
    assert checked.intervention_risk == pytest.approx(0.65)
    faded = quiet_days(checked, round(economy.RISK_HALF_LIFE_DAYS))
    assert faded.intervention_risk == pytest.approx(0.65 / 2)
    assert quiet_days(checked, 100).intervention_risk < 1e-4


def test_risk_stays_a_probability() -> None:
    public = PUBLIC
    for event in (ev.FxIntervention(amount_jpy_tn=5), ev.RateCheck(), words(), ev.FxIntervention(amount_jpy_tn=5)) * 5:
        public = economy.hear(event, public)
        assert 0.0 <= public.intervention_risk <= 1.0


def test_words_wear_out_and_action_restores_them() -> None:
    def effect_of_words(public: economy.Public) -> tuple[float, economy.Public]:
        calm = replace(public, intervention_risk=0.0)
        heard = economy.hear(words(), calm)
        return heard.intervention_risk, quiet_days(heard, 8)

    effects, public = [], PUBLIC
    for _ in range(4):
        effect, public = effect_of_words(public)
        effects.append(effect)
    assert effects == sorted(effects, reverse=True)
    assert effects[3] < 0.6 * effects[0]
    acted = economy.hear(ev.FxIntervention(amount_jpy_tn=3.0), public)
    assert acted.signal_credibility == 1.0
    assert effect_of_words(quiet_days(acted, 1))[0] == pytest.approx(effects[0])


def test_a_step_up_is_no_repetition_but_a_check_that_lapses_costs_credibility() -> None:
    checked = economy.hear(ev.RateCheck(), quiet_days(economy.hear(words(), PUBLIC), 1))
    assert checked.signal_credibility == 1.0
    assert quiet_days(checked, 9).signal_credibility == pytest.approx(1.0)
    assert quiet_days(checked, 10).signal_credibility == pytest.approx(economy.FATIGUE)
    acted = economy.hear(ev.FxIntervention(amount_jpy_tn=3.0), quiet_days(checked, 5))
    assert quiet_days(acted, 20).signal_credibility == pytest.approx(1.0)


def test_without_signalling_nobody_believes_anything_not_even_today() -> None:
    deaf = economy.next_day(PUBLIC, 0.0, 1.2, signalling=False)
    assert economy.hear(ev.RateCheck(), deaf).intervention_risk == 0.0
    assert economy.hear(ev.RateCheck(), deaf).ladder == 5


def test_silence_lowers_the_ladder() -> None:
    spoken = economy.hear(words(), PUBLIC)
    assert quiet_days(spoken, 19).ladder == 4
    assert quiet_days(spoken, 20).ladder == 3
    assert quiet_days(spoken, 200).ladder == 0


def test_selling_yen_is_no_threat_to_those_who_are_short_of_it() -> None:
    assert economy.hear(ev.FxIntervention(amount_jpy_tn=-3.0), PUBLIC).intervention_risk == 0.0


# -- the record ----------------------------------------------------------------------------------------------------


def test_nobody_writes_into_a_public_state() -> None:
    before = copy.deepcopy(PUBLIC)
    for event in (
        ev.PolicyRate(bank="FED", change_bp=-25),
        ev.PolicyGuidance(bank="ECB", terminal_change_bp=10),
        ev.DataSurprise(country="US", terminal_change_bp=5, near_term_change_bp=20),
        ev.IssuanceChange(market="JGB40", change_jpy_tn_per_month=-0.1),
        ev.PurchaseTaper(change_jpy_tn_per_month=1.0),
        ev.MarginChange(sector="crypto_longs", factor=2.0),
        ev.RiskAversion(change_sd=1.0),
        ev.Flow(market="JGB30", amount_usd_bn=1.0),
    ):
        economy.hear(event, PUBLIC)
    for name in before.__dataclass_fields__:
        assert np.array_equal(getattr(PUBLIC, name), getattr(before, name)), name


def test_a_public_state_survives_pickling() -> None:
    public = economy.hear(ev.MarginChange(sector="crypto_longs", factor=2.0), PUBLIC)
    again = pickle.loads(pickle.dumps(public))
    assert again.margin_factor == {"crypto_longs": 2.0}
    assert np.array_equal(economy.expected_log_price(again), economy.expected_log_price(public))


def test_a_quiet_day_is_no_news() -> None:
    public = replace(PUBLIC, near_term_pct=np.zeros(6))
    assert np.array_equal(economy.expected_log_price(quiet_days(public, 50)), economy.expected_log_price(public))
