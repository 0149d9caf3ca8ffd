"""What one session shows and when, without a browser."""

import asyncio
import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import solara

from abm.browser import levers, page
from abm.browser.desk import Desk
from abm.browser.ensemble import Ensemble
from abm.browser.panels.ensemble import bands
from abm.model import MarketModel
from abm.scenarios import load_scenario
from abm.study.ensemble import Failure, Result
from abm.world.errors import MarketFailure
from tests.browser.test_run import break_off
from tests.browser.test_sessions import small_desk

pytestmark = pytest.mark.filterwarnings("ignore")  # of Solara itself


def test_pictures_reach_the_page_without_a_render_and_outlast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.view.value = "overview"
    renders: list[int] = []

    def counted(desk: Desk) -> list[str]:
        renders.append(desk.number)
        return []

    monkeypatch.setattr(page.levers, "switch_fields", lambda: counted(desk))
    with page_of(desk, monkeypatch) as box:
        before = len(renders)
        desk.step()
        desk.step()
        assert len(renders) == before
        assert pictured(box) == (desk.number, "day 2 of 6")
        desk.say("Something else on the page has changed.")
        desk.touch()
        assert len(renders) > before
        assert pictured(box) == (desk.number, "day 2 of 6")
        desk.choose("who")
        desk.step()
        desk.choose("overview")
        assert pictured(box) == (desk.number, "day 3 of 6")
        desk.reset()
        assert pictured(box) == (desk.number, "day 0 of 6")


@contextmanager
def page_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The widgets of the page around a desk; what only cycles of them hold is freed at the end."""
    monkeypatch.setattr(page, "Desk", lambda scenario: desk)
    box, context = solara.render(page.Page(), handle_error=False)
    yield box
    context.close()
    gc.collect()


def pictured(box: Any) -> tuple[int, str]:
    """Number of the picture that the charts show, and the day at the top."""
    texts = [w.newer or w.frame for w in widgets(box) if hasattr(w, "newer")]
    found = [json.loads(text) for text in texts]
    (charts,) = (f["number"] for f in found if "number" in f)
    (when,) = (f["when"] for f in found if "when" in f)
    return charts, when.split(" · ")[1]


def widgets(of: Any) -> list[Any]:
    """A widget and all below it."""
    below = [w for w in getattr(of, "children", []) if not isinstance(w, str)]
    return [of, *(w for child in below for w in widgets(child))]


def test_a_pause_stands_only_when_its_day_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 2)
    desk.view.value = "overview"  # and nobody says that it has drawn
    desk.speed.value = "slow"
    seen: list[tuple[bool, int, int]] = []

    def look(playing: bool) -> None:
        seen.append((playing, desk.shown.value.day, desk.run.tape.day))

    desk.playing.subscribe(look)

    async def press() -> None:
        for _ in range(2):
            playing = asyncio.create_task(desk.play())
            day = desk.run.model.day
            while desk.run.model.day == day:
                await asyncio.sleep(0)
            desk.pause()
            await playing

    asyncio.run(press())
    assert seen == [(True, 0, 0), (False, 1, 1), (True, 1, 1), (False, 2, 2)]


def test_a_page_may_close_while_a_picture_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.shown.subscribe(lambda _: desk.close())  # before the page's own subscribers
    with page_of(desk, monkeypatch) as box:
        desk.step()
        assert desk.closed and not hasattr(desk, "run")
        assert [json.loads(w.newer)["when"].split(" · ")[1] for w in widgets(box) if getattr(w, "speeds", None)] == [
            "day 1 of 6"
        ]


def test_a_page_may_close_between_a_pause_asked_for_and_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    paused = desk._paused.is_set

    def is_set() -> bool:
        found = paused()
        desk.close()
        return found

    monkeypatch.setattr(desk._paused, "is_set", is_set)
    asyncio.run(desk.play())
    assert not hasattr(desk, "run") and not desk.playing.value
    asyncio.run(desk.play())


def test_a_picture_says_that_there_is_no_further_day(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    assert not desk.shown.value.ended
    for _ in range(6):
        desk.step()
    assert desk.shown.value.ended and desk.shown.value.day == 6


# -- levers and forms --------------------------------------------------------------------------------------------------


def test_the_same_action_twice_keeps_its_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    for _ in range(2):
        desk.act("hike", {"change_bp": 25.0})
        assert desk.message.value["text"].endswith("BoJ raises its rate by 25 bp.")
    desk.act("hike", {"change_bp": 50.0})
    assert len(desk.ordered()) == 2


def test_no_action_is_taken_for_a_day_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.step()
    with monkeypatch.context() as broken:
        break_off(broken)
        desk.step()
    assert "Day 2, seed 1: MarketFailure: no price — the days before are kept" in desk.message.value["text"]
    desk.act("hike", {"change_bp": 25.0})
    assert desk.message.value == {"text": "The run broke off on day 2; press Reset.", "tone": "error"}
    desk.set("news.scale", 0.5)
    assert desk.message.value["text"] == "Reset starts with the new setting."
    desk.reset()
    for _ in range(6):
        desk.step()
    desk.act("hike", {"change_bp": 25.0})
    assert desk.message.value == {"text": "The run has ended; press Reset.", "tone": "error"}
    assert not desk.ordered()


def test_a_failing_day_leaves_institutions_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.step()
    equity = desk.run.model.sectors["banks"].equity_usd(desk.run.model.log_price)
    happen = MarketModel._meet_margin_calls
    monkeypatch.setattr(MarketModel, "_meet_margin_calls", lambda m: fail() if m.day == 2 else happen(m))

    def fail() -> None:
        raise MarketFailure("after the trades are settled")

    asyncio.run(desk.play())
    assert desk.run.broken and desk.run.model.day == desk.shown.value.day == 1
    assert np.array_equal(desk.run.model.sectors["banks"].equity_usd(desk.run.model.log_price), equity)


def test_forms_show_what_the_next_start_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    with page_of(desk, monkeypatch) as box:
        run = form(box, "Run")
        again = run.again
        for value in (-3, "", 10.5):
            run.vue_changed({"name": "seed", "value": value})
            assert run.values == {"scenario": "sanaenomics", "seed": 1, "days": 6}
            assert run.again == (again := again + 1), "the browser is told to put the values back"
        run.vue_changed({"name": "seed", "value": 2})
        assert (run.values["seed"], run.again) == (2, again)
        desk.step()
        desk.set("scenario", "carry_unwind_2024")
        desk.set("carry_traders.crowding", 1.5)
        assert run.values["scenario"] == "carry_unwind_2024"
        parameters = form(box, "Parameters").values
        assert parameters == {k: v for k, v in levers.settings(desk.setup.load()).items() if k in parameters}
        assert parameters["carry_traders.crowding"] == 1.5
        assert desk.run.model.plan.name == "sanaenomics"


def test_institutions_without_a_balance_sheet_are_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.view.value = "institutions"
    with page_of(desk, monkeypatch) as box:
        titles = {}
        for sector in ("federal_reserve", "bank_of_japan", "ministry_of_finance", "crypto_longs"):
            form(box, "Sector").vue_changed({"name": "sector", "value": sector})
            titles[sector] = [w.title for w in widgets(box) if hasattr(w, "rows")]
            charts = [w for w in widgets(box) if hasattr(w, "panels")]
            assert len(charts) == (sector != "federal_reserve")
        assert titles == {
            "federal_reserve": [],
            "bank_of_japan": ["BoJ", "Balance sheet of BoJ 1"],
            "ministry_of_finance": ["MoF", "Balance sheet of MoF 1"],
            "crypto_longs": ["Crypto longs", "Balance sheet of crypto longs 1"],
        }


# -- what if -----------------------------------------------------------------------------------------------------------


def test_what_if_keeps_what_is_asked_apart_and_follows_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.view.value = "whatif"
    with page_of(desk, monkeypatch) as box:
        asked = form(box, "What if")
        names = [f["name"] for f in asked.fields]
        assert len(set(names)) == len(names)
        asked.vue_changed({"name": "shown", "value": "BTC"})
        assert (asked.values["market"], asked.values["shown"]) == ("JGB30", "BTC")
        for said in ({}, {"name": "shown"}, {"button": "compare"}, {"button": "compare", "values": None}):
            asked.vue_changed(said)
            asked.vue_pressed(said)
        desk.step()
        desk.step()
        day = asked.fields[0]
        assert (day["hi"], asked.values["day"]) == (2, 2)
        asked.vue_changed({"name": "day", "value": 1})
        desk.step()
        assert (asked.fields[0]["hi"], asked.values["day"]) == (3, 1)
        asked.vue_changed({"name": "day", "value": 3})
        desk.step()
        assert asked.values["day"] == 4
        asked.vue_changed({"name": "day", "value": 1})
        desk.reset()
        for _ in range(6):
            desk.step()
        assert (asked.fields[0]["hi"], asked.values["day"]) == (5, 5), "there is a day after it"


def test_a_comparison_that_succeeds_takes_the_refusal_of_the_one_before_away(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.view.value = "whatif"

    async def ask() -> None:
        with page_of(desk, monkeypatch) as box:
            asked = form(box, "What if")
            for ahead, said in ((0, "days ahead = 0"), (2, "")):
                asked.vue_pressed({"button": "compare", "values": {**asked.values, "ahead": ahead}})
                await until(
                    lambda said=said, ahead=ahead: (
                        said in desk.message.value["text"]
                        and not desk.whatif.running
                        and (ahead == 0 or desk.whatif.plain is not None)
                    )
                )
            await until(lambda: desk.message.value["text"] == "")

    asyncio.run(ask())


# -- results of another run --------------------------------------------------------------------------------------------


def test_reset_takes_away_what_was_computed_for_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.step()
    event = levers.action_event("check", {})
    compared = desk.whatif
    going = compared.days(desk.run, 0, 4, [event], "")
    next(going)
    desk.ensemble.hash = desk.run.model.plan.hash
    ensemble = desk.ensemble
    desk.reset()
    assert list(going) == [] or not compared.running
    assert desk.whatif is not compared and desk.whatif.plain is None
    assert desk.ensemble is ensemble, "the same plan again"
    desk.step()
    desk.act("check", {})
    assert not ensemble.of(desk.run.model.plan)
    desk.set("news.scale", 0.5)
    desk.reset()
    assert desk.ensemble is not ensemble and ensemble._stop.is_set()


def test_an_ensemble_says_how_seeds_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(scenarios: Any, jobs: Any, **_: Any) -> Iterator[Result]:
        for job in jobs:
            yield Result(job, {}, {}, Failure(job.seed, 3, "MarketFailure: USDJPY has no price"))

    monkeypatch.setattr("abm.browser.ensemble.run_jobs", failing)
    ensemble = Ensemble()
    ensemble.start(load_scenario("baseline", days=4), 4)
    while ensemble.running:
        time.sleep(0.01)
    assert ensemble.failed == (
        "4 of 4 seeds failed, the first of them seed 1, on day 3: MarketFailure: USDJPY has no price"
    )


def test_a_run_with_other_orders_is_left_out_of_the_bands() -> None:
    ensemble = Ensemble(paths={"JGB40": [np.arange(5.0), np.arange(5.0)]})
    with_it, without = (bands(ensemble, "JGB40", own) for own in (np.arange(3.0), None))
    assert [s["name"] for s in with_it["series"]] == [*(s["name"] for s in without["series"]), "this run"]
    assert with_it["series"][-1]["data"] == [0.0, 1.0, 2.0, None, None]


def form(box: Any, title: str) -> Any:
    """A form of the page by its title."""
    (found,) = [w for w in widgets(box) if hasattr(w, "fields") and w.title == title]
    return found


async def until(so: Callable[[], bool]) -> None:
    """Let the others go on until it is so."""
    for _ in range(2000):
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never became so")
