"""All claims or some of them: run what is missing, judge, write claims.json, figures and the report."""

import argparse
import datetime as dt
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from abm.output.claims_report import DOCUMENT, FIGURES, REPORT, page, show
from abm.output.tables import write_json
from abm.study.claims import dependence
from abm.study.claims.arms import Arm
from abm.study.claims.claim import Claim
from abm.study.claims.runs import RUNS, Runs, Store, model_hash
from abm.study.run import PACKAGE, git_revision, package_versions
from abm.world.errors import InputError, unknown_name, wrong_value

SCRIPTS: Final = PACKAGE.parent / "experiments"
SEEDS: Final = 200
OUT: Final = Path("results") / "claims"
SCRIPT: Final = re.compile(r"c(\d\d)_\w+\.py")


def load_claims(names: Iterable[str] = (), scripts: Path = SCRIPTS) -> dict[str, Claim]:
    """Claims of the scripts cNN_*.py, in order; those named ("C7"), or all. InputError for an unknown one."""
    found = {f"C{int(match[1])}": file for file in sorted(scripts.glob("c*.py")) if (match := SCRIPT.match(file.name))}
    if not found:
        raise InputError(
            f"{scripts}: has no scripts cNN_*.py of claims; they are in experiments/ of a checkout, and abm must be "
            "installed from one (make setup does it)"
        )
    wanted = [name.upper() for name in names]
    for name in wanted:
        if name not in found:
            raise unknown_name("command line", "claim", name, found)
    return {name: _script(found[name]).CLAIM for name in found if not wanted or name in wanted}


def _script(file: Path) -> ModuleType:
    name = f"{file.parent.name}.{file.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def try_claims(
    claims: Mapping[str, Claim],
    seeds: int = SEEDS,
    *,
    days: int | None = None,
    moves: dependence.Moves | None = None,
    workers: int | None = None,
    out: Path = OUT,
    progress: bool = True,
) -> dict[str, Any]:
    """Put claims on trial; returns what `claims.json` holds.

    days: break every arm off there, to look whether all works. moves: parameters and choices tried, by default all.
    out: earlier runs there are used again, and entries of claims that are not asked for stay. KeyboardInterrupt, in
    words, keeps what is done.
    """
    require_own(out)
    chosen = {name: _shortened(claim, days) for name, claim in claims.items()}
    court = Court(Store(out), seeds, moves or dependence.Moves(), workers, progress, out)
    court.fill(arm for claim in chosen.values() for arm in court.arms_of(claim))
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    entries = earlier(out)
    for name, claim in chosen.items():
        entries[name] = court.judge(claim)
        document = {"claims": dict(sorted(entries.items(), key=lambda item: int(item[0][1:])))}
        write_json(out / DOCUMENT, document)
        (out / REPORT).write_text(page({"claims": earlier(out)}, out), encoding="utf-8")
    return {"claims": {name: entry for name, entry in earlier(out).items() if name in chosen}}


@dataclass(frozen=True)
class Court:
    """What claims are judged with."""

    store: Store
    seeds: int
    moves: dependence.Moves
    workers: int | None
    progress: bool
    out: Path

    def fill(self, arms: Iterable[Arm]) -> None:
        """Run what is missing of some arms."""
        self.store.fill([(arm, arm.seeds(self.seeds)) for arm in arms], self.workers, self.progress)

    def arms_of(self, claim: Claim) -> list[Arm]:
        """Every arm that is run for a claim, those with other parameters and choices included."""
        if not dependence.is_tried(claim, self.seeds):
            return list(claim.arms.values())
        varied = [arm for v in self.moves.variations() for arm in dependence.changed(claim, v).values()]
        return [*claim.arms.values(), *dependence.plain(claim).values(), *varied]

    def refined(self, claim: Claim) -> dict[str, Arm]:
        """The claim's arms, with those that follow from what others gave; all are run."""
        arms = dict(claim.arms)
        while claim.refine is not None:
            asked = claim.refine(Runs(self.store, arms, self.seeds))
            further = {name: arm for name, arm in asked.items() if name not in arms}
            if not further:
                break
            self.fill(further.values())
            arms |= further
        return arms

    def judge(self, claim: Claim) -> dict[str, Any]:
        """The entry of one claim; its figure is drawn."""
        arms = self.refined(claim)
        runs = Runs(self.store, arms, self.seeds)
        effects = claim.effects(runs)
        verdict = claim.verdict(effects)
        figure = f"{FIGURES}/c{int(claim.id[1:]):02d}.png"
        claim.draw(self.out / figure, runs, effects)
        moved = dependence.parameters(claim, self.store, self.seeds, self.moves)
        kept = {
            self.store.file(a, seed) for a in (*self.arms_of(claim), *arms.values()) for seed in a.seeds(self.seeds)
        }
        return {
            **{name: getattr(claim, name) for name in ("id", "claim", "question", "design", "rule", "reality")},
            "verdict": verdict.label,
            "because": verdict.because,
            "effect": dependence.headline(effects).document(),
            "effects": {name: estimate.document() for name, estimate in effects.items()},
            "more": {name: estimate.document() for name, estimate in claim.more(runs).items()},
            "seeds": self.seeds,
            "depends_on": moved[: dependence.SHOWN],
            "parameters_tried": moved,
            "robustness": dependence.robustness(claim, self.store, self.seeds, self.moves),
            "record": [row.document() for row in claim.record(runs)],
            "figure": figure,
            "arms": {name: _about(arm, self.seeds) for name, arm in arms.items()},
            "runs": len(kept),
            "failures": [said for name in arms for said in runs[name].failures],
            "commit": git_revision(),
            "model": model_hash(),
            "packages": package_versions(),
            "time": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        }


def _about(arm: Arm, seeds: int) -> dict[str, Any]:
    return {"scenario": arm.name, "hash": arm.hash, "days": arm.days, "seeds": len(arm.seeds(seeds))}


def _shortened(claim: Claim, days: int | None) -> Claim:
    if days is None:
        return claim
    return replace(claim, arms={name: arm.shortened(days) for name, arm in claim.arms.items()})


def earlier(out: Path) -> dict[str, Any]:
    """Entries that are there already."""
    try:
        return dict(json.loads((out / DOCUMENT).read_text(encoding="utf-8"))["claims"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def require_own(out: Path) -> None:
    """InputError if the directory holds something other than claims."""
    if out.is_dir():
        foreign = [path.name for path in out.iterdir() if path.name not in (RUNS, FIGURES, DOCUMENT, REPORT)]
        if foreign:
            allowed = f"a new or empty directory or one of claims, and {foreign[0]} is not of claims"
            raise wrong_value("claims", "--out", str(out), allowed)


def main(claim: Claim) -> None:
    """A script on its own: its options, its runs, its answer."""
    options = argparse.ArgumentParser(description=f"{claim.id}: {claim.question}")
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--workers", type=int)
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    show(try_claims({claim.id: claim}, chosen.seeds, workers=chosen.workers, out=chosen.out))
    print(f"\nFiles: {chosen.out}")
