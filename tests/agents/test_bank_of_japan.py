"""The Bank of Japan: its rate rule, its plan, its exceptional purchases."""

from dataclasses import replace

import numpy as np
import pytest

from abm.agents.bank_of_japan import (
    BankOfJapan,
    BankOfJapanParams,
    direction_of,
    exceptional_purchase_probability,
    fixed_rate_schedule,
)
from abm.world import economy
from abm.world import events as ev
from abm.world.instruments import DURATION_YR, INDEX, JPY, USDJPY
from abm.world.orders import REASON
from abm.world.streams import Streams
from tests.agents.authorities import happen, open_authority, price_news
from tests.agents.screen import make_public, make_view, net_by_market

MEETING = {"meetings": {"BOJ": 0}}
LONG_AGO = {"days_since_rate_change": {"BOJ": 200}}
TN = 1000.0 / 158.95  # USD bn in a trillion yen at the opening
STORM = {"JGB10": 15.0, "JGB20": 30.0, "JGB30": 45.0, "JGB40": 60.0}


def test_a_bank_that_keeps_to_its_plan_posts_and_says_nothing() -> None:
    view = make_view()
    boj = open_authority(BankOfJapan, view)
    assert boj.announce(view) == []
    assert boj.decide(view).size == 0


def test_rises_come_as_often_as_priced_and_decisions_have_no_mean_effect() -> None:
    view = make_view(public=MEETING | LONG_AGO)
    boj = open_authority(BankOfJapan, view)
    own, perceived = boj.hike_probabilities(view)
    assert own == perceived
    total, rises, n = np.zeros(len(view.opening)), 0, 1500
    outcomes = {}
    for seed in range(n):
        (event,) = boj.announce(replace(view, streams=Streams(seed)))
        if event.kind not in outcomes:
            outcomes[event.kind] = price_news(view.public, [event])
        total += outcomes[event.kind]
        rises += event.kind == "policy_rate"
    assert rises / n == pytest.approx(own, abs=4 * np.sqrt(own * (1 - own) / n))
    surprise = np.abs(outcomes["policy_rate"])
    assert np.all(np.abs(total / n) <= 0.15 * surprise + 1e-15)


def test_the_event_carries_what_was_priced() -> None:
    view = make_view(public=MEETING | LONG_AGO)
    boj = open_authority(BankOfJapan, view, hike_odds=20.0)
    (event,) = boj.announce(view)
    assert isinstance(event, ev.PolicyRate)
    assert (event.bank, event.change_bp, event.cause) == ("BOJ", 25.0, "bank_of_japan")
    assert event.expected_share == economy.perceived_hike_risk(view.public, 0.0, 0.0)
    hold = open_authority(BankOfJapan, view, hike_odds=-20.0).announce(view)[0]
    assert isinstance(hold, ev.PolicyGuidance)
    assert hold.near_term_change_bp == pytest.approx(-25.0 * event.expected_share)
    assert price_news(view.public, [hold])[INDEX["JGB2"]] > 0.0  # a feared rise that does not come


def heard(days: int, daily_bp: float, **params) -> BankOfJapan:
    """The bank after so many days with the same news about the two-year yield."""
    boj = open_authority(BankOfJapan, make_view(), **params)
    for day in range(1, days + 1):
        boj.announce(make_view(day=day, news={"JGB2": daily_bp}))
    return boj


def test_rate_news_before_a_meeting_gives_the_decision_away() -> None:
    view = make_view(day=20, public=MEETING | LONG_AGO)
    plain = open_authority(BankOfJapan, view).hike_probabilities(view)[0]
    assert 0.1 < plain < 0.4
    assert heard(10, 1.0).hike_probabilities(view)[0] > 0.99
    assert heard(10, -1.0).hike_probabilities(view)[0] < 0.01
    assert heard(10, 0.0).hike_probabilities(view)[0] == plain
    assert heard(10, 1.0, known_share=0.0).hike_probabilities(view)[0] == pytest.approx(plain)
    small, large = (heard(10, size).hike_probabilities(view) for size in (0.1, 5.0))
    assert small == pytest.approx(large)  # direction counts, not how busy the days were
    (event,) = heard(10, 1.0).announce(view)
    assert event.expected_share > 0.99


def test_only_the_last_days_count_and_each_of_them_once() -> None:
    boj = heard(15, 1.0)
    assert len(boj.rate_news) == 10
    today = make_view(day=16, news={"JGB2": -2.0})
    for _ in range(3):
        boj.announce(today)
    assert boj.rate_news[-1] < 0.0 < boj.rate_news[-2]


def test_news_makes_rises_neither_rarer_nor_more_frequent() -> None:
    """The mean probability over ten days' news is the rule's, and little is left for the day."""
    rng = np.random.default_rng(5)
    for plain in (0.1, 0.25, 0.6):  # tails as heavy as those of news about rates
        sums = [direction_of(list(row)) for row in rng.standard_t(30, (20_000, 10))]
        q = np.array([economy.after_news(plain, s, 0.98) for s in sums])
        assert q.mean() == pytest.approx(plain, abs=0.02)
        assert (q * (1.0 - q)).mean() < 0.2 * plain * (1.0 - plain)
    assert direction_of([]) == direction_of([0.0, 0.0]) == 0.0


def test_the_trap_weak_yen_against_disorder() -> None:
    def probability(**move: float) -> float:
        view = make_view(move=move, public=MEETING | LONG_AGO)
        return open_authority(BankOfJapan, make_view()).hike_probabilities(view)[0]

    calm = probability()
    assert probability(USDJPY=3.0) > calm + 0.1
    assert probability(JGB30=20.0) < calm - 0.1
    assert probability(USDJPY=3.0, JGB30=20.0) == pytest.approx(calm, abs=0.05)


def test_no_decision_without_a_meeting_twice_or_with_the_rule_off() -> None:
    sure = {"hike_odds": 20.0}
    for changes, switches in (
        ({"meetings": {"BOJ": 3}}, {}),
        (MEETING | {"decided": frozenset({"BOJ"})}, {}),
        (MEETING, {"boj_policy_rule": False}),
    ):
        view = make_view(public=changes, switches=switches)
        assert open_authority(BankOfJapan, view, **sure).announce(view) == []


def test_exceptional_purchases_are_rare() -> None:
    p = BankOfJapanParams()
    assert exceptional_purchase_probability(0.0, 5.0, p) == 0.0
    assert exceptional_purchase_probability(9.9, 5.0, p) == 0.0
    assert exceptional_purchase_probability(20.0, 0.0, p) < 0.02  # a 20 bp day drew none
    assert exceptional_purchase_probability(38.0, 1.0, p) == pytest.approx(0.19, abs=0.01)
    assert exceptional_purchase_probability(100.0, 1.0, p) > 0.9


def test_an_exceptional_purchase_is_announced_booked_and_posted_once() -> None:
    view = make_view(move=STORM)
    boj = open_authority(BankOfJapan, make_view(), exceptional_odds=5.0)
    events = boj.announce(view)
    (event,) = [e for e in events if e.kind == "asset_purchase"]
    assert event.market == "JGB40"  # whose yield rose most
    assert 0.3 <= event.amount_jpy_tn <= 1.0
    happen(boj, events)
    orders = boj.decide(view)
    assert orders["market"].tolist() == [INDEX["JGB40"]]
    assert orders["reason"].tolist() == [REASON["asset_purchase"]]
    assert orders["quantity"][0] == pytest.approx(event.amount_jpy_tn * TN)
    boj.end_of_day(view)
    assert boj.decide(view).size == 0


def test_a_programme_is_spread_over_its_days_and_sums_to_its_amount() -> None:
    view = make_view()
    boj = open_authority(BankOfJapan, view)
    boj.receive(ev.AssetPurchase(market="JGB20", amount_jpy_tn=3.0, days=4))
    bought = []
    for _ in range(6):
        bought.append(net_by_market(boj.decide(view))["JGB20"])
        boj.end_of_day(view)
    assert bought == pytest.approx([0.75 * TN] * 4 + [0.0] * 2)


def test_only_the_deviation_from_the_plan_is_posted() -> None:
    public = economy.hear(ev.PurchaseTaper(change_jpy_tn_per_month=2.1), make_public())
    view = make_view(public={"purchases_jpy_tn_per_month": public.purchases_jpy_tn_per_month})
    net = net_by_market(open_authority(BankOfJapan, view).decide(view))
    assert sum(net.values()) == pytest.approx(0.1 * TN)
    assert net["USDJPY"] == 0.0
    tapered = make_view(public={"purchases_jpy_tn_per_month": np.zeros(len(view.opening))})
    assert sum(net_by_market(open_authority(BankOfJapan, view).decide(tapered)).values()) < 0.0


def test_it_cannot_sell_what_it_does_not_own() -> None:
    view = make_view()
    boj = open_authority(BankOfJapan, view)
    boj.receive(ev.AssetPurchase(market="JGB40", amount_jpy_tn=-50.0))
    assert net_by_market(boj.decide(view))["JGB40"] == pytest.approx(-63.0)


def test_a_fixed_rate_offer_buys_nothing_below_its_yield_and_everything_above() -> None:
    market, most = INDEX["JGB10"], 60.0
    fixed = -DURATION_YR[market] * 2.5 / 100.0
    for above_bp, bought in ((-10.0, 0.0), (0.0, 0.0), (1.0, 30.0), (2.0, 60.0), (50.0, 60.0)):
        quote = fixed - DURATION_YR[market] * above_bp / 1e4
        quantity, slope = fixed_rate_schedule(quote, market, 2.5, most, 2.0)
        assert slope > 0.0
        assert np.clip(quantity, 0.0, most) == pytest.approx(bought, abs=1e-9)


def test_an_offer_follows_only_a_surge_of_the_ten_year() -> None:
    boj = open_authority(BankOfJapan, make_view())
    assert boj.announce(make_view(move={"JGB10": 49.0})) == []
    view = make_view(move={"JGB10": 55.0}, news={"JGB10": 4.0})
    (event,) = boj.announce(view)
    assert event.fixed_yield_pct == pytest.approx(2.163 + 0.55)  # yesterday's close
    happen(boj, [event])
    assert boj.announce(view) == []  # one offer at a time
    (row,) = boj.decide(view)
    assert row["hi"] == pytest.approx(10.0 * TN)
    assert row["lo"] == 0.0
    assert row["quantity"] >= row["hi"]  # the quote is 4 bp above: the whole amount
    assert row["slope"] * DURATION_YR[row["market"]] * 2.0 / 1e4 == pytest.approx(row["hi"])


def test_rules_off_nothing_on() -> None:
    off = dict.fromkeys(BankOfJapan.rules, False)
    view = make_view(move=STORM | {"JGB10": 80.0}, public=MEETING, switches=off)
    boj = open_authority(BankOfJapan, make_view(), hike_odds=20.0, exceptional_odds=5.0)
    boj.receive(ev.AssetPurchase(amount_jpy_tn=3.0))
    assert boj.announce(view) == []
    assert boj.decide(view).size == 0


def test_amounts_scale_with_their_parameters() -> None:
    view = make_view(move=STORM)
    sizes = []
    for scale in (1.0, 2.0):
        amounts = {"exceptional_least_jpy_tn": 0.3 * scale, "exceptional_most_jpy_tn": 1.0 * scale}
        boj = open_authority(BankOfJapan, make_view(), exceptional_odds=5.0, **amounts)
        happen(boj, boj.announce(view))
        sizes.append(boj.decide(view)["quantity"].sum())
    assert sizes[1] == pytest.approx(2.0 * sizes[0])


def test_days_draw_independently() -> None:
    view = make_view(public=MEETING | LONG_AGO)
    boj = open_authority(BankOfJapan, view)
    kinds = [boj.announce(replace(view, day=day))[0].kind for day in range(40)]
    assert len(set(kinds)) == 2
    assert kinds == [boj.announce(replace(view, day=day))[0].kind for day in range(40)]


def test_it_pays_in_yen_it_creates() -> None:
    assert BankOfJapan.home == JPY
    view = make_view()
    boj = open_authority(BankOfJapan, view)
    boj.receive(ev.AssetPurchase(market="JGB30", amount_jpy_tn=10.0))
    assert USDJPY not in boj.decide(view)["fx1"]


@pytest.mark.parametrize(("opening_pct", "offered_pct"), [(-3.0, -2.0), (25.0, 20.0)])
def test_an_offer_stays_within_the_yields_at_which_one_may_stand(opening_pct: float, offered_pct: float) -> None:
    there = 100.0 * (opening_pct - make_view().yield_pct("JGB10"))
    history = np.tile(make_view(move={"JGB10": there - 60.0}).log_price, (64, 1))
    history[-1] = make_view(move={"JGB10": there}).log_price
    (event,) = open_authority(BankOfJapan, make_view()).announce(make_view(history=history))
    assert event.fixed_yield_pct == offered_pct
