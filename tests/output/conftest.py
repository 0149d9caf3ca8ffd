"""A saved run made of random numbers."""

from pathlib import Path

import pytest

from abm.output.tables import RunDirectory
from abm.study.run import run
from tests.output.fake import FakeScenario, build_fake

DAYS = 12
SEEDS = 4


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Four seeds of twelve days, the third of which broke off on day 9."""
    path: Path = tmp_path_factory.mktemp("runs") / "fake"
    scenario = FakeScenario(days=DAYS, fail_seed=3, fail_day=9)
    run(scenario, SEEDS, workers=1, out=path, figures=False, progress=False, build=build_fake)
    return RunDirectory.open(path)
