"""The session as a scenario file that gives the same prices from the command line, and its data."""

import io
from collections.abc import Callable
from typing import Final

import pyarrow.parquet as pq
import solara

from abm.browser.desk import Desk
from abm.browser.words import AT_THE_PAGE

TABLES: Final = {
    "daily": "prices, yields, policy, margin calls and leverage, one row a day",
    "flows": "net purchases by day, sector, market and reason, USD bn",
    "attribution": "parts of every move by sector and reason",
    "events": "what was scheduled, ordered, and came about",
}


@solara.component
def View(desk: Desk) -> None:
    """The scenario as TOML, the command that runs it again, and the tables."""
    _, snapshot = desk.version.value, desk.shown.value
    plan, seed = desk.run.model.plan, desk.run.model.seed_number
    name = f"{plan.name}-seed-{seed}"
    mine = sum(event.note == AT_THE_PAGE for event in plan.events)
    with solara.Div(classes=["abm-card"]):
        Words("h3", "The scenario of this session")
        Words("p", f"With {mine} {'action' if mine == 1 else 'actions'} of yours as dated events, and every parameter.")
        with solara.Div(classes=["abm-downloads"]):
            Download(f"{name}.toml", "Scenario as TOML", lambda: plan.to_toml().encode())
        Words("pre", f"abm run {name}.toml --seed {seed}")
        Words("p", "gives the same prices to the last bit, with the same version of the model.")
    with solara.Div(classes=["abm-card"]):
        Words("h3", f"Data, day 0 to {snapshot.day}")
        for table, about in TABLES.items():
            Words("p", f"{table}: {about}")
            with solara.Div(classes=["abm-downloads"]):
                Download(f"{name}-{table}.csv", f"{table}.csv", _csv(desk, table))
                Download(f"{name}-{table}.parquet", f"{table}.parquet", _parquet(desk, table))
        Words("p", "Every chart has PNG and SVG buttons at its upper right.")


@solara.component
def Words(tag: str, text: str) -> None:
    """A line of text."""
    solara.v.Html(tag=tag, children=[text], class_="abm-note abm-text" if tag == "p" else "")


@solara.component
def Download(name: str, label: str, content: Callable[[], bytes]) -> None:
    """A button that makes the file when it is pressed."""
    with solara.FileDownload(data=content, filename=name):
        solara.v.Html(tag="button", attributes={"type": "button", "data-file": name}, children=[label])


def _csv(desk: Desk, name: str) -> Callable[[], bytes]:
    return lambda: desk.run.model.recorder.tables()[name].to_pandas().to_csv(index=False).encode()


def _parquet(desk: Desk, name: str) -> Callable[[], bytes]:
    def made() -> bytes:
        out = io.BytesIO()
        pq.write_table(desk.run.model.recorder.tables()[name], out)
        return out.getvalue()

    return made
