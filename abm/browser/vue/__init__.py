"""The parts of the page that run in the browser, as Solara components.

Pictures travel as JSON text: Solara looks for components inside every list and dictionary that it is given, and with
a chart's numbers that takes longer than drawing them.
"""

import json
from collections.abc import Callable
from typing import Any

import solara

from abm.browser.theme import THEMES

Told = Callable[[Any], None]


def as_text(picture: Any) -> str:
    """A picture as JSON."""
    return json.dumps(picture, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


THEMES_TEXT = as_text(THEMES)


@solara.component_vue("charts.vue")
def ChartsInBrowser(
    *,
    panels: str,
    frame: str,
    themes: str,
    newer: str = "",
    kind: str = "",
    event_drawn: Told | None = None,
    event_clicked: Told | None = None,
) -> None:
    """As `Charts`, of text."""


def Charts(panels: list[dict[str, Any]], frame: dict[str, Any] | str, **more: Any) -> solara.Element:
    """Panels with a chart each. frame: number of the picture, dates, and the ECharts option of every panel, or as text.

    kind: layout, "wide" for two columns, "one" for one. event_drawn, event_clicked: told by the browser.
    """
    text = frame if isinstance(frame, str) else as_text(frame)
    return ChartsInBrowser(panels=as_text(panels), frame=text, themes=THEMES_TEXT, **more)


def use_frames[T](draw: Callable[[str], solara.Element], shown: solara.Reactive[T], frame: Callable[[T], Any]) -> None:
    """Draw the frame of what is shown, and give the drawn element every newer one without a render of the page.

    draw: Charts or a TopBar of a first frame as text.
    """
    drawn = draw(solara.use_memo(lambda: as_text(frame(shown.peek())), []))

    def follow() -> Callable[[], None]:
        widget = solara.get_widget(drawn)
        return shown.subscribe(lambda now: setattr(widget, "newer", as_text(frame(now))))

    solara.use_effect(follow, [])


@solara.component
def Note(words: str) -> None:
    """What is said where there is nothing to draw."""
    solara.Div(classes=["abm-card", "abm-note"], children=[words], style={"padding": "10px 12px"})


@solara.component_vue("form.vue")
def FormInBrowser(
    *,
    title: str,
    fields: list[dict[str, Any]],
    values: dict[str, Any],
    buttons: list[dict[str, Any]],
    about: str = "",
    kind: str = "",
    again: int = 0,
    event_changed: Told | None = None,
    event_pressed: Told | None = None,
) -> None:
    """As `Form`, told by the browser."""


def Form(
    *,
    changed: Callable[[str, Any], None] = lambda name, value: None,
    pressed: Callable[[str, dict[str, Any]], None] = lambda button, values: None,
    **more: Any,
) -> solara.Element:
    """Labelled inputs and buttons. changed: told a field and its value; pressed: a button and the values of all fields.

    What is typed stays until another value for its field is given, or another number `again`, after which every field
    has the value given. What is typed is checked by whoever receives it; a message that no form sends is dropped.
    """

    def told_change(said: Any) -> None:
        match said:
            case {"name": str(name), "value": None | str() | int() | float() as value}:
                changed(name, value)

    def told_press(said: Any) -> None:
        match said:
            case {"button": str(button), "values": dict(values)}:
                pressed(button, values)

    return FormInBrowser(event_changed=told_change, event_pressed=told_press, **more)


@solara.component_vue("topbar.vue")
def TopBar(
    *,
    frame: str,
    playing: bool,
    speed: str,
    speeds: list[list[str]],
    message: dict[str, str],
    newer: str = "",
    event_pressed: Told | None = None,
) -> None:
    """Scenario, date, run control, headline numbers (as JSON text), and what there is to say."""


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
