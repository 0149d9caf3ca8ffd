"""The page in a real browser: what a person can do works, no console error, no request that leaves the machine."""

import gc
import re
import time
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys

from abm import cli, load_scenario
from abm.browser.theme import PALETTES
from tests.browser.desk_in_browser import VIEWS, DeskInBrowser
from tests.browser.test_theme import contrast


def test_it_loads_steps_plays_and_pauses(desk: DeskInBrowser) -> None:
    assert desk.day == 0
    assert desk.run("document.querySelectorAll('.abm-overview, .abm-board .abm-panel').length") == 9
    desk.do("step")
    desk.until(lambda: desk.day == 1)
    desk.until(lambda: len(desk.chart("yields")["JGB30"]) == 2)
    desk.pick("[data-do=speed]", "run")
    desk.do("play")
    desk.until(lambda: desk.playing() and desk.day >= 4)
    desk.do("play")
    desk.until(lambda: not desk.playing())
    paused = desk.day
    assert paused < 60
    desk.do("step")
    desk.until(lambda: desk.day == paused + 1)
    assert re.search(r"JGB30\n\d\.\d\d % [+-]", desk.text("[data-tile=JGB30]"))


def test_an_action_happens_and_the_downloaded_scenario_gives_the_same_prices(desk: DeskInBrowser) -> None:
    desk.play_to(3, "run")
    before = desk.day
    desk.pick("[aria-label='BoJ buys bonds'] input", 2)
    desk.do("purchase")
    desk.until(lambda: "BoJ buys ¥2 tn of JGB30" in desk.message())
    desk.do("hike")
    desk.until(lambda: "BoJ raises its rate by 25 bp" in desk.message())
    desk.do("step")
    desk.until(lambda: "You BoJ buys ¥2 tn of JGB30" in desk.text(".abm-log"))
    desk.do("check")
    desk.do("step")
    desk.until(lambda: "You Rate check" in desk.text(".abm-log"))
    last = before + 2
    desk.until(lambda: desk.day == last)
    desk.view("files")
    scenario = desk.download("sanaenomics-seed-7.toml")
    daily = desk.download("sanaenomics-seed-7-daily.csv")
    parquet = desk.download("sanaenomics-seed-7-daily.parquet")
    assert [e.day for e in load_scenario(scenario).events if e.note == "ordered at the page"] == [
        before + 1, before + 1, before + 2,
    ]  # fmt: skip
    out = desk.downloads / "again"
    run = ["run", str(scenario), "--seed", "7", "--days", str(last), "--no-figures", "--out", str(out)]
    assert cli.main(run) == 0
    again = pd.read_parquet(out / "daily.parquet")
    seen = pd.read_csv(daily)
    assert again["yield_pct.JGB30"].tolist() == seen["yield_pct.JGB30"].tolist()
    assert again["fx.USDJPY"].tolist() == seen["fx.USDJPY"].tolist()
    assert pd.read_parquet(parquet)["price.BTC"].tolist() == again["price.BTC"].tolist()


def test_what_if_shows_both_paths(desk: DeskInBrowser) -> None:
    desk.play_to(4, "run")
    desk.view("whatif")
    day = desk.day
    desk.pick("[aria-label='What if'] input[type=number]", 6)
    desk.do("compare")
    with_it = desk.until(lambda: desk.run("document.querySelector('[data-panel=both]')") and desk.chart("both")["with"])
    without = desk.chart("both")["without"]
    assert len(without) == len(with_it) == day + 7
    assert without[day] == with_it[day]
    assert without[day + 1] > with_it[day + 1]  # the default action is a purchase
    assert desk.day == day
    assert "First day" in desk.text(".abm-tablebox")


def test_what_is_typed_stays_and_what_is_refused_goes_back(desk: DeskInBrowser) -> None:
    desk.do("step")
    desk.view("whatif")
    day, ahead, action, amount, bond, shown = (
        f"[aria-label='What if'] .abm-field:nth-of-type({n}) :is(input, select)" for n in range(1, 7)
    )
    desk.until(lambda: desk.value(day) == "1")
    desk.pick(amount, 7)
    desk.pick(ahead, 2)
    desk.pick(shown, "BTC")
    desk.do("compare")
    desk.until(lambda: "BoJ buys ¥7 tn of JGB30" in desk.text("[data-panel=both] .abm-note"))
    assert desk.text("[data-panel=both] h3") == "BTC, both paths"
    desk.do("step")
    desk.until(lambda: desk.value(day) == "2")
    typed = [desk.value(field) for field in (ahead, action, amount, bond, shown)]
    assert typed == ["2", "purchase", "7", "JGB30", "BTC"]
    desk.pick(day, 1)
    desk.pick(action, "hike")
    desk.do("step")
    desk.until(lambda: desk.run(f"document.querySelector({day!r}).max") == "3")
    assert [desk.value(field) for field in (day, ahead, amount)] == ["1", "2", "25"]
    seed, length = (f"[aria-label=Run] .abm-field:nth-of-type({n}) input" for n in (2, 3))
    for field, refused, holds in ((seed, -3, "7"), (seed, "", "7"), (length, 0, "60"), (length, 10.5, "60")):
        desk.pick(field, refused)
        desk.until(lambda field=field, holds=holds: desk.value(field) == holds and "must be a whole" in desk.message())
        desk.click("[aria-label='Dismiss the message']")
        desk.until(lambda: not desk.message())


def test_an_ensemble_runs_while_the_page_goes_on_and_can_be_cancelled(desk: DeskInBrowser) -> None:
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(3) input", 6)
    desk.until("document.querySelector('[data-now]').innerText.includes('of 6')")
    desk.view("ensemble")
    desk.pick("[aria-label=Ensemble] input", 6)
    desk.do("start")
    desk.until("document.querySelector('.abm-progress')")
    desk.do("step")
    desk.until(lambda: desk.day == 1)
    desk.until(lambda: "6 of 6 seeds" in desk.text("[data-panel=bands] .abm-note"))
    bands = desk.chart("bands")
    assert len(bands["median"]) == 7
    assert all(low <= high for low, high in zip(bands["5 %"], bands["95 %"], strict=True))
    desk.pick("[aria-label=Ensemble] input", 400)
    desk.do("start")
    desk.until("!document.querySelector('[data-do=cancel]').disabled")
    desk.do("cancel")
    desk.until("!document.querySelector('[data-do=start]').disabled")


def test_reset_seed_parameters_and_rules(desk: DeskInBrowser) -> None:
    opening = desk.text("[data-tile=JGB30]")
    desk.play_to(2, "run")
    desk.do("reset")
    desk.until(lambda: desk.day == 0)
    assert desk.text("[data-tile=JGB30]") == opening
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(2) input", 11)
    desk.until("document.querySelector('[data-now]').innerText.includes('seed 11')")
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(2) input", -3)
    desk.until(lambda: "seed = -3" in desk.message())
    desk.pick("[aria-label=Parameters] input[type=range]", 0)
    desk.until("document.querySelector('[aria-label=Parameters] output').textContent.trim().startsWith('0 ')")
    desk.do("step")
    desk.until(lambda: desk.day == 1)
    desk.pick("[aria-label=Parameters] input[type=range]", 2)
    desk.until(lambda: "Reset starts with the new setting" in desk.message())


def test_attribution_flows_and_institutions(desk: DeskInBrowser) -> None:
    desk.play_to(8)
    desk.view("who")
    parts = desk.chart("who")
    total = sum(np.array(values, dtype=float) for name, values in parts.items() if name != "move")
    assert np.abs(total - np.array(parts["move"], dtype=float)).max() < 0.1  # bp; parts are rounded
    desk.pick("[aria-label=Market] select", "USDJPY")
    desk.until("document.querySelector('[data-panel=who] h3').innerText.includes('USDJPY')")
    desk.view("flows")
    assert len(desk.chart("flows")["flows"]) > 5
    desk.view("institutions")
    desk.until("document.querySelector('.abm-tablebox tbody tr')")
    desk.pick("[aria-label=Sector] select", "crypto_longs")
    desk.until(lambda: "Crypto longs" in desk.text(".abm-tablebox h3"))
    desk.click(".abm-tablebox tbody tr:nth-child(3)")
    number = desk.text(".abm-tablebox tbody tr:nth-child(3) td")
    desk.until(lambda: f"Equity of crypto longs {number}" in desk.text("[data-panel=history] h3"))
    desk.until(lambda: f"Balance sheet of crypto longs {number}" in desk.text(".abm-two .abm-tablebox:nth-child(2) h3"))


def test_a_tooltip_outlasts_other_contributors(desk: DeskInBrowser) -> None:
    """On the day of the stimulus others move the market than before."""
    for day in (1, 2, 3):
        desk.do("step")
        desk.until(lambda day=day: desk.day == day)
    desk.view("who")
    before = [*desk.chart("who")]
    chart = "document.querySelector('[data-panel=who] .abm-chart')"
    shown = f"{chart}.querySelector('.abm-tip-head')?.checkVisibility("
    shown += "{ opacityProperty: true, visibilityProperty: true })"
    desk.run(f"{chart}.abmChart.dispatchAction({{ type: 'showTip', seriesIndex: 0, dataIndex: 2 }})")
    desk.until(shown)
    desk.do("step")
    desk.until(lambda: len(desk.chart("who")["move"]) == 5)
    now = [*desk.chart("who")]
    assert now != before and len(now) == len(before)
    assert desk.run(shown)
    legend = desk.run(
        f"{chart}.abmChart._api.getViewOfComponentModel({chart}.abmChart.getModel()"
        ".getComponent('legend')).group.children()[0].children().map((e) => e.__legendDataIndex)"
    )
    assert len(legend) == len(now)


def test_two_sessions_have_a_model_each(desk: DeskInBrowser) -> None:
    desk.play_to(3, "run")
    day, first = desk.day, desk.chrome.current_window_handle
    desk.chrome.switch_to.new_window("tab")
    desk.size(1280, 900)
    desk.open()
    assert desk.day == 0
    desk.do("step")
    desk.until(lambda: desk.day == 1)
    desk.chrome.switch_to.window(first)
    assert desk.day == day


def test_a_failing_day_becomes_a_message_and_the_page_goes_on(desk: DeskInBrowser) -> None:
    desk.open()  # on the failing scenario
    desk.do("play")
    desk.until(lambda: ", seed 7: MarketFailure: USDJPY" in desk.message())
    failed = int(re.search(r"Day (\d+), seed 7", desk.message()).group(1))
    desk.until(lambda: desk.day == failed - 1 and not desk.playing())
    desk.until(lambda: len(desk.chart("yields")["JGB30"]) == failed)
    option = desk.run("[...document.querySelectorAll('[aria-label=Run] option')].map((o) => o.value)")
    assert any(value.endswith("failing.toml") for value in option)
    desk.pick("[aria-label=Run] select", "baseline")
    desk.until(lambda: "Reset starts" in desk.message())
    desk.do("reset")
    desk.until(lambda: desk.day == 0)
    desk.do("step")
    desk.until(lambda: desk.day == 1)


BOXES = """[...document.querySelectorAll('.abm-main .abm-panel, .abm-main .abm-card')].map((e) => {
    const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; })"""
CUT = """[...document.querySelectorAll('.abm-page h1, .abm-page h3, .abm-page p, .abm-page label, .abm-page button, '
    + '.abm-page .abm-unit, .abm-page dd, .abm-page summary')].filter((e) => e.checkVisibility()).map((e) => {
    const r = e.getBoundingClientRect(); return [e.innerText, r.left, r.right, e.scrollWidth - e.clientWidth]; })
    .filter((r) => !document.querySelector('.abm-scroll')?.innerText.includes(r[0]))
    .filter((r) => r[1] < 0 || r[2] > innerWidth || r[3] > 1)"""
CHART_TEXT = """[...document.querySelectorAll('.abm-main .abm-chart')].map((e) => e.abmChart.getZr()).map((zr) =>
    zr.storage.getDisplayList(true).filter((t) => t.type === 'tspan' && t.style.text && !t.ignore && !t.invisible)
    .map((t) => { const r = t.getBoundingRect().clone(); if (t.transform) r.applyTransform(t.transform);
    return [r.x, r.y, r.x + r.width, r.y + r.height, t.style.text, zr.getWidth(), zr.getHeight()]; }))"""
CROWDED_LEGENDS = """[...document.querySelectorAll('.abm-main .abm-chart')].filter((e) => {
    const legend = e.abmChart.getModel().getComponent('legend');
    return legend && legend.get('top') + e.abmChart._api.getViewOfComponentModel(legend).group.getBoundingRect().height
    > e.abmChart.getOption().grid[0].top - 20; }).map((e) => e.ariaLabel)"""


def _fill_every_view(desk: DeskInBrowser) -> None:
    """Play, fork and run an ensemble, so that every view has what it can show."""
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(3) input", 30)
    desk.until("document.querySelector('[data-now]').innerText.includes('of 30')")
    desk.play_to(8, "run")
    desk.view("whatif")
    desk.pick("[aria-label='What if'] input[type=number]", 3)
    desk.do("compare")
    desk.until("document.querySelector('[data-panel=both]')")
    desk.view("ensemble")
    desk.pick("[aria-label=Ensemble] input", 4)
    desk.do("start")
    desk.until(lambda: "4 of 4 seeds" in desk.text("[data-panel=bands] .abm-note"))


def test_nothing_overlaps_is_cut_or_runs_out_of_the_window(desk: DeskInBrowser) -> None:
    """In every view, at every width, in both themes; text within the charts included."""
    _fill_every_view(desk)
    found, heads = {}, {}
    shown = [*product(("light",), (390, 768, 1280, 1920, 2560)), *product(("dark",), (390, 1280))]
    for (theme, width), view in product(shown, VIEWS):
        desk.theme(theme)
        desk.size(width, 900)
        desk.view(view)
        desk.settled()
        found[view, width, theme] = list(_faults(desk, width))
        heads.setdefault(width, set()).add(desk.run("document.querySelector('.abm-head').offsetHeight"))
    assert {where: faults for where, faults in found.items() if faults} == {}
    assert {
        width: heights for width, heights in heads.items() if len(heights) > 1
    } == {}  # the views begin in one place


def _faults(desk: DeskInBrowser, width: int) -> Iterator[tuple[str, Any]]:
    """What overlaps, is cut, or is out of its place in the view that is shown."""
    if (reaches := desk.run("document.documentElement.scrollWidth")) > width:
        yield "the page is as wide as", reaches
    yield from (("text is cut", text) for text in desk.run(CUT))
    boxes = desk.run(BOXES)
    yield from (("a panel is tiny", b) for b in boxes if b[2] - b[0] < 100 or b[3] - b[1] < 30)
    yield from (("panels overlap", pair) for pair in combinations(boxes, 2) if _overlap(*pair, 1.0))
    yield from (("a legend reaches into its chart", name) for name in desk.run(CROWDED_LEGENDS))
    for texts in desk.run(CHART_TEXT):
        yield from (("text out of its chart", t) for t in texts if min(t[0], t[1]) < 0 or t[2] > t[5] or t[3] > t[6])
        yield from (("text on text", pair) for pair in combinations(texts, 2) if _overlap(*pair, 2.0))


def _overlap(a: list[float], b: list[float], tolerance_px: float) -> bool:
    return all(min(a[k + 2], b[k + 2]) - max(a[k], b[k]) > tolerance_px for k in (0, 1))


def test_axes_say_the_unit_of_what_is_chosen(desk: DeskInBrowser) -> None:
    """Charts of the same lines in other units are drawn anew, names of the axes included."""
    desk.play_to(3, "run")
    desk.view("whatif")
    desk.pick("[aria-label='What if'] input[type=number]", 3)
    desk.do("compare")
    both = "document.querySelector('[data-panel=both] .abm-chart')?.abmChart?.getOption().yAxis[0].name"
    desk.until(f"{both} === '%'")
    desk.pick("[aria-label='What if'] .abm-field:nth-last-of-type(2) select", "USDJPY")
    desk.until(f"{both} === 'JPY per USD'")
    desk.pick("[aria-label='What if'] .abm-field:nth-last-of-type(2) select", "BTC")
    desk.until(f"{both} === 'USD'")


@pytest.mark.parametrize("theme", PALETTES)
def test_messages_are_readable(desk: DeskInBrowser, theme: str) -> None:
    """In the colours of the page, not in those of a framework's class of the same name."""
    desk.theme(theme)
    desk.do("check")
    desk.until(lambda: "Rate check" in desk.message())
    seen = [desk.colours(".abm-message"), desk.colours("[data-do=play]")]
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(2) input", -3)
    desk.until(lambda: "seed = -3" in desk.message())
    seen += [desk.colours(".abm-message"), desk.colours(".abm-message button", ".abm-message")]
    p = PALETTES[theme]
    assert seen[2] == (p["bad"].lower(), p["shade"].lower())
    assert min(contrast(*pair) for pair in seen) >= 4.5, seen


def test_on_a_narrow_screen_what_a_lever_says_is_seen_where_it_is_pressed(desk: DeskInBrowser) -> None:
    desk.size(390, 844)
    desk.click("[title=Levers]")
    desk.run("document.querySelector('[data-do=aversion]').scrollIntoView({ block: 'center' })")
    desk.do("aversion")
    desk.until(lambda: "Risk aversion" in desk.message())
    top, bottom, seen = desk.run(
        "(() => { const e = document.querySelector('.abm-message'), r = e.getBoundingClientRect();"
        "return [r.top, r.bottom, e.contains(document.elementFromPoint(100, (r.top + r.bottom) / 2))]; })()"
    )
    assert 0 <= top < bottom <= 844 and seen
    desk.click("[title=Levers]")


@pytest.mark.parametrize("view", ["whatif", "ensemble", "files", "who"])
def test_what_is_asked_stands_on_a_panel(desk: DeskInBrowser, view: str) -> None:
    desk.view(view)
    panel = PALETTES["dark" if desk.run("document.querySelector('.theme--dark')") else "light"]["panel"]
    assert desk.colours(".abm-main .abm-card")[1] == panel.lower()


def test_japanese_text_is_shown_in_a_japanese_font(desk: DeskInBrowser) -> None:
    desk.open()  # the title of the failing scenario has Japanese words
    fonts = desk.fonts("h1")
    assert "第三日" in desk.text("h1")
    assert any(name.endswith("JP") for name in fonts), fonts


def test_every_chart_is_saved_as_png_and_svg(desk: DeskInBrowser) -> None:
    """Without the internet, which the fixture checks; with the title, and nothing cut off at the top."""
    _fill_every_view(desk)
    saved = set()
    for view in VIEWS:
        desk.view(view)
        desk.settled()
        panels = desk.run(
            "[...document.querySelectorAll('.abm-panel')].filter((e) => e.querySelector('.abm-chart'))"
            ".map((e) => [e.dataset.panel, e.querySelector('h3').innerText])"
        )
        for panel, title in panels:
            png, svg = (desk.save(panel, kind) for kind in ("png", "svg"))
            assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"), panel
            with Image.open(png) as picture:
                assert min(picture.size) >= 720 and len(picture.convert("RGB").getcolors(1 << 24) or ()) > 50, panel
            drawn = ElementTree.fromstring(svg.read_text())
            assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
            words = [text.text or "" for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
            assert title in words, panel
            assert re.search(r"(href|src)=.http", svg.read_text()) is None, panel
            saved.add(panel)
    assert saved == {
        "jgb", "yields", "yen", "foreign", "shares", "margin", "leverage", "stress", "who", "flows", "scatter",
        "history", "both", "difference", "bands",
    }  # fmt: skip


MOST_CONTROLS = 200
CONTROLS = ".abm-page :is(a, button, select, input, summary, [tabindex])"
FOCUSED = """(() => { const e = document.activeElement, style = getComputedStyle(e), r = e.getBoundingClientRect();
    e.dataset.reached = arguments[0];
    const middle = (low, high, most) => (Math.max(low, 0) + Math.min(high, most)) / 2;
    const top = document.elementFromPoint(middle(r.left, r.right, innerWidth), middle(r.top, r.bottom, innerHeight));
    const ring = style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2;
    return [e === document.body, ring && e.contains(top), e.outerHTML.slice(0, 160)]; })()"""
UNREACHED = """[...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility() && !e.disabled
    && e.dataset.reached !== arguments[1] && !(e.tabIndex < 0 && e.matches("[role=tab], tr.pick")))
    .map((e) => e.outerHTML.slice(0, 160))"""


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_tab_reaches_every_control_and_shows_where_it_is(desk: DeskInBrowser, width: int, theme: str) -> None:
    """Of tabs and rows it reaches the chosen one; arrows reach the others."""
    desk.size(width, 800)
    desk.theme(theme)
    desk.do("step")
    desk.until(lambda: desk.day == 1)
    if width < 1000:
        desk.click("[title=Levers]")
    for view in VIEWS:
        desk.view(view)
        desk.settled()
        opened = str(view == "overview").lower()
        desk.run(f"document.querySelectorAll('.abm-levers details').forEach((e) => {{ e.open = {opened}; }})")
        desk.run("document.querySelector('[title=Levers]').focus()")
        for _ in range(MOST_CONTROLS):
            desk.press(Keys.TAB)
            around, seen, element = desk.run(FOCUSED, view)  # after the last control comes the body, then the first
            assert seen or around, (view, element)
            if 'title="Levers"' in element and not around:
                break
        assert desk.run(UNREACHED, CONTROLS, view) == [], view


def test_arrows_move_between_tabs_and_rows(desk: DeskInBrowser) -> None:
    desk.run("document.querySelector('[data-tab=overview]').focus()")
    for view in ("who", "flows", "institutions"):
        desk.press(Keys.ARROW_RIGHT)
        desk.until(f"document.querySelector('[data-tab={view}]').ariaSelected === 'true'")
        assert desk.run("document.activeElement.dataset.tab") == view
    desk.until("document.querySelector('.abm-tablebox tr[tabindex=\"0\"]')")
    desk.run("document.querySelector('.abm-tablebox tr[tabindex=\"0\"]').focus()")
    desk.press(Keys.ARROW_DOWN)
    number = desk.run("document.activeElement.cells[0].innerText")
    desk.press(Keys.ENTER)
    desk.until(lambda: f"Equity of life insurers {number}" in desk.text("[data-panel=history] h3"))
    desk.click(".abm-tablebox th button")  # by number
    desk.until("document.querySelector('.abm-tablebox th').ariaSort === 'descending'")
    first = ".abm-tablebox tbody tr:first-child td"
    desk.until(lambda: int(desk.text(first)) == desk.run("document.querySelectorAll('.abm-tablebox tr.pick').length"))


def test_everything_has_a_name(desk: DeskInBrowser) -> None:
    nameless = desk.run(
        "[...document.querySelectorAll('.abm-page button, .abm-page select, .abm-page input')].filter((e) => "
        "!(e.innerText || '').trim() && !e.ariaLabel && !(e.labels && e.labels.length)).length"
    )
    assert nameless == 0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_play(desk: DeskInBrowser) -> None:
    """Runs of the same length, one after the other; the last of them needs no more than the second."""

    def heap_mb() -> float:
        desk.chrome.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        return float(desk.run("performance.memory.usedJSHeapSize")) / 1e6

    used = []
    for _ in range(4):
        desk.do("reset")
        desk.until(lambda: desk.day == 0)
        desk.play_to(60)
        gc.collect()
        used.append(heap_mb())
        time.sleep(0.1)
    assert used[-1] < 1.15 * used[1] + 5.0, used
