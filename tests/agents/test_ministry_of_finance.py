"""The Ministry of Finance: the ladder, operations and what pays for them, debt management."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.agents.ministry_of_finance import (
    CHECK,
    OPERATION,
    TREASURIES,
    MinistryOfFinance,
    daily_chance,
    funding_split,
    is_thin,
)
from abm.world import events as ev
from abm.world.instruments import INDEX, USD, USDJPY
from abm.world.orders import REASON
from abm.world.streams import Streams
from abm.world.view import View
from tests.agents.authorities import happen, open_authority
from tests.agents.screen import make_public, make_view, net_by_market

TN = 1000.0 / 158.95  # USD bn in a trillion yen at the opening
MONDAY = dt.date(2026, 6, 1)


def ministry(rested: bool = True, **params: float) -> MinistryOfFinance:
    mof = open_authority(MinistryOfFinance, make_view(), **params)
    mof.days_quiet = 10 if rested else 0
    return mof


def surge(pct: float) -> View:
    return make_view(move={"USDJPY": pct}, vol_ratio={"USDJPY": 1.0 + pct / 10.0})


def sold_by_reason(orders: np.ndarray, reason: str) -> float:
    return -float(orders["quantity"][orders["reason"] == REASON[reason]].sum())


def test_reserves_open_with_deposits() -> None:
    mof = ministry()
    assert mof.book.cash[0, USD] == 160.0
    assert mof.table(make_view().opening)["deposits_usd_bn"] == [160.0]
    assert mof.decide(make_view()).size == 0


def test_a_calm_year_below_the_line_sees_little() -> None:
    chances = ministry(line_above_opening_pct=1.77).chances(make_view())
    assert 250 * chances.operation < 0.2
    assert 250 * chances.check < 0.5
    assert 250 * chances.words < 6


def test_disorder_moves_the_ladder_up() -> None:
    mof = ministry(opening_ladder=4)
    steps = [mof.chances(surge(pct)) for pct in (-5.0, 0.0, 2.0, 4.0, 6.0)]
    for kind in ("operation", "check", "words"):
        chances = [getattr(step, kind) for step in steps]
        assert chances == sorted(chances)
        assert chances[-1] > 5 * chances[1]
    assert steps[-1].check > 0.2


def test_words_come_one_level_at_a_time_and_a_check_only_after_decisive_words() -> None:
    mof = ministry(opening_ladder=0, words_odds=5.0, check_odds=5.0, operation_odds=-20.0)
    mof.days_quiet = 10
    view, told = surge(5.0), []
    for day in range(1, 40):
        events = mof.announce(replace(view, day=day))
        assert len(events) <= 1
        happen(mof, events)
        told += [(day, e.kind, getattr(e, "level", None)) for e in events]
        mof.end_of_day(view)
        if mof.ladder >= CHECK:
            break
    kinds = [(kind, level) for _, kind, level in told]
    assert kinds[:4] == [("verbal_intervention", level) for level in (1, 2, 3, 4)]
    assert ("rate_check", None) in kinds
    assert np.diff([day for day, _, _ in told]).min() >= 4  # days between words


def operations_within_ten_days(move_pct: float, n: int = 400) -> float:
    """Share of runs in which a rate check is followed by an operation within ten days, the yen staying put."""
    still = make_view(move={"USDJPY": move_pct})
    hits = 0
    for seed in range(n):
        mof = ministry()
        mof.receive(ev.RateCheck())
        mof.end_of_day(still)
        for day in range(1, 11):
            date = MONDAY + dt.timedelta(days=day - 1 + 2 * ((day - 1) // 5))
            events = mof.announce(replace(still, day=day, date=date, streams=Streams(seed)))
            if any(e.kind == "fx_intervention" for e in events):
                hits += 1
                break
            mof.end_of_day(replace(still, date=date))
    return hits / n


def test_two_checks_in_three_are_followed_while_the_yen_stays_weak() -> None:
    assert operations_within_ten_days(0.0) == pytest.approx(2 / 3, abs=0.08)


def test_a_check_that_moved_the_yen_is_rarely_followed() -> None:
    assert operations_within_ten_days(-4.0) < 0.15


def test_a_check_lapses_and_silence_lowers_the_ladder() -> None:
    mof = ministry()
    mof.receive(ev.RateCheck())
    for _ in range(11):
        mof.end_of_day(make_view())
    assert mof.ladder == 4
    for _ in range(30):
        mof.end_of_day(make_view())
    assert mof.ladder < 4


def test_tickets_and_campaigns_have_the_sizes_of_the_record() -> None:
    view, tickets, campaigns = make_view(), [], []
    for seed in range(60):
        mof = ministry(follow_up_chance=0.99, next_ticket_chance=1.0, thin_day_multiple=1.0)
        mof.receive(ev.RateCheck())
        spent = []
        for day in range(1, 30):
            events = mof.announce(replace(view, day=day, streams=Streams(seed)))
            happen(mof, events)
            spent += [e.amount_jpy_tn for e in events if e.kind == "fx_intervention"]
            mof.end_of_day(view)
            if spent and mof.campaign_left_jpy_tn < 0.7:
                break
        tickets += spent
        campaigns.append(sum(spent))
    assert min(tickets) > 0.0
    assert max(tickets) <= 6.0
    assert min(campaigns) >= 5.5 - 0.7
    assert max(campaigns) <= 10.0
    assert 6.5 < np.mean(campaigns) < 8.5


def test_thin_days_are_preferred() -> None:
    assert is_thin(dt.date(2026, 1, 16), None)  # a Friday
    assert is_thin(dt.date(2026, 5, 1), dt.date(2026, 4, 30))  # Golden Week
    assert is_thin(dt.date(2026, 1, 13), dt.date(2026, 1, 9))  # after Coming of Age Day
    assert not is_thin(dt.date(2026, 6, 1), dt.date(2026, 5, 29))  # an ordinary Monday
    mof = ministry()
    mof.receive(ev.RateCheck())
    usual, thin = (mof.chances(replace(make_view(), date=MONDAY + dt.timedelta(days=d))).operation for d in (0, 4))
    assert thin == pytest.approx(2.0 * usual)
    assert daily_chance(2 / 3, 10) == pytest.approx(1 - (1 / 3) ** 0.1)


def run_operation(mof: MinistryOfFinance, view: View, days: int) -> tuple[list[float], list[np.ndarray]]:
    """Dollars sold and Treasuries sold on each of the next days, USD bn; the book stays as it is."""
    dollars, treasuries = [], []
    for _ in range(days):
        orders = mof.decide(view)
        net = net_by_market(orders)
        dollars.append(-net["USDJPY"])
        treasuries.append(-np.array([net["UST2"], net["UST10"], net["UST30"]]))
        mof.end_of_day(view)
    return dollars, treasuries


def test_an_operation_sells_dollars_today_and_short_treasuries_over_days() -> None:
    mof, view = ministry(), make_view()
    mof.receive(ev.FxIntervention(amount_jpy_tn=3.0))
    assert mof.ladder == OPERATION
    dollars, treasuries = run_operation(mof, view, 8)
    assert dollars == pytest.approx([3.0 * TN] + [0.0] * 7)
    total = np.sum(treasuries, axis=0)
    assert total == pytest.approx([0.9 * 3.0 * TN, 0.0, 0.0])  # the rest is borne by deposits
    assert [t.sum() for t in treasuries] == pytest.approx([0.9 * 3.0 * TN / 5] * 5 + [0.0] * 3)
    assert mof.funding_due_usd_bn == 0.0


def test_several_operations_are_paid_in_full() -> None:
    mof, view = ministry(), make_view()
    sold = np.zeros(3)
    for amount in (3.0, 2.0, 0.0, 4.0):
        if amount:
            mof.receive(ev.FxIntervention(amount_jpy_tn=amount))
        sold += run_operation(mof, view, 1)[1][0]
    sold += np.sum(run_operation(mof, view, 10)[1], axis=0)
    assert sold.sum() == pytest.approx(0.9 * 9.0 * TN)


def test_deciding_twice_changes_nothing() -> None:
    mof, view = ministry(), make_view()
    mof.receive(ev.FxIntervention(amount_jpy_tn=3.0, days=2))
    assert np.array_equal(mof.decide(view), mof.decide(view))


@settings(max_examples=80, deadline=None)
@given(
    need=st.floats(0, 2000),
    owned=st.tuples(*[st.floats(0, 700)] * 3),
    low=st.floats(0.05, 1.0),
)
def test_treasuries_sold_are_owned_and_meet_the_need_if_they_can(
    need: float, owned: tuple[float, float, float], low: float
) -> None:
    have, opening = np.array(owned), np.array([620.0, 200.0, 20.0])
    sold = funding_split(need, have, opening, low)
    assert np.all(sold >= 0.0)
    assert np.all(sold <= have + 1e-9)
    assert sold.sum() == pytest.approx(min(need, have.sum()), abs=1e-6)


def test_funding_shifts_to_long_treasuries_as_short_ones_run_low() -> None:
    opening = np.array([620.0, 200.0, 20.0])
    owned = [np.array([short, 200.0, 20.0]) for short in (620.0, 310.0, 155.0, 1.0)]
    shares = [funding_split(10.0, have, opening, 0.5)[0] / 10.0 for have in owned]
    assert shares[:2] == [1.0, 1.0]
    assert shares[2] == pytest.approx(0.5)
    assert shares[3] < 0.01


def test_without_treasury_funding_deposits_pay_until_they_are_out() -> None:
    mof, view = ministry(), make_view(switches={"treasury_funding": False})
    mof.receive(ev.FxIntervention(amount_jpy_tn=30.0))  # about 189 bn dollars against 160
    orders = mof.decide(view)
    assert sold_by_reason(orders, "intervention") == pytest.approx(160.0)
    assert not np.isin(orders["market"], TREASURIES).any()
    mof.book.cash[0, USD] = 3.0  # less than the smallest ticket
    mof.receive(ev.RateCheck())
    assert mof.chances(view).operation == 0.0
    assert mof.chances(make_view()).operation > 0.0


def test_a_shortage_of_deposits_is_met_at_once() -> None:
    mof, view = ministry(deposits_usd_bn=5.0), make_view()
    mof.receive(ev.FxIntervention(amount_jpy_tn=3.0))
    orders = mof.decide(view)
    assert sold_by_reason(orders, "intervention") == pytest.approx(3.0 * TN)
    assert sold_by_reason(orders, "intervention_funding") == pytest.approx(3.0 * TN - 5.0)
    mof.end_of_day(view)
    paid, refilled = mof.happenings()
    assert f"USD {3.0 * TN:.1f} bn out of deposits" in paid and f"USD {3.0 * TN - 5.0:.1f} bn" in refilled


def test_yen_can_be_sold_too() -> None:
    mof = ministry()
    mof.receive(ev.FxIntervention(amount_jpy_tn=-2.0))
    assert net_by_market(mof.decide(make_view()))["USDJPY"] == pytest.approx(2.0 * TN)
    assert mof.ladder == 0


@pytest.mark.parametrize("repatriate", [True, False])
def test_treasuries_sold_by_decree(repatriate: bool) -> None:
    mof, view = ministry(), make_view()
    mof.receive(ev.TreasurySale(amount_usd_bn=100.0, days=4, market="UST10", repatriate=repatriate))
    dollars, treasuries = run_operation(mof, view, 6)
    assert [t[1] for t in treasuries] == pytest.approx([25.0] * 4 + [0.0] * 2)
    assert dollars == pytest.approx([25.0 * repatriate] * 4 + [0.0] * 2)


def test_it_cannot_sell_treasuries_it_does_not_own() -> None:
    mof, view = ministry(), make_view()
    for _ in range(2):
        mof.receive(ev.TreasurySale(amount_usd_bn=150.0, market="UST10"))
    assert net_by_market(mof.decide(view))["UST10"] == pytest.approx(-200.0)


def test_a_scheduled_operation_is_a_campaign_in_itself() -> None:
    mof = ministry()
    mof.receive(ev.FxIntervention(amount_jpy_tn=5.9))
    assert mof.chances(make_view()).operation == 0.0


def test_the_line_gives_way_to_a_level_that_holds() -> None:
    mof, high = ministry(), make_view(move={"USDJPY": 6.0})
    before = mof.disorder(high)
    for _ in range(120):
        mof.end_of_day(high)
    gap = high.close[USDJPY] - (high.opening[USDJPY] + np.log1p(mof.params.line_above_opening_pct / 100.0))
    assert mof.line == pytest.approx(high.close[USDJPY] - gap / 2)
    assert mof.disorder(high) < before
    line = mof.line
    mof.end_of_day(make_view(move={"USDJPY": -10.0}))
    assert mof.line == line


def test_super_long_issuance_is_cut_after_stress_and_talks() -> None:
    public = make_public()
    stressed = make_view(move={"JGB30": 60.0, "JGB40": 50.0})
    mof = ministry(review_chance=1.0, opening_ladder=0, words_odds=-20.0)
    told: list[tuple[int, ev.Event]] = []
    for day in range(1, 60):
        told += [(day, e) for e in mof.announce(replace(stressed, day=day))]
        mof.end_of_day(stressed)
    assert [e.market for _, e in told] == ["JGB20", "JGB30", "JGB40"]
    assert 10 <= told[0][0] <= 32
    planned = public.planned_issuance_jpy_tn_per_month
    for _, e in told:
        assert e.change_jpy_tn_per_month == pytest.approx(-0.2 * 1.5 * planned[INDEX[e.market]])
        assert (e.addressee, e.cause) == ("government", "ministry_of_finance")


def test_weak_auctions_are_stress_and_calm_is_not() -> None:
    mof = ministry()
    assert mof.super_long_stress(make_view()) == 0.0
    assert mof.super_long_stress(make_view(public={"weak_auction_sd": 4.0})) > 1.0
    assert mof.super_long_stress(make_view(move={"JGB30": 41.0})) > 1.0


def test_cuts_stop_at_the_largest() -> None:
    issuance = make_public().planned_issuance_jpy_tn_per_month * -0.45
    view = make_view(move={"JGB30": 400.0}, public={"issuance_jpy_tn_per_month": issuance})
    mof = ministry(opening_ladder=0, words_odds=-20.0)
    mof.review = (0, 2.0)
    planned = make_public().planned_issuance_jpy_tn_per_month
    for event in mof.announce(view):
        assert event.change_jpy_tn_per_month == pytest.approx(-0.05 * planned[INDEX[event.market]])


def test_rules_off_nothing_on() -> None:
    off = dict.fromkeys(MinistryOfFinance.rules, False)
    view = replace(surge(8.0), switches=off)
    mof = ministry(check_odds=5.0, operation_odds=5.0)
    mof.receive(ev.FxIntervention(amount_jpy_tn=3.0))
    mof.receive(ev.TreasurySale(amount_usd_bn=50.0, repatriate=True))
    assert mof.announce(view) == []
    assert mof.decide(view).size == 0


def test_orders_scale_with_books_and_amounts() -> None:
    sizes = []
    for scale in (1.0, 2.0):
        mof = ministry(
            deposits_usd_bn=160.0 * scale,
            ticket_least_jpy_tn=0.7 * scale,
            ticket_most_jpy_tn=6.0 * scale,
            campaign_least_jpy_tn=5.5 * scale,
            campaign_most_jpy_tn=10.0 * scale,
            follow_up_chance=0.99,
            thin_day_multiple=10.0,
        )
        mof.receive(ev.RateCheck())
        view = replace(make_view(), date=dt.date(2026, 5, 1))
        for day in range(1, 10):
            events = mof.announce(replace(view, day=day))
            happen(mof, events)
            if events:
                break
        sizes.append(sold_by_reason(mof.decide(view), "intervention"))
    assert sizes[0] > 0.0
    assert sizes[1] == pytest.approx(2.0 * sizes[0])
