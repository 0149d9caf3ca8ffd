"""Indices against functions whose indices are known, failures within designs, regions in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from abm.cli import BAD_INPUT, DONE, main
from abm.study.discovery import find_region
from abm.study.sensitivity import Sensitivity, analyse, save
from abm.study.sweep import SweepResults, open_results, sweep
from abm.study.sweep.plan import Plan
from abm.study.sweep.store import opened
from abm.world.errors import InputError
from tests.study.sweep.small import SWITCH, UNIFORM, small_plan

UNIT_UNIFORMS = [
    {"name": name, "distribution": "uniform", "low": 0.0, "high": 1.0}
    for name in ("dealers.capacity_scale", "arbitrageurs.capacity_scale", "event.fiscal_announcement.amount_jpy_tn")
]
MEASURE = "end_change_bp.JGB40"


def known(tmp_path: Path, function: Any, bad: tuple[int, ...] = (), **changes: Any) -> SweepResults:
    """A finished sweep whose first measure is a function of the parameters; the runs in `bad` failed."""
    plan: Plan = small_plan(**{"seeds": 1, "parameter": UNIT_UNIFORMS, **changes})
    with opened(tmp_path / "known", plan) as files:
        rows = []
        for run in range(plan.runs):
            x = [float(v) for v in plan.values(run).values()]
            status, value = ("failed", np.nan) if run in bad else ("ok", float(function(*x)))
            rows.append(
                {"run": run, "status": status, "reason": "", "values": [value, value**2, 0.0], "seconds": 0.0}
                | {"worker": 0, "memory_mb": 0.0}
            )
        files.add(rows)
        files.finish()
    return open_results(tmp_path / "known")


def test_sobol_indices_of_a_function_with_known_ones(tmp_path: Path) -> None:
    """y = 4 a + 2 b + 6 (a - 1/2)(b - 1/2): the variances are 16/12, 4/12 and 36/144."""
    results = known(
        tmp_path,
        lambda a, b, c: 4 * a + 2 * b + 6 * (a - 0.5) * (b - 0.5),
        design={"kind": "sobol", "base_points": 256},
    )
    found = analyse(results, [MEASURE])
    whole = 16 / 12 + 4 / 12 + 36 / 144
    table = found.sobol.set_index("parameter")
    exact = np.array([[16 / 12, 16 / 12 + 0.25], [4 / 12, 4 / 12 + 0.25], [0.0, 0.0]]) / whole
    assert np.abs(table[["first", "total"]].to_numpy() - exact).max() < 0.05
    assert (np.abs(table["first"] - exact[:, 0]) <= 2.0 * table["first_conf"] + 1e-9).all()
    pairs = found.second.set_index(["a", "b"])["second"].to_numpy()
    assert np.abs(pairs - np.array([0.25 / whole, 0.0, 0.0])).max() < 0.06
    assert found.ranking[0] == "dealers.capacity_scale"


def test_a_failed_run_costs_its_block_and_no_more(tmp_path: Path) -> None:
    design = {"kind": "sobol", "base_points": 64, "second_order": False}
    results = known(tmp_path, lambda a, b, c: 4 * a + 2 * b, bad=(3, 4, 17), design=design)
    found = analyse(results, [MEASURE])
    assert "3 of 320 points left out, because of 3 failed runs" in found.left_out[MEASURE]
    assert "2 of 64 base samples are left out of the indices, with all 5 points of each" in found.left_out[MEASURE]
    table = found.sobol.set_index("parameter")
    assert table["total"].to_numpy() == pytest.approx([0.8, 0.2, 0.0], abs=0.06)
    assert found.second.empty


def test_morris_effects_of_a_linear_function(tmp_path: Path) -> None:
    design = {"kind": "morris", "trajectories": 8}
    results = known(tmp_path, lambda a, b, c: 3 * a - 2 * b, bad=(5,), design=design)
    found = analyse(results, [MEASURE])
    table = found.morris.set_index("parameter")
    assert table["mu"].to_numpy() == pytest.approx([3.0, -2.0, 0.0], abs=1e-9)
    assert table["mu_star"].to_numpy() == pytest.approx([3.0, 2.0, 0.0], abs=1e-9)
    assert table["sigma"].to_numpy() == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    assert "1 of 8 trajectories are left out" in found.left_out[MEASURE]


def test_regional_sensitivity_and_tornado_find_what_matters(tmp_path: Path) -> None:
    results = known(tmp_path, lambda a, b, c: 10 * a**3 + 0.1 * b, design={"kind": "latin_hypercube", "points": 200})
    found = analyse(results, [MEASURE], f"{MEASURE}>5")
    regional = found.regional.set_index("parameter")
    assert regional["distance"].idxmax() == "dealers.capacity_scale"
    assert regional["p_value"].iloc[0] < 1e-6 < regional["p_value"].iloc[2]
    tornado = found.tornado.set_index("parameter")
    assert (tornado["high"] - tornado["low"]).abs().idxmax() == "dealers.capacity_scale"
    assert found.region is not None
    assert list(found.region.limits) == ["dealers.capacity_scale"]


def test_the_region_of_a_crisis_is_found_and_said() -> None:
    draw = np.random.default_rng(3)
    x = pd.DataFrame({"a": draw.random(1000), "b": draw.random(1000), "on": draw.random(1000) < 0.5})
    y = ((x["a"] > 0.7) & (x["b"] < 0.4) & x["on"]).to_numpy(dtype=float)
    region = find_region(x, y, lambda values: values > 0.5)
    assert region is not None
    assert set(region.limits) == {"a", "b", "on"}
    low, high = region.limits["a"][0], region.limits["b"][1]
    assert low == pytest.approx(0.7, abs=0.05)
    assert high == pytest.approx(0.4, abs=0.05)
    assert region.limits["on"] == ["true"]
    assert region.density > 0.8
    assert region.coverage > 0.8
    assert "on is true" in region.words
    assert "a is at least 0." in region.words
    assert "b is at most 0." in region.words


def test_no_region_where_there_is_none() -> None:
    draw = np.random.default_rng(4)
    x = pd.DataFrame({"a": draw.random(300)})
    assert find_region(x, np.zeros(300), lambda values: values > 0.5) is None


def test_undefined_values_are_left_out_and_told(tmp_path: Path) -> None:
    results = known(
        tmp_path, lambda a, b, c: np.inf if c > 0.9 else a, design={"kind": "latin_hypercube", "points": 40}
    )
    found = analyse(results, [MEASURE])
    assert "4 of 40 points left out, because of 0 failed runs and 4 runs without" in found.left_out[MEASURE]


@pytest.mark.parametrize(
    ("measures", "crisis", "words"),
    [
        (["peak"], None, "unknown measure 'peak'"),
        ([], "end_change_bp.JGB40", "of the form MEASURE>VALUE"),
        ([], "end_change_bp.JGB4>3", "nearest is 'end_change_bp.JGB40'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, measures: list[str], crisis: str | None, words: str) -> None:
    results = known(tmp_path, lambda a, b, c: a, design={"kind": "random", "points": 10})
    with pytest.raises(InputError) as caught:
        analyse(results, measures, crisis)
    assert words in str(caught.value)


def test_by_command_with_a_real_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = small_plan(
        days=4, seeds=1, design={"kind": "sobol", "base_points": 8}, parameter=[UNIFORM, SWITCH],
    )  # fmt: skip
    sweep(plan, tmp_path / "a", workers=1, progress=False)
    assert main(["sensitivity", str(tmp_path / "a"), "--measure", MEASURE]) == DONE
    said = capsys.readouterr().out
    assert "Crisis is JGB40: change at the end above" in said
    there = {
        p.relative_to(tmp_path / "a" / "sensitivity").as_posix() for p in (tmp_path / "a").rglob("sensitivity/**/*")
    }
    figures = {"sobol", "total_effects", "interactions", "regional", "tornado", "phase_diagram", "parallel_coordinates"}
    assert {f"figures/{name}.png" for name in figures} <= there
    assert {"sobol.csv", "second.csv", "regional.csv", "tornado.csv", "words.txt", "discovery.json"} <= there
    assert main(["sensitivity", str(tmp_path / "a"), "--measure", MEASURE, "--no-figures"]) == DONE
    assert not (tmp_path / "a" / "sensitivity" / "figures").exists()
    assert main(["sensitivity", str(tmp_path)]) == BAD_INPUT


def test_figures_of_morris_and_text_parameters(tmp_path: Path) -> None:
    mandate = {"name": "event.election.mandate", "distribution": "categorical", "values": ["strong", "weak", "hung"]}
    plan = small_plan(
        days=30, seeds=1, design={"kind": "morris", "trajectories": 8}, parameter=[UNIFORM, mandate, SWITCH]
    )
    codes = {"strong": 0.0, "weak": 1.0, "hung": 2.0}
    with opened(tmp_path / "a", plan) as files:
        for run in range(plan.runs):
            capacity, word, on = plan.values(run).values()
            value = capacity + codes[word] * on
            row = {"run": run, "status": "ok", "reason": "", "values": [value, value, 0.0]}
            files.add([row | {"seconds": 0.0, "worker": 0, "memory_mb": 0.0}])
        files.finish()
    found: Sensitivity = analyse(open_results(tmp_path / "a"))
    target = save(found)
    assert (target / "figures" / "morris.png").stat().st_size > 5000
    assert "does not vary" in found.left_out["unconverged_days"]
    assert pa.types.is_string(plan.points.schema.field("event.election.mandate").type)
