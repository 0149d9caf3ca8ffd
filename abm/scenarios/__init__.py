"""Scenarios and opening states: TOML files, checked wholly before anything is computed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abm.scenarios.loader import load_scenario, load_state, scenario_from_resolved, scenario_names, state_names
    from abm.scenarios.schema import Scenario
    from abm.scenarios.state import State

_HOME = {
    "Scenario": "abm.scenarios.schema",
    "State": "abm.scenarios.state",
    "load_scenario": "abm.scenarios.loader",
    "load_state": "abm.scenarios.loader",
    "scenario_from_resolved": "abm.scenarios.loader",
    "scenario_names": "abm.scenarios.loader",
    "state_names": "abm.scenarios.loader",
}
__all__ = [
    "Scenario",
    "State",
    "load_scenario",
    "load_state",
    "scenario_from_resolved",
    "scenario_names",
    "state_names",
]


def __getattr__(name: str) -> Any:
    """Names are imported when first used, so that the command line starts fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'abm.scenarios' has no attribute {name!r}, it offers {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
