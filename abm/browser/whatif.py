"""What if: two copies of a run from one day on, the same random numbers, and an action on one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from abm.browser.run import Run
from abm.browser.snapshot import Snapshot, Tape
from abm.model import MarketModel
from abm.world.errors import wrong_value
from abm.world.events import Event

MOST_DAYS = 120


@dataclass
class WhatIf:
    """A comparison of one session. plain, acted: pictures of both paths up to the day reached."""

    fork_day: int = 0
    words: str = ""
    running: bool = False
    said: str = ""
    progress: float = 0.0
    plain: Snapshot | None = None
    acted: Snapshot | None = None
    model: MarketModel | None = field(default=None, repr=False)
    _cancelled: bool = False

    def cancel(self) -> None:
        """Stop after the day that is being computed."""
        self._cancelled = True

    def days(self, run: Run, day: Any, horizon: Any, events: Sequence[Event], words: str) -> Iterator[None]:
        """Compute the paths, yielding after every day. InputError for a wrong day or horizon, before anything."""
        _check("day of the fork", day, 0, last_fork(run.tape.day, run.model.plan.days))
        _check("days ahead", horizon, 1, MOST_DAYS)
        self.fork_day, self.words, self._cancelled, self.progress = int(day), words, False, 0.0
        self.plain = self.acted = None
        self.running, self.said = True, ""
        try:
            yield from self._paths(run, int(horizon), events)
        finally:
            self.running = False

    def _paths(self, run: Run, horizon: int, events: Sequence[Event]) -> Iterator[None]:
        plain = run.fork(self.fork_day)
        while plain.day < self.fork_day and not self._cancelled:
            plain.run_for(1)
            yield
        if self._cancelled:
            return
        acted = plain.fork()
        for event in events:
            acted.schedule(event)
        tapes = Tape(plain), Tape(acted)
        last = min(self.fork_day + horizon, plain.plan.days)
        while plain.day < last and not self._cancelled:
            for model, tape in zip((plain, acted), tapes, strict=True):
                model.run_for(1)
                tape.follow(model)
                yield
            self.progress = (plain.day - self.fork_day) / (last - self.fork_day)
        self.plain, self.acted = tapes[0].snapshot(plain), tapes[1].snapshot(acted)
        self.model = acted


def last_fork(day: int, last_day: int) -> int:
    """The last day after which a run may be forked: now, or the day before the run's last."""
    return min(day, last_day - 1)


def _check(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most or value % 1:
        raise wrong_value("page", name, value, f"a whole number from {least} to {most}")
