"""The mathematics of the fit, against cases with a known answer."""

import numpy as np
import pytest

from abm.study.smm import (
    HUBER,
    NO_RESULT,
    Z_95,
    Target,
    Targets,
    informed,
    intervals,
    loss,
    misses,
    precision,
    profile,
    slopes,
    standardised,
    told_by,
)


def target(name, low, high, family=None):
    return Target(name, family or name, name, "", low, high)


def test_a_miss_is_measured_in_half_widths_and_nothing_inside():
    targets = Targets((target("a", 1.0, 3.0), target("b", 1.0, 3.0), target("c", 1.0, 3.0), target("d", 2.0, np.inf)))
    z = misses(targets, np.array([2.9, 4.5, 0.0, 1.0]))
    assert z == pytest.approx([0.0, 1.5, -1.0, -1.0])
    assert misses(targets, np.full(4, np.nan)) == pytest.approx([NO_RESULT] * 4)


def test_a_family_counts_once_and_a_far_miss_linearly():
    single = Targets((target("a", -1.0, 1.0),))
    many = Targets(tuple(target(str(i), -1.0, 1.0, "f") for i in range(5)))
    assert loss(many, np.full(5, 2.5)) == pytest.approx(loss(single, np.array([2.5]))) == pytest.approx(1.5**2)
    step = loss(single, np.array([11.0])) - loss(single, np.array([10.0]))
    assert step == pytest.approx(2.0 * HUBER)


def test_the_precision_is_that_of_the_normal_regression_formula():
    """By hand: alone g^2 / s^2; of two, the other known only by its bounds, a - b (c + 12)^-1 b."""
    targets = Targets((target("a", 0.0, 2.0 * Z_95), target("b", 0.0, 2.0 * Z_95)))
    g = standardised(targets, np.array([[10.0], [0.0]]), np.array([0.5, 0.5]))
    assert g[0, 0] == pytest.approx(10.0 / np.sqrt(1.5))
    assert precision(targets, g) == pytest.approx([100.0 / 1.5])
    two = precision(targets, np.array([[3.0, 3.0], [0.0, 2.0]]))
    assert two == pytest.approx([9.0 - 81.0 / (13.0 + 12.0), 13.0 - 81.0 / (9.0 + 12.0)])


def test_intervals_are_normal_far_from_the_bounds_and_cut_off_near_them():
    tight, near, flat = intervals(np.array([0.5, 0.0, 0.1]), np.array([1e4, 1e4, 0.0])).T
    assert tight == pytest.approx([0.5 - 0.01 * Z_95, 0.5 + 0.01 * Z_95])
    assert near[0] == 0.0 and near[1] == pytest.approx(0.01 * 2.2414, rel=1e-3)  # two-sided normal, 2.5 % in one tail
    assert flat == pytest.approx([0.025, 0.975], abs=1e-4)


def test_a_parameter_that_moves_nothing_keeps_its_range_and_is_told_by_nobody():
    targets = Targets((target("a", 0.0, 1.0), target("b", 0.0, 1.0)))
    g = np.array([[9.0, 0.0], [3.0, 0.0]])
    interval = intervals(np.array([0.5, 0.1]), precision(targets, g))
    assert informed(interval)[0] > 0.5
    assert informed(interval)[1] == pytest.approx(0.0, abs=1e-3)
    assert list(told_by(targets, g, 0)) == ["a", "b"]
    assert list(told_by(targets, g, 1)) == []


def test_two_parameters_that_only_act_together_are_both_open():
    targets = Targets((target("sum", 0.0, 1.0),))
    assert precision(targets, np.array([[50.0, 50.0]])) == pytest.approx([12.0, 12.0], rel=0.01)


def test_open_ranges_tell_nothing_about_a_parameter():
    assert precision(Targets((target("a", 3.0, np.inf),)), np.array([[50.0]])) == pytest.approx([0.0])


def test_slopes_of_a_linear_model_are_its_coefficients():
    g = np.array([[2.0, -1.0], [0.0, 4.0], [1.0, np.nan]])
    at, step = np.array([0.4, 0.6]), np.array([0.2, 0.1])
    moves = np.diag(step / 2.0)
    above = np.array([g @ np.nan_to_num(at + m) for m in moves])
    below = np.array([g @ np.nan_to_num(at - m) for m in moves])
    found = slopes(below, above, step)
    assert found[:2] == pytest.approx(g[:2])
    assert np.isfinite(found).all()


def test_a_profile_frees_the_other_parameters():
    """A target on a sum: whatever the first parameter is, the second makes up for it; a second target pins both."""
    at, grid = np.array([0.5, 0.5]), np.linspace(0.2, 0.8, 7)
    on_the_sum = Targets((target("sum", 0.99, 1.01),))
    flat = profile(on_the_sum, at, np.array([1.0]), np.array([[1.0, 1.0]]), 0, grid)
    assert flat == pytest.approx(np.zeros(7), abs=1e-3)
    both = Targets((target("sum", 0.99, 1.01), target("first", 0.49, 0.51)))
    pinned = profile(both, at, np.array([1.0, 0.5]), np.array([[1.0, 1.0], [1.0, 0.0]]), 0, grid)
    assert pinned[3] == pytest.approx(0.0) and pinned[0] > 10.0 and pinned[-1] > 10.0
