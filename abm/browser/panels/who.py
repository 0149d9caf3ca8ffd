"""Who moved the market: every move of one market, split by sector and reason, through time."""

from typing import Any, Final

import numpy as np
import solara

from abm.browser.desk import Desk
from abm.browser.options import Option, a_day, bars, date_words, kept, line, over_time
from abm.browser.vue import Charts, Form
from abm.output.attribution import Contributions, label, sentence
from abm.output.recorder import Recorder
from abm.world.instruments import IDS, INDEX

MOST_SHOWN: Final = 8
COLORS: Final = ("blue", "vermillion", "green", "orange", "purple", "sky", "wine", "olive")
SPANS: Final = {"sum": "since day 0", "day": "each day"}
OUSTING: Final = 1.5  # times what the smallest one shown has moved the market by, and another takes its place


@solara.component
def View(desk: Desk) -> None:
    """A market to choose, its parts, and the sentence that names the largest."""
    market, set_market = solara.use_state("JGB40")
    span, set_span = solara.use_state("sum")

    def changed(name: str, value: Any) -> None:
        if name == "market" and value in IDS:
            set_market(value)
        if name == "span" and value in SPANS:
            set_span(value)

    fields = [
        {"name": "market", "label": "Market", "kind": "select", "options": [[m, m] for m in IDS]},
        {"name": "span", "label": "Parts", "kind": "select", "options": [[k, v] for k, v in SPANS.items()]},
    ]
    snapshot = desk.shown.value
    parts = so_far(desk.run.model.recorder, market)
    with solara.Div(classes=["abm-card"]):
        values = {"market": market, "span": span}
        Form(title="Market", fields=fields, values=values, buttons=[], kind="inline", changed=changed)
    head, largest = sentence(parts, named=6)
    per = f", {SPANS[span]}" if span == "sum" else f" {a_day(len(snapshot.dates))}"
    panel = {"id": "who", "title": f"Who moved {market}", "unit": f"{parts.unit}{per}", "size": "tall full",
             "note": f"{head} {largest}".strip()}  # fmt: skip
    charts = {"who": chart(parts, span)}
    frame = {"number": desk.number, "dates": date_words(snapshot.dates), "charts": charts}
    Charts(panels=[panel], frame=frame, kind="one", event_drawn=desk.drawn)


def so_far(recorder: Recorder, market: str) -> Contributions:
    """Cumulated parts of a market's move up to now."""
    parts = recorder.parts_of(INDEX[market])
    days = len(recorder)
    values = np.array(list(parts.values())).reshape(len(parts), days).cumsum(axis=1)
    return Contributions(market, tuple(parts), values, 1)


def places(parts: np.ndarray) -> list[int]:
    """The contributors shown, in the order of their places. parts: cumulated, (contributors, days), day 0 first.

    Day by day whoever has moved the market is given the next place, and when there is none, that of the smallest if it
    has become clearly larger, so that those of one day are where they were the day before.
    """
    shown: list[int] = []
    for reached in np.maximum.accumulate(np.abs(parts), axis=1).T:
        for i in np.argsort(-reached, kind="stable")[:MOST_SHOWN].tolist():
            if i in shown or not reached[i]:
                continue
            if len(shown) < MOST_SHOWN:
                shown.append(i)
            elif reached[i] > OUSTING * reached[least := min(shown, key=reached.__getitem__)]:
                shown[shown.index(least)] = i
    return shown


def chart(c: Contributions, span: str) -> Option:
    """Stacked bars of the largest contributors, the rest together, and the move as a line."""
    values = c.parts[:, kept(c.parts.shape[1])]
    if span == "day":
        values = np.diff(values, axis=1, prepend=0.0)
    shown = places(c.parts)
    others = np.delete(values, shown, axis=0)
    digits = 2 if c.unit == "bp" else 3
    parts = [(label(c.names[i]), values[i], COLORS[k]) for k, i in enumerate(shown)]
    parts += [("all others", others.sum(axis=0), "grey")] if len(others) else []
    series = [bars(*part, digits=digits, stack="parts") for part in parts]
    for place, bar in enumerate(series):
        bar |= {"id": f"part {place}", "barMaxWidth": 40, "barCategoryGap": "12%"}
    total = line("move", values.sum(axis=0), "ink", digits=digits, width=2.2) | {"z": 5}
    option = over_time([*series, total], c.unit, "bp" if c.unit == "bp" else "pct")
    option["yAxis"][0]["scale"] = False
    return option
