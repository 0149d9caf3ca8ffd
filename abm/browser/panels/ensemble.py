"""Bands from many seeds of the session's scenario, with its live actions, while the page goes on."""

import asyncio
from typing import Any, Final

import numpy as np
import solara
import solara.lab

from abm.browser.desk import Desk
from abm.browser.ensemble import COLUMNS, LEAST_SEEDS, MOST_SEEDS, Ensemble
from abm.browser.options import Option, date_words, level_unit, line, over_time
from abm.browser.panels.whatif import Progress
from abm.browser.vue import Charts, Form, Note
from abm.world.errors import InputError
from abm.world.instruments import IDS, INDEX, IS_BOND

POLL_SECONDS: Final = 0.25


@solara.component
def View(desk: Desk) -> None:
    """Number of seeds, start and cancel, and the bands so far."""
    series, set_series = solara.use_state("JGB40")
    _ = desk.version.value
    ensemble = desk.ensemble

    async def watch() -> None:
        while ensemble.running:
            desk.touch()
            await asyncio.sleep(POLL_SECONDS)
        desk.touch()

    task = solara.lab.use_task(watch, dependencies=[], prefer_threaded=False)

    def pressed(button: str, values: dict[str, Any]) -> None:
        if button == "cancel":
            ensemble.cancel()
            return
        try:
            ensemble.start(desk.run.model.plan, values.get("seeds"))
        except InputError as error:
            desk.say(str(error), "error")
            return
        task()

    def changed(name: str, value: Any) -> None:
        if name == "series" and value in COLUMNS:
            set_series(value)

    fields = [
        {"name": "seeds", "label": "Seeds", "kind": "number", "lo": LEAST_SEEDS, "hi": MOST_SEEDS, "step": 1},
        {"name": "series", "label": "Shown", "kind": "select", "options": [[s, s] for s in COLUMNS]},
    ]
    values = {"seeds": ensemble.wanted or 20, "series": series}
    buttons = [{"name": "start", "label": "Run the ensemble", "tone": "primary", "off": ensemble.running},
               {"name": "cancel", "label": "Cancel", "off": not ensemble.running}]  # fmt: skip
    about = (
        f"{desk.run.model.plan.title}, {desk.run.model.plan.days} days, with what you ordered so far, on seeds 1 to N."
    )
    with solara.Div(classes=["abm-stack"]):
        with solara.Div(classes=["abm-card"]):
            Form(title="Ensemble", fields=fields, values=values, buttons=buttons, about=about, kind="inline",
                 pressed=pressed, changed=changed)  # fmt: skip
            if ensemble.running:
                Progress(ensemble.progress)
        if ensemble.seeds >= 2:
            Bands(desk, series)
        elif words := " ".join(filter(None, (ensemble.said, ensemble.failed))):
            Note(words)


@solara.component
def Bands(desk: Desk, series: str) -> None:
    """Quantiles through time, and this session's own run."""
    _, ensemble = desk.version.value, desk.ensemble
    own, note = None, f"{ensemble.seeds} of {ensemble.wanted} seeds: median, 25 to 75 % and 5 to 95 %."
    if ensemble.of(desk.run.model.plan):
        run = desk.shown.value
        own = run.columns["stress"] if series == "stress" else run.level(series)
    else:
        note += " This run is left out: it has had other orders."
    words = " ".join(filter(None, (note, ensemble.said, ensemble.failed)))
    panel = {"id": "bands", "title": f"{series}, {ensemble.scenario}", "unit": unit_of(series), "size": "tall full",
             "note": words}  # fmt: skip
    option = bands(ensemble, series, own)
    frame = {"number": desk.number, "dates": date_words(ensemble.dates), "charts": {"bands": option}}
    Charts(panels=[panel], frame=frame, kind="one")


def bands(ensemble: Ensemble, series: str, own: np.ndarray | None) -> Option:
    """Bands as stacked areas, and one run, if any; names that begin with "_" are for the eye alone."""
    q = ensemble.bands(series)
    days = q.shape[1]
    digits = 4 if series in IDS and IS_BOND[INDEX[series]] else 3
    drawn = []
    for low, high, opacity in ((0, 4, 0.16), (1, 3, 0.24)):
        for name, values, strength in (("_base", q[low], 0.0), ("_band", q[high] - q[low], opacity)):
            area = {"areaStyle": {"color": "@blue", "opacity": strength}, "stack": f"s{low}", "stackStrategy": "all"}
            bare = {"lineStyle": {"opacity": 0}, "silent": True, "tooltip": {"show": False}}
            drawn.append(line(f"{name}{low}", values, "blue", digits=digits) | area | bare)
    for words, k, width in (("95 %", 4, 0.7), ("75 %", 3, 0.7), ("median", 2, 2.2), ("25 %", 1, 0.7), ("5 %", 0, 0.7)):
        drawn.append(line(words, q[k], "blue", digits=digits, width=width))
    if own is not None:
        path = np.full(days, np.nan)
        path[: own.size] = own
        drawn.append(line("this run", path, "vermillion", digits=digits, width=2.0, dash="dashed"))
    unit = unit_of(series)
    option = over_time(drawn, unit, "level_pct" if unit == "%" else "plain")
    option["legend"]["data"] = ["median", "this run"][: 1 if own is None else 2]
    return option


def unit_of(series: str) -> str:
    """What a series is in."""
    return "index" if series == "stress" else level_unit(series)
