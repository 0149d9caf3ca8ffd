"""Packaged estimates: a layer between a parameter's default and what states, scenarios and --set say."""

from pathlib import Path

import pytest

from abm.scenarios import fitted, load_scenario, scenario_from_resolved
from abm.scenarios.describe import scenario_tables
from abm.world.errors import InputError

KEY = "dealers.jgb30_depth_per_pct_usd_bn"
ENTRY = f'[[value]]\nparameter = "{KEY}"\nvalue = 1.75\nlow = 1.5\nhigh = 2.0\n'


@pytest.fixture
def one(tmp_path, monkeypatch):
    """One fitted value instead of the packaged ones."""
    return written(tmp_path, monkeypatch, ENTRY)


def written(tmp_path, monkeypatch, text) -> Path:
    path = tmp_path / "fitted.toml"
    path.write_text(text)
    monkeypatch.setattr(fitted, "FITTED", path)
    return path


def value(scenario):
    return scenario.params["dealers"].jgb30_depth_per_pct_usd_bn


def test_an_estimate_replaces_the_default_and_show_says_so(one):
    scenario = load_scenario("baseline")
    assert value(scenario) == 1.75
    rows = {row[0]: row for table in scenario_tables(scenario) for row in table.rows}
    assert rows[KEY][1] == "1.75"
    assert rows[KEY][3] == "fitted, see abm/calibration/fitted.toml"


def test_scenario_and_override_come_before_an_estimate(one):
    assert value(load_scenario("baseline", overrides={KEY: 3.0})) == 3.0


def test_a_state_comes_before_an_estimate(tmp_path, monkeypatch):
    written(tmp_path, monkeypatch, '[[value]]\nparameter = "carry_traders.crowding"\nvalue = 0.4\nlow = 0\nhigh = 1\n')
    assert load_scenario("carry_unwind_2024").params["carry_traders"].crowding == 1.0  # the state's own figure
    assert load_scenario("baseline", overrides={}).params["carry_traders"].crowding == 0.4


def test_a_kept_scenario_is_the_same_after_new_estimates(one, tmp_path, monkeypatch):
    before = load_scenario("baseline")
    written(tmp_path, monkeypatch, ENTRY.replace("1.75", "1.6"))
    assert scenario_from_resolved(before.resolved()).hash == before.hash
    assert load_scenario("baseline").hash != before.hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace("1.75", "7"), "value 1.value = 7, but it must be within its interval, 1.5 to 2"),
        (ENTRY.replace("low = 1.5\n", ""), "value 1 has no low"),
        (ENTRY.replace("low", "lo"), "unknown key in value 1 'lo'"),
        (ENTRY + ENTRY, "is fitted twice"),
        (ENTRY.replace("1.75", '"much"'), "numbers for low, value and high"),
        ("value = 3", "tables, each headed [[value]]"),
        (ENTRY.replace("dealers", "dealer"), "unknown sector in the key 'dealer.jgb30_depth"),
        (ENTRY.replace("1.75", "1e9").replace("2.0", "2e9"), f"{KEY} = 1000000000.0, but it must be a number"),
    ],
)
def test_faults_of_the_file_are_one_sentence(tmp_path, monkeypatch, text, message):
    written(tmp_path, monkeypatch, text)
    with pytest.raises(InputError) as error:
        load_scenario("baseline")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_packaged_file_holds_parameters_within_their_ranges():
    for key, number in fitted.fitted_values().items():
        scenario = load_scenario("baseline", overrides={})
        sector, name = key.split(".")
        assert getattr(scenario.news if sector == "news" else scenario.params[sector], name) == number
