"""Days of a run: Japanese business days, and on which of them dated things become known."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.scenarios.calendar import closed_days, day_of, decision_days, trading_dates

D = dt.date
JANUARY = trading_dates(D(2026, 1, 13), D(2026, 1, 13), 60)


def test_day_zero_is_the_state_and_day_one_the_next_business_day() -> None:
    assert JANUARY[:3] == (D(2026, 1, 13), D(2026, 1, 14), D(2026, 1, 15))
    assert len(JANUARY) == 61


@pytest.mark.parametrize("closed", ["2026-02-11", "2026-02-23", "2026-03-20", "2026-01-17", "2026-01-18"])
def test_holidays_and_weekends_are_no_trading_days(closed: str) -> None:
    assert D.fromisoformat(closed) not in JANUARY


def test_tokyo_is_closed_from_31_december_to_3_january() -> None:
    turn = trading_dates(D(2026, 12, 25), D(2026, 12, 25), 6)
    assert [str(d) for d in turn[3:]] == ["2026-12-30", "2027-01-04", "2027-01-05", "2027-01-06"]


def test_a_later_start_is_the_first_trading_day_or_the_next_open_one() -> None:
    assert trading_dates(D(2026, 1, 9), D(2026, 1, 13), 2)[1:] == (D(2026, 1, 13), D(2026, 1, 14))
    assert trading_dates(D(2026, 1, 9), D(2026, 1, 10), 1)[1] == D(2026, 1, 13)  # Saturday, Sunday, holiday


@given(st.dates(D(1991, 1, 1), D(2069, 12, 31)), st.integers(1, 600))
def test_dates_rise_and_skip_every_closed_day(start: dt.date, days: int) -> None:
    dates = trading_dates(start, start, days)
    closed = set(closed_days(start.year, dates[-1].year))
    assert len(dates) == days + 1
    assert all(a < b for a, b in pairwise(dates))
    assert not any(d.weekday() > 4 or d in closed for d in dates[1:])


@pytest.mark.parametrize(
    ("date", "day"),
    [
        ("2026-01-13", None),  # in the opening state already
        ("2026-01-14", 1),
        ("2026-02-08", JANUARY.index(D(2026, 2, 9))),  # a Sunday
        ("2026-02-11", JANUARY.index(D(2026, 2, 12))),  # a holiday
        ("2026-04-10", 60),
        ("2026-04-11", None),
        ("2025-01-01", None),
    ],
)
def test_what_is_dated_on_a_closed_day_becomes_known_on_the_next(date: str, day: int | None) -> None:
    assert day_of(D.fromisoformat(date), JANUARY) == day


def test_meetings_outside_the_run_have_no_day() -> None:
    meetings = {"BOJ": (D(2025, 12, 19), D(2026, 1, 23), D(2026, 7, 31))}
    assert decision_days(meetings, JANUARY) == {"BOJ": (8,)}
