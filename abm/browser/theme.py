"""How the page looks: one palette for light and one for dark, both for colour-blind readers, and the style sheet.

Hues are those of the figures (`abm.output.style`, after Okabe and Ito), moved a little so that any two stay apart for
every kind of colour-blindness and none is too pale; `tests/browser/test_theme.py` has the thresholds. Charts name a
colour ("@blue"), and the browser looks it up in the palette of the theme that is shown.
"""

from pathlib import Path
from typing import Any, Final

from abm.output import style

FONT: Final = (  # single quotes: ECharts writes it into an attribute of saved SVG as it is
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans CJK JP', 'Hiragino Sans', 'Yu Gothic', "
    "sans-serif"
)
PALETTES: Final[dict[str, dict[str, str]]] = {
    "light": {
        "blue": "#005593", "vermillion": "#B64400", "green": "#00844D", "orange": "#CA8404",
        "purple": "#C27EAA", "sky": "#239CD8", "wine": "#882255", "olive": "#9E9549", "grey": "#8A8F98",
        "ink": "#1B2330", "muted": "#566072", "line": "#E3E7ED", "panel": "#FFFFFF", "page": "#F2F4F7",
        "field": "#FFFFFF", "border": "#D5DAE2", "accent": style.BLUE,
        "on_accent": "#FFFFFF", "good": "#00704F", "bad": "#B34700",
        "shade": "#E8EEF5",
    },
    "dark": {
        "blue": "#57A4E7", "vermillion": "#E6783E", "green": "#4DE9B4", "orange": "#EFA927", "purple": "#D499BF",
        "sky": "#A2DEFF", "wine": "#B75481", "olive": "#DBD775", "grey": "#8F99A8", "ink": "#E7ECF3",
        "muted": "#9DA9BA", "line": "#2A3442", "panel": "#161E29",
        "page": "#0E141C", "field": "#1D2733", "border": "#2E3A49",
        "accent": "#58A6E8", "on_accent": "#08121E", "good": "#4CD3A5", "bad": "#FF9A66", "shade": "#1E2A38",
    },
}  # fmt: skip
CYCLE: Final = ("blue", "vermillion", "green", "orange", "purple", "sky", "wine", "olive")


def _echarts(p: dict[str, str]) -> dict[str, Any]:
    """An ECharts theme of one palette."""
    axis = {
        "axisLine": {"lineStyle": {"color": p["border"]}},
        "axisTick": {"show": False},
        "axisLabel": {"color": p["muted"], "fontSize": 11},
        "splitLine": {"lineStyle": {"color": p["line"]}},
        "nameTextStyle": {"color": p["muted"], "fontSize": 11},
    }
    return {
        "color": [p[name] for name in CYCLE],
        "backgroundColor": "transparent",
        "textStyle": {"fontFamily": FONT, "color": p["ink"]},
        "title": {"textStyle": {"color": p["ink"]}, "subtextStyle": {"color": p["muted"]}},
        "legend": {"textStyle": {"color": p["muted"], "fontSize": 11}, "inactiveColor": p["line"]},
        "categoryAxis": {**axis, "splitLine": {"show": False}},
        "valueAxis": axis,
        "logAxis": axis,
        "tooltip": {
            "backgroundColor": p["panel"],
            "borderColor": p["border"],
            "textStyle": {"color": p["ink"], "fontSize": 12},
            "axisPointer": {"lineStyle": {"color": p["muted"]}, "crossStyle": {"color": p["muted"]}},
        },
    }


THEMES: Final = {name: {"palette": palette, "echarts": _echarts(palette)} for name, palette in PALETTES.items()}


def style_sheet() -> str:
    """The page's CSS, colours of both themes included."""
    root = "".join(f"--{name}:{value};" for name, value in PALETTES["light"].items())
    dark = "".join(f"--{name}:{value};" for name, value in PALETTES["dark"].items())
    return (
        f".v-application{{{root}--font:{FONT};}}\n.v-application.theme--dark{{{dark}}}\n"
        + (Path(__file__).parent / "page.css").read_text()
    )
