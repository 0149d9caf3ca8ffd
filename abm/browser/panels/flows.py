"""The flow map: who sold what to whom, net, over a window of days."""

from typing import Any, Final

import numpy as np
import solara

from abm.browser.desk import Desk
from abm.browser.options import Option
from abm.browser.vue import Charts, Form, Note
from abm.output.attribution import short
from abm.world.instruments import FX, IDS, JGB_IDS, MARKETS

WINDOWS: Final = {"1": "one day", "5": "5 days", "20": "20 days", "60": "60 days", "0": "all days"}
GROUPS: Final = {
    "JGBs": JGB_IDS,
    "US Treasuries": ("UST2", "UST10", "UST30"),
    "European bonds": ("BUND10", "OAT10", "EGB30", "GILT10"),
    "other bonds": ("ACGB10", "EMBOND"),
    "shares": ("NIKKEI", "NASDAQ", "SPX"),
    "bitcoin": ("BTC",),
    "dollars for yen": ("USDJPY",),
    "other currencies": ("EURUSD", "GBPUSD", "AUDUSD", "USDMXN"),
}
KINDS: Final = {"groups": "groups of markets", "bonds": "single bonds", "all": "all markets"}
COLORS: Final = {
    "life_insurers": "blue", "pension_funds": "sky", "banks": "green", "jgb_fast_money": "vermillion",
    "carry_traders": "orange", "crypto_longs": "purple", "bitcoin_holders": "purple", "real_money": "wine",
    "dealers": "ink", "arbitrageurs": "muted", "bank_of_japan": "blue", "ministry_of_finance": "vermillion",
    "government": "green", "federal_reserve": "sky", "european_central_bank": "olive", "rest_of_world": "grey",
}  # fmt: skip
NARROW_PX: Final = 500
SMALLEST_SHARE: Final = 0.004  # of all that is traded; thinner links are left out


@solara.component
def View(desk: Desk) -> None:
    """A window to choose, and the map."""
    chosen, choose = solara.use_state({"window": "20", "kind": "groups", "end": 0})
    snapshot = desk.shown.value
    end = min(chosen["end"] or snapshot.day, snapshot.day)

    def changed(name: str, value: Any) -> None:
        known = {"window": WINDOWS, "kind": KINDS}
        if name == "end" and isinstance(value, int | float):
            choose({**chosen, "end": 0 if value >= snapshot.day else max(int(value), 1)})
        elif name in known and value in known[name]:
            choose({**chosen, name: value})

    fields = [
        {"name": "window", "label": "Window", "kind": "select", "options": [[k, v] for k, v in WINDOWS.items()]},
        {"name": "end", "label": "up to day", "kind": "range", "lo": 0, "hi": max(snapshot.day, 1), "step": 1},
        {"name": "kind", "label": "Markets", "kind": "select", "options": [[k, v] for k, v in KINDS.items()]},
    ]
    with solara.Div(classes=["abm-card"]):
        values = {**chosen, "end": end}
        Form(title="Window", fields=fields, values=values, buttons=[], kind="inline", changed=changed)
    first = 1 if chosen["window"] == "0" else max(end - int(chosen["window"]) + 1, 1)
    flows = desk.run.model.recorder.flows_between(first, end).sum(axis=1)
    if not np.abs(flows).sum():
        Note("Nothing has been traded yet: press Step or Play.")
        return
    note = "Sellers left, buyers right, net over the window; currency legs of cross-border purchases included."
    days = f"day {first} to {end}" if end > first else f"day {end}"
    panel = {"id": "flows", "title": "Flow map", "unit": f"USD bn, {days}", "size": "tower full", "note": note}
    option = sankey(flows, snapshot.sectors, markets_of(chosen["kind"]))
    frame = {"number": desk.number, "dates": [], "charts": {"flows": option}}
    Charts(panels=[panel], frame=frame, kind="one", event_drawn=desk.drawn)


def markets_of(kind: str) -> dict[str, tuple[str, ...]]:
    """Nodes in the middle, and the markets that each stands for."""
    if kind == "groups":
        return GROUPS
    single = [m.id for i, m in enumerate(MARKETS) if kind == "all" or (m.kind == "bond" and i not in FX)]
    return {name: (name,) for name in single}


def sankey(flows_usd_bn: np.ndarray, sectors: tuple[str, ...], groups: dict[str, tuple[str, ...]]) -> Option:
    """Sellers, markets, buyers. flows_usd_bn: net purchases, (sectors, markets)."""
    links, names = [], {}
    traded = sum(np.abs(flows_usd_bn[:, [IDS.index(m) for m in ids]].sum(axis=1)).sum() for ids in groups.values())
    for group, ids in groups.items():
        net = flows_usd_bn[:, [IDS.index(m) for m in ids]].sum(axis=1)
        for sector, usd_bn in zip(sectors, net, strict=True):
            if abs(usd_bn) <= SMALLEST_SHARE * traded / 2.0:
                continue
            side = "buys" if usd_bn > 0 else "sells"
            node = f"{side}|{short(sector)}"
            names[node], names[f"in|{group}"] = COLORS.get(sector, "grey"), "grey"
            ends = (f"in|{group}", node) if usd_bn > 0 else (node, f"in|{group}")
            words = f"{short(sector)} {'buy' if usd_bn > 0 else 'sell'} {group}"
            links.append(
                {
                    "source": ends[0],
                    "target": ends[1],
                    "value": round(abs(float(usd_bn)), 3),
                    "words": words,
                    "lineStyle": {"color": "target" if usd_bn > 0 else "source"},
                }
            )
    depth = {"sells": 0, "in": 1, "buys": 2}
    nodes = [
        {"name": name, "depth": depth[name.split("|")[0]], "itemStyle": {"color": f"@{color}"},
         "label": {"position": "left" if name.startswith("sells") else "right"}}
        for name, color in names.items()
    ]  # fmt: skip
    series = {
        "name": "flows", "type": "sankey", "nodeAlign": "justify", "top": 10, "bottom": 12,
        "nodeGap": 14, "draggable": False, "data": nodes, "links": links, "emphasis": {"focus": "adjacency"},
        "label": {"formatter": "node", "color": "@ink", "textBorderWidth": 0},
        "lineStyle": {"opacity": 0.32, "curveness": 0.5},
    }  # fmt: skip
    tip = {"trigger": "item", "formatter": "tip.flow", "confine": True}
    return {"animation": False, "tooltip": tip, "series": [series], "media": sizes(), "redraw": True}


def sizes() -> list[Option]:
    """Room for the names left and right of the map, and their size, by the width of the chart."""

    def size(beside_px: int, font_px: int, node_px: int) -> Option:
        label = {"fontSize": font_px}
        return {"series": [{"left": beside_px, "right": beside_px, "nodeWidth": node_px, "label": label}]}

    return [{"query": {"maxWidth": NARROW_PX}, "option": size(84, 10, 10)}, {"option": size(120, 12, 20)}]
