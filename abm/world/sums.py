"""Sums in compiled loops that have the same bits as NumPy's."""

from typing import Any, Final

import numpy as np
from numba import njit

BLOCK: Final = 128  # up to which NumPy adds in eight partial sums


@njit(cache=True)
def pairwise_sum(values: np.ndarray[Any, Any]) -> float:
    """Sum of a one-dimensional array, added up as `numpy.sum` does it: halves of halves, blocks in eight partial sums.

    The error grows with the logarithm of the number of terms (Higham 1993, SIAM Journal on Scientific Computing 14).
    """
    n = values.size
    if n > BLOCK:
        half = n // 2
        half -= half % 8
        return pairwise_sum(values[:half]) + pairwise_sum(values[half:])
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
