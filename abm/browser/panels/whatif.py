"""What if: fork the run on a day, act on one copy, and see both paths and their difference."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import solara
import solara.lab

from abm.browser import levers
from abm.browser.desk import Desk, said
from abm.browser.options import Option, date_words, level_unit, line, over_time
from abm.browser.run import MOST_DAYS as MOST_RUN_DAYS
from abm.browser.snapshot import Snapshot
from abm.browser.vue import Charts, Form, Table
from abm.browser.whatif import MOST_DAYS, last_fork
from abm.world.errors import InputError
from abm.world.instruments import IDS, INDEX, IS_BOND

COMPARED: Final = ("JGB10", "JGB30", "JGB40", "UST10", "UST30", "BUND10", "GILT10", "ACGB10", "USDJPY", "NIKKEI",
                   "NASDAQ", "BTC")  # fmt: skip
REDRAW_SECONDS: Final = 0.1


@solara.component
def View(desk: Desk) -> None:
    """What to compare, and the two paths."""
    market, set_market = solara.use_state("JGB30")
    _ = desk.version.value
    with solara.Div(classes=["abm-stack"]):
        with solara.Div(classes=["abm-card"]):
            Question(desk, market, set_market)
            if desk.whatif.running:
                Progress(desk.whatif.progress)
        if desk.whatif.plain is not None and desk.whatif.acted is not None:
            Paths(desk, market, desk.whatif.plain, desk.whatif.acted)


@solara.component
def Question(desk: Desk, market: str, set_market: Callable[[str], None]) -> None:
    """A day, an action, a market. The fork follows the run until another day is set."""
    action, set_action = solara.use_state("purchase")
    fork, set_fork = solara.use_state(MOST_RUN_DAYS)
    typed, set_typed = solara.use_state({"ahead": 20})  # the form is made anew when there is more or less below it
    solara.use_effect(lambda: set_fork(MOST_RUN_DAYS), [id(desk.run)])
    refused = solara.use_ref("")
    _ = desk.version.value
    chosen = levers.BY_NAME[action]

    def refuse(words: str) -> None:
        refused.current = words
        desk.say(words, "error")

    async def compare(values: dict[str, Any]) -> None:
        whatif = desk.whatif
        try:
            event = levers.action_event(action, values)
            clock, shown = asyncio.get_running_loop(), 0.0
            for _ in whatif.days(desk.run, values.get("day"), values.get("ahead"), [event], said(event)):
                if clock.time() - shown > REDRAW_SECONDS:
                    desk.touch()
                    shown = clock.time()
                await asyncio.sleep(0)
            if desk.message.value["text"] == refused.current:
                desk.say("")
        except InputError as error:
            refuse(str(error))
        except Exception as error:  # of the model, on one of the copies; the run itself is untouched
            refuse(f"The comparison from day {whatif.fork_day}, seed {desk.run.setup.seed}, broke off: "
                   f"{type(error).__name__}: {error}")  # fmt: skip
        desk.touch()

    task = solara.lab.use_task(compare, dependencies=None, prefer_threaded=False, raise_error=False)

    def pressed(button: str, values: dict[str, Any]) -> None:
        if button == "cancel":
            desk.whatif.cancel()
        elif not desk.whatif.running:
            task(values)

    last = last_fork(desk.shown.value.day, desk.shown.value.last_day)

    def changed(name: str, value: Any) -> None:
        if name == "action" and value in levers.BY_NAME:
            set_action(value)
            set_typed({"ahead": typed["ahead"]})
        elif name == "shown" and value in IDS:
            set_market(value)
        elif name == "day" and isinstance(value, int):
            set_fork(value if value < last else MOST_RUN_DAYS)
        elif name in ("ahead", *chosen.defaults):
            set_typed({**typed, name: value})

    fields = [
        {"name": "day", "label": "Fork after day", "kind": "range", "lo": 0, "hi": max(last, 1), "step": 1},
        {"name": "ahead", "label": "Days ahead", "kind": "number", "lo": 1, "hi": MOST_DAYS, "step": 1},
        {"name": "action", "label": "Action on one copy", "kind": "select",
         "options": [[a.name, a.label] for a in levers.ACTIONS]},
        *(f.for_form() for f in chosen.fields),
        {"name": "shown", "label": "Market shown", "kind": "select", "options": [[m, m] for m in IDS]},
    ]  # fmt: skip
    values = {"day": min(fork, last), "action": action, "shown": market, **chosen.defaults, **typed}
    buttons = [{"name": "compare", "label": "Compare", "tone": "primary", "off": desk.whatif.running},
               {"name": "cancel", "label": "Cancel", "off": not desk.whatif.running}]  # fmt: skip
    about = "Two copies of this run with the same random numbers; on the day after, the action happens on one of them."
    Form(title="What if", fields=fields, values=values, buttons=buttons, about=about, kind="inline",
         pressed=pressed, changed=changed)  # fmt: skip


@solara.component
def Progress(share: float) -> None:
    """A bar."""
    bar = solara.Div(style={"width": f"{100 * share:.0f}%"})
    solara.Div(classes=["abm-progress"], children=[bar])


@solara.component
def Paths(desk: Desk, market: str, plain: Snapshot, acted: Snapshot) -> None:
    """Both paths, their difference, and the differences of other markets."""
    words = f"{desk.whatif.words}, day {desk.whatif.fork_day + 1}"
    panels = [
        {"id": "both", "title": f"{market}, both paths", "unit": level_unit(market), "size": "mid", "note": words},
        {
            "id": "difference",
            "title": "Difference",
            "unit": f"{unit_of(market)}, with less without",
            "size": "mid",
            "note": words,
        },
    ]
    charts = {"both": both(plain, acted, market, desk.whatif.fork_day), "difference": gap_chart(plain, acted, market)}
    frame = {"number": desk.number, "dates": date_words(plain.dates), "charts": charts}
    Charts(panels=panels, frame=frame, kind="wide")
    rows = []
    for name in dict.fromkeys([market, *COMPARED]):
        g = gap(plain, acted, name)[desk.whatif.fork_day :]
        largest = g[np.abs(g).argmax()]
        numbers = [f"{x:+.2f}" if abs(x) >= 0.005 else "0.00" for x in (g[1] if g.size > 1 else 0.0, largest, g[-1])]
        rows.append({"key": name, "cells": [name, *numbers, unit_of(name)]})
    head = [
        ("market", "Market"),
        ("first", "First day"),
        ("largest", "Largest"),
        ("last", f"Day {plain.day}"),
        ("unit", "Unit"),
    ]
    columns = [{"name": n, "label": w, "unit": "", "kind": "text" if n in ("market", "unit") else ""} for n, w in head]
    Table(title="Difference, with less without the action", columns=columns, rows=rows, note=words)


def unit_of(market: str) -> str:
    """What differences are in."""
    return "bp" if IS_BOND[INDEX[market]] else "%"


def gap(plain: Snapshot, acted: Snapshot, market: str) -> np.ndarray:
    """Acted less plain, (days,): bp of yield for bonds, per cent for the rest."""
    a, b = acted.level(market), plain.level(market)
    return np.asarray(100.0 * (a - b) if IS_BOND[INDEX[market]] else 100.0 * (a / b - 1.0))


def both(plain: Snapshot, acted: Snapshot, market: str, fork_day: int) -> Option:
    """The two paths; what they share is drawn once."""
    level = acted.level(market).copy()
    level[:fork_day] = np.nan
    digits = 4 if IS_BOND[INDEX[market]] else 2
    series = [line("without", plain.level(market), "blue", digits=digits),
              line("with", level, "vermillion", digits=digits, dash="dashed", width=2.2)]  # fmt: skip
    return over_time(series, level_unit(market), "level_pct" if IS_BOND[INDEX[market]] else "plain")


def gap_chart(plain: Snapshot, acted: Snapshot, market: str) -> Option:
    """The difference through time."""
    area = {"areaStyle": {"color": "@vermillion", "opacity": 0.14}}
    series = line("difference", gap(plain, acted, market), "vermillion", digits=3) | area
    option = over_time([series], unit_of(market), "bp" if unit_of(market) == "bp" else "pct")
    option["yAxis"][0]["scale"] = False
    return option
