"""The palettes: chart colours that stay apart for colour-blind readers, and contrast."""

from itertools import combinations

import numpy as np
import pytest

from abm.browser.theme import CYCLE, PALETTES

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SIGHT = {
    "ordinary": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
APART = 15.0  # CIELAB; 2.3 is just noticeable


def linear(color: str) -> np.ndarray:
    """Linear RGB of "#RRGGBB"."""
    c = np.array([int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB."""
    t = XYZ @ np.clip(rgb, 0.0, 1.0) / WHITE
    x, y, z = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16.0) / 116.0)
    return np.array([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)])


def contrast(a: str, b: str) -> float:
    """Ratio of WCAG 2."""
    low, high = sorted(float(XYZ[1] @ linear(c)) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", PALETTES)
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_of_the_charts_stay_apart(theme: str, sight: str) -> None:
    seen = {name: lab(np.array(SIGHT[sight]) @ linear(PALETTES[theme][name])) for name in CYCLE}
    near = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(CYCLE, 2)}
    assert {pair: apart for pair, apart in near.items() if apart < APART} == {}


@pytest.mark.parametrize("theme", PALETTES)
def test_text_and_lines_stand_out_from_what_is_behind_them(theme: str) -> None:
    p = PALETTES[theme]
    text = {(a, b): contrast(p[a], p[b]) for a in ("ink", "muted", "bad") for b in ("panel", "page", "field", "shade")}
    text |= {("on_accent", "accent"): contrast(p["on_accent"], p["accent"])}
    assert {pair: ratio for pair, ratio in text.items() if ratio < 4.5} == {}  # WCAG 2.2, 1.4.3
    assert {c for c in (*CYCLE, "grey", "accent") if contrast(p[c], p["panel"]) < 3.0} == set()  # 1.4.11
