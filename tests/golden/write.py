"""Writes the golden path anew, after a rule was changed on purpose."""

import json
from pathlib import Path

from abm import MarketModel, load_scenario
from abm.world.instruments import IDS


def main() -> None:
    model = MarketModel(load_scenario("sanaenomics"), rng=7)
    golden = {}
    for day in (1, 5, 20):
        model.run_for(day - model.day)
        golden[str(day)] = dict(zip(IDS, map(float, model.log_price), strict=True))
    (Path(__file__).parent / "sanaenomics_seed_7.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
