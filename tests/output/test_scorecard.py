"""The scorecard's table and figure, out of a document made by hand."""

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from rich.console import Console

from abm.output import scorecard
from abm.output.scorecard import draw, number, read, show, span


def line(
    id_: str, text: str, low: float | None, high: float | None, result: float | None, **more: Any
) -> dict[str, Any]:
    passed = result is not None and (low is None or low <= result) and (high is None or result <= high)
    said = {"section": id_[0], "unit": "bp", "passed": passed, "responsible": "banks.members", "observed": None}
    return {
        "id": id_,
        "text": text,
        "low": low,
        "high": high,
        "result": result,
        "part_of": "",
        "note": "",
        **said,
        **more,
    }


def band(series: str, span_: str, low: float, high: float, result: float, observed: float) -> dict[str, Any]:
    text = f"{series}, 13 Jan to 20 Jan"
    more = {"part_of": "C.jan.band", "observed": observed, "passed": low <= observed <= high}
    return line(f"C.jan.{series}.{span_}.band", text, low, high, result, **more)


DOCUMENT = {
    "bars": [
        {"name": "A_lines", "text": "A: lines", "least_pct": 85.0, "result_pct": 50.0, "count": 2, "passed": False}
    ],
    "seeds": {"calm": 2},
    "failures": [{"experiment": "calm", "seed": 3, "day": 7, "error": "ValueError: [odd]"}],
    "calm_days": 250,
    "lines": [
        line("A.sd.JGB30", "JGB30: daily standard deviation", 1.9, 2.8, 2.3, observed=2.34),
        line("A.sd.UST10", "UST10: daily standard deviation", 3.5, 5.3, None, observed=4.4),
        line("A.kurtosis", "kurtosis", 80, 100, 50, unit="%", note="1 of 2; missed UST10"),
        line("A.kurtosis.JGB30", "JGB30: kurtosis", 1, 3, 2, part_of="A.kurtosis", observed=2.0),
        line("A.correlation.JGB30-UST10", "pair", 0.1, 0.4, 0.3, part_of="A.correlation", observed=0.28),
        line("A.drift.JGB30", "JGB30: mean drift", -15, 15, 3, observed=0.0),
        line("A.drift.USDJPY", "USDJPY: mean drift", -3, 1, 2, unit="%"),
        line("B.ust_sale", "an official sale", 100, 100, 50, unit="%"),
        line("B.ust_sale.end", "UST10 at the end", 5, 25, 4, part_of="B.ust_sale"),
        line("B.channels.purchase", "foreign yields over USDJPY", 1, None, 4000, part_of="B.channels", unit="ratio"),
        line("S.skew", "skewness", None, -0.2, -0.1, unit=""),
        line("C.jan.band", "jan: inside the band", 80, 100, 50, unit="%"),
        band("JGB30", "0-1", -5, 5, 1, 20.3),
        band("JGB30", "0-3", -8, 8, 2, 4.0),
        band("USDJPY", "1-2", -8, 8, 2, 4.0),
        band("EURUSD", "1-2", -8, 8, 2, 4.0),
    ],
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "scorecard.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "figures").mkdir()
    return tmp_path


def printed(document: dict[str, Any], **options: bool) -> str:
    console = Console(file=io.StringIO(), width=160)
    show(document, console, **options)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_tells_target_range_result_and_who_is_responsible() -> None:
    said = printed(DOCUMENT)
    [row] = [r for r in said.splitlines() if r.startswith("A.sd.JGB30")]
    assert row.split()[-6:] == ["2.34", "1.9", "to", "2.8", "2.3", "pass"]
    [row] = [r for r in said.splitlines() if r.startswith("B.ust_sale.end")]
    assert "miss" in row and "banks.members" in row
    assert "A.kurtosis.JGB30" not in said  # a member
    assert "up to -0.2" in said
    assert "seed 3, day 7: ValueError: [odd]" in said
    assert "20.3" not in said


def test_every_move_can_be_shown() -> None:
    said = printed(DOCUMENT, every_move=True)
    [row] = [r for r in said.splitlines() if "20.3" in r]
    assert row.split()[:6] == ["JGB30,", "13", "Jan", "to", "20", "Jan"]
    assert "-5 to 5" in row and "miss" in row


def test_the_page_is_drawn_with_open_ranges_missing_results_and_single_points(directory: Path) -> None:
    assert draw(directory).stat().st_size > 20_000


@pytest.mark.parametrize("section", ["A", "B", "C", "S"])
def test_a_page_of_one_section(directory: Path, section: str) -> None:
    document = {**read(directory), "lines": [e for e in DOCUMENT["lines"] if e["section"] == section]}  # type: ignore[attr-defined]
    (directory / "scorecard.json").write_text(json.dumps(document))
    assert draw(directory).is_file()


def panels(monkeypatch: pytest.MonkeyPatch, directory: Path, lines: list[dict[str, Any]]) -> dict[str, Axes]:
    """What is drawn of observed moves, by title."""
    drawn: dict[str, Axes] = {}
    monkeypatch.setattr(
        scorecard, "save", lambda figure, path: drawn.update({a.get_title("left"): a for a in figure.axes})
    )
    (directory / "scorecard.json").write_text(json.dumps({**DOCUMENT, "lines": lines}))
    draw(directory)
    return drawn


def test_every_series_of_an_episode_has_a_panel_and_no_other(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    names = ("SPX", "GILT10", "JGB30", "EGB30", "UST2", "UST30", "JGB2", "JGB20", "USDMXN")
    drawn = panels(monkeypatch, directory, [band(name, "0-3", -8, 8, 2, 4.0) for name in names])
    assert next(iter(drawn)).endswith("\nJGB30")
    assert {title.rpartition("\n")[2] for title in drawn} - {""} == {*names}


def test_a_single_move_shows_median_band_and_what_was_observed(
    monkeypatch: pytest.MonkeyPatch, directory: Path
) -> None:
    [ax] = panels(monkeypatch, directory, [band("SPX", "0-3", -8, 8, 2, 4.0)]).values()
    [bar] = ax.collections
    assert bar.get_segments()[0].tolist() == [[3.0, -8.0], [3.0, 8.0]]  # type: ignore[attr-defined]
    assert all(line.get_marker() == "o" for line in ax.lines[1:])
    assert [line.get_ydata().tolist() for line in ax.lines[1:]] == [[2.0], [4.0]]  # type: ignore[union-attr]


def test_numbers_and_ranges_in_words() -> None:
    assert [number(x) for x in (None, math.nan, 1234.5, 0.12345, -2.0)] == ["-", "-", "1234", "0.123", "-2"]
    assert span({"low": None, "high": 2.0}) == "up to 2"
    assert span({"low": 1.0, "high": None}) == "from 1"
    assert span({"low": None, "high": None}) == "any"
