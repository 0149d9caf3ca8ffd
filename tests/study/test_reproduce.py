"""A published run once more: the same bits whatever the surroundings, and what differs is named."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abm import cli, load_scenario
from abm.study import reproduce
from abm.study.run import run

SMALL = {"carry_traders.members": 60, "crypto_longs.members": 80, "bitcoin_holders.members": 40}
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("published") / "run"
    run(load_scenario("sanaenomics", SMALL, 4), [2, 5], workers=1, out=place, figures=False, progress=False)
    return place


@pytest.fixture
def published(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "run")
    return tmp_path / "run"


def again(path: Path, capsys: Captured) -> tuple[int, str]:
    status = cli.main(["reproduce", str(path), "--workers", "1"])
    said = capsys.readouterr()
    return status, said.out + said.err


def test_a_run_is_reproduced_and_can_be_cited(published: Path, capsys: Captured) -> None:
    status, said = again(published / "manifest.json", capsys)
    assert status == 0
    assert "reproduced, every bit of daily.parquet, flows.parquet, attribution.parquet" in said
    manifest = json.loads((published / "manifest.json").read_text())
    cited = manifest["citation"]
    for part in (
        "abm-japan 0.",
        manifest["scenario_hash"],
        "Unfunded stimulus",
        "4 trading days, 2 runs, seeds 2 to 5",
    ):
        assert part in cited
    assert cited in said


def test_tables_that_are_not_kept_are_compared_by_their_checksums(published: Path, capsys: Captured) -> None:
    for file in published.glob("*.parquet"):
        file.unlink()
    assert again(published, capsys)[0] == 0
    manifest = json.loads((published / "manifest.json").read_text())
    manifest["sha256"]["flows.parquet"] = "0" * 64
    (published / "manifest.json").write_text(json.dumps(manifest))
    status, said = again(published, capsys)
    assert status == 1
    assert "flows.parquet has another checksum" in said and "daily" not in said


def test_the_first_difference_is_named(published: Path, capsys: Captured) -> None:
    table = pq.read_table(published / "daily.parquet")
    column = table.column("fx.USDJPY").to_pylist()
    was, column[7] = column[7], column[7] * (1 + 2e-16)
    at = table.schema.get_field_index("fx.USDJPY")
    assert column[7] != was
    pq.write_table(table.set_column(at, "fx.USDJPY", pa.array(column)), published / "daily.parquet")
    status, said = again(published, capsys)
    assert status == 1
    assert f"daily.parquet, column fx.USDJPY, seed 5, day 2: {column[7]} and now {was}" in said


def test_a_summary_that_differs_is_named(published: Path, capsys: Captured) -> None:
    for file in published.glob("*.parquet"):
        file.unlink()
    summary = json.loads((published / "summary.json").read_text())
    summary["measures"]["peak_change_bp.JGB40"]["median"] += 1e-9
    (published / "summary.json").write_text(json.dumps(summary))
    status, said = again(published, capsys)
    assert status == 1 and "summary.json, peak_change_bp.JGB40" in said


def test_another_program_is_told(published: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "differences", lambda *_: iter(()))
    manifest = json.loads((published / "manifest.json").read_text())
    manifest["packages"]["numpy"], manifest["code_hash"] = "1.0", "0" * 64
    (published / "manifest.json").write_text(json.dumps(manifest))
    status, said = again(published, capsys)
    assert status == 0
    assert "not the same program: numpy 1.0 then" in said and "other code: revision" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m.pop("scenario"), "has no scenario"),
        (lambda m: m.update(seeds=[]), "at least one"),
        (lambda m: m.update(seeds=["1"]), "whole numbers"),
        (lambda m: m.update(seeds=[-1]), "expected whole numbers from 0"),
        (lambda m: m["scenario"]["scenario"].update(days=5), "the scenario was changed"),
        (lambda m: m["scenario"]["scenario"].update(days="5"), "scenario.days = '5'"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(change, sentence: str, published: Path, capsys: Captured) -> None:
    manifest = json.loads((published / "manifest.json").read_text())
    change(manifest)
    (published / "manifest.json").write_text(json.dumps(manifest))
    status, said = again(published, capsys)
    assert status == 2 and sentence in said and said.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(content: bytes, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    status, said = again(tmp_path, capsys)
    assert status == 2 and said.count("\n") == 1
    assert again(tmp_path / "gone", capsys)[0] == 2


@pytest.mark.parametrize(
    "surroundings",
    [
        {"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "4242", "OMP_NUM_THREADS": "3"},
    ],
)
def test_the_surroundings_change_no_bit(surroundings: dict[str, str], original: Path, tmp_path: Path) -> None:
    workers = "1" if "OMP_NUM_THREADS" in surroundings else "2"
    script = (
        "import sys; from abm import load_scenario; from abm.study.run import run\n"
        f"run(load_scenario('sanaenomics', {SMALL!r}, 4), [2, 5], workers={workers}, out=sys.argv[1], figures=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")],
        env={**os.environ, **surroundings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mine, theirs = (json.loads((place / "manifest.json").read_text()) for place in (original, tmp_path / "run"))
    assert mine["sha256"] == theirs["sha256"]
    assert len(mine["sha256"]) == 5
