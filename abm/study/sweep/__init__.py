"""Sweeps: many points of parameters, many seeds, on one machine or a cluster; nothing that is done is lost."""

from abm.study.sweep.plan import Plan, load_plan
from abm.study.sweep.results import SweepResults, open_results
from abm.study.sweep.run import sweep

__all__ = ["Plan", "SweepResults", "load_plan", "open_results", "sweep"]
