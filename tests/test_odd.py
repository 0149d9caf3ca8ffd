"""The model description names only what exists, and all sectors, rules, events and parameters are named."""

import dataclasses
import re
from pathlib import Path

import pytest

from abm import load_scenario
from abm.agents import REGISTRY
from abm.scenarios.describe import scenario_tables
from abm.scenarios.sectors import parameter_models, switches
from abm.world.economy import HikeRule
from abm.world.events import EVENT_KINDS
from abm.world.instruments import IDS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "abm" / "ODD.md").read_text()
QUOTED = set(re.findall(r"`([^`\n]+)`", TEXT))
FILE = re.compile(r"\b[\w./-]+\.(?:py|toml|md|ini|csv|parquet|json)\b")
ELEMENTS = (
    "Purpose and patterns",
    "Entities, state variables, scales",
    "Process overview and scheduling",
    "Design concepts",
    "Initialization",
    "Input data",
    "Submodels",
)


def test_the_seven_elements_come_in_order() -> None:
    headings = re.findall(r"^## \d\. (.+)$", TEXT, flags=re.MULTILINE)
    assert tuple(headings) == ELEMENTS


def test_every_file_named_exists() -> None:
    named = set(FILE.findall(TEXT))
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("folder", ["abm/agents", "abm/world", "abm/scenarios", "abm/scenarios/states"])
def test_every_file_of_the_model_is_named(folder: str) -> None:
    files = [path for suffix in ("py", "toml") for path in (ROOT / folder).glob(f"*.{suffix}")]
    named = [path.relative_to(ROOT).as_posix() for path in files if path.name != "__init__.py"]
    helpers = {f"abm/world/{name}.py" for name in ("errors", "parameters", "record", "sums")}
    assert sorted(set(named) - set(FILE.findall(TEXT)) - helpers) == []


def test_every_sector_rule_event_and_market_is_named() -> None:
    assert sorted(set(REGISTRY) - QUOTED) == []
    assert sorted(set(switches()) - QUOTED) == []
    assert sorted(set(EVENT_KINDS) - QUOTED) == []
    assert [name for name in IDS if not re.search(rf"\b{name}\b", TEXT)] == []


def test_every_switch_is_in_the_table_of_switches() -> None:
    table = TEXT[TEXT.index("### 7.8 Switches") : TEXT.index("## Deviations from the blueprint")]
    assert sorted(set(switches()) - set(re.findall(r"`(\w+)`", table))) == []


def test_every_parameter_is_described_here_or_by_abm_show() -> None:
    shown = {row[0] for table in scenario_tables(load_scenario("baseline")) for row in table.rows}
    for owner, model in parameter_models().items():
        missing = [name for name in model.model_fields if f"{owner}.{name}" not in shown and name not in QUOTED]
        assert missing == [], owner


def test_parameters_quoted_here_exist() -> None:
    """A quoted name that looks like a parameter, a rule or an event is one; with a star it stands for several."""
    fields = {name for model in parameter_models().values() for name in model.model_fields}
    known = fields | set(switches()) | set(EVENT_KINDS) | set(REGISTRY) | {"boj_purchases_jpy_tn", "respect_depth"}
    known |= {field.name for field in dataclasses.fields(HikeRule)}
    known |= {"margin_rounds_exhausted", "non_convergence", "insurance_fund", "iteration_limit"}
    for name in sorted(q for q in QUOTED if re.fullmatch(r"[a-z0-9*]+(_[a-z0-9*]+)+", q)):
        pattern = re.compile(name.replace("*", r"\w+"))
        assert any(pattern.fullmatch(k) for k in known), name
