"""Who moved the market: every move of one market, split by sector and reason, through time."""

from typing import Any, Final

import numpy as np
import solara

from abm.browser.desk import Desk
from abm.browser.options import Option, bars, date_words, line, over_time
from abm.browser.vue import Charts, Form
from abm.output.attribution import Contributions, label, sentence
from abm.output.recorder import Recorder
from abm.world.instruments import IDS, INDEX

MOST_SHOWN: Final = 8
COLORS: Final = ("blue", "vermillion", "green", "orange", "purple", "sky", "wine", "olive")
SPANS: Final = {"sum": "since day 0", "day": "each day"}


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
    panel = {"id": "who", "title": f"Who moved {market}", "unit": f"{parts.unit}, {SPANS[span]}", "size": "tall full",
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


def chart(c: Contributions, span: str) -> Option:
    """Stacked bars of the largest contributors, the rest together, and the move as a line."""
    values = c.parts if span == "sum" else np.diff(c.parts, axis=1, prepend=0.0)
    order = np.argsort(-np.abs(values).max(axis=1, initial=0.0), kind="stable")
    digits = 2 if c.unit == "bp" else 3
    series = [
        bars(label(c.names[i]), values[i], COLORS[k], digits=digits, stack="parts")
        for k, i in enumerate(order[:MOST_SHOWN])
    ]
    if order.size > MOST_SHOWN:
        series.append(bars("all others", values[order[MOST_SHOWN:]].sum(axis=0), "grey", digits=digits, stack="parts"))
    for bar in series:
        bar |= {"barMaxWidth": 40, "barCategoryGap": "12%"}
    total = line("move", values.sum(axis=0), "ink", digits=digits, width=2.2) | {"z": 5}
    option = over_time([*series, total], c.unit, "bp" if c.unit == "bp" else "pct")
    option["yAxis"][0]["scale"] = False
    return option
