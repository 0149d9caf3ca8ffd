"""Scenarios and opening states: TOML files, checked wholly before anything is computed."""

from abm.scenarios.loader import load_scenario, load_state, scenario_from_resolved, scenario_names, state_names
from abm.scenarios.schema import Scenario
from abm.scenarios.state import State

__all__ = [
    "Scenario",
    "State",
    "load_scenario",
    "load_state",
    "scenario_from_resolved",
    "scenario_names",
    "state_names",
]
