"""Sums in compiled loops that have the same bits as NumPy's."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def pairwise_sum(values: np.ndarray[Any, Any]) -> float:
    """Sum of at most 128 numbers, added up as `numpy.sum` does it, in eight partial sums."""
    n = values.size
    total = 0.0
    whole = n - n % 8 if n >= 8 else 0
    if whole:
        a, b, c, d, e, f, g, h = values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7]
        for i in range(8, whole, 8):
            a += values[i]
            b += values[i + 1]
            c += values[i + 2]
            d += values[i + 3]
            e += values[i + 4]
            f += values[i + 5]
            g += values[i + 6]
            h += values[i + 7]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, n):
        total += values[i]
    return total
