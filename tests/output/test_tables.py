"""Files of a run directory."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abm.output import tables
from abm.output.tables import (
    COMPARISON,
    RUN,
    SCORECARD,
    Kind,
    RunDirectory,
    RunWriter,
    TableWriter,
    changes,
    changes_in_words,
    content_hash,
    read_json,
    series_column,
    write_json,
)
from abm.world.errors import InputError


def test_a_run_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "run"
    writer = RunWriter(target)
    writer.add({"daily": pa.table({"seed": [1]})})
    assert not target.exists()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_is_replaced_and_other_directories_are_not(tmp_path: Path) -> None:
    target = tmp_path / "run"
    for seed in (1, 2):
        writer = RunWriter(target)
        writer.add({"daily": pa.table({"seed": [seed]})})
        write_json(writer.directory / "manifest.json", dict.fromkeys(RUN.keys))
        writer.publish()
    assert pq.read_table(target / "daily.parquet").column("seed").to_pylist() == [2]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("mine")
    with pytest.raises(InputError, match="is not the directory of a run"):
        RunWriter(foreign)
    assert (foreign / "chapter.txt").read_text() == "mine"


def finished(target: Path, kind: Kind = RUN) -> Path:
    """A results directory with nothing but what makes it one."""
    writer = RunWriter(target, kind)
    write_json(writer.directory / kind.marker, dict.fromkeys(kind.keys))
    (writer.directory / "figures").mkdir()
    return writer.publish()


@pytest.mark.parametrize(
    "content",
    ["{}", "no JSON", '{"name": "a web page", "icons": []}', '{"format": 1, "sweep": {}, "code_hash": "", "runs": 8}'],
)
@pytest.mark.parametrize("kind", [RUN, COMPARISON, SCORECARD], ids=lambda kind: kind.what)
def test_a_directory_with_a_file_called_like_ours_is_not_ours(tmp_path: Path, kind: Kind, content: str) -> None:
    (tmp_path / kind.marker).write_text(content)
    with pytest.raises(InputError, match=f"is not the directory of a {kind.what}"):
        RunWriter(tmp_path, kind)
    assert (tmp_path / kind.marker).read_text() == content


@pytest.mark.parametrize("name", ["notes.txt", "figures/mine.png", ".git/config", "old/manifest.json"])
def test_a_run_with_something_of_the_users_in_it_is_not_replaced(tmp_path: Path, name: str) -> None:
    file = finished(tmp_path / "run") / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    with pytest.raises(InputError, match=r"also holds .* which is not of the run"):
        RunWriter(tmp_path / "run")
    assert file.read_text() == "mine"


def test_results_of_another_kind_are_not_replaced(tmp_path: Path) -> None:
    finished(tmp_path / "scores", SCORECARD)
    with pytest.raises(InputError, match="is not the directory of a comparison"):
        RunWriter(tmp_path / "scores", COMPARISON)
    assert finished(tmp_path / "scores", SCORECARD).is_dir()


def test_what_was_put_there_during_the_run_is_kept_beside_it(tmp_path: Path) -> None:
    writer = RunWriter(finished(tmp_path / "run"))
    (tmp_path / "run" / "notes.txt").write_text("mine")
    writer.publish()
    assert [path.read_text() for path in tmp_path.rglob("notes.txt")] == ["mine"]
    assert not (tmp_path / "run" / "notes.txt").exists()


def test_changes_are_named_with_both_values() -> None:
    old = {"set": {"banks.members": 5}, "event": [{"day": 4, "kind": "flow"}], "days": 9}
    new = {"set": {"banks.members": 6}, "event": [{"day": 5, "kind": "flow"}, {"day": 8}], "days": 9}
    assert changes(old, new) == {"set.banks.members": (5, 6), "event[1].day": (4, 5), "event[2].day": (None, 8)}
    assert changes_in_words({"a": 1}, {"a": "x"}) == "a is 'x' and was 1"
    assert changes_in_words(dict.fromkeys("abcdef", 0), dict.fromkeys("abcdef", 1)).endswith(
        "; d is 1 and was 0, and 2 more"
    )
    assert changes_in_words(old, old) == ""


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    target = tmp_path / "empty"
    target.mkdir()
    writer = RunWriter(target)
    writer.add({"daily": pa.table({"seed": [1]})})
    assert (writer.publish() / "daily.parquet").is_file()


def test_row_groups_hold_many_seeds_but_not_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 100)
    writer = TableWriter(tmp_path / "t.parquet")
    for seed in range(10):
        writer.add(pa.table({"seed": np.full(30, seed)}))
    writer.close()
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [120, 120, 60]
    assert file.read().column("seed").to_pylist() == [s for s in range(10) for _ in range(30)]


def test_json_has_no_numbers_that_are_not_finite(tmp_path: Path) -> None:
    content = {"a": math.nan, "b": [math.inf, 1.5], "c": np.float64(2.0), "words": ["x [1,\n2]"], "n": [1, 2, 3]}
    write_json(tmp_path / "x.json", content)
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": 2.0, "words": ["x [1,\n2]"], "n": [1, 2, 3]}
    assert "[1, 2, 3]" in text


def test_the_hash_of_a_content_does_not_depend_on_the_order_of_its_keys() -> None:
    assert content_hash({"a": 1, "b": 2.0}) == content_hash({"b": 2.0, "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


def test_series_are_found_by_their_names() -> None:
    assert [series_column(s) for s in ("JGB30", "BTC", "EURUSD", "AUDJPY")] == [
        "yield_pct.JGB30",
        "price.BTC",
        "fx.EURUSD",
        "fx.AUDJPY",
    ]
    with pytest.raises(KeyError, match="JGB35"):
        series_column("JGB35")


def test_rows_of_failed_seeds_are_kept_but_not_counted(saved: RunDirectory) -> None:
    raw = saved.table("daily").to_pandas()
    assert raw.groupby("seed")["day"].max().to_dict() == {1: 12, 2: 12, 3: 8, 4: 12}
    assert set(saved.daily["seed"]) == {1, 2, 4}
    failure = saved.table("events").to_pandas().query("kind == 'failure'")
    assert failure[["seed", "day"]].values.tolist() == [[3, 9]]
    assert "JGB30 holdings off" in failure["text"].iloc[0]


def test_a_directory_without_a_manifest_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json"):
        RunDirectory.open(tmp_path)


@pytest.mark.parametrize("half", [rb"\ud800", "\ud800".encode("utf-8", "surrogatepass")])
def test_half_a_character_is_no_json(tmp_path: Path, half: bytes) -> None:
    (tmp_path / "a.json").write_bytes(b'{"title": "' + half + b'"}')
    with pytest.raises(InputError, match="is not JSON, but what is asked for is needed"):
        read_json(tmp_path / "a.json", "what is asked for")


def test_a_directory_that_is_there_stays_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    node = real.stat().st_ino
    for target in (link, link):  # empty, then an earlier run
        finished(target)
        assert link.is_symlink() and real.stat().st_ino == node
        assert tables.RunDirectory(real).manifest
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    finished(Path())
    assert (here / "manifest.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "link", "real"]


def test_a_volume_is_filled_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == volume)
    monkeypatch.setattr(tables.os, "rename", _only_within(volume))
    finished(volume)
    finished(volume)
    assert tables.RunDirectory(volume).manifest and list(tmp_path.iterdir()) == [volume]
    assert not [path for path in volume.iterdir() if path.name.startswith(".")]


def _only_within(volume: Path) -> Callable[[Path, Path], None]:
    rename = os.rename

    def within(old: Path, new: Path) -> None:
        assert volume in Path(old).parents and volume in Path(new).parents
        rename(old, new)

    return within
