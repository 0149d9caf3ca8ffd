"""Figures: all are drawn, none is blank, what they show is labelled."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from abm.output import plots
from abm.output.paired import draw_differences
from abm.output.style import RC, Paths, _tick_places, date_ticks, drawing, event_words
from abm.output.tables import RunDirectory
from abm.study.run import run
from tests.output.conftest import DAYS
from tests.output.fake import FakeScenario, build_fake


@pytest.mark.parametrize("name", plots.FIGURES)
def test_every_panel_has_a_title_and_a_unit(saved: RunDirectory, name: str) -> None:
    with drawing():
        figure = plots.FIGURES[name](Paths(saved))
    for ax in figure.axes:
        assert ax.get_title(loc="left")
        assert ax.get_ylabel() or ax.get_xlabel() or ax.get_subplotspec().colspan.start > 0
        assert ax.has_data() or name == "05_margin_calls_liquidations"


def test_one_seed_is_drawn_without_words_about_seeds(tmp_path: Path) -> None:
    result = run(
        FakeScenario(days=5), 1, workers=1, out=tmp_path / "one", figures=False, progress=False, build=build_fake
    )
    with drawing():
        figures = {name: draw(Paths(result.directory)) for name, draw in plots.FIGURES.items()}
    for name, figure in figures.items():
        words = " ".join(text.get_text() for text in figure.findobj(Text))
        assert "median" not in words and "mean " not in words, name


def test_events_are_named_with_their_size_and_close_ones_share_a_label(saved: RunDirectory) -> None:
    assert event_words("policy_rate", {"bank": "BOJ", "change_bp": 25.0}) == "BoJ rate +25 bp"
    assert event_words("fiscal_announcement", {}) == "fiscal announcement"
    assert event_words("margin_change", {"factor": 2.0}) == "margin change"
    paths = Paths(saved)
    assert list(paths.letters.values()) == ["A"]
    assert "A" in paths.key and "21.3" in paths.key
    days = np.arange("2026-01-13", "2026-05-13", dtype="datetime64[D]")
    vars(paths).update(dates=days, letters={days[1]: "A", days[3]: "B", days[60]: "C"})
    assert paths.labels == {days[3]: "A B", days[60]: "C"}


def test_a_run_is_drawn_and_drawing_again_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = ("10_liquidity_stress",)
    monkeypatch.setitem(RC, "figure.dpi", 40)
    monkeypatch.setattr(plots, "FIGURES", {name: plots.FIGURES[name] for name in some})
    result = run(FakeScenario(days=3), 1, workers=1, out=tmp_path / "one", progress=False, build=build_fake)
    files = sorted((result.path / "figures").iterdir())
    assert [f.stem for f in files] == list(some)
    assert all(np.ptp(imread(file)) > 0.5 for file in files)
    before = files[0].read_bytes()
    with drawing():
        plots.save(plots.FIGURES[files[0].stem](Paths(result.directory)), files[0])
    assert files[0].read_bytes() == before


def test_cumulated_flows_of_all_sectors_cancel(saved: RunDirectory) -> None:
    flows = plots._cumulated_flows(Paths(saved))
    everybody = sum(by_group["Foreign bonds"] for by_group in flows.values())
    assert np.abs(everybody).max() < 1e-9
    mine = saved.frame("flows").query("seed == 4 and sector == 'banks'")
    bought = mine[mine["market"].isin(plots.JGB_IDS)]["usd_bn"].sum()
    assert flows["banks"]["Japanese government bonds"][2, -1] == pytest.approx(bought, abs=1e-12)


def test_stacked_parts_end_at_the_total(saved: RunDirectory) -> None:
    found = plots.attribution.contributions(saved, plots.MOVED, DAYS)
    fills = plots._fills(found.values())
    for c in found.values():
        layers = plots._layers(c, fills)
        assert len(layers) == plots.CONTRIBUTORS + 3
        np.testing.assert_allclose(sum(layer.part for layer in layers), c.total, atol=1e-9)
    assert len(set(fills.values())) == len(fills) > plots.CONTRIBUTORS


@pytest.mark.parametrize("days", [10, 40, 90, 400, 1200, 8000])
@pytest.mark.parametrize("most", [4, 6])
def test_date_ticks_are_few_and_at_least_two(days: int, most: int) -> None:
    first = dt.date(2026, 1, 13)
    places, labels = _tick_places(first, first + dt.timedelta(days), most)
    assert 2 <= len(places) == len(labels) <= most
    assert len(set(places)) == len(places)
    assert all(labels)


@pytest.mark.parametrize("days", [2, 60, 250])
def test_a_mark_on_the_last_day_is_not_cut(days: int) -> None:
    ax = Figure(figsize=(11, 3), layout="constrained").subplots()
    dates = np.arange(days).astype("datetime64[D]")
    date_ticks(ax, dates)
    right_of_it = ax.transAxes.inverted().transform(ax.transData.transform((date2num(dates[-1]), 0.0)))[0]
    assert 0.95 < right_of_it < 0.99


def test_differences_of_pairs_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RC, "figure.dpi", 40)
    dates = np.arange("2026-01-13", "2026-02-13", dtype="datetime64[D]")
    rng = np.random.default_rng(0)
    paths = {name: rng.uniform(1.0, 2.0, (2, 5, dates.size)) for name in ("JGB30", "USDJPY")}
    with pytest.raises(ValueError, match="zip"):  # eight panels, two series
        draw_differences(tmp_path / "d.png", "b less a", ("A is a, B is b.",), dates, paths)
    more = {n: paths["JGB30"] for n in ("JGB30", "JGB40", "UST10", "UST30", "USDJPY", "NIKKEI", "NASDAQ", "BTC")}
    assert draw_differences(tmp_path / "d.png", "b less a", ("A is a, B is b.",), dates, more).stat().st_size > 5_000
