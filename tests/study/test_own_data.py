"""A user's own closes: every fault in one sentence, and statistics against pandas and by hand."""

import datetime as dt
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w

from abm.scenarios import load_scenario, load_state
from abm.study.calibrate import own_documents
from abm.study.moments import excess_kurtosis
from abm.study.own_data import (
    bootstrap_error,
    calm_correlation,
    daily_changes,
    levels,
    nearest_state,
    read_closes,
    shrunk,
    state_document,
    targets_document,
    until,
    weekly_changes,
)
from abm.world.errors import InputError
from abm.world.instruments import IDS, INDEX

EXAMPLE = Path(__file__).parents[2] / "abm" / "calibration" / "example"
DATES = pd.bdate_range("2025-01-06", periods=160)


def invented(columns=("JGB10", "UST10", "USDJPY"), seed=3):
    """Closes with changes of known sizes."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((len(DATES), len(columns)))
    bond = [name[-1].isdigit() for name in columns]
    paths = np.cumsum(np.where(bond, 0.03, 0.005) * steps, axis=0)
    values = np.where(bond, 2.0 + paths, 100.0 * np.exp(paths))
    return pd.DataFrame(values, DATES.rename("date"), list(columns))


def folder(tmp_path, frame, name="closes.csv"):
    frame.to_csv(tmp_path / name, date_format="%Y-%m-%d")
    return tmp_path


@pytest.fixture
def closes(tmp_path):
    return read_closes(folder(tmp_path, invented()))


# -- reading -------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(closes):
    expected = invented()
    assert list(closes.columns) == list(expected.columns)
    np.testing.assert_allclose(closes.to_numpy(), expected.to_numpy())


def test_series_may_stand_in_several_files_with_gaps_and_weekends(tmp_path):
    frame = invented(("JGB10", "BTC"))
    frame.loc[DATES[10], "JGB10"] = np.nan
    frame[["JGB10"]].to_csv(tmp_path / "a.csv")
    week = frame["BTC"].reindex(pd.date_range(DATES[0], DATES[-1], name="date")).interpolate().to_frame()
    week.to_csv(tmp_path / "b.csv")
    closes = read_closes(tmp_path)
    assert len(closes) == len(DATES) and closes.index.day_of_week.max() == 4
    assert closes["JGB10"].isna().sum() == 1


LINES = ["date,JGB10,USDJPY", *(f"{d:%Y-%m-%d},{2 + i % 7 / 100},{150 + i % 5}" for i, d in enumerate(DATES))]


@pytest.mark.parametrize(
    ("row", "text", "message"),
    [
        (0, "day,JGB10,USDJPY", "row 1 has no column date, but every file needs one"),
        (0, "date,JGB11,USDJPY", "unknown series in row 1, column 2 'JGB11'"),
        (0, "date,JGB10,JGB10", "row 1 has the column JGB10 twice"),
        (3, "2025-13-08,2.0,150", "row 4, column date = '2025-13-08', but it must be a date (year-month-day)"),
        (3, "20250108,2.0,150", "row 4, column date = '20250108', but it must be a date"),
        (3, "2025-01-06,2.0,150", "row 4, column date: 2025-01-06 is also in row 2"),
        (3, "2025-01-08,two,150", "row 4, column JGB10 = 'two', but it must be a yield in per cent, between -5 and 60"),
        (3, "2025-01-08,145.0,150", "row 4, column JGB10 = '145.0', but it must be a yield in per cent"),
        (3, "2025-01-08,nan,150", "row 4, column JGB10 = 'nan'"),
        (3, "2025-01-08,2.0,-150", "row 4, column USDJPY = '-150', but it must be a price above 0, or empty"),
        (3, "2025-01-08,2.0,0", "row 4, column USDJPY = '0', but it must be a price above 0"),
        (3, "2025-01-08,2.0", "row 4 has 2 cells, but row 1 has 3 columns"),
        (3, '2025-01-08,"2.0,150', "is not valid CSV"),
        (3, "2025-01-08,2\x80.0,150", "row 4, column JGB10"),
    ],
)
def test_a_fault_is_one_sentence_with_file_row_and_column(tmp_path, row, text, message):
    lines = LINES.copy()
    lines[row] = text
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    with pytest.raises(InputError) as error:
        read_closes(tmp_path)
    assert message in str(error.value) and "mine.csv" in str(error.value) and "\n" not in str(error.value)


def test_faults_of_folders_and_files(tmp_path):
    with pytest.raises(InputError, match="is no directory"):
        read_closes(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no file that ends in \.csv"):
        read_closes(tmp_path)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match="has 0 rows"):
        read_closes(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"date,JGB10\n2025-01-06,\xff\n")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_closes(tmp_path)
    (tmp_path / "a.csv").write_text("\n".join(LINES[:50]))
    with pytest.raises(InputError, match="column JGB10 has 48 daily changes, but at least 120 are needed"):
        read_closes(tmp_path)
    (tmp_path / "a.csv").write_text("\n".join(LINES))
    (tmp_path / "b.csv").write_text("\n".join(LINES))
    with pytest.raises(InputError, match=r"column JGB10 is also in a\.csv"):
        read_closes(tmp_path)


def test_the_opening_must_lie_within_the_closes_and_have_fresh_ones(closes):
    assert until(closes, None) is closes
    assert until(closes, DATES[150].date()).index[-1] == DATES[150]
    with pytest.raises(InputError, match="--date = 2030-01-01, but it must be after 2025-01-06"):
        until(closes, dt.date(2030, 1, 1))
    stale = closes.copy()
    stale.loc[DATES[-12] :, "UST10"] = np.nan
    with pytest.raises(InputError, match="column UST10: last close"):
        levels(stale)


# -- changes, by hand and by pandas --------------------------------------------------------------------------------


def test_daily_changes_are_bp_and_per_cent_and_skip_long_gaps(closes):
    assert daily_changes(closes, "JGB10").to_numpy() == pytest.approx(100.0 * closes["JGB10"].diff().dropna())
    assert daily_changes(closes, "USDJPY").iloc[0] == pytest.approx(
        100.0 * np.log(closes["USDJPY"].iloc[1] / closes["USDJPY"].iloc[0])
    )
    gaps = closes.copy()
    gaps.loc[DATES[20], "JGB10"] = np.nan  # a Monday: Friday to Tuesday is still a daily change
    gaps.loc[DATES[40:46], "JGB10"] = np.nan  # more than a week is not
    changes = daily_changes(gaps, "JGB10")
    assert changes[DATES[21]] == pytest.approx(100.0 * (closes["JGB10"].iloc[21] - closes["JGB10"].iloc[19]))
    assert DATES[46] not in changes.index and len(changes) == 159 - 1 - 7


def test_weekly_changes_carry_a_missing_close_for_two_days(closes):
    gaps = closes.copy()
    gaps.loc[DATES[30:33], "UST10"] = np.nan
    weekly = weekly_changes(gaps)
    path = 100.0 * closes["UST10"]
    assert weekly["UST10"][DATES[31]] == pytest.approx(path.iloc[29] - path.iloc[26])
    assert np.isnan(weekly["UST10"][DATES[32]])
    assert weekly["JGB10"].dropna().to_numpy() == pytest.approx(100.0 * closes["JGB10"].diff(5).dropna())


def test_no_week_reaches_across_a_hole(closes):
    weekly = weekly_changes(closes.drop(DATES[60:80]))
    assert not set(DATES[80:85]) & set(weekly.index) and weekly.loc[DATES[85]].notna().all()


def test_shrinkage_by_hand():
    """One pair: r = 0.6, prior 0.2, n = 33: lambda = (1 - 0.36)^2 / 32 / 0.16 = 0.08."""
    sample, prior = np.array([[1.0, 0.6], [0.6, 1.0]]), np.array([[1.0, 0.2], [0.2, 1.0]])
    mixed, weight = shrunk(sample, prior, 33.0)
    assert weight == pytest.approx(0.08)
    assert mixed[0, 1] == pytest.approx(0.08 * 0.2 + 0.92 * 0.6)
    assert shrunk(sample, prior, 1.0)[0][0, 1] == pytest.approx(0.2)
    missing, _ = shrunk(np.array([[1.0, np.nan], [np.nan, 1.0]]), prior, 33.0)
    assert missing == pytest.approx(prior)


def test_the_bootstrap_error_of_a_mean_is_that_of_theory():
    changes = np.random.default_rng(5).standard_normal(2000)
    error = bootstrap_error(changes, lambda x: float(x.mean()), "mean")
    assert error == pytest.approx(1.0 / np.sqrt(2000), rel=0.25)
    assert error == bootstrap_error(changes, lambda x: float(x.mean()), "mean")


# -- state and targets ---------------------------------------------------------------------------------------------


def test_the_state_has_the_levels_and_sizes_of_the_closes_and_the_parents_rest(closes, tmp_path):
    document = state_document(closes, tmp_path)
    path = tmp_path / "state.toml"
    path.write_text(tomli_w.dumps(document))
    state, parent = load_state(path), nearest_state(DATES[-1].date())
    assert (state.date, parent.name) == (DATES[-1].date(), "2026-01-13")
    assert state.levels[INDEX["USDJPY"]] == pytest.approx(closes["USDJPY"].iloc[-1])
    assert state.levels[INDEX["SPX"]] == parent.levels[INDEX["SPX"]]
    assert state.calm_sd[INDEX["JGB10"]] == pytest.approx((100.0 * closes["JGB10"].diff()).std(), abs=1e-4)
    assert state.calm_sd[INDEX["SPX"]] == parent.calm_sd[INDEX["SPX"]]
    scenario = load_scenario("baseline", state=str(path), days=3)
    assert scenario.dates[0] == DATES[-1].date()


def test_correlations_are_positive_definite_even_from_contradicting_samples(closes):
    closes = closes.assign(UST10=closes["JGB10"] + 2.0, USDJPY=np.exp(closes["JGB10"]))  # all perfectly correlated
    matrix, weight = calm_correlation(closes, nearest_state(DATES[-1].date()))
    assert np.linalg.eigvalsh(matrix).min() > 0.0
    assert matrix == pytest.approx(matrix.T) and np.diag(matrix) == pytest.approx(np.ones(len(IDS)))
    prior = nearest_state(DATES[-1].date()).correlation[INDEX["JGB10"], INDEX["UST10"]]
    assert matrix[INDEX["JGB10"], INDEX["UST10"]] > prior + 0.2 and 0.0 <= weight < 0.2


def test_targets_are_the_moments_of_pandas(closes, tmp_path):
    closes = closes.assign(AUDJPY=closes["USDJPY"] * 0.6)
    document = targets_document(closes, tmp_path)
    row = document["moments"]["series"]["USDJPY"]
    changes = 100.0 * np.log(closes["USDJPY"]).diff().dropna()
    assert row["sd"] == pytest.approx(changes.std(ddof=0), abs=1e-4)
    assert row["kurtosis"][0] == pytest.approx(excess_kurtosis(changes.to_numpy()[None, :]), abs=1e-4)
    assert 0.0 < row["sd_se"] < 0.2 * row["sd"] and row["kurtosis"][1] > 0.0
    assert document["moments"]["series"]["AUDJPY"]["sd"] == row["sd"]
    calm = document["correlations"]["calm"]
    expected = (100.0 * closes["JGB10"]).diff(5).corr((100.0 * np.log(closes["USDJPY"])).diff(5))
    assert calm["USDJPY"]["JGB10"] == pytest.approx(expected, abs=5e-4)
    assert calm["AUDJPY"]["USDJPY"] == 1.0
    assert tomllib.loads(tomli_w.dumps(document)) == document


def test_the_example_is_read_and_says_that_it_is_invented():
    documents = own_documents(EXAMPLE, None)
    assert (
        "invented" in documents["state.toml"]["levels"]["source"] or "invented" in (EXAMPLE / "README.md").read_text()
    )
    assert len(documents["targets.toml"]["moments"]["series"]) >= 6
