"""An arm of an experiment: a scenario with what is changed in it. Equal arms are run once for all claims."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from abm.scenarios import Scenario, load_scenario
from abm.scenarios.calendar import day_of
from abm.scenarios.vary import varied
from abm.study.paths import with_events
from abm.world.errors import InputError
from abm.world.events import Event

DAYS = 60

type World = Literal["", "backwards", "half days"]


@dataclass(frozen=True)
class Arm:
    """One world of an experiment.

    share: part of the seeds it is run on. world: "backwards" if sectors announce, decide and are settled in reverse
    order, "half days" if a day has two steps, else "".
    """

    scenario: Scenario
    share: float = 1.0
    world: World = ""

    @property
    def name(self) -> str:
        """That of the scenario."""
        return self.scenario.name

    @property
    def title(self) -> str:
        """That of the scenario."""
        return self.scenario.title

    @property
    def days(self) -> int:
        """Trading days after day 0."""
        return self.scenario.days

    @property
    def hash(self) -> str:
        """The same for the same runs."""
        return f"{self.scenario.hash}-{self.world}" if self.world else self.scenario.hash

    def resolved(self) -> dict[str, Any]:
        """Everything that defines the scenario."""
        return self.scenario.resolved()

    def seeds(self, asked: int) -> range:
        """Seeds 1 ... n of it."""
        return range(1, max(2, math.ceil(self.share * asked)) + 1 if asked > 1 else 2)

    def changed(self, settings: Mapping[str, Any], world: World = "") -> "Arm":
        """The same scenario with other parameters, switches or event fields, in that world."""
        scenario = varied(self.scenario, settings, "claims") if settings else self.scenario
        return replace(self, scenario=scenario, world=world)

    def shortened(self, days: int) -> "Arm":
        """The same world broken off earlier."""
        return replace(self, scenario=self.scenario.shortened(min(days, self.days)))


def arm(
    scenario: str,
    *events: Event,
    days: int = DAYS,
    without: Iterable[str] = (),
    settings: Mapping[str, Any] | None = None,
    state: str | None = None,
    share: float = 1.0,
) -> Arm:
    """A packaged scenario with further events, rules switched off, and other settings.

    events: each with its day or date. without: rules. settings: "sector.parameter", "switches.rule" or
    "event.KIND.field" of the scenario's own events to value. share: part of the seeds asked for.
    """
    loaded = load_scenario(scenario, days=days, state=state)
    off = {f"switches.{rule}": False for rule in without}
    chosen = {**off, **(settings or {})}
    loaded = varied(loaded, chosen, "claims") if chosen else loaded
    return Arm(with_events(loaded, *(_on_day(event, loaded) for event in events)) if events else loaded, share)


def _on_day(event: Event, scenario: Scenario) -> Event:
    if event.date is None:
        return event
    day = day_of(event.date, scenario.dates)
    if day is None:
        raise InputError(
            f"claims: {event.kind} on {event.date} is not within {scenario.dates[1]} to {scenario.dates[-1]}"
        )
    return event.model_copy(update={"day": day})
