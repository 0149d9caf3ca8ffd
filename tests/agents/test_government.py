"""The government: issuance by plan, programmes with a lag, elections, auctions."""

import datetime as dt
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from abm.agents.government import (
    Government,
    GovernmentParams,
    auction_strength_sd,
    auctions_on,
    issuance_changes,
    nth_weekday,
)
from abm.world import economy
from abm.world import events as ev
from abm.world.instruments import INDEX, JGBS
from abm.world.orders import REASON
from abm.world.streams import Streams
from tests.agents.authorities import happen, open_authority
from tests.agents.screen import make_public, make_view, net_by_market

TN = 1000.0 / 158.95  # USD bn in a trillion yen at the opening


def days(government: Government, n: int) -> list[ev.Event]:
    """Events of the next n days on an unchanged screen, auctions left out."""
    view, told = make_view(), []
    for _ in range(n):
        events = [e for e in government.announce(view) if e.kind != "auction_result"]
        happen(government, events)
        told += events
        government.end_of_day(view)
    return told


def test_the_plan_is_sold_evenly_for_yen() -> None:
    view = make_view()
    government = open_authority(Government, view)
    assert government.announce(view) == []
    orders = government.decide(view)
    plan = view.public.planned_issuance_jpy_tn_per_month[JGBS]
    assert orders["quantity"] == pytest.approx(-plan / 21.0 * TN)
    assert set(orders["reason"]) == {REASON["issuance"]}
    assert np.all(orders["slope"] == 0.0)
    assert np.all(orders["fx1"] == -1)
    assert net_by_market(orders)["JGB30"] * 21 * 12 / TN == pytest.approx(-12 * 0.55)


def test_cuts_reach_the_market_and_can_become_buy_backs() -> None:
    public = make_public()
    for _ in range(2):
        public = economy.hear(ev.IssuanceChange(market="JGB40", change_jpy_tn_per_month=-0.2), public)
    view = make_view(public={"issuance_jpy_tn_per_month": public.issuance_jpy_tn_per_month})
    assert net_by_market(open_authority(Government, view).decide(view))["JGB40"] == pytest.approx(0.2 / 21 * TN)


def test_a_programme_becomes_bonds_after_its_lag_and_ends_with_its_years() -> None:
    government = open_authority(Government, make_view())
    government.receive(ev.FiscalAnnouncement(amount_jpy_tn=12.0, years=1.0))
    assert days(government, 30) == []
    started = days(government, 1)
    change = np.array([e.change_jpy_tn_per_month for e in started])
    assert [e.market for e in started] == ["JGB2", "JGB10", "JGB20", "JGB30", "JGB40"]
    assert change.sum() == pytest.approx(1.0)
    assert change == pytest.approx(economy.REFUNDING_MIX)
    assert change[2:].sum() == pytest.approx(17.4 / 168.5, abs=0.001)
    assert days(government, 249) == []
    assert sum(e.change_jpy_tn_per_month for e in days(government, 1)) == pytest.approx(-1.0)
    assert days(government, 300) == []


def test_a_tax_cut_is_borrowed_for() -> None:
    government = open_authority(Government, make_view())
    government.receive(ev.TaxCut(amount_jpy_tn_per_year=5.0, years=2.0))
    assert sum(e.change_jpy_tn_per_month for e in days(government, 31)) == pytest.approx(5.0 / 12)


@pytest.mark.parametrize(("mandate", "factor"), [("strong", 1.15), ("weak", 0.8), ("hung", 0.4)])
def test_the_mandate_decides_what_stands(mandate: str, factor: float) -> None:
    government = open_authority(Government, make_view())
    government.receive(ev.FiscalAnnouncement(amount_jpy_tn=20.0, years=2.0))
    government.receive(ev.TaxCut(amount_jpy_tn_per_year=5.0, years=2.0))
    government.receive(ev.Election(mandate=mandate))
    spending, tax = days(government, 1)
    assert spending.kind == "fiscal_announcement"
    assert spending.amount_jpy_tn == pytest.approx((factor - 1.0) * 20.0)
    assert tax.amount_jpy_tn_per_year == pytest.approx((factor - 1.0) * 5.0)
    assert {spending.cause, tax.cause} == {"government"}
    assert sum(e.change_jpy_tn_per_month for e in days(government, 30)) == pytest.approx(factor * 15.0 / 12)


def test_what_is_enacted_stands_whatever_the_mandate() -> None:
    government = open_authority(Government, make_view())
    government.receive(ev.FiscalAnnouncement(amount_jpy_tn=2.4, years=0.2))
    assert sum(e.change_jpy_tn_per_month for e in days(government, 31)) == pytest.approx(1.0)
    government.receive(ev.Election(mandate="hung"))
    assert sum(e.change_jpy_tn_per_month for e in days(government, 50)) == pytest.approx(-1.0)  # its bonds end


def test_an_open_election_is_drawn_with_its_chances_and_told() -> None:
    view, n = make_view(), 600
    government = open_authority(Government, view)
    drawn = []
    for seed in range(n):
        government.receive(ev.Election(mandate="open"))
        (event,) = government.announce(replace(view, streams=Streams(seed)))
        happen(government, [event])
        drawn.append(event.mandate)
    p = GovernmentParams()
    assert drawn.count("strong") / n == pytest.approx(p.strong_chance, abs=0.08)
    assert drawn.count("hung") / n == pytest.approx(p.hung_chance, abs=0.06)
    assert government.announce(view) == []  # its own telling is not another election


def test_the_largest_programmes_are_told_in_valid_parts() -> None:
    government = open_authority(Government, make_view(), issuance_lag_days=5)
    government.receive(ev.FiscalAnnouncement(amount_jpy_tn=500.0, years=0.5))
    government.receive(ev.TaxCut(amount_jpy_tn_per_year=100.0, years=1.0))
    government.receive(ev.Election(mandate="hung"))
    told = days(government, 1)
    assert sum(e.amount_jpy_tn for e in told if e.kind == "fiscal_announcement") == pytest.approx(-300.0)
    assert sum(e.amount_jpy_tn_per_year for e in told if e.kind == "tax_cut") == pytest.approx(-60.0)
    plan = days(government, 5)
    assert sum(e.change_jpy_tn_per_month for e in plan) == pytest.approx((400.0 + 40.0) / 12)
    assert issuance_changes(np.zeros(5), "", "government") == []


def test_auction_days_of_january_2026() -> None:
    assert nth_weekday(2026, 1, 1, 3) == dt.date(2026, 1, 20)
    day = dt.timedelta(days=1)
    assert auctions_on(dt.date(2026, 1, 20), dt.date(2026, 1, 19)) == ["JGB20"]
    assert auctions_on(dt.date(2026, 1, 28), dt.date(2026, 1, 27)) == ["JGB40"]
    assert auctions_on(dt.date(2026, 2, 25), dt.date(2026, 2, 24)) == []  # no 40-year in even months
    assert auctions_on(dt.date(2026, 1, 5), dt.date(2025, 12, 30)) == ["JGB30"]  # 1 January is a holiday
    dates = [dt.date(2025, 12, 31) + d * day for d in range(366)]
    year = [name for before, date in pairwise(dates) for name in auctions_on(date, before)]
    assert [year.count(name) for name in ("JGB10", "JGB20", "JGB30", "JGB40")] == [12, 12, 12, 6]


def test_a_weak_auction_is_measured_at_the_close_and_published_next_day() -> None:
    government = open_authority(Government, make_view())
    eve = replace(make_view(), date=dt.date(2026, 1, 19))
    government.decide(eve)
    government.end_of_day(eve)
    day = replace(make_view(news={"JGB20": 5.0}), date=dt.date(2026, 1, 20))
    government.decide(day)
    fall = np.zeros(len(day.opening))
    fall[INDEX["JGB20"]] = -day.vol[INDEX["JGB20"]]
    government.end_of_day(replace(day, log_price=day.log_price + fall))
    (result,) = government.announce(replace(day, date=dt.date(2026, 1, 21)))
    assert (result.kind, result.market) == ("auction_result", "JGB20")
    assert result.strength_sd == pytest.approx(-2.0)  # news in the quote is no concession
    assert economy.hear(result, make_public()).weak_auction_sd == pytest.approx(2.0)
    assert government.announce(replace(day, date=dt.date(2026, 1, 22))) == []


def test_strength_is_bounded() -> None:
    assert auction_strength_sd(-9.0, 0.0, 0.5) == -5.0
    assert auction_strength_sd(0.5, 0.0, 0.5) == pytest.approx(1.0)


def test_a_bond_that_falls_with_its_neighbours_was_not_refused() -> None:
    alone, together = auction_strength_sd(-4.0, 0.0, 0.5), auction_strength_sd(-4.0, -4.0, 0.5)
    assert alone == -5.0
    assert -1.0 < together < -0.9


def test_rules_off_nothing_on() -> None:
    view = make_view(switches={"government_issuance": False})
    government = open_authority(Government, make_view())
    government.receive(ev.FiscalAnnouncement(amount_jpy_tn=20.0))
    government.receive(ev.Election(mandate="hung"))
    assert government.announce(view) == []
    assert government.decide(view).size == 0


def test_the_public_refunds_in_the_mix_the_government_issues() -> None:
    assert GovernmentParams().mix == pytest.approx(economy.REFUNDING_MIX)
