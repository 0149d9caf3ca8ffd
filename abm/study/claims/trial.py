"""All claims or some of them: run what is missing, judge, write claims.json, figures and the report."""

import argparse
import datetime as dt
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Mapping
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
            f"{scripts}: has no scripts cNN_*.py of claims; they are in experiments/ of a checkout, from which abm must "
            "be installed (make setup does it)"
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
    workers: int | None = None,
    out: Path = OUT,
    progress: bool = True,
) -> dict[str, Any]:
    """Put claims on trial; returns what `claims.json` holds.

    days: break every arm off there, to look whether all works. out: earlier runs there are used again, and entries of
    claims that are not asked for stay. KeyboardInterrupt, in words, keeps what is done.
    """
    require_own(out)
    chosen = {name: _shortened(claim, days) for name, claim in claims.items()}
    store = Store(out)
    store.fill([(arm, arm.seeds(seeds)) for claim in chosen.values() for arm in arms_of(claim)], workers, progress)
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    entries = earlier(out)
    for name, claim in chosen.items():
        entries[name] = judge(claim, store, seeds, workers, progress, out)
        document = {"claims": dict(sorted(entries.items(), key=lambda item: int(item[0][1:])))}
        write_json(out / DOCUMENT, document)
        (out / REPORT).write_text(page(document, out), encoding="utf-8")
    return {"claims": {name: entries[name] for name in chosen}}


def arms_of(claim: Claim) -> list[Arm]:
    """Every arm that is run for a claim, those with other parameters and choices included."""
    varied = [arm for v in dependence.variations() for arm in dependence.changed(claim, v).values()]
    return [*claim.arms.values(), *dependence.plain(claim).values(), *varied]


def judge(claim: Claim, store: Store, seeds: int, workers: int | None, progress: bool, out: Path) -> dict[str, Any]:
    """The entry of one claim; its figure is drawn."""
    arms = dict(claim.arms)
    while claim.refine is not None:
        further = {name: arm for name, arm in claim.refine(Runs(store, arms, seeds)).items() if name not in arms}
        if not further:
            break
        store.fill([(arm, arm.seeds(seeds)) for arm in further.values()], workers, progress)
        arms |= further
    runs = Runs(store, arms, seeds)
    effects = claim.effects(runs)
    verdict = claim.verdict(effects)
    figure = f"{FIGURES}/c{int(claim.id[1:]):02d}.png"
    claim.draw(out / figure, runs, effects)
    moved = dependence.parameters(claim, store, seeds)
    return {
        "id": claim.id,
        "claim": claim.claim,
        "question": claim.question,
        "design": claim.design,
        "rule": claim.rule,
        "verdict": verdict.label,
        "because": verdict.because,
        "effect": dependence.headline(effects).document(),
        "effects": {name: estimate.document() for name, estimate in effects.items()},
        "more": {name: estimate.document() for name, estimate in claim.more(runs).items()},
        "seeds": seeds,
        "depends_on": moved[: dependence.SHOWN],
        "parameters_tried": moved,
        "robustness": dependence.robustness(claim, store, seeds),
        "record": [row.document() for row in claim.record(runs)],
        "reality": claim.reality,
        "figure": figure,
        "arms": {name: _about(arm, seeds) for name, arm in arms.items()},
        "runs": len({store.file(arm, seed) for arm in (*arms_of(claim), *arms.values()) for seed in arm.seeds(seeds)}),
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
    from dataclasses import replace

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
            raise wrong_value("claims", "--out", str(out), f"a new or empty directory or one of claims, and {foreign[0]}"
                              " is not of claims")  # fmt: skip


def main(claim: Claim) -> None:
    """A script on its own: its options, its runs, its answer."""
    options = argparse.ArgumentParser(description=f"{claim.id}: {claim.question}")
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--workers", type=int)
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    show(try_claims({claim.id: claim}, chosen.seeds, workers=chosen.workers, out=chosen.out))
    print(f"\nFiles: {chosen.out}")
