"""Sweep files: what they may say, and what is said about those that are wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from abm import load_scenario
from abm.scenarios.vary import varied, varied_names
from abm.study.sweep.design import UNIT
from abm.study.sweep.distributions import DISTRIBUTIONS
from abm.world.errors import InputError
from tests.study.sweep.small import AMOUNT, SMALL_WORLD, SWITCH, UNIFORM, small_plan

THREE = [AMOUNT, UNIFORM, SWITCH]


def test_a_varied_scenario_is_the_one_that_set_gives() -> None:
    settings = {"dealers.capacity_scale": 2, "switches.repatriation": False, "news.scale": 0.5}
    known = {k: v for k, v in settings.items() if k in varied_names(load_scenario("sanaenomics"))}
    assert len(known) >= 2
    varied_base = varied(load_scenario("sanaenomics"), known)
    assert varied_base.resolved() == load_scenario("sanaenomics", overrides=known).resolved()


def test_events_are_varied_by_kind_number_and_day() -> None:
    base = load_scenario("controlled_transition")
    changed = varied(base, {"event.policy_rate[2].change_bp": 40, "event.policy_rate[2].day": 20})
    rates = [e for e in changed.events if e.kind == "policy_rate"]
    assert [e.day for e in rates] == sorted(e.day for e in rates)
    assert [(e.day, e.date) for e in rates if e.change_bp == 40] == [(20, base.dates[20])]


def test_every_varied_name_is_found() -> None:
    plan_names = varied_names(load_scenario("sanaenomics"))
    assert len(plan_names) == len(set(plan_names))
    assert {"dealers.capacity_scale", "switches.repatriation"} <= set(plan_names)
    assert "event.fiscal_announcement.amount_jpy_tn" in plan_names


@pytest.mark.parametrize(
    ("design", "points"),
    [
        ({"kind": "random", "points": 7}, 7),
        ({"kind": "latin_hypercube", "points": 7}, 7),
        ({"kind": "sobol", "base_points": 4}, 4 * 8),
        ({"kind": "sobol", "base_points": 4, "second_order": False}, 4 * 5),
        ({"kind": "morris", "trajectories": 3}, 3 * 4),
    ],
)
def test_designs_have_their_points_and_repeat(design: dict[str, Any], points: int) -> None:
    one, two = (small_plan(design=design, parameter=THREE) for _ in range(2))
    assert one.points.num_rows == points
    assert one.runs == 2 * points
    assert one.points.equals(two.points)
    other = small_plan(design={**design, "seed": 0}, parameter=THREE)
    again = small_plan(design={**design, "seed": 0}, parameter=THREE)
    assert other.points.equals(again.points)
    assert not other.points.equals(one.points)


def test_a_latin_hypercube_fills_every_slice() -> None:
    unit = small_plan(design={"kind": "latin_hypercube", "points": 9}).points.column(UNIT + UNIFORM["name"])
    assert sorted(np.floor(np.asarray(unit) * 9).astype(int)) == list(range(9))


def test_a_grid_has_every_combination() -> None:
    parameters = [{**UNIFORM, "steps": 3}, SWITCH]
    plan = small_plan(design={"kind": "grid"}, parameter=parameters)
    found = [tuple(plan.values(i).values()) for i in range(plan.points.num_rows)]
    assert found == [(x, on) for x in (0.5, 1.25, 2.0) for on in (True, False)]


def test_a_table_of_points(tmp_path: Path) -> None:
    frame = pd.DataFrame({"dealers.capacity_scale": [1, 2], "switches.repatriation": [True, False]})
    frame.to_csv(tmp_path / "points.csv", index=False)
    frame.to_parquet(tmp_path / "points.parquet")
    for name in ("points.csv", "points.parquet"):
        plan = small_plan(tmp_path, design={"kind": "table", "file": name}, parameter=[])
        assert [plan.values(i) for i in range(2)] == frame.to_dict("records")


def test_linked_parameters_follow() -> None:
    links = [
        {"name": "arbitrageurs.capacity_scale", "follows": UNIFORM["name"], "scale": 2.0, "offset": 0.5},
    ]
    plan = small_plan(link=links)
    for point in range(plan.points.num_rows):
        settings = plan.settings(point)
        assert settings["arbitrageurs.capacity_scale"] == pytest.approx(2 * settings[UNIFORM["name"]] + 0.5)


@pytest.mark.parametrize(
    ("table", "quantiles", "values"),
    [
        ({"distribution": "uniform", "low": 2, "high": 4}, [0, 0.5, 1], [2, 3, 4]),
        ({"distribution": "loguniform", "low": 1, "high": 100}, [0, 0.5, 1], [1, 10, 100]),
        ({"distribution": "normal", "mean": 5, "sd": 2}, [0.5, 0.841344746], [5, 7]),
        ({"distribution": "triangular", "low": 0, "mode": 1, "high": 2}, [0, 0.125, 0.5, 1], [0, 0.5, 1, 2]),
        ({"distribution": "integer", "low": 1, "high": 3}, [0, 0.34, 0.99, 1], [1, 2, 3, 3]),
        ({"distribution": "categorical", "values": ["a", "b"]}, [0, 0.49, 0.5, 1], ["a", "a", "b", "b"]),
    ],
)
def test_distributions_at_known_quantiles(table: dict[str, Any], quantiles: list[float], values: list[Any]) -> None:
    factor = DISTRIBUTIONS[table["distribution"]].model_validate({"name": "x", **table})
    found = factor.values_at(np.array(quantiles, dtype=float)).tolist()
    assert found == (values if isinstance(values[0], str) else pytest.approx(values, rel=1e-6))


def test_seeds_are_common_or_independent() -> None:
    common, alone = small_plan(first_seed=10), small_plan(first_seed=10, pairing="independent")
    assert [common.seed(r) for r in range(6)] == [10, 11] * 3
    assert [alone.seed(r) for r in range(6)] == list(range(10, 16))
    assert common.described()["pairing"] == "common"
    assert common.hash != alone.hash


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measures": ["peak_change_bp.JGB4"]}, "nearest is 'peak_change_bp.JGB40'"),
        ({"scenario": "sanaenomic"}, "nearest is 'sanaenomics'"),
        ({"seeds": 0}, "sweep.seeds = 0, but it must be a whole number from 1"),
        ({"pairing": "same"}, "one of common, independent"),
        ({"design": {"kind": "sobl"}}, "nearest is 'sobol'"),
        ({"design": {"kind": "sobol", "base_points": 6}}, "a power of two, for instance 4 or 8"),
        ({"design": {"kind": "morris", "trajectories": 3, "levels": 3}}, "an even number"),
        ({"design": {"kind": "random"}}, "design.points (number of points) is missing"),
        ({"design": {"kind": "grid"}}, "has no steps"),
        ({"design": {"kind": "table", "file": "no.csv"}, "parameter": []}, "no.csv: cannot be read"),
        ({"parameter": []}, "must be given as [[parameter]]"),
        ({"parameter": [{**UNIFORM, "name": "dealers.capacity_scal"}]}, "nearest is 'capacity_scale'"),
        ({"parameter": [{**UNIFORM, "name": "dealer.capacity_scale"}]}, "nearest is 'dealers'"),
        ({"parameter": [{**UNIFORM, "name": "event.fiscal_announcment.years"}]}, "nearest is 'fiscal_announcement'"),
        ({"parameter": [{**UNIFORM, "name": "event.policy_rate.change_bp"}]}, "has no event of kind policy_rate"),
        ({"parameter": [{**UNIFORM, "high": 200.0}]}, "dealers.capacity_scale = 200.0, but it must be a number"),
        ({"parameter": [{**UNIFORM, "low": 3.0}]}, "low = 3 must be below high = 2"),
        ({"parameter": [{**UNIFORM, "name": "banks.members"}]}, "a whole number"),
        ({"parameter": [{**UNIFORM, "distribution": "unifrom"}]}, "nearest is 'uniform'"),
        ({"parameter": [UNIFORM, UNIFORM]}, "is given twice"),
        ({"parameter": [{**SWITCH, "values": [True, 2]}]}, "values mix kinds"),
        ({"parameter": [{**SWITCH, "name": "switches.repatriaton"}]}, "nearest is 'repatriation'"),
        ({"link": [{"name": "arbitrageurs.capacity_scale", "follows": "x"}]}, "link 1.follows = 'x'"),
        ({"link": [{"name": UNIFORM["name"], "follows": UNIFORM["name"]}]}, "is given twice"),
        (
            {"link": [{"name": "arbitrageurs.capacity_scale", "follows": UNIFORM["name"], "scale": 90.0}]},
            "arbitrageurs.capacity_scale",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        small_plan(**changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unbounded_distribution_on_its_ends_is_refused() -> None:
    normal = {"name": UNIFORM["name"], "distribution": "normal", "mean": 1.0, "sd": 0.1}
    with pytest.raises(InputError, match="give low and high"):
        small_plan(design={"kind": "morris", "trajectories": 4}, parameter=[normal, AMOUNT])
    small_plan(design={"kind": "morris", "trajectories": 4}, parameter=[{**normal, "low": 0.5, "high": 2.0}, AMOUNT])


def test_settings_of_the_file_hold_at_every_point() -> None:
    base = small_plan().base
    assert base.params["carry_traders"].members == SMALL_WORLD["carry_traders.members"]
