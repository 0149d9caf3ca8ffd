"""abm sweep: exit statuses and sentences."""

from pathlib import Path
from typing import Any

import pytest
import tomli_w

from abm.cli import BAD_INPUT, DONE, main
from abm.study.sweep import open_results
from tests.study.sweep.small import UNIFORM, small_tables


def written(folder: Path, **changes: Any) -> str:
    path = folder / "sweep.toml"
    path.write_text(tomli_w.dumps(small_tables(**{"days": 1, "parameter": [UNIFORM], **changes})))
    return str(path)


def test_a_sweep_by_command_is_done_and_then_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    file = written(tmp_path, design={"kind": "random", "points": 2}, scenario="baseline")
    assert main(["sweep", file, "--out", str(out), "--workers", "1"]) == DONE
    assert "4 runs (4 ok)" in capsys.readouterr().out
    before = (out / "results.parquet").read_bytes()
    assert main(["sweep", file, "--out", str(out), "--workers", "1"]) == DONE
    assert (out / "results.parquet").read_bytes() == before
    assert len(open_results(out).frame()) == 4


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({"parameter": [{**UNIFORM, "high": 200.0}]}, [], "dealers.capacity_scale = 200.0, but it must be a number"),
        ({}, ["--cluster", "tcp://127.0.0.1:9"], "no Dask scheduler answers there"),
        ({}, ["--workers", "0"], "--workers"),
    ],
)
def test_bad_input_ends_with_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("abm.study.sweep.places.CONNECT_SECONDS", 1)
    out = tmp_path / "out"
    assert main(["sweep", written(tmp_path, **changes), "--out", str(out), *arguments]) == BAD_INPUT
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not out.exists()
