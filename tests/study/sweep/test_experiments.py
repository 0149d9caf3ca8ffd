"""The sweeps that are published: their files are valid, and publishing works in miniature."""

import json
from pathlib import Path

import tomli_w

from abm.study.sweep import load_plan
from experiments.sweeps import publish
from tests.study.sweep.small import UNIFORM, small_tables

EXPERIMENTS = Path(publish.__file__).parent


def test_the_published_sweep_is_what_it_says() -> None:
    plan = load_plan(EXPERIMENTS / "sanaenomics.toml")
    assert len(plan.parameters) == 8
    assert plan.runs == 1152
    assert plan.base.days == 60


def test_publishing_in_miniature(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    design = {"kind": "random", "points": 12}
    file.write_text(tomli_w.dumps(small_tables(days=1, seeds=1, design=design, parameter=[UNIFORM])))
    kept = publish.publish(file, tmp_path / "out", tmp_path / "published", workers=1)
    about = json.loads((kept / "run.json").read_text())
    assert about["runs"] == about["runs_this_time"] == 12
    assert about["outcomes"] == {"ok": 12}
    assert "Crisis is" in (kept / "words.txt").read_text()
    assert (kept / "figures" / "tornado.png").is_file()
    words = publish.findings(kept)
    assert words.startswith("12 runs in ")
    again = publish.publish(file, tmp_path / "out", tmp_path / "published", workers=1)
    assert json.loads((again / "run.json").read_text()) == about  # nothing was run again, so nothing is retold
