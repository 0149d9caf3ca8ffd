"""What one browser session holds: its run, what is shown of it, and what its buttons do.

Stepping and drawing take turns in one asyncio task; pictures are immutable. The browser says when it has drawn one, and
the next but one is not sent before.
"""

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import solara

from abm.browser import levers
from abm.browser.ensemble import Ensemble
from abm.browser.run import Broken, Run, Setup
from abm.browser.snapshot import Snapshot
from abm.browser.whatif import WhatIf
from abm.browser.words import AT_THE_PAGE, told
from abm.scenarios import scenario_names
from abm.world.errors import InputError, unknown_name

SPEEDS: Final = {  # name, days per picture, pictures a second at most
    "slow": ("1 day a second", 1, 1.0),
    "walk": ("4 days a second", 1, 4.0),
    "run": ("every day", 1, 60.0),
    "fast": ("every 5th day", 5, 60.0),
    "fastest": ("every 10th day", 10, 60.0),
}
DRAWING_SECONDS: Final = 2.0  # how long a browser may take for a picture before the next is sent anyway
VIEWS: Final = {
    "overview": "Overview", "who": "Who moved the market", "flows": "Flow map", "institutions": "Institutions",
    "whatif": "What if", "ensemble": "Ensemble", "files": "Scenario and data",
}  # fmt: skip

PICTURED: Final = ("overview", "who", "flows", "institutions")  # views that draw every picture


class Desk:
    """State of one session. Raises nothing: what goes wrong becomes `message`."""

    def __init__(self, scenario: str) -> None:
        self.run = Run(Setup(scenario))
        self.setup, self.plan = self.run.setup, self.run.model.plan  # of the next start
        self.scenarios = tuple(dict.fromkeys([*scenario_names(), scenario]))
        self.whatif, self.ensemble = WhatIf(), Ensemble()
        self.shown: solara.Reactive[Snapshot] = solara.reactive(self.run.snapshot(), equals=lambda a, b: a is b)
        self.version = solara.reactive(0)  # of everything that is not in the snapshot
        self.message: solara.Reactive[dict[str, str]] = solara.reactive({"text": "", "tone": ""})
        self.playing = solara.reactive(False)
        self.speed = solara.reactive("run")
        self.view = solara.reactive("overview")
        self.number = 0
        self.refused = 0  # settings that were not taken
        self.closed = False
        self._needed = 0  # by so many that are at work with the run
        self._paused, self._drawn = asyncio.Event(), asyncio.Event()

    # -- running -------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Days and pictures in turn until paused, ended or broken; the last day is shown before it stands."""
        if self.closed:
            return
        self._needed += 1
        self.playing.value = True
        self._paused.clear()
        clock = asyncio.get_running_loop()
        try:
            while not self._paused.is_set() and not self.run.ended:
                _, days, most_per_second = SPEEDS[self.speed.value]
                begun = clock.time()
                for _ in range(days):
                    if not self._paused.is_set() and not self.run.ended:
                        self.run.step()
                    await asyncio.sleep(0)
                await self._until_drawn()
                self.show()
                await _within(begun + 1.0 / most_per_second - clock.time(), self._paused)
        except Broken as error:
            for _ in self._broke(error):
                await asyncio.sleep(0)
        finally:
            self.show()
            self.playing.value = False
            self._needed -= 1
            self._forget()

    def pause(self) -> None:
        """Play no further day."""
        self._paused.set()
        self._drawn.set()

    def show(self) -> None:
        """Send a new picture."""
        if self.closed:
            return
        self.number += 1
        self._drawn.clear()
        self._needed += 1
        try:
            self.shown.value = self.run.snapshot()
        finally:
            self._needed -= 1
            self._forget()

    def drawn(self, number: Any) -> None:
        """The browser has drawn a picture."""
        if isinstance(number, int) and number >= self.number:
            self._drawn.set()

    async def _until_drawn(self) -> None:
        if self.view.value not in PICTURED:
            return
        await _within(DRAWING_SECONDS, self._drawn)

    def choose(self, view: Any) -> None:
        """Show another view; nobody waits for what the one before would have drawn."""
        if isinstance(view, str) and view in VIEWS:
            self.view.value = view
            self._drawn.set()

    def step(self) -> None:
        """One day, and its picture."""
        if self.closed:
            return
        try:
            if not self.run.ended:
                self.run.step()
        except Broken as error:
            for _ in self._broke(error):
                pass
        self.show()

    def _broke(self, error: Broken) -> Iterator[None]:
        """Say it, and go back to the last finished day unless another run begins."""
        self.say(f"{error} — the days before are kept; change something and press Reset.", "error")
        run = self.run
        for _ in run.back():
            yield
            if self.closed or self.run is not run:
                return

    def reset(self) -> None:
        """Start again from `setup`; what was ordered is gone, and so is what was computed for another run."""
        self.pause()
        try:
            self.run = Run(self.setup)
        except (InputError, ValueError, RuntimeError) as error:
            self.say(f"Cannot start: {error}", "error")
            return
        self.whatif.cancel()
        self.whatif = WhatIf()
        if not self.ensemble.of(self.run.model.plan):
            self.ensemble.cancel()
            self.ensemble = Ensemble()
        self.say("")
        self.touch()
        self.show()
        _let_go()

    # -- levers --------------------------------------------------------------------------------------------------

    def act(self, name: str, values: Mapping[str, Any]) -> None:
        """Order an action for the next day."""
        if self.run.ended:
            self.say(self.run.over, "error")
            return
        try:
            event = levers.action_event(name, values)
            self.run.schedule(event)
        except InputError as error:
            self.say(str(error), "error")
            return
        date = self.run.model.plan.dates[self.run.model.day + 1]
        self.say(f"On {date.day} {date:%B}: {said(event)}.")
        self.touch()

    def ordered(self) -> list[str]:
        """What was ordered and has not happened yet, in words."""
        model = self.run.model
        return [said(e) for e in model.plan.events if e.note == AT_THE_PAGE and (e.day or 0) > model.day]

    def set(self, key: str, value: Any) -> None:
        """Change what the next start takes: scenario, seed, days, a parameter or a switch. On day 0 it starts anew."""
        try:
            if key == "scenario" and value not in self.scenarios:
                raise unknown_name("page", "scenario", str(value), self.scenarios)
            setup = changed(self.setup, key, value)
            self.setup, self.plan = setup, setup.load()
        except InputError as error:
            self.refused += 1
            self.say(str(error), "error")
            self.touch()
            return
        if self.run.model.day == 0 and not self.playing.value and not self.ordered():
            self.reset()
        else:
            old = "" if self.run.ended else "; this run goes on with the old one"
            self.say(f"Reset starts with the new setting{old}.")
            self.touch()

    # -- saying --------------------------------------------------------------------------------------------------

    def say(self, text: str, tone: str = "") -> None:
        """Show a message; an empty one takes it away."""
        self.message.value = {"text": text, "tone": tone}

    def touch(self) -> None:
        """Something beside the picture has changed."""
        self.version.value += 1

    def close(self) -> None:
        """The browser is gone: what it ran is let go, whoever still holds the session's widgets.

        Another thread may be within `play` or `show`, which then lets go of the run itself.
        """
        self.closed = True
        self.pause()
        self.ensemble.cancel()
        self.whatif.cancel()
        self.whatif, self.ensemble = WhatIf(), Ensemble()
        self._forget()

    def _forget(self) -> None:
        if self.closed and not self._needed:
            self.__dict__.pop("run", None)


async def _within(seconds: float, happens: asyncio.Event) -> None:
    """Wait until something happens, but only so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(happens.wait(), seconds)


def _let_go() -> None:
    """Free the model before: it refers to itself, and its few large arrays do not wake the collector.

    glibc keeps the holes they leave in the heap, up to 50 MB after some runs, unless it is told to give them back.
    """
    gc.collect()
    with contextlib.suppress(OSError, TypeError, AttributeError):  # other C libraries have no such call
        ctypes.CDLL(None).malloc_trim(0)


def changed(setup: Setup, key: str, value: Any) -> Setup:
    """A setup with one thing changed. Another scenario comes with its own days and settings."""
    if key == "scenario":
        return Setup(str(value), seed=setup.seed)
    if key in ("seed", "days"):
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        return replace(setup, seed=whole) if key == "seed" else replace(setup, days=whole)
    return replace(setup, settings={**setup.settings, key: levers.checked_setting(key, value)})


def said(event: Any) -> str:
    """An event in words."""
    return told(0, None, event.kind, "scenario", "", event.model_dump(mode="json")).text
