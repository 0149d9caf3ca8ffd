"""How fast it is: one table of everything that has a target, a profile of the day, and a history."""

from abm.study.bench.effort import FULL, QUICK, Effort
from abm.study.bench.measure import bench
from abm.study.bench.report import Report

__all__ = ["FULL", "QUICK", "Effort", "Report", "bench"]
