"""Calibration: known parameters are found again, what nothing tells about stays open, and every stop can be resumed."""

import json

import numpy as np
import pytest

from abm.scenarios import load_scenario
from abm.study.fitting import DESIGN, EVALUATIONS, fit
from abm.study.free import FREE as PACKAGED
from abm.study.free import Free, free_parameters, overrides, present
from abm.study.lines import Line
from abm.study.run import Interrupted
from abm.study.simulator import targets_of
from abm.world.errors import InputError
from tests.study.fake_simulator import DEPTH, FREE, ODDS, SHARE, START, TRUTH, FakeSimulator

TRIALS = 60
PACKAGED_POINT = np.array([one.unit_value(START[one.name]) for one in FREE])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A calibration nobody interrupted."""
    return fit(FREE, FakeSimulator(), PACKAGED_POINT, TRIALS, tmp_path_factory.mktemp("whole"))


def test_known_parameters_are_found_again_within_their_intervals(fitted):
    low, high = fitted.values(fitted.interval[0]), fitted.values(fitted.interval[1])
    for i, name in enumerate((DEPTH, SHARE)):
        assert low[i] <= TRUTH[name] <= high[i]
        assert high[i] - low[i] < 0.6 * (FREE[i].high - FREE[i].low)
    assert fitted.losses[0] > 5.0 and fitted.losses[1] < 0.1


def test_what_nothing_tells_about_keeps_its_whole_range(fitted):
    assert fitted.informed[:2].min() > 0.5
    assert fitted.informed[2] == pytest.approx(0.0, abs=1e-3)
    assert fitted.interval[1, 2] - fitted.interval[0, 2] > 0.9


def test_sensitivities_are_those_of_the_formulas(fitted):
    """d(-1 / depth) / du = log(high / low) / depth; d sqrt(share) / du = range / (2 sqrt(share))."""
    names = [row.id for row in fitted.targets.rows]
    depth, share, _ = fitted.values(fitted.u)
    assert fitted.jacobian[names.index("B.impact.day"), 0] == pytest.approx(np.log(16.0) / depth, rel=0.05)
    assert fitted.jacobian[names.index("A.sd.JGB10"), 1] == pytest.approx(0.7 / (2.0 * np.sqrt(share)), rel=0.05)
    assert fitted.jacobian[names.index("A.sd.JGB10"), 0] == pytest.approx(0.0, abs=1e-9)


def test_other_seeds_confirm_the_fit(fitted):
    assert fitted.fresh_after.max() < fitted.fresh_before.min()
    assert fitted.simulation_sd == pytest.approx(FakeSimulator.noise, rel=1.0)


@pytest.mark.parametrize("after", [0, 3, TRIALS + 1, TRIALS + 8])
def test_a_stopped_calibration_goes_on_to_the_same_fit(fitted, tmp_path, after):
    """Stopped at the first simulation, in the search, and in what follows it."""
    whole, stopped = FakeSimulator(), FakeSimulator()

    class Stopped(FakeSimulator):
        def __call__(self, settings, block=0):
            if self.calls >= after:
                raise KeyboardInterrupt
            return super().__call__(settings, block)

    with pytest.raises(Interrupted, match=r"of 60 trials are kept in .*; the same command with --out"):
        fit(FREE, Stopped(), PACKAGED_POINT, TRIALS, tmp_path)
    again = fit(FREE, stopped, PACKAGED_POINT, TRIALS, tmp_path)
    assert [t.values for t in again.trials] == [t.values for t in fitted.trials]
    np.testing.assert_array_equal(again.interval, fitted.interval)
    np.testing.assert_array_equal(again.sensitivity, fitted.sensitivity)
    fit(FREE, whole, PACKAGED_POINT, TRIALS, tmp_path)
    assert whole.calls == 0  # nothing is simulated twice


def test_half_a_line_of_evaluations_is_left_out(fitted, tmp_path):
    fit(FREE, FakeSimulator(), PACKAGED_POINT, 5, tmp_path)
    with (tmp_path / EVALUATIONS).open("a") as file:
        file.write('{"key": "[[')
    again = fit(FREE, FakeSimulator(), PACKAGED_POINT, TRIALS, tmp_path)
    assert [t.values for t in again.trials] == [t.values for t in fitted.trials]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda free, fake: ((*free[:2], Free(ODDS, -8.0, -5.0, "")), fake),
            "free.bank_of_japan.exceptional_odds.high was",
        ),
        (lambda free, fake: (free[:2], fake), "free.bank_of_japan.exceptional_odds.also was"),
        (lambda free, fake: (free, _noisier(fake)), "noise was 0.002, is 0.1"),
    ],
)
def test_another_design_is_refused_and_the_difference_told(tmp_path, change, words):
    fit(FREE, FakeSimulator(), PACKAGED_POINT, 3, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    free, fake = change(FREE, FakeSimulator())
    with pytest.raises(InputError) as error:
        fit(free, fake, PACKAGED_POINT[: len(free)], 3, tmp_path)
    assert "holds a calibration of another design" in str(error.value) and words in str(error.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def _noisier(fake):
    fake.noise = 0.1
    return fake


def test_a_design_made_by_other_code_is_refused(tmp_path):
    fit(FREE, FakeSimulator(), PACKAGED_POINT, 3, tmp_path)
    design = json.loads((tmp_path / DESIGN).read_text())
    design["design"]["code"] = "older"
    (tmp_path / DESIGN).write_text(json.dumps(design))
    with pytest.raises(InputError, match="code was 'older', is"):
        fit(FREE, FakeSimulator(), PACKAGED_POINT, 3, tmp_path)


def test_settings_at_which_the_model_breaks_are_bad_but_no_end(tmp_path):
    class Breaks(FakeSimulator):
        def __call__(self, settings, block=0):
            if settings.get(SHARE, 0.0) > 0.6:
                raise RuntimeError("every seed failed")
            return super().__call__(settings, block)

    found = fit(FREE, Breaks(), PACKAGED_POINT, 40, tmp_path)
    assert found.values(found.u)[1] <= 0.6
    assert np.isfinite([t.loss for t in found.trials]).all()


# -- the packaged list and the lines of the scorecard ---------------------------------------------------------------


def test_packaged_values_lie_within_the_bounds_and_move_together():
    free, scenario = free_parameters(), load_scenario("baseline")
    assert 12 <= len(free) <= 24
    for one, u in zip(free, present(free, scenario), strict=True):
        own = [
            getattr(scenario.news if s == "news" else scenario.params[s], p) for s, p in pairs((one.name, *one.also))
        ]
        assert len(set(own)) == 1, f"{one.name} and {one.also} differ"
        assert one.value(u) == pytest.approx(own[0]), f"{one.name} = {own[0]} is outside {one.low} to {one.high}"


def pairs(names):
    return [name.split(".", 1) for name in names]


def test_a_point_is_settings_that_the_loader_takes():
    free = free_parameters()
    settings = overrides(free, np.full(len(free), 0.25))
    scenario = load_scenario("baseline", overrides=settings)
    assert scenario.params["real_money"].fiscal_premium_30y_bp == settings["dealers.fiscal_premium_30y_bp"]
    assert set(settings) >= {name for one in free for name in one.also}


def test_patterns_and_files_choose(tmp_path):
    assert [one.name for one in free_parameters(["news.*"])] == [
        one.name for one in free_parameters() if one.name.startswith("news.")
    ]
    path = tmp_path / "mine.toml"
    path.write_text('[[free]]\nparameter = "dealers.inventory_pace"\nlow = 0.05\nhigh = 0.3\nwhy = "mine"\n')
    assert [one.name for one in free_parameters([str(path), "news.scale*", "news.tail_df_currencies"][::2])] == [
        "dealers.inventory_pace",
        "news.tail_df_currencies",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("low = 0.6", "low = 9.0"), "below high"),
        (("high = 4.0", "high = 2e4"), "within dealers.jgb30_depth_per_pct_usd_bn, a number from 0 to 10000"),
        (("low = 0.6", 'low = "little"'), "a finite number"),
        (("low = 0.6\n", ""), "free 1 has no low"),
        (("jgb30_depth", "jgb3_depth"), "unknown parameter of dealers 'jgb3_depth_per_pct_usd_bn'"),
        (('parameter = "dealers.', 'parameter = "dealer.'), "unknown sector of a free parameter"),
        (("dealers.jgb30_depth_per_pct_usd_bn", "dealers.members"), "is no real number"),
        (('scale = "log"', 'scale = "cubic"'), "linear or log"),
        (("why =", "reason ="), "unknown key in free 1 'reason'"),
        (('moves = ["B.super_longs.*"]', "moves = 3"), "a list of texts"),
    ],
)
def test_faults_of_a_list_are_one_sentence(tmp_path, change, message):
    path = tmp_path / "mine.toml"
    path.write_text(PACKAGED.read_text().replace(*change, 1))
    with pytest.raises(InputError) as error:
        free_parameters([str(path)])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_pattern_that_picks_nothing_and_a_double_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"unknown free parameter or pattern 'news\.colour'"):
        free_parameters(["news.colour"])
    path = tmp_path / "twice.toml"
    entry = '[[free]]\nparameter = "dealers.inventory_pace"\nlow = 0.05\nhigh = 0.3\nwhy = "mine"\n'
    path.write_text(entry + entry)
    with pytest.raises(InputError, match="free twice"):
        free_parameters([str(path)])


def test_lines_with_figures_become_targets_and_others_do_not():
    def row(id_, of=""):
        return Line(id_, id_[0], id_, "bp", 0.0, 1.0, 0.5, True, "", None, of)

    ids = [
        ("A.sd.JGB10", ""),
        ("A.kurtosis", ""),
        ("A.kurtosis.JGB10", "A.kurtosis"),
        ("A.sign.JGB10-UST10", "A.sign"),
        ("A.drift.JGB10", ""),
        ("A.cascades", ""),
        ("B.shares", ""),
        ("B.shares.SPX", "B.shares"),
        ("C.2026-01.sign", ""),
        ("C.2026-01.JGB30.0-4.sign", "C.2026-01.sign"),
        ("C.2026-01.JGB30.0-4.factor_two", "C.2026-01.factor_two"),
        ("C.2026-01.JGB30.0-4.band", "C.2026-01.band"),
    ]
    found = targets_of([row(*args) for args in ids])
    assert [(t.id, t.family) for t in found.rows] == [
        ("A.sd.JGB10", "A.sd"),
        ("A.kurtosis.JGB10", "A.kurtosis"),
        ("B.shares.SPX", "B.shares"),
        ("C.2026-01.JGB30.0-4.factor_two", "C.2026-01.factor_two"),
    ]
