"""The page: Solara components around one `Desk` per browser session."""

import os
from collections.abc import Callable
from typing import Any

import solara
import solara.lab

from abm.browser import levers, theme
from abm.browser.desk import SPEEDS, VIEWS, Desk
from abm.browser.panels import ensemble, files, flows, institutions, overview, whatif, who
from abm.browser.snapshot import Snapshot
from abm.browser.vue import Charts, Form, Tabs, TopBar, use_frames
from abm.scenarios import load_scenario

SCENARIO_VARIABLE = "ABM_BROWSER_SCENARIO"  # how the server is told which scenario a session opens with
CSS = theme.style_sheet()
OTHER_VIEWS = {
    "who": who.View, "flows": flows.View, "institutions": institutions.View, "whatif": whatif.View,
    "ensemble": ensemble.View, "files": files.View,
}  # fmt: skip


def opening_scenario() -> str:
    """The scenario a new session opens with."""
    return os.environ.get(SCENARIO_VARIABLE, "sanaenomics")


@solara.component
def Layout(children: list[solara.Element]) -> None:
    """Nothing around the page."""
    solara.Div(children=children)


@solara.component
def Page() -> None:
    """The whole page of one session."""
    desk: Desk = solara.use_memo(lambda: Desk(opening_scenario()), [])
    play = solara.lab.use_task(desk.play, dependencies=None, prefer_threaded=False)
    solara.use_effect(lambda: desk.close, [])
    solara.Title("Japan's money comes home")
    solara.Style(CSS)
    with solara.Div(classes=["abm-page"]):
        with solara.Div(classes=["abm-head"]):
            Top(desk, play)
            tabs = [[*item] for item in VIEWS.items()]
            Tabs(tabs=tabs, active=desk.view.value, event_chosen=desk.choose)
        Levers(desk)
        with solara.Div(classes=["abm-main"]):
            if desk.view.value == "overview":
                Overview(desk)
            else:
                OTHER_VIEWS[desk.view.value](desk)


@solara.component
def Top(desk: Desk, play: Callable[[], Any]) -> None:
    """Scenario, date, run control, headline."""

    def pressed(said: Any) -> None:
        if not isinstance(said, dict):
            return
        match said.get("button"):
            case "play" if not desk.playing.value:
                play()
            case "pause":
                desk.pause()
            case "step" if not desk.playing.value:
                desk.step()
            case "reset":
                desk.reset()
            case "speed" if isinstance(said.get("value"), str) and said["value"] in SPEEDS:
                desk.speed.value = said["value"]
            case "dismiss":
                desk.say("")

    speeds = [[name, words] for name, (words, *_) in SPEEDS.items()]
    use_frames(
        lambda first: TopBar(
            frame=first,
            playing=desk.playing.value,
            speed=desk.speed.value,
            speeds=speeds,
            message=desk.message.value,
            event_pressed=pressed,
        ),
        desk.shown,
        overview.headline,
    )


@solara.component
def Overview(desk: Desk) -> None:
    """The panels of the main view."""

    def frame(snapshot: Snapshot) -> dict[str, Any]:
        return overview.frame(snapshot, desk.number)

    use_frames(lambda first: Charts(overview.PANELS, first, event_drawn=desk.drawn), desk.shown, frame)


@solara.component
def Levers(desk: Desk) -> None:
    """Everything that can be pulled."""
    _ = desk.version.value
    with solara.Div(classes=["abm-levers"]):
        with Folded("Act on the next day", opened=True):
            for action in levers.ACTIONS:
                ActionForm(action, desk.act)
        with Folded("Run", opened=True):
            RunForm(desk)
        with Folded("Parameters"):
            ParameterForm(desk, "Parameters", levers.slider_fields(desk.plan))
        with Folded("Behaviour rules"):
            ParameterForm(desk, "Behaviour rules", levers.switch_fields())


@solara.component
def Folded(title: str, children: list[solara.Element] = [], opened: bool = False) -> None:  # noqa: B006
    """A titled part that folds."""
    summary = solara.v.Html(tag="summary", children=[title])
    solara.v.Html(tag="details", attributes={"open": True} if opened else {}, children=[summary, *children])


@solara.component
def ActionForm(action: levers.Action, act: Callable[[str, dict[str, Any]], None]) -> None:
    """One action with its numbers and its button."""
    fields = [f.for_form() for f in action.fields]
    buttons = [{"name": action.name, "label": action.label}]
    Form(title=action.label, fields=fields, values=action.defaults, buttons=buttons, about=action.about, kind="action",
         pressed=lambda _, values: act(action.name, values))  # fmt: skip


@solara.component
def RunForm(desk: Desk) -> None:
    """Scenario, seed and length of the next start."""
    _ = desk.version.value
    options = solara.use_memo(lambda: [[name, load_scenario(name).title] for name in desk.scenarios], [])
    fields = [
        {"name": "scenario", "label": "Scenario", "kind": "select", "options": options},
        {"name": "seed", "label": "Seed", "kind": "number", "lo": 0, "step": 1, "about": "Same seed, same random news"},
        {"name": "days", "label": "Length", "unit": "trading days", "kind": "number", "lo": 1, "hi": 1000, "step": 1},
    ]
    values = {"scenario": desk.setup.scenario, "seed": desk.setup.seed, "days": desk.plan.days}
    Form(title="Run", fields=fields, values=values, buttons=[], again=desk.refused, changed=desk.set)


@solara.component
def ParameterForm(desk: Desk, title: str, fields: list[dict[str, Any]]) -> None:
    """Sliders or check boxes; what they say holds from the next start."""
    _ = desk.version.value
    values = levers.settings(desk.plan)
    mine = {f["name"]: values[f["name"]] for f in fields}
    about = "Holds from the next start: at once on day 0, else with Reset."
    Form(title=title, fields=fields, values=mine, buttons=[], about=about, again=desk.refused, changed=desk.set)
