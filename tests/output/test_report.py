"""The summary on the terminal."""

import io
import math

import pytest
from rich.console import Console

from abm.output import report
from abm.output.measures import MEASURES
from abm.output.tables import RunDirectory


@pytest.fixture(scope="module")
def text(saved: RunDirectory) -> str:
    console = Console(file=io.StringIO(), width=80)
    report.show(saved.path, console)
    report.show_places(saved.path, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_summary_fits_eighty_columns(text: str) -> None:
    assert max(len(line.rstrip()) for line in text.splitlines() if "/" not in line) <= 80


def test_the_summary_shows_every_headline_measure_and_no_other(text: str) -> None:
    for m in MEASURES.values():
        assert (f"  {m.text} " in text) == (
            m.headline or any(h.headline and h.text == m.text for h in MEASURES.values())
        )


def test_the_summary_names_the_movers_the_failures_and_the_files(text: str, saved: RunDirectory) -> None:
    assert "3 seeds" in text
    assert "Who moved the market" in text
    assert "JGB40 " in text and " bp by day " in text
    assert "failed seed 3, day 9: FloatingPointError" in text
    assert str(saved.path) in text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (12.34, "bp", "12.3"),
        (-0.04, "bp", "0.0"),
        (1234.5, "USD bn", "1,234.5"),
        (math.nan, "bp", "-"),
        (math.inf, "days", "not in run"),
        (3.0, "number", "3"),
        (2.5, "number", "2.5"),
        (None, "%", "-"),
    ],
)
def test_numbers_have_the_decimals_of_their_unit(value: float | None, unit: str, shown: str) -> None:
    assert report.formatted(value, unit) == shown
