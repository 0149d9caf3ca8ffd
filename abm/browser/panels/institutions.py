"""The institutions of a sector: a scatter, a table, and one of them in full."""

from typing import Any, Final

import numpy as np
import solara

from abm.browser.desk import Desk
from abm.browser.institutions import Members, balance_sheet, members
from abm.browser.options import Option, date_words, line, over_time
from abm.browser.vue import Charts, Form, Note, Table
from abm.output.attribution import short

MOST_ROWS: Final = 200
MOST_DOTS: Final = 1500
NEAR_PCT, FAR_PCT = 25.0, 100.0
CLASSES: Final = (  # words, colour, symbol
    (f"call within {NEAR_PCT:.0f} % of equity", "vermillion", "triangle"),
    (f"within {FAR_PCT:.0f} %", "orange", "rect"),
    ("further away", "blue", "circle"),
    ("no margin", "grey", "circle"),
)


@solara.component
def View(desk: Desk) -> None:
    """A sector to choose; its members; the one that is picked."""
    sector, set_sector = solara.use_state("life_insurers")
    picked, pick = solara.use_state(0)
    order, set_order = solara.use_state({"name": "size", "descending": True})
    _ = desk.shown.value
    sectors = list(desk.run.model.sectors)

    def changed(_: str, value: Any) -> None:
        if value in sectors:
            set_sector(value)
            pick(0)

    options = [[name, f"{short(name)} ({len(desk.run.model.sectors[name]):,})"] for name in sectors]
    with solara.Div(classes=["abm-card"]):
        fields = [{"name": "sector", "label": "Sector", "kind": "select", "options": options}]
        Form(title="Sector", fields=fields, values={"sector": sector}, buttons=[], kind="inline", changed=changed)
    if desk.run.model.day != desk.run.tape.day:
        Note("The run broke off; its last finished day is computed again.")
        return
    found = members(desk.run.model, sector)
    if not found.size.any():
        Note(f"{capital(short(sector))} neither owns nor owes anything: there is nothing to show.")
        return
    one = picked if picked < len(found.size) else 0

    def choose(member: Any) -> None:
        if isinstance(member, int) and 0 <= member < len(found.size):
            pick(member)

    Pictures(desk, found, one, choose)
    with solara.Div(classes=["abm-two"]):
        MemberTable(found, one, order, choose, set_order)
        Sheet(desk, sector, one)


@solara.component
def Pictures(desk: Desk, found: Members, one: int, choose: Any) -> None:
    """All members as dots; the equity of the one that is picked."""
    _ = desk.shown.value
    first, equity = desk.run.members.of(found.sector, one)
    words = f"{short(found.sector)} {one + 1}"
    panels = [
        {"id": "scatter", "title": "Size and leverage", "unit": dots_note(found), "size": "mid"},
        {"id": "history", "title": f"Equity of {words}", "unit": "USD bn", "size": "mid"},
    ]
    history = over_time([line("equity", equity, "blue", digits=9)], "USD bn", "small")
    charts = {"scatter": scatter(found, one), "history": history}
    frame = {"number": desk.number, "dates": date_words(desk.run.model.plan.dates[first : desk.run.model.day + 1]),
             "charts": charts}  # fmt: skip

    def clicked(told: dict[str, Any]) -> None:
        data = told.get("value")
        if told.get("panel") == "scatter" and isinstance(data, dict):
            choose(data.get("member"))

    Charts(panels=panels, frame=frame, kind="wide", event_drawn=desk.drawn, event_clicked=clicked)


def shown_members(found: Members) -> np.ndarray:
    """Members drawn as dots: the largest, and an even sample of the others."""
    order = np.argsort(-found.size, kind="stable")
    if order.size <= MOST_DOTS:
        return order
    rest = order[MOST_DOTS // 3 :]
    return np.concatenate([order[: MOST_DOTS // 3], rest[:: -(-rest.size // (2 * MOST_DOTS // 3))]])


def dots_note(found: Members) -> str:
    """How many of the members are drawn."""
    shown, everyone = shown_members(found).size, found.size.size
    return "click one" if shown == everyone else f"{shown:,} of {everyone:,} drawn; click one"


def scatter(found: Members, one: int) -> Option:
    """Leverage against size, by distance to a margin call."""
    distance = found.call_distance_pct
    of = np.select([np.isnan(distance), distance < NEAR_PCT, distance < FAR_PCT], [3, 0, 1], 2)
    rows = shown_members(found)
    rows = rows[(found.size[rows] > 0.0) & np.isfinite(found.leverage[rows])]
    series = []
    for k, (words, color, symbol) in enumerate(CLASSES):
        dots = [dot(found, int(i)) for i in rows[of[rows] == k]]
        if dots:
            series.append({"name": words, "type": "scatter", "data": dots, "symbol": symbol, "symbolSize": 8,
                           "itemStyle": {"color": f"@{color}", "opacity": 0.7}})  # fmt: skip
    if found.size[one] > 0.0 and np.isfinite(found.leverage[one]):
        ring = {"color": "transparent", "borderColor": "@ink", "borderWidth": 2}
        series.append(
            {"name": "picked", "type": "scatter", "data": [dot(found, one)], "symbolSize": 16, "itemStyle": ring}
        )
    option = over_time(series, "leverage, x equity", "plain")
    axis = {
        "type": "log",
        "name": "size, USD bn",
        "nameLocation": "middle",
        "nameGap": 24,
        "axisLabel": {"hideOverlap": True},
    }
    option |= {
        "xAxis": axis,
        "tooltip": {"trigger": "item", "formatter": "tip.member", "confine": True},
        "redraw": True,
    }
    option["yAxis"][0]["type"] = "log" if np.nanmax(found.leverage[rows], initial=1.0) > 50.0 else "value"
    option["grid"]["bottom"] = 24
    return option


def dot(found: Members, i: int) -> Option:
    """One member in the scatter."""
    name = f"{short(found.sector)} {i + 1}"
    words = f"<b>{name}</b><br>size {amount(found.size[i])} USD bn<br>equity {amount(found.equity[i])} USD bn"
    words += f"<br>leverage {found.leverage[i]:.3g}"
    if np.isfinite(found.call_distance_pct[i]):
        words += f"<br>{found.call_distance_pct[i]:.0f} % above a margin call"
    return {"value": [float(f"{found.size[i]:.4g}"), float(f"{found.leverage[i]:.4g}")], "words": words, "member": i}


def amount(usd_bn: float) -> str:
    """An amount with three or more significant digits."""
    return f"{usd_bn:,.0f}" if abs(usd_bn) >= 1000 else f"{usd_bn:.3g}"


@solara.component
def MemberTable(found: Members, one: int, order: dict[str, Any], choose: Any, set_order: Any) -> None:
    """Members in the order asked for."""
    columns: dict[str, tuple[str, str, np.ndarray]] = {
        "size": ("Size", "USD bn", found.size),
        "equity": ("Equity", "USD bn", found.equity),
        "leverage": ("Leverage", "x", found.leverage),
        "distance": ("Above a margin call", "%", found.call_distance_pct),
    }
    columns |= {f"own.{name}": (*titled(name), np.asarray(v, dtype=float)) for name, v in found.own.items()}
    sorting = {name: v for name, (*_, v) in columns.items()} | {"number": np.arange(1.0, len(found.size) + 1.0)}
    by = sorting.get(order["name"], found.size)
    rows = np.argsort(np.where(np.isnan(by), np.inf, -by if order["descending"] else by), kind="stable")[:MOST_ROWS]
    cells = [{"key": int(i), "cells": [f"{i + 1}", *(value(v[i]) for *_, v in columns.values())]} for i in rows]
    head = [{"name": "number", "label": "No.", "unit": "", "kind": "text"}]
    head += [{"name": name, "label": words, "unit": unit, "kind": ""} for name, (words, unit, _) in columns.items()]
    note = f"{len(rows)} of {len(found.size):,}" if len(rows) < len(found.size) else f"{len(rows)}"

    def ordered(told: dict[str, Any]) -> None:
        if told.get("name") in sorting:
            set_order({"name": told["name"], "descending": bool(told.get("descending"))})

    Table(title=capital(short(found.sector)), columns=head, rows=cells, note=note, by=order["name"],
          descending=order["descending"], sortable=True, pickable=True, chosen=one, event_order=ordered,
          event_picked=choose)  # fmt: skip


def titled(name: str) -> tuple[str, str]:
    """A column name of a sector's table in words, and its unit."""
    for ending, unit in (("_usd_bn", "USD bn"), ("_pct", "%"), ("_jpy_tn", "¥ tn"), ("_usd", "USD"), ("_days", "days")):
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " ").capitalize(), unit
    return name.replace("_", " ").capitalize(), ""


def capital(name: str) -> str:
    """A name at the beginning of a line."""
    return name[:1].upper() + name[1:]


def value(x: float) -> str:
    """A number of the table."""
    return "-" if not np.isfinite(x) else f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}"


@solara.component
def Sheet(desk: Desk, sector: str, one: int) -> None:
    """Balance sheet of one institution."""
    _ = desk.shown.value
    rows = balance_sheet(desk.run.model, sector, one)
    cells = [{"key": i, "cells": [side, item, value(v)]} for i, (side, item, v) in enumerate(rows)]
    head = [{"name": "side", "label": "Side", "unit": "", "kind": "text"},
            {"name": "item", "label": "What", "unit": "", "kind": "text"},
            {"name": "value", "label": "Value", "unit": "USD bn", "kind": ""}]  # fmt: skip
    Table(
        title=f"Balance sheet of {short(sector)} {one + 1}",
        columns=head,
        rows=cells,
        note="at the last close" if rows else "it neither owns nor owes anything",
    )
