"""The benchmark table."""

import io

from rich.console import Console

from abm.study.bench import bench
from tests.output.fake import SECTORS, FakeScenario, build_fake


def test_the_benchmark_measures_steps_phases_rows_and_ensembles() -> None:
    console = Console(file=io.StringIO(), width=80)
    found = bench(FakeScenario(days=4), seeds=2, workers=1, build=build_fake, console=console)
    assert found["institutions"] == 40 * len(SECTORS)
    assert found["institution-days"] == found["institutions"] * found["steps, one process"]
    assert all(value > 0.0 for what, value, _ in found.rows if not what.startswith("phase"))
    assert {what for what, _, _ in found.rows if what.startswith("phase")} == {"phase: decide", "phase: clear"}
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(what in text for what, _, _ in found.rows)
