"""Publishing the scorecard, in miniature."""

import json
import re
from pathlib import Path

from experiments import score


def test_publishing_in_miniature(tmp_path: Path) -> None:
    readme, target = tmp_path / "README.md", tmp_path / "published"
    readme.write_text(f"before\n{score.BEGIN}\nwhat stood here\n{score.END}\nafter\n")
    score.publish(1, 5, ("A",), target, readme, workers=1)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stood" not in text
    assert "1 seeds of 5 days without a shock" in text
    assert re.search(r"^\| A, calm: lines passed \| \d+ \| 85 % \|", text, flags=re.MULTILINE)
    assert re.search(r"^\| A: .* \| news\.", text, flags=re.MULTILINE)
    assert {path.name for path in target.iterdir()} == {"scorecard.json", "figures"}
    assert score.with_scores(text, json.loads((target / "scorecard.json").read_text())) == text
