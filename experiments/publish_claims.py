"""What becomes of the claims? All of them on trial, or those named, for results/published and for the README.

Takes up results/claims where it is, and writes the README's table of verdicts from claims.json alone.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abm.output.claims_report import CHANNELS_FIGURE, CHANNELS_TABLE, DOCUMENT, FIGURES, REPORT, numbers_plain, page
from abm.output.tables import write_json
from abm.study.claims.dependence import Moves
from abm.study.claims.trial import OUT, SEEDS, earlier, in_order, load_claims, try_claims
from experiments.publish import ROOT, shrink, table, within

PUBLISHED, README = ROOT / "results" / "published" / "claims", ROOT / "README.md"
BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"
NONE_YET = "No verdicts of the present rules have been published."


def publish(
    seeds: int = SEEDS,
    days: int | None = None,
    target: Path = PUBLISHED,
    readme: Path = README,
    workers: int | None = None,
    out: Path = ROOT / OUT,
    moves: Moves | None = None,
    names: Sequence[str] = (),
) -> None:
    """Try claims, keep verdicts, figures and report in `target`, rewrite the block of verdicts in `readme`.

    names: those to try; the others, and the table of channels, stay as they were published. By default all.
    """
    claims, everything = load_claims(names), not names
    tried = try_claims(claims, seeds, days=days, moves=moves, workers=workers, out=out, with_channels=everything)
    failed = [said for entry in tried["claims"].values() for said in entry["failures"]]
    if failed:
        raise SystemExit(f"nothing published, runs failed: {failed}")
    document = tried if everything else {"claims": in_order(earlier(target) | tried["claims"])}
    if everything:
        shutil.rmtree(target, ignore_errors=True)
    (target / FIGURES).mkdir(parents=True, exist_ok=True)
    for entry in tried["claims"].values():
        shrink(out / entry["figure"], target / entry["figure"])
    if everything:
        shrink(out / CHANNELS_FIGURE, target / CHANNELS_FIGURE)
        shutil.copyfile(out / CHANNELS_TABLE, target / CHANNELS_TABLE)
    write_json(target / DOCUMENT, document)
    (target / REPORT).write_text(page(document, target), encoding="utf-8")
    readme.write_text(with_verdicts(readme.read_text(encoding="utf-8"), document), encoding="utf-8")


def with_verdicts(text: str, document: Mapping[str, Any] | None) -> str:
    """The text with the table of verdicts written anew."""
    return within(text, BEGIN, END, lambda: verdicts(document) if document else NONE_YET)


def verdicts(document: Mapping[str, Any]) -> str:
    """One row per claim."""
    rows = [
        (
            entry["id"],
            entry["claim"],
            f"**{entry['verdict']}**",
            _effect(entry["effect"]),
            str(entry["seeds"]),
            _parameters(entry),
        )
        for entry in document["claims"].values()
    ]
    columns = ("", "claim", "verdict", "effect (95 %)", "paired seeds", "depends most on")
    return table(columns, rows, len(columns))


def _effect(effect: Mapping[str, Any]) -> str:
    return f"{effect['text']}: {numbers_plain(effect)}"


def _parameters(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"`{row['parameter']}`" for row in entry["depends_on"]) or "not tried with so few seeds"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", nargs="*", help="such as C7; all if none is named")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    publish(asked.seeds, workers=asked.workers, names=asked.claims)


if __name__ == "__main__":
    main()
