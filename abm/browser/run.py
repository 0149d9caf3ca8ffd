"""One run at the page: a model with its tape, stepped, acted on, forked. No browser in here."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from abm.browser.snapshot import Snapshot, Tape
from abm.model import MarketModel
from abm.scenarios import Scenario, load_scenario
from abm.world.errors import wrong_value
from abm.world.events import Event

MOST_SEED: Final = 2**53  # what a number in the browser holds exactly
MOST_DAYS: Final = 1000
MEMBER_DAYS: Final = 250  # history of single institutions that is kept


@dataclass(frozen=True)
class Setup:
    """What a run starts from. days: None for the scenario's own. settings: "sector.parameter" or "switches.rule"."""

    scenario: str
    seed: int = 7
    days: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Scenario:
        """The scenario, checked. InputError says what is wrong."""
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed <= MOST_SEED:
            raise wrong_value("page", "seed", self.seed, f"a whole number from 0 to {MOST_SEED}")
        if self.days is not None and not (isinstance(self.days, int) and 1 <= self.days <= MOST_DAYS):
            raise wrong_value("page", "days", self.days, f"a whole number from 1 to {MOST_DAYS}")
        return load_scenario(self.scenario, overrides=dict(self.settings), days=self.days)


class Broken(RuntimeError):
    """The model could not finish a day; the days before are kept. The message names day and seed."""


class Run:
    """A model, what it recorded, and the equity of every institution over the last days."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.model = MarketModel(setup.load(), rng=setup.seed)
        self.tape = Tape(self.model)
        self.members = MemberHistory(self.model)
        self.broken = ""

    @property
    def ended(self) -> bool:
        """Whether there is no further day."""
        return bool(self.over)

    @property
    def over(self) -> str:
        """Why there is no further day, and what to do; nothing if there is one."""
        if self.broken:
            return f"The run broke off on day {self.tape.day + 1}; press Reset."
        return "The run has ended; press Reset." if self.tape.day >= self.model.plan.days else ""

    def step(self) -> None:
        """One day. Broken, and again on every further call, if the model fails."""
        if self.broken:
            raise Broken(self.broken)
        day = self.model.day + 1
        try:
            self.model.run_for(1)
        except Exception as error:
            self.broken = f"Day {day}, seed {self.model.seed_number}: {type(error).__name__}: {error}"
            raise Broken(self.broken) from error
        self.tape.follow(self.model)
        self.members.follow(self.model)

    def back(self) -> Iterator[None]:
        """Compute the last finished day again, of which a failed one has changed half; yields after every day.

        The model stays as it is if it fails here too, which it does not do by itself.
        """
        with contextlib.suppress(Exception):
            model = MarketModel(self.model.plan, rng=self.model.seed_number)
            while model.day < self.tape.day:
                model.run_for(1)
                yield
            self.model = model

    def schedule(self, event: Event) -> None:
        """Let an event happen on the next day; the same one again changes nothing."""
        day = self.model.day + 1
        if _said(event) not in [_said(e) for e in self.model.plan.events if e.day == day]:
            self.model.schedule(event)

    def snapshot(self) -> Snapshot:
        """The picture of now."""
        return replace(self.tape.snapshot(self.model), ended=self.ended)

    def fork(self, day: int) -> MarketModel:
        """A model from which the same steps lead to a day: a copy of now, or for an earlier day the opening again."""
        if not 0 <= day <= self.tape.day:
            raise wrong_value("page", "day of the fork", day, f"from 0 to {self.tape.day}, the days there are")
        if day == self.model.day:
            return self.model.fork()
        return MarketModel(self.model.plan, rng=self.model.seed_number)


def _said(event: Event) -> dict[str, Any]:
    """What an event says, whenever it happens."""
    return event.model_dump(exclude={"day", "date", "cause", "keeps_meeting"})


class MemberHistory:
    """Equity of every institution at each of the last closes, USD bn, as float32."""

    def __init__(self, model: MarketModel) -> None:
        sizes = [sector.n for sector in model.sectors.values()]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        self._rows = {name: slice(*starts[i : i + 2]) for i, name in enumerate(model.sectors)}
        self._equity = np.full((min(MEMBER_DAYS, model.plan.days + 1), starts[-1]), np.nan, dtype=np.float32)
        self.follow(model)

    def follow(self, model: MarketModel) -> None:
        """Keep the last close."""
        row = self._equity[model.day % len(self._equity)]
        for name, sector in model.sectors.items():
            row[self._rows[name]] = sector.equity_usd(model.log_price)[: sector.n]
        self.last_day = model.day

    def of(self, sector: str, member: int) -> tuple[int, np.ndarray]:
        """The first day kept, and the equity of a member from then on."""
        first = max(self.last_day - len(self._equity) + 1, 0)
        days = np.arange(first, self.last_day + 1) % len(self._equity)
        return first, self._equity[days, self._rows[sector].start + member].astype(float)
