"""The command line: what is printed, what is passed on, and the exit status of every ending."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from abm import cli
from abm.output import report
from abm.scenarios import scenario_names
from abm.scenarios.describe import event_field_tables
from abm.study import compare, run
from abm.study.ensemble import Failure
from abm.world.events import EVENT_KINDS
from abm.world.instruments import IDS

ROOT = Path(cli.__file__).parents[1]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand-ins for the studies, which note how they were called and do nothing."""
    made: list[dict[str, Any]] = []

    def study(*scenarios: Any, **options: Any) -> Any:
        *plans, seeds = scenarios
        made.append({"scenarios": plans, "seeds": list(seeds), **options})
        return SimpleNamespace(path=options["out"], failures=())

    monkeypatch.setattr(run, "run", study)
    monkeypatch.setattr(compare, "compare", study)
    monkeypatch.setattr(compare, "show", lambda *_: None)
    monkeypatch.setattr(report, "show", lambda *_: None)
    return made


def test_scenarios_lists_every_packaged_one_with_its_title(capsys: Captured) -> None:
    assert cli.main(["scenarios"]) == 0
    said = capsys.readouterr().out
    assert all(re.search(rf"^{name} ", said, re.MULTILINE) for name in scenario_names())
    assert "Unfunded stimulus, January 2026" in said


def test_show_prints_every_value_with_unit_and_source_and_every_event_field(capsys: Captured) -> None:
    assert cli.main(["show", "carry_unwind_2024"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"carry_traders\.gross_usd_bn +250 +USD bn +state 2024-07-10: BIS", said)
    assert re.search(r"banks\.members +\d+ +institutions", said)
    assert re.search(r"switches\.margin_calls +on", said)
    assert re.search(r"JGB30 +2\.22 +% +2024-07-10 +Japan MoF, constant maturity +H", said)
    assert re.search(r"14 +2024-07-31 +policy_rate +bank = BOJ, change_bp = 15", said)
    assert re.search(r"^arbitrageurs\.ust10_depth_per_pct_usd_bn ", said, re.MULTILINE)  # names are not broken
    for kind, model in EVENT_KINDS.items():
        fields = said.split(f"event {kind}:")[1]
        assert all(
            re.search(rf"^{name} ", fields, re.MULTILINE)
            for name in model.model_fields
            if name not in ("kind", "cause")
        )


def test_show_says_in_words_what_every_event_field_may_hold(capsys: Captured) -> None:
    assert cli.main(["show", "sanaenomics"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"^near_term_change_bp +a number from -500 to 500 ", said.split("event data_surprise:")[1], re.MULTILINE
    )
    assert "Annotated" not in said and "FieldInfo" not in said


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_the_fields_that_a_misspelt_one_is_told_are_those_that_show_lists(kind: str, capsys: Captured) -> None:
    head = '[scenario]\nname = "m"\ntitle = "M"\nextends = "baseline"\n'
    Path("m.toml").write_text(f'{head}[[event]]\nday = 3\nkind = "{kind}"\nxyz = 1\n')
    assert cli.main(["show", "m.toml"]) == 2
    allowed = set(re.search(r"allowed are ([\w, ]+)", capsys.readouterr().err)[1].split(", "))  # type: ignore[index]
    listed = next(table for table in event_field_tables() if table.title.startswith(f"event {kind}:"))
    assert allowed - {"kind"} == {row[0] for row in listed.rows}


def test_show_state_prints_the_figures_of_the_opening_state_alone(capsys: Captured) -> None:
    assert cli.main(["show", "baseline", "--state"]) == 0
    said = capsys.readouterr().out
    assert all(re.search(rf"^{market} ", said, re.MULTILINE) for market in IDS)
    assert "parameters of" not in said and "event " not in said


def test_show_names_who_set_a_value(capsys: Captured) -> None:
    Path("mine.toml").write_text(
        '[scenario]\nname = "mine"\ntitle = "M"\nextends = "baseline"\n[set]\n"banks.members" = 30\n'
    )
    assert cli.main(["show", "mine.toml"]) == 0
    assert re.search(r"banks\.members +30 +institutions +mine\.toml", capsys.readouterr().out)


def test_help_lists_the_commands_and_is_no_error(capsys: Captured) -> None:
    for arguments in ([], ["--help"]):
        assert cli.main(arguments) == 0
        said = capsys.readouterr().out
        assert all(command in said for command in ("scenarios", "show", "run", "compare", "bench"))


def test_run_passes_on_what_was_asked_for(calls: list[dict[str, Any]]) -> None:
    options = "--days 5 --seed 7 --seeds 3 --workers 2 --no-figures --out there"
    settings = ["--set", "banks.members=40", "--set", "switches.news=false", "--set", "news.scale=0.5"]
    assert cli.main(["run", "sanaenomics", *options.split(), *settings]) == 0
    (call,) = calls
    (scenario,) = call["scenarios"]
    assert (scenario.days, scenario.params["banks"].members, scenario.news.scale) == (5, 40, 0.5)
    assert scenario.switches["news"] is False
    assert (call["seeds"], call["workers"], call["figures"]) == ([7, 8, 9], 2, False)
    assert call["out"] == Path("there")


def test_run_is_one_seed_with_figures_in_a_dated_directory_by_default(calls: list[dict[str, Any]]) -> None:
    assert cli.main(["run", "baseline"]) == 0
    assert (calls[0]["seeds"], calls[0]["workers"], calls[0]["figures"]) == ([1], None, True)
    assert re.fullmatch(r"results/baseline-\d{8}-\d{6}", str(calls[0]["out"]))


def test_seed_zero_is_a_seed(calls: list[dict[str, Any]]) -> None:
    assert cli.main(["run", "baseline", "--seed", "0"]) == 0
    assert calls[0]["seeds"] == [0]


def test_compare_runs_both_on_the_same_seeds(calls: list[dict[str, Any]]) -> None:
    assert cli.main(["compare", "baseline", "sanaenomics", "--seeds", "4", "--days", "3"]) == 0
    assert [scenario.name for scenario in calls[0]["scenarios"]] == ["baseline", "sanaenomics"]
    assert calls[0]["seeds"] == [1, 2, 3, 4]
    assert str(calls[0]["out"]).startswith("results/baseline-vs-sanaenomics-")


def test_failed_seeds_give_status_1_and_say_day_seed_and_place(
    monkeypatch: pytest.MonkeyPatch, calls: list[dict[str, Any]], capsys: Captured
) -> None:
    failure = Failure(seed=2, day=14, error="LedgerError: JPY does not add up")
    monkeypatch.setattr(run, "run", lambda *_, **o: SimpleNamespace(path=o["out"], failures=(failure,)))
    assert cli.main(["run", "baseline", "--seeds", "3", "--out", "there"]) == 1
    said = capsys.readouterr().err
    assert "1 of 3 seeds failed, first seed 2 on day 14 (LedgerError: JPY does not add up)" in said
    assert "partial results are in there" in said


def test_an_unexpected_failure_gives_status_1(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no books")

    monkeypatch.setattr(run, "run", broken)
    assert cli.main(["run", "baseline"]) == 1
    assert capsys.readouterr().err.endswith("abm: failed: RuntimeError: no books\n")


@pytest.mark.parametrize("stop", [run.Interrupted("2 of 9 seeds are kept in there", None), KeyboardInterrupt()])
def test_an_interrupt_gives_status_130_and_says_what_is_kept(
    stop: KeyboardInterrupt, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise stop

    monkeypatch.setattr(run, "run", stopped)
    assert cli.main(["run", "baseline"]) == 130
    said = capsys.readouterr().err
    assert "kept" in said and said.count("\n") == 1


def test_a_run_writes_the_run_directory(capsys: Captured) -> None:
    assert cli.main(["run", "sanaenomics", "--days", "2", "--no-figures", "--out", "there"]) == 0
    names = {path.name for path in Path("there").iterdir()}
    assert {"manifest.json", "daily.parquet", "flows.parquet", "attribution.parquet", "events.parquet"} <= names
    assert "there" in capsys.readouterr().out


def test_python_m_abm_is_the_command_line() -> None:
    command = [sys.executable, "-m", "abm", "show", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("abm: unknown scenario 'nothing'") and done.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    command = f"'{sys.executable}' -m abm show baseline | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("scenario baseline")


def test_more_held_than_is_outstanding_is_bad_input(capsys: Captured) -> None:
    assert cli.main(["run", "sanaenomics", "--days", "2", "--set", "carry_traders.gross_usd_bn=5000"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("abm: EMBOND: sectors hold") and said.count("\n") == 1
    assert not list(Path().rglob("*.parquet"))


def test_a_machine_that_refuses_is_told_in_one_sentence(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "there")

    monkeypatch.setattr(run, "run", full)
    assert cli.main(["run", "baseline"]) == 1
    assert capsys.readouterr().err == "abm: failed: OSError: [Errno 28] No space left on device: 'there'\n"


def test_nothing_heavy_is_imported_for_help() -> None:
    heavy = ("numpy", "numba", "pandas", "pyarrow", "pydantic", "scipy", "mesa", "matplotlib")
    asked = f"import sys, abm.cli; abm.cli.main(['--help']); sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "Usage: abm" in done.stdout
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "baseline", "--out", "r\udcff"],
        ["run", "baseline", "--checkpoint", "r\udcff"],
        ["compare", "baseline", "sanaenomics", "--out", "r\udcff"],
        ["validate", "--out", "r\udcff"],
        ["calibrate", "--out", "r\udcff"],
        ["claims", "--out", "r\udcff"],
        ["sweep", "gone.toml", "--out", "r\udcff"],
        ["sensitivity", "r\udcff"],
    ],
)
def test_a_path_that_no_table_can_be_given_is_refused_before_anything_runs(
    words: list[str], capsys: Captured, calls: list[dict[str, Any]]
) -> None:
    assert cli.main(words) == 2
    assert r"r\udcff' cannot be used (it is not UTF-8)" in capsys.readouterr().err
    assert not calls and not list(Path().iterdir())


def test_what_cannot_be_printed_is_said_in_escapes(capsys: Captured) -> None:
    assert cli.main(["show", "baseline", "\udcff\x1b[2J"]) == 2
    assert r"\udcff\x1b[2J" in capsys.readouterr().err


def test_what_is_typed_is_not_repeated_without_end(capsys: Captured) -> None:
    assert cli.main(["show", "baseline", "x" * 9000]) == 2
    assert len(capsys.readouterr().err) < 1100
