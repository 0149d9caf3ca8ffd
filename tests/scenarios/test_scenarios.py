"""Scenarios: what the packaged ones hold, how files are merged and overridden, and that nothing is lost on the way."""

import dataclasses
import datetime as dt
import json
import pickle
import tomllib
from pathlib import Path

import pytest

from abm.scenarios import load_scenario, scenario_from_resolved, scenario_names
from abm.scenarios.files import PACKAGED_SCENARIOS
from abm.scenarios.schema import Scenario
from abm.world.events import EVENT_KINDS, Event

EXPECTED = {
    "baseline",
    "boj_hike_surprise",
    "carry_unwind_2024",
    "chaotic_exit",
    "controlled_transition",
    "fed_hike_surprise",
    "hung_parliament",
    "sanaenomics",
    "strong_mandate",
    "treasury_sale",
    "weak_mandate",
}
CHILD = """
[scenario]
name = "child"
title = "A child"
extends = "sanaenomics"
"""


@pytest.fixture(params=sorted(EXPECTED))
def packaged(request: pytest.FixtureRequest) -> Scenario:
    return load_scenario(request.param)


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def facts(events: tuple[Event, ...]) -> list[tuple[str, str]]:
    return [(event.kind, str(event.date)) for event in events]


# -- the packaged scenarios ------------------------------------------------------------------------------------------


def test_the_packaged_scenarios_are_those_promised() -> None:
    assert set(scenario_names()) == EXPECTED


def test_every_packaged_scenario_is_named_after_its_file_and_described(packaged: Scenario) -> None:
    assert (PACKAGED_SCENARIOS / f"{packaged.name}.toml").is_file()
    assert len(packaged.description) > 40
    assert packaged.dates[0] == packaged.state.date
    assert len(packaged.dates) == packaged.days + 1


def test_events_lie_in_the_run_in_order_on_their_dates(packaged: Scenario) -> None:
    days = [event.day for event in packaged.events]
    assert days == sorted(days)
    assert all(event.date == packaged.dates[event.day] for event in packaged.events)


def test_packaged_scenarios_schedule_decisions_and_news_but_no_outcome(packaged: Scenario) -> None:
    outcomes = {"auction_result", "flow", "risk_aversion", "margin_change", "asset_purchase", "rate_check"}
    assert outcomes < set(EVENT_KINDS)
    assert not outcomes & {event.kind for event in packaged.events}


def test_sanaenomics_is_announced_on_19_january_and_voted_on_after_8_february() -> None:
    scenario = load_scenario("sanaenomics")
    assert facts(scenario.events) == [
        ("fiscal_announcement", "2026-01-19"),
        ("tax_cut", "2026-01-19"),
        ("election", "2026-02-09"),
    ]
    assert scenario.events[0].amount_jpy_tn == 21.3
    assert scenario.meetings["BOJ"][:2] == (dt.date(2026, 1, 23), dt.date(2026, 3, 19))


@pytest.mark.parametrize(("name", "mandate"), [("strong_mandate", "strong"), ("hung_parliament", "hung")])
def test_mandates_differ_from_sanaenomics_in_nothing_but_the_election(name: str, mandate: str) -> None:
    ours, base = load_scenario(name), load_scenario("sanaenomics")
    assert ours.events[:2] == base.events[:2]
    assert ours.events[2] == base.events[2].model_copy(update={"mandate": mandate})
    assert (ours.params, ours.switches, ours.dates) == (base.params, base.switches, base.dates)


def test_the_two_surprises_differ_in_bank_and_size_only() -> None:
    tokyo, washington = (load_scenario(f"{bank}_hike_surprise").events[0] for bank in ("boj", "fed"))
    assert (tokyo.change_bp, washington.change_bp) == (25, 100)
    assert washington.model_copy(update={"bank": "BOJ", "change_bp": 25.0}) == tokyo


def test_transition_and_exit_add_up_to_the_same() -> None:
    totals = []
    for name in ("controlled_transition", "chaotic_exit"):
        scenario = load_scenario(name)
        rate = sum(e.change_bp for e in scenario.events if e.kind == "policy_rate")
        taper = sum(e.change_jpy_tn_per_month for e in scenario.events if e.kind == "purchase_taper")
        totals.append((rate, pytest.approx(taper)))
        assert not scenario.switches["boj_policy_rule"]
    assert totals[0] == totals[1] == (100, pytest.approx(-0.8))


def test_a_decision_that_is_scheduled_replaces_the_meeting_of_that_day() -> None:
    day = dt.date(2026, 1, 23)
    assert day in load_scenario("fed_hike_surprise").meetings["BOJ"]
    assert day not in load_scenario("boj_hike_surprise").meetings["BOJ"]
    assert load_scenario("carry_unwind_2024").meetings["FED"][0] == dt.date(2024, 9, 18)
    assert load_scenario("carry_unwind_2024").meetings["BOJ"][0] == dt.date(2024, 9, 20)


# -- nothing is lost -------------------------------------------------------------------------------------------------


def test_resolved_is_json_and_gives_the_same_scenario(packaged: Scenario) -> None:
    text = json.dumps(packaged.resolved())
    again = scenario_from_resolved(json.loads(text))
    assert again.hash == packaged.hash
    assert (again.params, again.events, again.dates) == (packaged.params, packaged.events, packaged.dates)
    assert again.state.figures == packaged.state.figures


def test_toml_gives_the_same_scenario(packaged: Scenario, tmp_path: Path) -> None:
    path = write(tmp_path, packaged.to_toml())
    assert load_scenario(path).hash == packaged.hash


NEEDED = {  # fields without a default, by kind
    "fiscal_announcement": "amount_jpy_tn = 1.5",
    "tax_cut": "amount_jpy_tn_per_year = 2",
    "policy_meeting": "bank = 'ECB'",
    "policy_rate": "bank = 'FED'\nchange_bp = -25",
    "policy_guidance": "bank = 'BOJ'\nterminal_change_bp = 10",
    "asset_purchase": "amount_jpy_tn = 0.5",
    "purchase_taper": "change_jpy_tn_per_month = -0.2",
    "fx_intervention": "amount_jpy_tn = 3",
    "treasury_sale": "amount_usd_bn = 100",
    "issuance_change": "market = 'JGB40'\nchange_jpy_tn_per_month = -0.1",
    "auction_result": "market = 'JGB20'\nstrength_sd = -2",
    "data_surprise": "country = 'US'\nterminal_change_bp = -25",
    "risk_aversion": "change_sd = 2",
    "margin_change": "sector = 'crypto_longs'\nfactor = 2",
    "flow": "market = 'EURUSD'\namount_usd_bn = -5",
}


@pytest.mark.parametrize("kind", sorted(EVENT_KINDS))
def test_every_kind_of_event_can_be_scheduled_and_written_back(kind: str, tmp_path: Path) -> None:
    text = f"{CHILD}replace_events = true\n[[event]]\nday = 4\nkind = '{kind}'\n{NEEDED.get(kind, '')}\n"
    scenario = load_scenario(write(tmp_path, text))
    again = load_scenario(write(tmp_path, scenario.to_toml()))
    assert again.events == scenario.events
    assert [(event.kind, event.day) for event in again.events] == [(kind, 4)]


def test_overrides_and_shortening_survive_the_round_trip(tmp_path: Path) -> None:
    overrides = {"life_insurers.members": 7, "switches.margin_calls": False, "news.scale": 0.5}
    scenario = load_scenario("sanaenomics", overrides, days=10)
    again = load_scenario(write(tmp_path, scenario.to_toml()))
    assert again.hash == scenario.hash
    assert (again.days, again.news.scale, again.switches["margin_calls"]) == (10, 0.5, False)


def test_the_hash_changes_with_everything_that_defines_the_run() -> None:
    variants = [
        load_scenario("sanaenomics"),
        load_scenario("strong_mandate"),
        load_scenario("sanaenomics", days=59),
        load_scenario("sanaenomics", {"life_insurers.members": 7}),
        load_scenario("sanaenomics", {"switches.news": False}),
    ]
    assert len({scenario.hash for scenario in variants}) == len(variants)
    assert load_scenario("sanaenomics", {"scenario.days": 59}).hash == variants[2].hash


def test_a_scenario_can_be_sent_to_another_process(packaged: Scenario) -> None:
    assert pickle.loads(pickle.dumps(packaged)).hash == packaged.hash


def test_a_scenario_cannot_be_changed() -> None:
    scenario = load_scenario("baseline")
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenario.days = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        scenario.state.levels[0] = 9.0


# -- merging and overriding ------------------------------------------------------------------------------------------


def test_a_child_inherits_keys_settings_and_events(tmp_path: Path) -> None:
    child = """
days = 40
[set]
"life_insurers.members" = 9
[[event]]
day = 3
kind = "rate_check"
"""
    scenario = load_scenario(write(tmp_path, CHILD + child))
    assert (scenario.name, scenario.days, scenario.state.name) == ("child", 40, "2026-01-13")
    assert scenario.params["life_insurers"].members == 9
    assert facts(scenario.events)[0] == ("rate_check", "2026-01-16")
    assert len(scenario.events) == 4
    assert scenario.description == ""


def test_replace_events_drops_the_inherited_ones_but_keeps_the_settings(tmp_path: Path) -> None:
    write(tmp_path, CHILD + '[set]\n"life_insurers.members" = 9\n', "parent.toml")
    grandchild = CHILD.replace("sanaenomics", "parent.toml").replace("child", "grandchild") + "replace_events = true\n"
    scenario = load_scenario(write(tmp_path, grandchild))
    assert scenario.events == ()
    assert scenario.params["life_insurers"].members == 9


def test_overrides_beat_the_file_and_the_file_beats_its_parent(tmp_path: Path) -> None:
    write(tmp_path, CHILD + '[set]\n"life_insurers.members" = 9\n"banks.members" = 80\n', "parent.toml")
    child = CHILD.replace("sanaenomics", "parent.toml") + '[set]\n"life_insurers.members" = 7\n"banks.members" = 60\n'
    scenario = load_scenario(write(tmp_path, child), {"banks.members": 50})
    assert (scenario.params["life_insurers"].members, scenario.params["banks"].members) == (7, 50)
    assert scenario.origins["banks.members"] == "--set"


def test_settings_may_be_written_as_tables(tmp_path: Path) -> None:
    quoted = load_scenario(write(tmp_path, CHILD + '[set]\n"banks.members" = 60\n"switches.news" = false\n'))
    tables = load_scenario(write(tmp_path, CHILD + "[set]\nbanks.members = 60\n[set.switches]\nnews = false\n"))
    assert quoted.hash == tables.hash


def test_a_shortened_run_leaves_out_what_comes_later() -> None:
    assert facts(load_scenario("sanaenomics", days=5).events)[-1] == ("tax_cut", "2026-01-19")
    assert load_scenario("sanaenomics", days=3).events == ()
    assert len(load_scenario("sanaenomics", days=500).dates) == 501


def test_an_event_may_be_given_by_day(tmp_path: Path) -> None:
    by_day = CHILD + "replace_events = true\n[[event]]\nday = 4\nkind = 'rate_check'\n"
    by_date = by_day.replace("day = 4", "date = 2026-01-19")
    assert load_scenario(write(tmp_path, by_day)).hash == load_scenario(write(tmp_path, by_date)).hash


def test_another_opening_state_moves_the_start(tmp_path: Path) -> None:
    scenario = load_scenario("baseline", state="2024-07-10", days=2)
    assert [str(date) for date in scenario.dates] == ["2024-07-10", "2024-07-11", "2024-07-12"]
    child = CHILD.replace("sanaenomics", "baseline") + 'state = "2024-07-10"\n'
    assert load_scenario(write(tmp_path, child)).start == dt.date(2024, 7, 10)


def test_a_user_may_bring_an_opening_state_of_his_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
[state]
name = "dear"
title = "Ten-year Treasuries at 4.9 %"
date = 2026-01-13
extends = "2026-01-13"
[levels]
UST10 = {value = 4.9, unit = "%", source = "what if", conf = "L"}
""",
        "dear.toml",
    )
    scenario = load_scenario(write(tmp_path, CHILD + 'state = "dear.toml"\n'))
    base = load_scenario("sanaenomics")
    assert scenario.state.levels[6] == 4.9
    assert scenario.state.outstanding_usd_bn[6] < base.state.outstanding_usd_bn[6]
    assert scenario.state.outstanding_usd_bn[7] == base.state.outstanding_usd_bn[7]
    assert load_scenario(write(tmp_path, scenario.to_toml())).hash == scenario.hash


def test_a_scenario_may_hold_its_opening_state(tmp_path: Path) -> None:
    held = """
[state]
name = "dear"
title = "Ten-year Treasuries at 4.9 %"
date = 2026-01-13
extends = "2026-01-13"
[state.levels]
UST10 = {value = 4.9, unit = "%", source = "what if", conf = "L"}
"""
    scenario = load_scenario(write(tmp_path, CHILD + held))
    assert (scenario.state.name, scenario.state.levels[6], scenario.days) == ("dear", 4.9, 60)


def test_the_written_file_says_every_parameter_and_switch(packaged: Scenario) -> None:
    said = tomllib.loads(packaged.to_toml())["set"]
    for sector, params in packaged.params.items():
        assert {f"{sector}.{name}" for name in type(params).model_fields} <= set(said)
    assert all(f"switches.{name}" in said for name in packaged.switches)
