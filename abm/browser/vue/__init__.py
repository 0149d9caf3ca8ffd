"""The parts of the page that run in the browser, as Solara components."""

from collections.abc import Callable
from typing import Any

import solara

Told = Callable[[Any], None]


@solara.component_vue("charts.vue", to_json={"frame": lambda frame, widget: frame})  # numbers and text already
def Charts(
    *,
    panels: list[dict[str, Any]],
    frame: dict[str, Any],
    themes: dict[str, Any],
    kind: str = "",
    event_drawn: Told | None = None,
    event_clicked: Told | None = None,
) -> None:
    """Panels with a chart each. frame: number of the picture, dates, and the ECharts option of every panel."""


@solara.component_vue("form.vue")
def Form(
    *,
    title: str,
    fields: list[dict[str, Any]],
    values: dict[str, Any],
    buttons: list[dict[str, Any]],
    about: str = "",
    kind: str = "",
    event_changed: Told | None = None,
    event_pressed: Told | None = None,
) -> None:
    """Labelled inputs and buttons; what is typed is checked by whoever receives it."""


@solara.component_vue("topbar.vue")
def TopBar(
    *,
    frame: dict[str, Any],
    playing: bool,
    speed: str,
    speeds: list[list[str]],
    message: dict[str, str],
    event_pressed: Told | None = None,
) -> None:
    """Scenario, date, run control, headline numbers, and what there is to say."""


@solara.component_vue("tabs.vue")
def Tabs(*, tabs: list[list[str]], active: str, event_chosen: Told | None = None) -> None:
    """Which view is shown."""


@solara.component_vue("table.vue")
def Table(
    *,
    title: str,
    columns: list[dict[str, str]],
    rows: list[dict[str, Any]],
    note: str = "",
    by: str = "",
    descending: bool = True,
    sortable: bool = False,
    pickable: bool = False,
    chosen: int = -1,
    event_order: Told | None = None,
    event_picked: Told | None = None,
) -> None:
    """A table whose columns may sort and whose rows may be picked."""
