"""SIGKILL at ten random instants: nothing lost, nothing run twice, the same bytes."""

import json
import subprocess
import sys
from pathlib import Path


def test_killed_ten_times_a_sweep_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.study.sweep.kills", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert said.returncode == 0, said.stderr
    report = json.loads(said.stdout)
    assert report["kills"] == 10
    assert report["lost"] == [[]] * 10
    assert report["twice"] == 0
    assert report["runs"] == report["planned"]
    assert report["same"]
    assert report["shards"]
