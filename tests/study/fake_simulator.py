"""A cheap stand-in for the model: targets that are known functions of the parameters, plus noise of the seeds."""

import math
import zlib

import numpy as np

from abm.study.free import Free
from abm.study.lines import line

DEPTH, SHARE, ODDS = "dealers.jgb30_depth_per_pct_usd_bn", "news.variance_share", "bank_of_japan.exceptional_odds"
FREE = (
    Free(DEPTH, 0.5, 8.0, "fast liquidity", log=True, moves=("B.impact.*",)),
    Free(SHARE, 0.2, 0.9, "news", moves=("A.sd.*",)),
    Free(ODDS, -8.0, -4.0, "moves nothing here"),
)
TRUTH = {DEPTH: 1.2, SHARE: 0.75, ODDS: -6.0}
START = {DEPTH: 4.0, SHARE: 0.3, ODDS: -6.0}
HALF_WIDTH = 0.05


def true_values(settings):
    depth, share = settings.get(DEPTH, START[DEPTH]), settings.get(SHARE, START[SHARE])
    return {
        "B.impact.day": -1.0 / depth,
        "B.impact.month": -0.4 / depth + 0.1 * share,
        "A.sd.JGB10": math.sqrt(share),
        "A.sd.UST10": math.sqrt(share) + 0.1,
    }


class FakeSimulator:
    """Targets centred at what the true parameters give; the same noise for the same block, whatever the settings."""

    noise = 0.002

    def __init__(self):
        self.calls = 0

    def design(self):
        return {"seeds": 3, "noise": self.noise}

    def __call__(self, settings, block=0):
        self.calls += 1
        lines = []
        for name, value in true_values(settings).items():
            centre = true_values(TRUTH)[name]
            error = self.noise * np.random.default_rng([block, zlib.crc32(name.encode())]).standard_normal()
            limits = (centre - HALF_WIDTH, centre + HALF_WIDTH)
            of = "B.impact" if name.startswith("B") else ""
            lines.append(line(name, name, "bp", limits, value + error, "nobody", centre, of))
        return lines
