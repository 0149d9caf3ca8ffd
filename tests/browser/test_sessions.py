"""Many sessions at once, hostile ones among them: each has a run of its own; one that is gone frees its model."""

import asyncio
import gc
import time
import weakref
from random import Random
from typing import Any

import numpy as np
import pytest
import solara

from abm.browser import page
from abm.browser.desk import Desk
from abm.browser.levers import ACTIONS
from abm.browser.vue import Form
from abm.model import MarketModel
from abm.scenarios import load_scenario
from tests.fuzz.mutations import ODD, WORDS

SESSIONS = 20
SMALL = {"carry_traders.members": 60, "crypto_longs.members": 80, "bitcoin_holders.members": 40}


def small_desk(monkeypatch: pytest.MonkeyPatch, seed: int) -> Desk:
    monkeypatch.setattr("abm.browser.run.load_scenario", lambda name, overrides, days: load_scenario(
        name, {**SMALL, **overrides}, days or 6))  # fmt: skip
    desk = Desk("sanaenomics")
    desk.set("seed", seed)
    desk.view.value = "files"  # no browser says that it has drawn
    desk.speed.value = "fastest"
    return desk


def test_twenty_sessions_step_at_once_and_all_answer(monkeypatch: pytest.MonkeyPatch, record_property: Any) -> None:
    desks = [small_desk(monkeypatch, seed) for seed in range(SESSIONS)]
    waits: list[float] = []

    async def all_play() -> None:
        async def heart() -> None:
            while True:
                begun = time.monotonic()
                await asyncio.sleep(0)
                waits.append(time.monotonic() - begun)

        beating = asyncio.create_task(heart())
        await asyncio.gather(*(desk.play() for desk in desks))
        beating.cancel()

    asyncio.run(all_play())
    for seed, desk in enumerate(desks):
        assert desk.run.ended and desk.message.value["tone"] != "error", desk.message.value
        alone = MarketModel(load_scenario("sanaenomics", SMALL, 6), rng=seed)
        alone.run_for(6)
        assert np.array_equal(desk.run.model.log_price, alone.log_price), seed
    # Between two answers every session has one day and one picture at most.
    assert len(waits) >= 6 and np.median(waits) < 5.0
    record_property("sessions held", len(desks))


def test_a_session_that_is_gone_frees_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    desks = [small_desk(monkeypatch, seed) for seed in range(3)]
    for desk in desks:
        desk.step()
    models = [weakref.ref(desk.run.model) for desk in desks]
    staying = desks.pop()
    for desk in desks:
        desk.close()
    del desk, desks
    gc.collect()
    assert [model() is None for model in models] == [True, True, False]
    staying.step()
    assert staying.run.model.day == 2


@pytest.mark.filterwarnings("ignore")  # of Solara itself
def test_a_page_that_is_closed_frees_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Desk]] = []

    def noted(scenario: str) -> Desk:
        desk = Desk(scenario)
        made.append(weakref.ref(desk.run.model))
        return desk

    monkeypatch.setattr(page, "Desk", noted)
    _, context = solara.render(page.Page(), handle_error=False)
    assert made[0]() is not None
    context.close()
    del context, _
    gc.collect()
    assert made[0]() is None


def test_whatever_a_client_sends_a_session_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Keys, values and numbers that no form of the page has: refused in words, no file touched, the run unharmed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('[scenario]\nname = "mine"\ntitle = "Mine"\nextends = "baseline"\n')
    desk, chance = small_desk(monkeypatch, 3), Random(1)
    desk.step()
    things = [*ODD, *WORDS, "mine.toml", "./mine.toml", None, {"__class__": 1}]
    keys = ["scenario", "seed", "days", "switches.news", "news.scale", "banks.members", "state", "__class__", "", "a.b"]
    before = desk.run.model
    for _ in range(600):
        if chance.random() < 0.5:
            desk.set(chance.choice(keys), chance.choice(things))
        else:
            action = chance.choice(ACTIONS)
            names = [field.name for field in action.fields]
            values = {name: chance.choice(things) for name in names if chance.random() < 0.9}
            desk.act(chance.choice([action.name, "nothing", "../x"]), values)
    assert desk.run.model is before
    assert desk.setup.scenario in desk.scenarios
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
    desk.step()
    assert desk.run.model.day == 2


@pytest.mark.parametrize(
    "said",
    [
        None,
        3,
        [],
        "x",
        {},
        {"button": []},
        {"button": "speed", "value": {}},
        {"name": 1},
        {"name": "market"},
        {"name": "market", "value": []},
        {"button": "x", "values": 3},
    ],
)
def test_messages_of_no_form_are_ignored(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small_desk(monkeypatch, 3)
    desk.choose(said)
    desk.drawn(said)
    told: list[Any] = []
    form = Form(title="", fields=[], values={}, buttons=[], changed=lambda *x: told.append(x), pressed=desk.act)
    for tell in form.kwargs["_event_callbacks"].values():
        tell(said)
    assert not told
    assert desk.view.value == "files"
    desk.step()
    assert desk.run.model.day == 1
