"""Targets of a user's own: the file that calibration writes is read by validation, and its faults are told."""

import tomllib

import numpy as np
import pytest
import tomli_w

from abm import cli
from abm.scenarios import load_scenario
from abm.study.calibrate import own_documents
from abm.study.moments import calm_lines_of
from abm.study.paths import Paths
from abm.study.simulator import Simulator, targets_of
from abm.study.targets import read_calm_targets
from abm.world.errors import InputError
from abm.world.instruments import INDEX, TO_QUOTED
from tests.study.test_own_data import EXAMPLE


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """State and targets of the invented example as files."""
    folder = tmp_path_factory.mktemp("own")
    for name, document in own_documents(EXAMPLE, None).items():
        (folder / name).write_text(tomli_w.dumps(document))
    return folder


def test_calm_lines_compare_with_the_files_figures(written):
    own = read_calm_targets(written / "targets.toml")
    scenario = load_scenario("baseline", days=60, state=str(written / "state.toml"))
    rng = np.random.default_rng(1)
    steps = rng.multivariate_normal(np.zeros(23), scenario.state.calm_covariance_log(), (20, 60))
    log_price = scenario.state.log_price + np.concatenate([np.zeros((20, 1, 23)), steps.cumsum(axis=1)], axis=1)
    paths = Paths(scenario, tuple(range(20)), log_price, np.zeros((20, 61)))
    lines = {line.id: line for line in calm_lines_of(paths, own)}
    row = own["moments"]["series"]["UST10"]
    assert lines["A.sd.UST10"].low == pytest.approx(0.8 * row["sd"])
    assert lines["A.sd.UST10"].passed  # the state's own volatility
    assert lines["A.correlation.JGB10-UST10"].observed == own["correlations"]["calm"]["UST10"]["JGB10"]
    assert "A.sd.BUND10" not in lines
    moves = np.diff(log_price[..., INDEX["JGB10"]], axis=1) * TO_QUOTED[INDEX["JGB10"]]
    assert lines["A.sd.JGB10"].result == pytest.approx(moves.std())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("moments"), "has no table [moments]"),
        (lambda t: t.update(news=1), "unknown top-level key 'news'"),
        (lambda t: t["moments"]["series"].update(JGB11=t["moments"]["series"]["JGB10"]), "unknown series 'JGB11'"),
        (lambda t: t["moments"]["series"]["JGB10"].update(sd=-1.0), "moments.series.JGB10.sd = -1.0"),
        (
            lambda t: t["moments"]["series"]["JGB10"].update(unit="%"),
            "moments.series.JGB10.unit = '%', but it must be bp",
        ),
        (lambda t: t["moments"]["series"]["JGB10"].update(acf_5=0.2), "a list of the value and its standard error"),
        (lambda t: t["moments"]["series"]["JGB10"].update(acf_5=[0.2, -1.0]), "from 0 to inf"),
        (lambda t: t["moments"].pop("standard_errors"), "moments.standard_errors = None"),
        (lambda t: t["correlations"]["calm"]["JGB10"].update(JGB2=1.5), "correlations.calm.JGB10.JGB2 = 1.5"),
        (lambda t: t["correlations"]["calm"]["JGB10"].update(YEN=0.5), "unknown series 'YEN'"),
    ],
)
def test_faults_of_a_targets_file_are_one_sentence(written, tmp_path, change, message):
    table = tomllib.loads((written / "targets.toml").read_text())
    change(table)
    path = tmp_path / "targets.toml"
    path.write_text(tomli_w.dumps(table))
    with pytest.raises(InputError) as error:
        read_calm_targets(path)
    assert message in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_validate_scores_a_users_calm_times(written, tmp_path, capsys):
    files = ["--state", str(written / "state.toml"), "--targets", str(written / "targets.toml")]
    arguments = ["validate", *files, "--seeds", "1", "--days", "5", "--workers", "1", "--out", str(tmp_path / "card")]
    assert cli.main(arguments) == cli.DONE
    said = capsys.readouterr().out
    assert "UST10" in said and "BUND10: daily" not in said


def test_a_bad_targets_file_ends_with_status_2(tmp_path, capsys):
    assert cli.main(["validate", "--targets", str(tmp_path / "none.toml")]) == cli.BAD_INPUT
    assert "there is no such file" in capsys.readouterr().err


def test_the_real_simulator_fits_calm_days_of_ones_own(written):
    """Four days of one seed: every target has a result, the same for the same block, another for another."""
    files = (str(written / "state.toml"), str(written / "targets.toml"))
    simulate = Simulator(1, 1, *files, ("A",), days=30)
    lines = simulate({"news.variance_share": 0.8})
    targets = targets_of(lines)
    assert {row.family for row in targets.rows} == {
        "A.sd",
        "A.kurtosis",
        "A.acf_1",
        "A.acf_5",
        "A.acf_20",
        "A.correlation",
    }
    again, other = simulate({"news.variance_share": 0.8}), simulate({"news.variance_share": 0.8}, block=1)
    assert [line.result for line in lines] == [line.result for line in again]
    assert [line.result for line in lines] != [line.result for line in other]
    assert set(simulate.design()) == {"seeds", "sections", "calm_days", "state", "targets"}


@pytest.mark.slow
def test_section_b_is_run_without_its_slopes():
    lines = Simulator(1, 1, sections=("B",))({})
    families = {row.family for row in targets_of(lines).rows}
    assert "B.slopes" not in families and {"B.shares", "B.ust_sale", "B.intervention"} <= families
