"""Episode files: what is legal, what is refused and how, and scores against paths made by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from abm.study.episodes import Episode, Observed, episode_lines_of, episode_names, load_episode
from abm.study.paths import Paths
from abm.world.errors import InputError
from abm.world.instruments import IDS, INDEX, TO_QUOTED

HEAD = """
[scenario]
name = "mine"
title = "Mine"
state = "2024-07-10"
start = 2024-07-10
days = 3
[[event]]
date = 2024-07-11
kind = "rate_check"
"""
ROW = """
[[observed]]
series = "USDJPY"
from = 2024-07-10
to = 2024-07-12
change = -1.42
"""


def written(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def episode(folder: Path, text: str) -> Episode:
    return load_episode(written(folder, text))


def test_packaged_episodes_load_and_observe_the_markets_asked_for() -> None:
    assert episode_names() == ("2022-09-22", "2024-04-29", "2024-07-11", "2024-08", "2026-01")
    for name in episode_names():
        loaded = load_episode(name)
        assert loaded.name == name
        assert loaded.scenario.days == max(row.to for row in loaded.observed) <= 40
        assert {"JGB30", "UST10", "USDJPY", "AUDJPY", "MXNJPY", "NIKKEI", "BTC"} <= {r.series for r in loaded.observed}
        assert all(event.day <= loaded.scenario.days for event in loaded.scenario.events if event.day)


def test_rows_by_date_or_day_and_the_run_is_as_long_as_they_need(tmp_path: Path) -> None:
    text = HEAD + ROW + '[[observed]]\nseries = "AUDJPY"\nfrom = 1\nto = 7\nchange = 2\nunit = "%"\nnote = "words"\n'
    loaded = episode(tmp_path, text)
    assert loaded.observed[0] == Observed("USDJPY", 0, 2, -1.42)
    assert loaded.observed[1] == Observed("AUDJPY", 1, 7, 2.0, "words")
    assert loaded.scenario.days == 7


def test_from_a_closed_day_is_the_close_before_and_to_a_closed_day_the_close_after(tmp_path: Path) -> None:
    text = HEAD + ROW.replace("2024-07-10", "2024-07-14").replace("2024-07-12", "2024-07-15")
    [row] = episode(tmp_path, text).observed  # a Sunday, and Marine Day
    dates = load_episode(tmp_path / "mine.toml").scenario.dates
    assert str(dates[row.since]) == "2024-07-12"
    assert str(dates[row.to]) == "2024-07-16"


def test_name_title_and_days_may_be_left_out(tmp_path: Path) -> None:
    text = '[scenario]\nstate = "2026-01-13"\nstart = 2026-01-13\n' + ROW.replace("2024-07-1", "2026-01-2")
    loaded = load_episode(written(tmp_path, text, "by_a_stranger.toml"))
    assert loaded.name == loaded.scenario.title == "by_a_stranger"


@pytest.mark.parametrize("head", ["", "[state.levels]\n", "[levels]\n"])
def test_own_levels_lie_over_the_state_that_is_named(tmp_path: Path, head: str) -> None:
    start = HEAD.replace("2024-07", "2024-10")
    text = start.replace("[[event]]", f"{head}USDJPY = 149.5\nJGB30 = 2.1\n[[event]]", 1) if head else start
    text = text.replace('"2024-10-10"', '"2024-07-10"')
    if not head:
        text = text.replace(
            "days = 3", 'days = 3\n[state]\ntitle = "Opening"\n[state.levels]\nUSDJPY = 149.5\nJGB30 = 2.1'
        )
    loaded = episode(tmp_path, text + ROW.replace("2024-07", "2024-10"))
    assert loaded.scenario.state.levels[INDEX["USDJPY"]] == 149.5
    assert loaded.scenario.state.levels[INDEX["UST10"]] == 4.28
    assert str(loaded.scenario.state.date) == "2024-10-10"
    assert loaded.scenario.state.figures["levels", "USDJPY"].unit == "JPY per USD"


def test_own_levels_lie_over_the_state_of_the_scenario_that_is_extended(tmp_path: Path) -> None:
    text = '[scenario]\nextends = "carry_unwind_2024"\nstart = 2024-07-10\n[levels]\nUSDJPY = 150\n' + ROW
    state = episode(tmp_path, text).scenario.state
    assert (state.levels[INDEX["USDJPY"]], state.levels[INDEX["UST10"]]) == (150.0, 4.28)


@pytest.mark.parametrize("extends", ["carry_unwind_2024", "parent.toml"])
def test_own_levels_open_on_the_start_of_the_scenario_that_is_extended(tmp_path: Path, extends: str) -> None:
    parent = '[scenario]\nname = "parent"\ntitle = "P"\ndays = 5\nstate = "2024-07-10"\nstart = 2024-07-10\n'
    written(tmp_path, parent, "parent.toml")
    text = f'[scenario]\nextends = "{extends}"\n[levels]\nUSDJPY = 150\n'
    scenario = episode(tmp_path, text + ROW).scenario
    assert str(scenario.dates[0]) == str(scenario.state.date) == "2024-07-10"
    assert (scenario.state.levels[INDEX["USDJPY"]], scenario.state.levels[INDEX["UST10"]]) == (150.0, 4.28)


def test_a_state_of_ones_own_in_a_file_beside(tmp_path: Path) -> None:
    written(
        tmp_path,
        '[state]\nname = "october"\ntitle = "October"\ndate = 2024-10-10\nextends = "2024-07-10"\n'
        '[levels]\nUSDJPY = {value = 149.5, unit = "JPY per USD", source = "BoJ", conf = "H"}\n',
        "october.toml",
    )
    head = HEAD.replace('"2024-07-10"', '"october.toml"').replace("2024-07", "2024-10")
    loaded = episode(tmp_path, head + ROW.replace("2024-07", "2024-10"))
    assert loaded.scenario.state.name == "october"


def test_settings_and_overrides_reach_the_scenario(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "[set]\n'switches.news' = false\n" + ROW)
    loaded = load_episode(path, {"banks.members": 7})
    assert not loaded.scenario.switches["news"]
    assert loaded.scenario.params["banks"].members == 7


@pytest.mark.parametrize("text", ["'switches.mof_ladder' = true", "switches.mof_ladder = true"])
def test_the_ladder_is_off_unless_the_episode_switches_it_on(text: str, tmp_path: Path) -> None:
    switches = episode(tmp_path, HEAD + "[set]\n" + text + "\n" + ROW).scenario.switches
    assert switches["mof_ladder"] and not switches["exceptional_purchases"]
    assert not episode(tmp_path, HEAD + ROW).scenario.switches["mof_ladder"]


BAD = {
    "no rows": (HEAD, ["has no [[observed]] row"]),
    "no scenario": (ROW, ["has no table [scenario]"]),
    "unknown series": (ROW.replace("USDJPY", "USDJPX"), ["observed 1.series = 'USDJPX'", "nearest is 'USDJPY'"]),
    "series of another kind": (ROW.replace('"USDJPY"', "3"), ["observed 1.series = 3", "instrument id"]),
    "misspelt key": (ROW.replace("change", "chnage"), ["chnage = -1.42", "nearest is 'change'"]),
    "missing key": (ROW.replace("change = -1.42", ""), ["observed 1 has no change", "series, from, to, change"]),
    "change in words": (ROW.replace("-1.42", "'down'"), ["observed 1.change = 'down'", "-1000 to 1000 (% of the log"]),
    "change too large": (ROW.replace("-1.42", "1e5"), ["change = 100000.0", "a number from -1000"]),
    "change not finite": (ROW.replace("-1.42", "nan"), ["change = nan"]),
    "change true": (ROW.replace("-1.42", "true"), ["change = True"]),
    "wrong unit": (ROW + 'unit = "bp"', ["observed 1.unit = 'bp'", "% for USDJPY"]),
    "before the opening": (
        ROW.replace("2024-07-10", "2024-07-01"),
        ["observed 1.from = 2024-07-01", "from 2024-07-10"],
    ),
    "far beyond": (ROW.replace("2024-07-12", "2034-07-12"), ["observed 1.to = 2034-07-12"]),
    "backwards": (ROW.replace("2024-07-12", "2024-07-10"), ["observed 1.to = 2024-07-10", "after its from"]),
    "negative day": (ROW.replace("2024-07-10", "-1"), ["observed 1.from = -1", "from 0 (the opening)"]),
    "not a date": (ROW.replace("2024-07-10", "'soon'"), ["observed 1.from = 'soon'", "a date (year-month-day)"]),
    "twice": (ROW + ROW, ["observed 2 repeats observed 1", "USDJPY"]),
    "one table": (ROW.replace("[[observed]]", "[observed]"), ["[[observed]]"]),
    "event of no kind": (ROW.replace(ROW, ROW) + "[[event]]\nday = 1\n", ["event 2 has no kind"]),
    "unknown level": (ROW + "[levels]\nUSDJPX = 3\n", ["'USDJPX'", "nearest is 'USDJPY'"]),
    "unknown table": (ROW + "[observd]\nx = 1\n", ["'observd'", "nearest is 'observed'"]),
    "level out of range": (ROW + "[levels]\nJGB30 = 300\n", ["levels.JGB30 = 300", "-5 to 60"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    text, words = BAD[case]
    path = written(tmp_path, text if case in ("no rows", "no scenario") else HEAD + text)
    with pytest.raises(InputError) as refusal:
        load_episode(path)
    message = str(refusal.value)
    assert "\n" not in message
    assert "mine.toml" in message
    for word in words:
        assert word in message


def test_unknown_names_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nearest is '2024-08'"):
        load_episode("2024-09")
    with pytest.raises(InputError, match="no such file"):
        load_episode(tmp_path / "nothing.toml")


# -- scores --------------------------------------------------------------------------------------------------------


def made(loaded: Episode, changes: dict[str, np.ndarray]) -> Paths:
    """Seeds that make the given changes on day 1 and stay there."""
    seeds = len(next(iter(changes.values())))
    log_price = np.zeros((seeds, loaded.scenario.days + 1, len(IDS)))
    for name, change in changes.items():
        log_price[:, 1:, INDEX[name]] = (change / TO_QUOTED[INDEX[name]])[:, None]
    return Paths(loaded.scenario, tuple(range(seeds)), log_price, np.zeros(log_price.shape[:2]))


def test_scores_against_paths_made_by_hand(tmp_path: Path) -> None:
    rows = ROW + ROW.replace("USDJPY", "JGB30").replace("-1.42", "20") + ROW.replace("USDJPY", "NIKKEI")
    rows += ROW.replace("USDJPY", "EURUSD").replace("-1.42", "0.1")
    loaded = episode(tmp_path, HEAD + rows)
    changes = {
        "USDJPY": np.linspace(-3.0, 0.0, 101),  # median -1.5
        "JGB30": np.linspace(0.0, 10.0, 101),  # median 5, largest 10
        "NIKKEI": np.linspace(-1.0, 3.0, 101),  # median 1
        "EURUSD": np.linspace(-1.0, 1.0, 101),
    }
    found = {entry.id: entry for entry in episode_lines_of(loaded, made(loaded, changes))}
    assert found["C.mine.USDJPY.0-2.sign"].passed
    assert found["C.mine.USDJPY.0-2.factor_two"].passed
    assert found["C.mine.USDJPY.0-2.band"].passed
    assert found["C.mine.USDJPY.0-2.band"].low == pytest.approx(-2.85)
    assert found["C.mine.JGB30.0-2.sign"].passed
    assert not found["C.mine.JGB30.0-2.factor_two"].passed
    assert not found["C.mine.JGB30.0-2.band"].passed
    assert not found["C.mine.NIKKEI.0-2.sign"].passed
    assert "C.mine.EURUSD.0-2.sign" not in found  # less than a daily standard deviation
    assert found["C.mine.EURUSD.0-2.band"].passed
    assert found["C.mine.sign"].result == pytest.approx(200.0 / 3.0)
    assert found["C.mine.factor_two"].result == pytest.approx(100.0 / 3.0)
    assert found["C.mine.band"].result == pytest.approx(50.0)
    assert found["C.mine.JGB30.0-2.band"].observed == 20.0
    assert "fiscal_premium" in found["C.mine.band"].responsible


def test_a_median_of_zero_has_no_sign(tmp_path: Path) -> None:
    loaded = episode(tmp_path, HEAD + ROW)
    found = {entry.id: entry for entry in episode_lines_of(loaded, made(loaded, {"USDJPY": np.zeros(5)}))}
    assert not found["C.mine.USDJPY.0-2.sign"].passed
    assert math.isinf(found["C.mine.USDJPY.0-2.sign"].low)
