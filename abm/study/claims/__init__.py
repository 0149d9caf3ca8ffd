"""Claims on trial: what varies, what decides, and what came out. The scripts are experiments/cNN_*.py."""

from abm.study.claims.arms import Arm, arm
from abm.study.claims.claim import CONDITIONAL, NOT_SUPPORTED, SUPPORTED, UNDECIDED, Claim, Compared, Verdict, compared
from abm.study.claims.estimates import Estimate, estimate, mean, ratio, share
from abm.study.claims.runs import Ensemble, Runs, difference, parts_of_effect
from abm.study.claims.trial import main, try_claims

__all__ = [
    "CONDITIONAL",
    "NOT_SUPPORTED",
    "SUPPORTED",
    "UNDECIDED",
    "Arm",
    "Claim",
    "Compared",
    "Ensemble",
    "Estimate",
    "Runs",
    "Verdict",
    "arm",
    "compared",
    "difference",
    "estimate",
    "main",
    "mean",
    "parts_of_effect",
    "ratio",
    "share",
    "try_claims",
]
