"""The scorecard: bars, files, the command, and the smallest real one."""

import json
from pathlib import Path

import pytest

from abm.cli import BAD_INPUT, DONE, FAILED, INTERRUPTED, main
from abm.output.scorecard import read
from abm.study.lines import Line, line
from abm.study.validate import Scorecard, _Plan, validate
from abm.world.errors import InputError
from tests.study.test_episodes import HEAD, ROW
from tests.study.test_paths import break_on_day


def test_bars_count_lines_experiments_and_moves() -> None:
    def entry(id_: str, passed: bool, part_of: str = "") -> Line:
        return line(id_, "", "", (0.0, 1.0), 0.5 if passed else 2.0, "", part_of=part_of)

    lines = (
        entry("A.sd.x", True),
        entry("A.sd.y", False),
        entry("A.kurtosis", True),
        entry("A.kurtosis.x", False, "A.kurtosis"),
        entry("B.shares", False),
        entry("B.shares.SPX", True, "B.shares"),
        entry("C.e.sign", False),
        entry("C.e.USDJPY.0-1.sign", True, "C.e.sign"),
        entry("C.e.USDJPY.0-1.factor_two", False, "C.e.factor_two"),
        entry("C.e.USDJPY.0-1.band", True, "C.e.band"),
        entry("C.e.EURUSD.0-1.band", False, "C.e.band"),
    )
    bars = {bar.name: bar for bar in Scorecard(lines, {}).bars()}
    assert list(bars) == ["A_lines", "B_experiments", "C_signs", "C_factor_two", "C_bands"]
    assert bars["A_lines"].result_pct == pytest.approx(200.0 / 3.0)
    assert not bars["A_lines"].passed
    assert bars["B_experiments"].result_pct == 0.0
    assert bars["C_signs"].passed
    assert bars["C_bands"].result_pct == 50.0
    assert bars["C_bands"].count == 2


def test_a_miniature_scorecard_of_one_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ROW)
    out = tmp_path / "card"
    arguments = ["validate", "--episode", str(path), "--seeds", "2", "--workers", "1", "--out", str(out)]
    assert main(arguments) == DONE
    said = capsys.readouterr().out
    assert "USDJPY, 10 Jul to 12 Jul" in said
    assert "C, episodes: moves inside the 5-95 % band" in said
    assert (out / "figures" / "scorecard.png").stat().st_size > 10_000
    document = read(out)
    assert [entry["kind"] if "kind" in entry else entry["id"].rsplit(".", 1)[1] for entry in document["lines"]] == [
        "sign", "sign", "factor_two", "factor_two", "band", "band"]  # fmt: skip
    assert document["seeds"] == {"mine": 2}
    assert {bar["name"] for bar in document["bars"]} == {"C_signs", "C_factor_two", "C_bands"}
    assert document["git_revision"] is None or isinstance(document["git_revision"], str)


def test_a_miniature_of_the_calm_section(tmp_path: Path) -> None:
    card = validate("A", seeds=1, days=5, workers=1, out=tmp_path / "card", progress=False, figures=False)
    ids = {entry.id for entry in card.lines}
    assert {"A.sd.JGB30", "A.kurtosis", "A.correlation", "A.sign", "A.drift.USDJPY", "A.cascades"} <= ids
    assert {"A.stress.NIKKEI-USDJPY", "A.stress.BTC-USDJPY-elsewhere"} <= ids
    json.loads((tmp_path / "card" / "scorecard.json").read_text())


def test_the_beginning_of_a_longer_run_is_not_run_again() -> None:
    plan = _Plan.of("C", ("2024-07-11", "2024-08", "2022-09-22"), 2, None, None)
    assert plan.shared == {"2024-07-11": "2024-08"}
    assert set(plan.experiments) == {"2024-08", "2022-09-22"}
    assert [episode.name for episode in plan.episodes] == ["2024-07-11", "2024-08", "2022-09-22"]


def test_nothing_is_kept_of_an_interrupted_scorecard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("abm.study.validate.run_paths", stopped)
    arguments = ["validate", "--episode", "2024-08", "--out", str(tmp_path / "card")]
    assert main(arguments) == INTERRUPTED
    assert list(tmp_path.iterdir()) == []


def test_failures_are_told_and_end_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "mine.toml", tmp_path / "card"
    path.write_text(HEAD + ROW)
    arguments = ["validate", "--episode", str(path), "--seeds", "3", "--workers", "1", "--no-figures"]
    break_on_day(monkeypatch, 2, (2,))
    assert main([*arguments, "--out", str(out)]) == FAILED
    assert "1 runs failed and are left out of the scorecard, first mine on seed 2, day 2" in capsys.readouterr().err
    assert read(out)["failures"][0]["seed"] == 2
    break_on_day(monkeypatch, 1, (1, 3))
    assert main([*arguments, "--out", str(tmp_path / "none")]) == FAILED
    said = capsys.readouterr().err
    assert "mine: every seed failed" in said and "Traceback" not in said
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_every_section_runs(tmp_path: Path) -> None:
    card = validate(seeds=1, days=20, out=tmp_path / "card", progress=False)
    assert [bar.name for bar in card.bars()] == [
        "A_lines", "B_experiments", "C_signs", "C_factor_two", "C_bands", "S_lines"]  # fmt: skip
    assert all(entry.responsible for entry in card.counted if not entry.passed)


def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ROW.replace("USDJPY", "USDJYP"))
    out = tmp_path / "card"
    for arguments, words in (
        (["--episode", str(path)], "nearest is 'USDJPY'"),
        (["--episode", "2024-80"], "nearest is '2024-08'"),
        (["--section", "D"], "allowed are A, B, C, S"),
        (["--seeds", "none"], "--seeds = 'none'"),
        (["--set", "carry_traders.crowdin=1", "--section", "A"], "nearest is 'crowding'"),
    ):
        assert main(["validate", *arguments, "--out", str(out)]) == BAD_INPUT
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert words in said
        assert not out.exists()


def test_a_full_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not the directory of a scorecard"):
        validate("C", out=tmp_path)


def test_of_a_chain_of_beginnings_only_the_longest_is_run(tmp_path: Path) -> None:
    rows = '[[observed]]\nseries = "USDJPY"\nfrom = 0\nto = {}\nchange = -1.0\n'
    paths = []
    for name, to in (("one", 1), ("two", 3), ("three", 8)):
        paths.append(tmp_path / f"{name}.toml")
        paths[-1].write_text(HEAD.replace("mine", name) + rows.format(to))
    plan = _Plan.of("C", paths, 2, None, None)
    assert plan.shared == {"one": "three", "two": "three"} and set(plan.experiments) == {"three"}


def test_two_different_episodes_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD.replace('"mine"', '"2024-08"') + ROW)
    with pytest.raises(InputError, match=r"two different episodes are called '2024-08'; give each a name of its own"):
        _Plan.of("AC", [path], 2, None, None)
