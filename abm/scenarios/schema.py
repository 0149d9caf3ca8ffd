"""What a scenario is: a resolved, immutable plan of a run, and the headers of the files it comes from."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from abm.scenarios.calendar import decision_days
from abm.scenarios.files import NAME, NAME_RULE
from abm.scenarios.sectors import NEWS
from abm.scenarios.state import State
from abm.world.errors import InputError, wrong_value
from abm.world.events import Event, PolicyMeeting, PolicyRate
from abm.world.news import NewsParams

MOST_DAYS = 5000
EARLIEST, LATEST = dt.date(1990, 1, 1), dt.date(2070, 12, 31)  # so that the longest run stays within known holidays
NOT_IN_FILES = {"day", "cause"}  # fields of events that a file does not set, or says as a date

Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$", json_schema_extra={"unit": NAME_RULE})]
Title = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra={"unit": "1 to 200 characters"})]


class ScenarioHeader(BaseModel):
    """The table [scenario] of a file, inheritance already applied."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name
    title: Title
    description: str = Field("", max_length=2000, json_schema_extra={"unit": "up to 2000 characters"})
    extends: str = Field("", description="another scenario whose keys hold unless this one overrides them")
    state: str = Field("", description="opening state: packaged name or path")
    start: dt.date | None = Field(
        None, ge=EARLIEST, le=LATEST, description="date of the opening state, or the first trading day"
    )
    days: int = Field(ge=1, le=MOST_DAYS, description="length", json_schema_extra={"unit": "trading days"})
    replace_events: bool = Field(False, description="drop the events of the scenario it extends")


class StateHeader(BaseModel):
    """The table [state] of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name
    title: Title
    date: dt.date = Field(ge=EARLIEST, le=LATEST, description="day whose close the state describes")
    extends: str = Field("", description="another state whose figures hold unless this one overrides them")


@dataclass(frozen=True, eq=False)
class Scenario:
    """Everything that defines a run except the seed. Made by `load_scenario`, already checked.

    state: the opening. start: as written in the file. days: trading days after day 0. events: scheduled ones, each
    with its trading day and date, in order. params: sector id to parameters. news: parameters of public news.
    switches: every behaviour rule to on or off. dates: date of every day, day 0 is the state's.
    origins: who set a parameter or a switch that is not at its default.
    """

    name: str
    title: str
    description: str
    state: State
    start: dt.date
    days: int
    events: tuple[Event, ...]
    params: Mapping[str, Any]
    news: NewsParams
    switches: Mapping[str, bool]
    dates: tuple[dt.date, ...]
    origins: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def meetings(self) -> dict[str, tuple[dt.date, ...]]:
        """Dates on which each bank decides by its own rule, in order.

        The opening state's calendar and the scenario's policy_meeting events, without the days on which a policy_rate
        event of the scenario already says what is decided (unless it keeps the meeting in the calendar).
        """
        decided = {(e.bank, e.day) for e in self.events if isinstance(e, PolicyRate) and not e.keeps_meeting}
        called = {(e.bank, e.day) for e in self.events if isinstance(e, PolicyMeeting) and e.day is not None}
        in_run = decision_days(self.state.meetings, self.dates)
        banks = {*self.state.meetings, *(bank for bank, _ in called)}
        out: dict[str, tuple[dt.date, ...]] = {}
        for bank in sorted(banks):
            days = {*in_run.get(bank, ()), *(day for b, day in called if b == bank)}
            own = [self.dates[day] for day in sorted(days) if (bank, day) not in decided]
            later = [date for date in self.state.meetings.get(bank, ()) if date > self.dates[-1]]
            out[bank] = (*own, *later)
        return out

    def shortened(self, days: int) -> Self:
        """The same run broken off earlier."""
        events = tuple(event for event in self.events if (event.day or 0) <= days)
        return replace(self, days=days, dates=self.dates[: days + 1], events=events)

    def with_event(self, event: Event, day: int) -> "Scenario":
        """The scenario with one more event on a trading day; nothing about the days before changes.

        A change of a policy rate leaves a meeting of that day in the calendar. Raises InputError for a day outside the
        run, for an event that is there already, and for a meeting, which people would have known before.
        """
        if not 1 <= day <= self.days:
            raise wrong_value(f"scenario {self.name}", f"{event.kind}.day", day, f"from 1 to {self.days}, the last day")
        if isinstance(event, PolicyMeeting):
            raise InputError(f"{event.kind} on day {day}: meetings are known in advance, write it into the scenario")
        unexpected = {"keeps_meeting": True} if isinstance(event, PolicyRate) else {}
        dated = event.model_copy(update={"day": day, "date": self.dates[day], "cause": "scenario", **unexpected})
        if any(e.model_copy(update={"note": dated.note}) == dated for e in self.events):
            raise InputError(f"{event.kind} on {dated.date} is there already with the same values; change one of them")
        events = sorted([*self.events, dated], key=lambda e: e.day or 0)
        return replace(self, events=tuple(events))

    def document(self) -> dict[str, Any]:
        """The scenario as the tables of a file that needs no other file; reading it gives the same scenario."""
        header = {"name": self.name, "title": self.title, "description": self.description}
        return {
            "scenario": {**header, "start": self.start, "days": self.days},
            "set": self._settings(),
            "event": [event.model_dump(exclude=NOT_IN_FILES, exclude_none=True) for event in self.events],
            "state": self.state.document(),
        }

    def resolved(self) -> dict[str, Any]:
        """`document` as plain JSON values, for a manifest."""
        values: dict[str, Any] = json.loads(json.dumps(self.document(), default=dt.date.isoformat))
        return values

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the resolved scenario in canonical JSON."""
        canonical = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_toml(self) -> str:
        """The scenario as a TOML file, its opening state included."""
        return tomli_w.dumps(self.document())

    def _settings(self) -> dict[str, Any]:
        models = {**self.params, NEWS: self.news}
        values = {
            f"{sector}.{name}": value
            for sector, model in models.items()
            for name, value in model.model_dump(exclude_none=True).items()
        }
        return values | {f"switches.{name}": on for name, on in self.switches.items()}
