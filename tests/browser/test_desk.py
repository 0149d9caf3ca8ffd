"""What one session shows and when, without a browser."""

import asyncio
import gc
import json
from typing import Any

import pytest
import solara

from abm.browser import page
from abm.browser.desk import Desk
from tests.browser.test_sessions import small_desk


@pytest.mark.filterwarnings("ignore")  # of Solara itself
def test_pictures_reach_the_page_without_a_render_and_outlast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    desk.view.value = "overview"
    renders: list[int] = []

    def counted(desk: Desk) -> list[str]:
        renders.append(desk.number)
        return []

    monkeypatch.setattr(page, "Desk", lambda scenario: desk)
    monkeypatch.setattr(page.levers, "switch_fields", lambda: counted(desk))
    box, context = solara.render(page.Page(), handle_error=False)
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


@pytest.mark.filterwarnings("ignore")  # of Solara itself
def test_a_page_may_close_while_a_picture_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 1)
    monkeypatch.setattr(page, "Desk", lambda scenario: desk)
    desk.shown.subscribe(lambda _: desk.close())  # before the page's own subscribers
    box, context = solara.render(page.Page(), handle_error=False)
    desk.step()
    assert desk.closed and not hasattr(desk, "run")
    assert [json.loads(w.newer)["when"].split(" · ")[1] for w in widgets(box) if getattr(w, "speeds", None)] == [
        "day 1 of 6"
    ]
    context.close()
    gc.collect()


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
