"""Every packaged file, and the command line, in thousands of broken forms: one sentence each, and nothing else.

About a thousand inputs by default, more than 10,000 in `make test-full`; how many is printed at the end.
"""

import json
import os
import shutil
import signal
import socket
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import abm
from abm import cli, load_scenario
from abm.browser import serve
from abm.scenarios import load_state
from abm.scenarios.fitted import fitted_values
from abm.scenarios.vary import varied_names
from abm.study import (
    bench,
    calibrate,
    checkpoint,
    compare,
    episodes,
    free,
    own_data,
    reproduce,
    run,
    sweep,
    targets,
    validate,
)  # fmt: skip
from abm.study.bench.history import read_history
from abm.study.claims import trial
from abm.world.errors import InputError
from tests.fuzz.mutations import any_bytes, any_cells, any_command, any_setting, any_table

PACKAGE = Path(abm.__file__).parent
LONGEST_SECONDS = 20
LONGEST_SENTENCE = 8000
SWEEP = """
[sweep]
name = "s"
scenario = "sanaenomics"
days = 6
[set]
carry_traders.members = 100
[design]
kind = "latin_hypercube"
points = 4
[[parameter]]
name = "event.fiscal_announcement.amount_jpy_tn"
distribution = "uniform"
low = 5
high = 40
[[parameter]]
name = "switches.repatriation"
distribution = "categorical"
values = [true, false]
[[link]]
name = "arbitrageurs.capacity_scale"
follows = "event.fiscal_announcement.amount_jpy_tn"
scale = 0.05
"""


def files(pattern: str) -> list[bytes]:
    """Contents of packaged files."""
    found = [path.read_bytes() for path in sorted(PACKAGE.glob(pattern))]
    assert found, pattern
    return found


def broken(contents: list[bytes], chance: Random) -> bytes:
    """One of the files with something wrong, in its bytes or in its tables."""
    content = chance.choice(contents)
    if chance.random() < 0.4:
        return any_bytes(content, chance)
    return any_table(tomllib.loads(content.decode()), chance)


SCENARIO, STATE = files("scenarios/*.toml"), files("scenarios/states/*.toml")
EPISODE, FREE, TARGETS = files("validation/episodes/*.toml"), files("calibration/free.toml"), []
FITTED = files("calibration/fitted.toml")
SWEEPS = [SWEEP.encode(), *files("../experiments/sweeps/*.toml")]
CLOSES = {path.name: path.read_bytes() for path in sorted((PACKAGE / "calibration/example").glob("*.csv"))}
HISTORY = json.dumps({"entries": [{"date": "2026-01-13", "rows": [{"name": "day", "ms": 9.5}]}] * 3}).encode()
PUBLISHED = (PACKAGE.parent / "results/published/sanaenomics/manifest.json").read_bytes()


def read_scenario(chance: Random, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(broken(SCENARIO, chance))
    load_scenario(str(folder / "mine.toml"), days=chance.choice([None, 5, 300])).resolved()


def read_state(chance: Random, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(broken(STATE, chance))
    load_state(str(folder / "mine.toml")).document()


def read_sweep(chance: Random, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(broken(SWEEPS, chance))
    sweep.load_plan(folder / "mine.toml").described()


def read_episode(chance: Random, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(broken(EPISODE, chance))
    episodes.load_episode(str(folder / "mine.toml"))


def read_free(chance: Random, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(broken(FREE, chance))
    free.free_parameters([str(folder / "mine.toml")])


def read_fitted(chance: Random, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(broken(FITTED, chance))
    fitted_values(folder / "mine.toml")


def read_targets(chance: Random, folder: Path) -> None:
    if not TARGETS:
        import tomli_w

        packaged = tomllib.loads((PACKAGE / "validation/targets.toml").read_text())
        TARGETS.append(tomli_w.dumps({key: packaged[key] for key in ("moments", "correlations")}).encode())
    (folder / "mine.toml").write_bytes(broken(TARGETS, chance))
    targets.read_calm_targets(folder / "mine.toml")


def read_closes(chance: Random, folder: Path) -> None:
    spoil = chance.choice(sorted(CLOSES))
    for name, content in CLOSES.items():
        change = chance.choice([any_bytes, any_cells, any_cells])
        (folder / name).write_bytes(change(content, chance) if name == spoil else content)
    closes = own_data.read_closes(folder)
    own_data.state_document(own_data.until(closes, None), folder)


def read_setting(chance: Random, folder: Path) -> None:
    if "names" not in KNOWN:
        KNOWN["names"] = varied_names(load_scenario("baseline"))
    texts = [any_setting(KNOWN["names"], chance) for _ in range(chance.randint(1, 2))]
    load_scenario("baseline", overrides=cli.parse_settings(texts)).resolved()


def read_manifest(chance: Random, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(broken_json(PUBLISHED, chance))
    chance.choice([reproduce.read, checkpoint.read])(folder)


def read_benchmarks(chance: Random, folder: Path) -> None:
    (folder / "history.json").write_bytes(broken_json(HISTORY, chance))
    read_history(folder / "history.json")


def broken_json(content: bytes, chance: Random) -> bytes:
    """A JSON file with something wrong, in its bytes or in its values."""
    told = json.loads(content)
    if chance.random() < 0.5:
        return any_bytes(json.dumps(told).encode(), chance)
    changed = tomllib.loads(any_table(_without_none(told), chance).decode("utf-8", "replace"))
    return json.dumps(changed, default=str).encode("utf-8", "surrogatepass")


def _without_none(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_none(value) for key, value in node.items() if value is not None}
    return [_without_none(value) for value in node] if isinstance(node, list) else node


def say_a_command(chance: Random, folder: Path) -> None:
    """Through the whole command line, which must end with 0 or 2 and say one line."""
    words = any_command(chance)
    if chance.random() < 0.4:
        (folder / "mine.toml").write_bytes(broken([*SCENARIO, *SWEEPS], chance))
        words[1:2] = ["mine.toml"]
    KNOWN["capture"]()
    before = sorted(folder.rglob("*"))
    status = cli.main(words)
    said = KNOWN["capture"]().err
    assert status in (0, 2), ascii((words, status, said))
    assert "Traceback" not in said
    assert sorted(folder.rglob("*")) == before, ascii(words)
    if status == 2:
        assert said.count("\n") == 1, ascii(said)
        raise InputError(said.strip())


KNOWN: dict[str, Any] = {}
READERS: dict[Callable[[Random, Path], None], tuple[int, int]] = {  # inputs by default, and in test-full
    read_scenario: (200, 3000),
    read_state: (200, 2000),
    read_sweep: (60, 700),
    read_episode: (12, 200),
    read_free: (80, 500),
    read_fitted: (40, 300),
    read_targets: (60, 500),
    read_closes: (40, 600),
    read_setting: (150, 1500),
    read_manifest: (60, 500),
    read_benchmarks: (40, 200),
    say_a_command: (150, 1500),
}


@contextmanager
def time_is_short() -> Iterator[None]:
    """Seconds of the processor count, so that others on the machine do not; who waits is interrupted much later."""

    def hang(*_: Any) -> None:
        raise TimeoutError(f"no answer in {LONGEST_SECONDS} s")

    before = [signal.signal(number, hang) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    signal.alarm(20 * LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        signal.signal(signal.SIGPROF, before[0])
        signal.signal(signal.SIGALRM, before[1])


def attack(reader: Callable[[Random, Path], None], inputs: int, folder: Path, fixed: bool) -> Counter[str]:
    """So many broken inputs; how many were refused and how many were still good."""
    counts: Counter[str] = Counter()

    @settings(
        max_examples=inputs,
        derandomize=fixed,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(number=st.integers(0, 2**63))
    def one(number: int) -> None:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        counts["tried"] += 1
        try:
            with time_is_short():
                reader(Random(number), folder)
        except InputError as error:
            sentence = str(error)
            assert sentence and len(sentence) < LONGEST_SENTENCE
            counts["refused"] += 1

    one()
    return counts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An empty current directory, and studies that note nothing and do nothing."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)

    def done(*_: Any, **options: Any) -> Any:
        return SimpleNamespace(
            path=options.get("out"), failures=(), document=dict, counts=dict, run_for=done, start=done
        )

    for module, name in (
        (run, "run"), (compare, "compare"), (compare, "show"), (calibrate, "calibrate"), (calibrate, "show"),
        (sweep, "sweep"), (validate, "validate"), (checkpoint, "start"), (checkpoint, "carry_out"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, done)
    monkeypatch.setattr("abm.model.MarketModel", done)
    for name in ("report.show_places", "scorecard.show", "claims_report.show"):
        monkeypatch.setattr(f"abm.output.{name}", done)
    monkeypatch.setattr(trial, "try_claims", lambda *_, **__: {"claims": {}})
    monkeypatch.setattr(bench, "bench", done)
    monkeypatch.setattr(serve, "SETTINGS", {})
    monkeypatch.setenv("ABM_BROWSER_SCENARIO", "")
    monkeypatch.setattr("uvicorn.run", done)
    monkeypatch.setattr("threading.Timer", done)
    monkeypatch.setattr("socket.getaddrinfo", partial(socket.getaddrinfo, flags=socket.AI_NUMERICHOST))
    KNOWN["capture"] = capsys.readouterr
    return place


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_broken_input_is_refused_in_a_sentence(reader: Any, folder: Path, record_property: Any) -> None:
    counts = attack(reader, READERS[reader][0], folder, fixed=True)
    record_property("inputs tried", counts["tried"])
    record_property("inputs refused", counts["refused"])
    assert counts["refused"] > counts["tried"] / 5


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_much_broken_input_is_refused_in_a_sentence(reader: Any, folder: Path, record_property: Any) -> None:
    counts = attack(reader, READERS[reader][1], folder, fixed=False)
    record_property("inputs tried", counts["tried"])
    record_property("inputs refused", counts["refused"])
    assert counts["refused"] > counts["tried"] / 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(folder: Path) -> None:
    (folder / "mine.toml").write_bytes(SCENARIO[0])
    (folder / "mine.toml").chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        load_scenario(str(folder / "mine.toml"))
