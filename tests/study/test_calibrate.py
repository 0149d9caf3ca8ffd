"""The whole command on a cheap stand-in: files, report, refusals, and taking up."""

import io
import json
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from abm import cli
from abm.scenarios import load_scenario
from abm.scenarios.fitted import fitted_values
from abm.study import calibrate as command
from abm.study.calibrate import STATE, TARGETS, best_so_far, calibrate, show
from abm.study.fit_report import LEAST_INFORMED
from abm.study.search import Trial
from abm.world.errors import InputError
from tests.study.fake_simulator import DEPTH, FREE, ODDS, SHARE, TRUTH, FakeSimulator
from tests.study.test_own_data import EXAMPLE


def entry(one):
    scale = "log" if one.log else "linear"
    bounds = f'low = {one.low}\nhigh = {one.high}\nscale = "{scale}"'
    return f'[[free]]\nparameter = "{one.name}"\n{bounds}\nwhy = "{one.why}"\n'


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The stand-in's free parameters as a file."""
    path = tmp_path_factory.mktemp("list") / "free.toml"
    path.write_text("".join(map(entry, FREE)))
    return str(path)


@pytest.fixture(scope="module")
def done(listed, tmp_path_factory):
    """A finished calibration and its directory."""
    out = tmp_path_factory.mktemp("out") / "fit"
    found = calibrate([listed], trials=50, out=out, simulate=FakeSimulator(), command="abm calibrate --trials 50")
    return found, out


def test_all_files_are_there_and_agree(done):
    found, out = done
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files >= {"fit.json", "fitted.toml", "report.md", "sensitivity.csv", "trials.journal", "evaluations.jsonl"}
    assert files >= {f"figures/{name}.png" for name in ("sensitivity", "profiles", "losses")}
    kept = json.loads((out / "fit.json").read_text())
    rows = {row["parameter"]: row for row in kept["parameters"]}
    for name in (DEPTH, SHARE):
        assert rows[name]["low"] <= TRUTH[name] <= rows[name]["high"]
        assert rows[name]["told_by"]
    assert rows[ODDS]["told_by"] == [] and rows[ODDS]["informed"] < LEAST_INFORMED
    assert kept["loss"]["after"] < kept["loss"]["before"] == pytest.approx(found.losses[0])
    assert all(row["met_after"] for row in kept["targets"])


def test_the_report_tells_values_intervals_and_what_identifies_them(done):
    text = (done[1] / "report.md").read_text()
    assert "abm calibrate --trials 50" in text and "Gauss-Newton" in text
    for name in (DEPTH, SHARE, ODDS):
        assert f"| {name} |" in text
    assert "B.impact.day" in text and "A.sd.JGB10" in text


def test_the_estimates_can_be_packaged_as_they_are(done, monkeypatch):
    """Those that the targets inform; a scenario takes them."""
    path = done[1] / "fitted.toml"
    values = fitted_values(path)
    assert set(values) == {DEPTH, SHARE}
    monkeypatch.setattr("abm.scenarios.fitted.FITTED", path)
    assert load_scenario("baseline").news.variance_share == values[SHARE]


def test_a_finished_calibration_is_only_reported_again(listed, done):
    fake = FakeSimulator()
    again = calibrate([listed], trials=50, out=done[1], simulate=fake)
    assert fake.calls == 0 and (again.u == done[0].u).all()


def test_a_directory_with_something_else_is_left_alone(listed, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="holds something else than a calibration"):
        calibrate([listed], trials=5, out=tmp_path, simulate=FakeSimulator())
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_closes_of_ones_own_become_state_and_targets_and_may_not_change(listed, tmp_path):
    own, out = tmp_path / "closes", tmp_path / "fit"
    own.mkdir()
    for file in EXAMPLE.glob("*.csv"):
        (own / file.name).write_bytes(file.read_bytes())
    calibrate([listed], trials=3, out=out, data=own, simulate=FakeSimulator(), figures=False)
    assert (out / STATE).is_file() and (out / TARGETS).is_file()
    calibrate([listed], trials=3, out=out, data=own, simulate=FakeSimulator(), figures=False)
    prices = own / "invented_prices.csv"
    prices.write_text(prices.read_text().replace("2024-01-02,40292.4", "2024-01-02,40000.0"))
    with pytest.raises(InputError, match="was begun with other closes"):
        calibrate([listed], trials=3, out=out, data=own, simulate=FakeSimulator())


def test_the_best_point_so_far_is_shown_next_to_the_first():
    trials = [Trial(0, {DEPTH: 4.0, SHARE: 0.3, ODDS: -6.0}, 9.0, {}), Trial(1, dict(TRUTH), 0.5, {})]
    table = best_so_far(FREE, trials)
    assert "loss 0.500 in trial 1, 9.000 at first" in str(table.title)
    assert list(table.columns[2].cells) == ["1.2", "0.75", "-6"]


def test_what_was_fitted_is_shown_with_its_interval(done):
    console = Console(width=120, record=True, file=io.StringIO())
    show(done[0], console)
    said = console.export_text()
    assert DEPTH in said and "Files: " in said and str(done[1]) in said
    assert re.search(r"1\.\d+ to 1\.\d+", said)


# -- the command line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "0"], "--trials = '0', but it must be a whole number from 1"),
        (["--seeds", "x"], "--seeds = 'x'"),
        (["--params", "nothing.*"], "unknown free parameter or pattern 'nothing.*'"),
        (["--data", "no/such/folder"], "no/such/folder: is no directory, but --data needs one"),
        (["--data", str(EXAMPLE), "--date", "yesterday"], "--date = 'yesterday', but it must be a date"),
        (["--data", str(EXAMPLE), "--date", "1999-01-01"], "--date = 1999-01-01"),
        (["--date", "2024-10-01"], "--date belongs to --data"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path, capsys, arguments, message):
    out = tmp_path / "fit"
    assert cli.main(["calibrate", *arguments, "--out", str(out)]) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not out.exists()


def test_an_interrupt_says_what_is_kept_and_ends_with_130(listed, tmp_path, capsys, monkeypatch):
    class Stops(FakeSimulator):
        def __call__(self, settings, block=0):
            if self.calls >= 4:
                raise KeyboardInterrupt
            return super().__call__(settings, block)

    stops = Stops()
    monkeypatch.setattr(command, "Simulator", lambda *args: stops)
    out = tmp_path / "fit"
    assert cli.main(["calibrate", "--params", listed, "--trials", "9", "--out", str(out)]) == cli.INTERRUPTED
    assert "interrupted: 3 of 9 trials are kept in" in capsys.readouterr().err


def test_the_help_names_every_option():
    said = CliRunner().invoke(cli.app, ["calibrate", "--help"], terminal_width=200).output
    for option in ("--trials", "--seeds", "--workers", "--out", "--data", "--date", "--params"):
        assert option in said
