"""The calendar: Japanese business days, which skip weekends, public holidays and 31 December to 3 January."""

import datetime as dt
from collections.abc import Mapping, Sequence

import holidays
import numpy as np

YEAR_END_CLOSURE = ((1, 1), (1, 2), (1, 3), (12, 31))  # month, day on which Tokyo's markets stay closed
DAYS_PER_YEAR_AT_LEAST = 220


def closed_days(first_year: int, last_year: int) -> list[dt.date]:
    """Days other than weekends on which Tokyo's markets are closed."""
    years = range(first_year, last_year + 1)
    public = holidays.country_holidays("JP", years=years)
    return sorted({*public, *(dt.date(y, m, d) for y in years for m, d in YEAR_END_CLOSURE)})


def trading_dates(state_date: dt.date, start: dt.date, days: int) -> tuple[dt.date, ...]:
    """Date of every day of a run: day 0 is the opening state's, day 1 the first trading day.

    The first trading day is the first one after the state's date, or on or after ``start`` where that is later.
    """
    first = max(start, state_date + dt.timedelta(days=1))
    closed = closed_days(first.year, first.year + days // DAYS_PER_YEAR_AT_LEAST + 1)
    business = np.busdaycalendar(holidays=np.array(closed, dtype="datetime64[D]"))
    ahead = np.busday_offset(np.datetime64(first), np.arange(days), roll="forward", busdaycal=business)
    return (state_date, *ahead.tolist())


def day_of(date: dt.date, dates: Sequence[dt.date]) -> int | None:
    """Trading day on which something dated ``date`` becomes known, the next one if markets are closed that day.

    None where that is not among the days 1 to the last of ``dates``.
    """
    day = int(np.searchsorted(np.array(dates, dtype="datetime64[D]"), np.datetime64(date)))
    return day if 0 < day < len(dates) else None


def decision_days(meetings: Mapping[str, Sequence[dt.date]], dates: Sequence[dt.date]) -> dict[str, tuple[int, ...]]:
    """Trading days of the run on which each bank's meetings decide."""
    found = {bank: [day_of(date, dates) for date in announced] for bank, announced in meetings.items()}
    return {bank: tuple(day for day in days if day is not None) for bank, days in found.items()}
