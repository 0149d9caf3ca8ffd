"""Compiled sums against NumPy's, bit by bit."""

import numpy as np
import pytest

from abm.world.sums import pairwise_sum


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 23, 127, 128])
def test_the_same_bits_as_numpy(n):
    values = np.random.default_rng(n).standard_normal((n, 3)) * 10.0 ** np.arange(-4.0, 5.0, 4.0)
    for column in (values[:, 0], values[:, 1], np.ascontiguousarray(values[:, 2])):
        assert pairwise_sum(column) == column.sum()
