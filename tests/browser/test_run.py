"""Behind the page, without a browser: runs, live actions, forks, and what is shown of them."""

import copy
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from abm import MarketModel, load_scenario
from abm.browser import levers, theme
from abm.browser.desk import changed
from abm.browser.institutions import balance_sheet, equity_at_call, members
from abm.browser.options import a_day, kept, summed, together
from abm.browser.panels import flows, institutions, overview, whatif, who
from abm.browser.run import Broken, Run, Setup
from abm.browser.whatif import WhatIf, last_fork
from abm.browser.words import told
from abm.world import auction
from abm.world.errors import InputError, MarketFailure
from abm.world.events import EVENT_KINDS, AssetPurchase, PolicyMeeting, PolicyRate
from abm.world.instruments import BANK_IDS, IDS


@pytest.fixture(scope="module")
def run() -> Run:
    """Twelve days with an action before the fourth."""
    run = Run(Setup("sanaenomics", seed=3, days=30))
    for day in range(12):
        if day == 3:
            run.schedule(levers.action_event("purchase", levers.BY_NAME["purchase"].defaults))
        run.step()
    return run


# -- live actions and the scenario they become -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [action.name for action in levers.ACTIONS])
def test_every_action_happens_on_the_next_day_and_its_scenario_gives_the_same_prices(name: str, tmp_path: Path) -> None:
    live = MarketModel(load_scenario("sanaenomics", days=12), rng=5)
    live.run_for(7)  # the Bank of Japan meets on day 8
    live.schedule(levers.action_event(name, levers.BY_NAME[name].defaults))
    live.run_for(5)
    file = tmp_path / "session.toml"
    file.write_text(live.plan.to_toml())
    again = MarketModel(load_scenario(file), rng=5)
    again.run_for(12)
    assert np.array_equal(live.daily["price.JGB30"], again.daily["price.JGB30"])
    assert live.daily.equals(again.daily)
    assert live.events.equals(again.events)
    kind = levers.BY_NAME[name].event(levers.BY_NAME[name].defaults).kind
    assert ((live.events["day"] == 8) & (live.events["kind"] == kind)).any()


def test_an_action_changes_prices_from_the_next_day_on_and_not_before() -> None:
    plain, acted = (MarketModel(load_scenario("baseline", days=6), rng=2) for _ in range(2))
    plain.run_for(3)
    acted.run_for(3)
    acted.schedule(AssetPurchase(market="JGB30", amount_jpy_tn=2.0))
    assert np.array_equal(plain.log_price, acted.log_price)
    plain.run_for(1)
    acted.run_for(1)
    bond = IDS.index("JGB30")
    assert acted.log_price[bond] > plain.log_price[bond]


def test_what_cannot_be_scheduled_is_refused() -> None:
    model = MarketModel(load_scenario("baseline", days=2), rng=2)
    event = AssetPurchase(amount_jpy_tn=1.0)
    model.schedule(event)
    with pytest.raises(InputError, match="is there already with the same values"):
        model.schedule(event)
    with pytest.raises(InputError, match="meetings are known in advance"):
        model.schedule(PolicyMeeting(bank="BOJ"))
    model.run_for(2)
    with pytest.raises(InputError, match="from 1 to 2, the last day"):
        model.schedule(event)


def test_a_rate_ordered_for_a_meeting_replaces_its_decision_but_is_not_foreseen() -> None:
    scenario = load_scenario("sanaenomics", days=12)
    ordered = scenario.with_event(PolicyRate(bank="BOJ", change_bp=25), 8)
    assert ordered.meetings == scenario.meetings
    model = MarketModel(ordered, rng=5)
    model.run_for(8)
    decided = model.events[model.events["kind"].isin(["policy_rate", "policy_guidance"])]
    assert decided["cause"].tolist() == ["scenario"]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("no such", {}, "unknown action"),
        ("hike", {}, "Change = None, but it must be a number from -100 to 200 bp"),
        ("hike", {"change_bp": 1e9}, "Change = 1000000000.0"),
        ("hike", {"change_bp": float("nan")}, "Change = nan"),
        ("hike", {"change_bp": True}, "Change = True"),
        ("purchase", {"amount_jpy_tn": 1.0, "market": "BTC"}, "unknown Bond"),
    ],
)
def test_what_the_browser_sends_is_checked(name: str, values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        levers.action_event(name, values)


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", -1), ("seed", "7"), ("seed", 1.5), ("days", 0), ("days", 5000), ("dealers.capacity_scale", 1e9),
     ("dealers.members", 200_000), ("switches.no_such", True), ("news.scale", "wide"), (7, 7)],
)  # fmt: skip
def test_settings_are_checked(key: str, value: object) -> None:
    with pytest.raises(InputError):
        changed(Setup("baseline"), key, value).load()


def test_settings_reach_the_scenario() -> None:
    setup = changed(changed(Setup("baseline"), "news.scale", 2), "switches.repatriation", False)
    scenario = changed(setup, "seed", 9.0).load()
    assert scenario.news.scale == 2.0 and not scenario.switches["repatriation"]


def test_every_slider_has_unit_range_and_meaning() -> None:
    scenario = load_scenario("sanaenomics")
    for field in levers.slider_fields(scenario):
        assert field["unit"] and field["about"] and field["lo"] < field["hi"], field
        assert field["lo"] <= levers.parameter(scenario, field["name"]) <= field["hi"]
        for edge in ("lo", "hi"):
            changed(Setup("sanaenomics"), field["name"], field[edge]).load()


# -- failing and forking -----------------------------------------------------------------------------------------------


def test_a_failing_day_is_named_and_the_days_before_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(Setup("baseline", seed=4, days=5))
    run.step()
    break_off(monkeypatch)
    for _ in range(2):
        with pytest.raises(Broken, match="Day 2, seed 4: MarketFailure: no price"):
            run.step()
    assert run.ended and run.snapshot().day == 1 and run.snapshot().ended
    assert run.over == "The run broke off on day 2; press Reset."
    assert list(run.back()) == []  # it fails even while it opens
    assert overview.frame(run.snapshot(), 1)["charts"]


def break_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no day can be cleared."""

    def fail(*_: object, **__: object) -> None:
        raise MarketFailure("no price")

    monkeypatch.setattr(auction, "clear", fail)


def test_after_a_failing_day_the_model_goes_back_to_the_last_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown of institutions is of the day before, live actions included, and adds up to the recorded equity."""
    run = Run(Setup("sanaenomics", seed=4, days=9))
    run.step()
    run.schedule(levers.action_event("purchase", levers.BY_NAME["purchase"].defaults))
    run.step()
    sectors = ("banks", "carry_traders", "government")
    before = {name: (members(run.model, name), balance_sheet(run.model, name, 0)) for name in sectors}
    with monkeypatch.context() as broken:
        break_off(broken)
        with pytest.raises(Broken):
            run.step()
    assert len(list(run.back())) == 2
    for name, (found, sheet) in before.items():
        now = members(run.model, name)
        assert np.array_equal(now.size, found.size) and np.array_equal(now.equity, found.equity)
        assert balance_sheet(run.model, name, 0) == sheet
    assert run.model.day == run.tape.day == 2 and run.ended
    assert run.fork(2).day == 2


@pytest.mark.parametrize("day", [0, 2, 12])
def test_a_fork_goes_on_like_the_run(run: Run, day: int) -> None:
    fork = run.fork(day)
    for _ in range(day - fork.day):
        fork.run_for(1)
    assert fork.day == day
    assert np.array_equal(fork.recorder.records()[-1].log_price, run.model.recorder.records()[day].log_price)
    twin = copy.deepcopy(fork)
    fork.run_for(1)
    twin.run_for(1)
    assert np.array_equal(fork.log_price, twin.log_price)
    assert run.tape.day == 12 and len(run.model.recorder) == 13


def test_what_if_differs_from_the_day_of_the_action_only(run: Run) -> None:
    compared = WhatIf()
    event = levers.action_event("hike", {"change_bp": 50.0})
    for _ in compared.days(run, 5, 4, [event], "a rise"):
        pass
    assert compared.plain is not None and compared.acted is not None and compared.progress == 1.0
    assert compared.plain.day == compared.acted.day == 9
    gap = whatif.gap(compared.plain, compared.acted, "JGB2")
    assert not gap[:6].any() and gap[6] > 1.0
    same = slice(0, 10)
    assert np.array_equal(compared.plain.level("JGB2"), run.snapshot().level("JGB2")[same])
    with pytest.raises(InputError, match="day of the fork = 13"):
        next(compared.days(run, 13, 4, [event], ""))
    with pytest.raises(InputError, match=r"day of the fork = 1.5, but it must be a whole number from 0 to 12"):
        next(compared.days(run, 1.5, 4, [event], ""))


def test_at_its_end_a_run_is_forked_before_its_last_day() -> None:
    run = Run(Setup("baseline", seed=4, days=2))
    for _ in range(2):
        run.step()
    assert run.over == "The run has ended; press Reset."
    compared, event = WhatIf(), levers.action_event("check", {})
    with pytest.raises(InputError, match="day of the fork = 2, but it must be a whole number from 0 to 1"):
        next(compared.days(run, 2, 4, [event], ""))
    for _ in compared.days(run, last_fork(run.tape.day, 2), 4, [event], ""):
        pass
    assert compared.plain is not None and compared.plain.day == 2


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_the_picture_is_what_the_run_recorded(run: Run) -> None:
    snapshot, daily = run.snapshot(), run.model.daily
    assert np.array_equal(snapshot.level("JGB30"), daily["yield_pct.JGB30"])
    assert np.array_equal(snapshot.level("USDJPY"), daily["fx.USDJPY"])
    assert np.array_equal(snapshot.columns["stress"], daily["stress_index"])
    assert np.array_equal(snapshot.of_sector("leverage", "carry_traders"), daily["leverage.carry_traders"])
    assert len(snapshot.events) == len(run.model.events)
    with pytest.raises(ValueError, match="read-only"):
        snapshot.columns["level"][0, 0] = 1.0


def test_pictures_are_plain_json_and_name_known_colours(run: Run) -> None:
    found = members(run.model, "crypto_longs")
    charts = overview.frame(run.snapshot(), 1)["charts"] | {
        "who": who.chart(who.so_far(run.model.recorder, "JGB40"), "day"),
        "flows": flows.sankey(run.model.recorder.flows_between(1, 9).sum(axis=1), run.snapshot().sectors, flows.GROUPS),
        "scatter": institutions.scatter(found, 0),
    }
    text = json.dumps([charts, overview.headline(run.snapshot())], allow_nan=False)
    names = {part.split('"')[0] for part in text.split('"@')[1:]} - {"dates"}
    assert names and names <= set(theme.PALETTES["light"])
    assert set(theme.PALETTES["light"]) == set(theme.PALETTES["dark"])


def test_the_log_says_it_in_words(run: Run) -> None:
    texts = {(e.day, e.who): e.text for e in run.snapshot().events}
    assert texts[4, "You"] == "BoJ buys ¥0.5 tn of JGB30"
    assert "Stimulus of ¥21.3 tn, unfunded" in [e.text for e in run.snapshot().events]


def test_the_log_leaves_out_what_is_trivial_and_says_so_but_never_the_shock(run: Run) -> None:
    snapshot = run.snapshot()
    loss = "17 accounts fail; losses: {} USD bn by insurance_fund"
    small, large = (told(9, None, "insurance_fund", "crypto_longs", loss.format(x), {}) for x in ("1.2e-06", "0.0079"))
    assert (small.tone, large.tone) == ("trivial", "quiet")
    assert large.text == "17 accounts fail; the insurance fund bears $7.9 m"
    lines = overview.log(replace(snapshot, events=(*snapshot.events, *[small, large] * 90)))
    assert "$0.0012 m" not in " ".join(line["text"] for line in lines)
    assert "Stimulus of ¥21.3 tn, unfunded" in [line["text"] for line in lines]
    assert "BoJ buys ¥0.5 tn of JGB30" in [line["text"] for line in lines]
    hidden = len(snapshot.events) + 180 - (len(lines) - 1)
    assert lines[-1]["text"].startswith(f"{hidden} more, older or of little weight")
    assert len({line["key"] for line in lines}) == len(lines) < 75
    assert len(overview.log(replace(snapshot, events=(large,)))) == 1


@pytest.mark.parametrize("bank", BANK_IDS)
def test_the_log_knows_every_central_bank(bank: str) -> None:
    model = MarketModel(load_scenario("baseline", days=2).with_event(PolicyRate(bank=bank, change_bp=-25), 1), rng=1)
    model.run_for(1)
    ((day, date, kind, cause, text, details),) = [row for row in model.recorder.told() if row[2] == "policy_rate"]
    told_of = json.loads(details)
    assert told(day, date, kind, cause, text, told_of).text.endswith("lowers its rate by 25 bp")
    assert told(day, date, kind, cause, text, {**told_of, "change_bp": 0.0}).text.endswith("leaves its rate unchanged")
    before, after = model.daily[f"policy_rate_pct.{bank}"]
    assert after == pytest.approx(before - 0.25)


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_kind_of_event_has_words(kind: str) -> None:
    model = EVENT_KINDS[kind]
    examples = {"mandate": "weak", "bank": "BOJ", "country": "US", "sector": "carry_traders"}
    examples["market"] = "UST10" if kind == "treasury_sale" else "JGB30"
    given = [name for name in model.model_fields if name in examples or _required(model, name)]
    needed = {name: examples.get(name, 1.0) for name in given}
    event = model(**needed)
    words = told(1, None, kind, "scenario", "", event.model_dump(mode="json")).text
    assert words and "{" not in words and "_" not in words


def _required(model: type, name: str) -> bool:
    return bool(model.model_fields[name].is_required())


@pytest.mark.parametrize("days", [1, 2, 61, 319, 320])
def test_every_day_of_a_short_run_is_drawn(days: int) -> None:
    assert kept(days).tolist() == list(range(days)) and a_day(days) == "a day"
    assert summed(np.arange(days)).tolist() == list(range(days))


def test_of_a_long_run_the_same_days_are_drawn_from_picture_to_picture(run: Run) -> None:
    """Bars are sums of the days since the bar before, complete ones never change, and no operation loses its mark."""
    calls = np.random.default_rng(1).exponential(size=1000)
    for days in range(321, 1000):
        at, now = kept(days), summed(calls[:days])
        assert at[0] == 0 and at[-1] == days - 1 and at.size <= 320
        assert now.sum() == pytest.approx(calls[:days].sum())
        if together(days) == together(days + 1):
            assert np.array_equal(at[:-1], kept(days + 1)[: at.size - 1])
            assert np.array_equal(now[:-1], summed(calls[: days + 1])[: at.size - 1])
    snapshot = run.snapshot()
    for days in (700, 701, 702):
        columns = {name: np.resize(values, (days, *values.shape[1:])) for name, values in snapshot.columns.items()}
        columns["intervention_jpy_tn"] = np.zeros(days)
        columns["intervention_jpy_tn"][[200, 401, 602]] = 1.0, -1.0, 2.0
        charts = overview.frame(replace(snapshot, day=days - 1, columns=columns), 1)["charts"]
        marks = charts["yen"]["series"][2]["data"]
        assert sum(mark is not None for mark in marks) == 3
        assert charts["margin"]["yAxis"][0]["name"] == "USD bn in 3 days"


def test_who_moved_the_market_stays_in_its_place_from_day_to_day(run: Run) -> None:
    whole = who.so_far(run.model.recorder, "JGB40")
    pictures = [who.chart(replace(whole, parts=whole.parts[:, :days]), "sum")["series"] for days in range(2, 14)]
    for before, now in pairwise(pictures):
        assert [s.get("id") for s in before] == [s.get("id") for s in now]
        places, places_before = ({s["name"]: (i, s["itemStyle"]) for i, s in enumerate(of)} for of in (now, before))
        stay = places.keys() & places_before.keys()
        assert {name for name in stay if places[name] != places_before[name]} == set()
    reached = np.abs(whole.parts).max(axis=1)
    shown = who.places(whole.parts)
    assert len(shown) == who.MOST_SHOWN and reached.argmax() in shown
    assert np.delete(reached, shown).max() <= who.OUSTING * reached[shown].min()


def test_places_are_given_up_only_to_what_is_clearly_larger() -> None:
    sizes = np.array([[8.0, 7, 6, 5, 4, 3, 2, 1, 0]]).T
    grows = np.hstack([0 * sizes, sizes, sizes])
    for last, place in ((1.4, [0, 1, 2, 3, 4, 5, 6, 7]), (1.6, [0, 1, 2, 3, 4, 5, 6, 8])):
        grows[8, 2] = last
        assert who.places(grows) == place


@pytest.mark.parametrize("market", ["JGB40", "USDJPY", "BTC"])
def test_parts_of_a_market_add_up_to_its_move(run: Run, market: str) -> None:
    parts = who.so_far(run.model.recorder, market)
    table = run.model.attribution
    mine = table[table["market"] == market][["bp", "pct"]].sum().sum()
    assert parts.total[-1] == pytest.approx(mine, abs=1e-9)


def test_the_flow_map_shows_who_bought_what_from_whom(run: Run) -> None:
    net = run.model.recorder.flows_between(3, 9).sum(axis=1)
    table = run.model.flows.query("3 <= day <= 9")
    usd_bn = table[(table["sector"] == "banks") & (table["market"] == "JGB10")]["usd_bn"].sum()
    assert net[list(run.model.sectors).index("banks"), IDS.index("JGB10")] == pytest.approx(usd_bn, abs=1e-9)
    links = flows.sankey(net, run.snapshot().sectors, flows.markets_of("all"))["series"][0]["links"]
    into = sum(link["value"] for link in links if link["target"] == "in|JGB10")
    out = sum(link["value"] for link in links if link["source"] == "in|JGB10")
    assert into == pytest.approx(out, rel=0.25)  # thin links are left out


def test_members_below_the_distance_shown_are_called() -> None:
    model = MarketModel(load_scenario("sanaenomics", days=5), rng=3)
    model.run_for(3)
    for sector in ("carry_traders", "crypto_longs", "jgb_fast_money"):
        found = members(model, sector)
        at = equity_at_call(model, sector, found.size)
        owner, screen = model.sectors[sector], model.screen()
        initial = owner.initial_margin(screen)
        some = at > 1e-9
        assert some.any(), sector
        assert (owner.maintenance_shortfall(screen, initial, 0.999 * at)[some] > 0.0).all()
        assert not (owner.maintenance_shortfall(screen, initial, 1.001 * at)[some] > 0.0).any()
    assert np.isnan(members(model, "life_insurers").call_distance_pct).all()


def test_a_balance_sheet_adds_up_to_equity(run: Run) -> None:
    rows = balance_sheet(run.model, "banks", 0)
    owned = sum(value for side, _, value in rows if side != "contract")
    assert owned == pytest.approx(run.model.sectors["banks"][0].equity, rel=1e-6)


def test_history_of_a_member(run: Run) -> None:
    first, equity = run.members.of("banks", 4)
    assert first == 0 and equity.size == 13
    assert equity[-1] == pytest.approx(run.model.sectors["banks"][4].equity, rel=1e-6)
