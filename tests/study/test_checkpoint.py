"""Runs that are killed: what is resumed ends with the bits of a run that was not; damage is refused in a sentence."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm import MarketModel, cli, load_scenario
from abm.output.tables import content_hash
from abm.scenarios import scenario_names
from abm.study import checkpoint, saved_state
from abm.study.run import run
from abm.study.saved_state import model_from, record_of, recorder_from, state_of
from abm.world.errors import InputError
from tests.study import dying as dying_runs
from tests.study.dying import AFTER, INSTANT, SMALL, WRITING

DAYS, MANY_DAYS = 7, 40
FILES = ("daily", "flows", "attribution", "events", "measures")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain_run(DAYS, tmp_path_factory)


@pytest.fixture(scope="module")
def uninterrupted_and_long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain_run(MANY_DAYS, tmp_path_factory)


def plain_run(days: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("plain") / "run"
    run(load_scenario("sanaenomics", SMALL, days), [3], workers=1, out=place, figures=False, progress=False)
    return place


def contents(place: Path) -> dict[str, bytes]:
    return {name: (place / f"{name}.parquet").read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def dying() -> Iterator[subprocess.Popen[str]]:
    """A process that starts runs and kills them."""
    command = [sys.executable, dying_runs.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def dies_on(process: subprocess.Popen[str], days: int, day: int, how: str, directory: Path) -> bool:
    """Begin or resume a run that is killed on a day; False if it came to its end before."""
    assert process.stdin is not None and process.stdout is not None
    print(days, day, how, directory, file=process.stdin, flush=True)
    ended = int(process.stdout.readline())
    assert ended == -signal.SIGKILL or (how == INSTANT and ended == 0)
    return ended != 0


@pytest.mark.parametrize("name", scenario_names())
def test_a_state_goes_on_like_the_model_it_was_taken_of(name: str) -> None:
    scenario = load_scenario(name, SMALL, days=12)
    model = MarketModel(scenario, rng=5)
    model.run_for(7)
    twin = model_from(state_of(model), scenario)
    assert (twin.day, twin.time, twin.date) == (7, 7, model.date)
    assert state_of(twin) == state_of(model)
    for _ in range(5):
        model.run_for(1)
        twin.run_for(1)
        assert np.array_equal(model.log_price, twin.log_price)
    assert state_of(twin) == state_of(model)
    mine, theirs = model.recorder.tables(), recorder_from(record_of(twin.recorder)).tables()
    assert all(mine[table].equals(theirs[table]) for table in mine)


def test_books_of_a_restored_model_are_views_of_its_own_ledger() -> None:
    scenario = load_scenario("baseline", SMALL, days=2)
    model = MarketModel(scenario, rng=5)
    twin = model_from(state_of(model), scenario)
    for name, sector in twin.sectors.items():
        assert np.shares_memory(sector.book.units, twin.ledger.units), name
        for attribute, value in vars(sector).items():
            if isinstance(value, np.ndarray):
                tables = (model.ledger.units, model.ledger.cash, model.ledger.loans, model.ledger.contracts)
                mine = getattr(model.sectors[name], attribute)
                assert not any(np.may_share_memory(mine, table) for table in tables), (name, attribute)


def test_a_run_in_a_checkpoint_directory_is_that_run(tmp_path: Path, uninterrupted: Path) -> None:
    place = tmp_path / "kept"
    scenario = load_scenario("sanaenomics", SMALL, DAYS)
    checkpoint.start(place, scenario, [3], False, None, 1)
    assert contents(place / "results") == contents(uninterrupted)
    assert not (place / "seeds").exists()
    with pytest.raises(InputError, match=r"this run is done, its results are in .*results"):
        checkpoint.carry_out(checkpoint.read(place), None, 1, False)
    with pytest.raises(InputError, match="holds a run already; abm resume"):
        checkpoint.begin(place, scenario, [3])


@pytest.mark.parametrize("how", [AFTER, WRITING, INSTANT])
def test_killed_and_resumed_it_ends_with_the_same_bits(
    how: str, dying: subprocess.Popen[str], tmp_path: Path, uninterrupted: Path
) -> None:
    place = tmp_path / "kept"
    assert dies_on(dying, DAYS, random.Random(f"{how} gate").randint(2, DAYS - 2), how, place)
    assert cli.main(["resume", str(place), "--workers", "1"]) == 0
    assert contents(place / "results") == contents(uninterrupted)
    assert not list(place.rglob("*.part")) or not (place / "seeds").exists()


@pytest.mark.slow
@pytest.mark.parametrize("how", [AFTER, WRITING, INSTANT])
def test_killed_on_any_day(
    how: str, dying: subprocess.Popen[str], tmp_path: Path, uninterrupted_and_long: Path, record_property: Any
) -> None:
    killed = 0
    for number, day in enumerate([*range(1, MANY_DAYS + 1), *[MANY_DAYS] * 8]):
        place = tmp_path / str(number)
        killed += dies_on(dying, MANY_DAYS, day, how, place)
        ends_with_the_same_bits(place, uninterrupted_and_long)
    record_property("runs killed and resumed", killed)
    assert killed > MANY_DAYS / 2


@pytest.mark.slow
@pytest.mark.parametrize("how", [AFTER, INSTANT])
def test_killed_on_every_day_in_turn(
    how: str, dying: subprocess.Popen[str], tmp_path: Path, uninterrupted_and_long: Path, record_property: Any
) -> None:
    place, killed = tmp_path / "kept", 0
    for day in range(1, MANY_DAYS):
        if day > 1 and checkpoint.read(place).results:  # instants may be later than the day
            break
        killed += dies_on(dying, MANY_DAYS, day, how, place)
    ends_with_the_same_bits(place, uninterrupted_and_long)
    record_property("runs killed and resumed", killed)
    assert killed == MANY_DAYS - 1 if how == AFTER else killed


def ends_with_the_same_bits(place: Path, uninterrupted: Path) -> None:
    """A run that was killed is resumed, unless it was over."""
    kept = checkpoint.read(place)
    if not kept.results:
        checkpoint.carry_out(kept, None, 1, False)
    assert contents(place / "results") == contents(uninterrupted)
    shutil.rmtree(place)


def test_the_number_of_workers_may_change_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load_scenario("baseline", SMALL, 4)
    run(scenario, 3, workers=1, out=tmp_path / "plain", figures=False, progress=False)
    kept = checkpoint.begin(tmp_path / "kept", scenario, [1, 2, 3], False)
    halfway = checkpoint.Checkpointed(kept.directory)(scenario, 2)
    halfway.run_for(2)
    ended = checkpoint.Checkpointed(kept.directory)(scenario, 1)
    ended.run_for(4)
    result = checkpoint.carry_out(checkpoint.read(kept.directory), tmp_path / "elsewhere", 2, False)
    assert result.path == tmp_path / "elsewhere"
    assert contents(result.path) == contents(tmp_path / "plain")


# -- what is not believed --------------------------------------------------------------------------------------------


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run of which one day is done."""
    place = tmp_path / "begun"
    scenario = load_scenario("baseline", SMALL, 5)
    checkpoint.begin(place, scenario, [3], False)
    checkpoint.Checkpointed(place)(scenario, 3).run_for(1)
    return place


def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    before = sorted(place.rglob("*"))
    assert cli.main(["resume", str(place), "--workers", "1"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said
    assert set(place.rglob("*")) - set(before) <= {place / "lock"}
    return said


def test_any_damage_to_a_state_is_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = begun / "seeds" / "3.state"
    whole = file.read_bytes()
    chance = random.Random(1)
    spoilt = [whole[: chance.randrange(len(whole))] for _ in range(10)] + [whole + b"\0", b"", b"\n" * 9]
    for _ in range(30):
        at = chance.choice([chance.randrange(200), chance.randrange(len(whole))])
        spoilt.append(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
    for content in spoilt:
        with pytest.raises((ValueError, InputError)):
            model_from(content, load_scenario("baseline", SMALL, 5))
    for content in spoilt[::9]:
        file.write_bytes(content)
        assert "3.state" in refused(begun, capsys)


def test_states_of_another_format_are_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = begun / "seeds" / "3.state"
    file.write_bytes(file.read_bytes().replace(b'"format": 1', b'"format": 9', 1))
    assert "format 9 of saved states is not read, only format 1" in refused(begun, capsys)


def test_the_state_of_another_seed_is_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = MarketModel(load_scenario("baseline", SMALL, 5), rng=4)
    (begun / "seeds" / "3.state").write_bytes(state_of(model))
    assert "is damaged, it is of seed 4" in refused(begun, capsys)


def changed_manifest(place: Path, signed: bool, **values: object) -> None:
    told = json.loads((place / "manifest.json").read_text())
    told.update(values)
    if signed:
        told["sha256"] = content_hash({k: v for k, v in told.items() if k != "sha256"})
    (place / "manifest.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("values", "signed", "sentence"),
    [
        ({"format": 2}, True, "has format 2 of checkpoints, but only 1 is read"),
        ({"seeds": [9]}, False, "does not have the checksum"),
        ({"seeds": ["../9"]}, True, "its seeds are not what it says"),
        ({"seeds": 9}, True, "no list of seeds"),
        ({"seeds": []}, True, "expected at least one"),
        ({"code_hash": "0" * 64}, True, "was written by another program (revision"),
        ({"packages": {"numpy": "1.0"}}, True, "was written by another program (matplotlib"),
        ({"scenario_hash": "0" * 64}, True, "its scenario or its seeds are not"),
        ({"scenario": {"scenario": {"name": "../x"}}}, True, "scenario.name = '../x'"),
        ({"file": "poem"}, False, "is not the manifest of abm run --checkpoint"),
    ],
)
def test_a_manifest_that_is_not_as_it_was_written_is_refused(
    values: dict[str, object], signed: bool, sentence: str, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_manifest(begun, signed, **values)
    assert sentence in refused(begun, capsys)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b"[]", b'{"file": "abm checkpoint"}']
)
def test_a_manifest_that_is_none_is_refused(content: bytes, begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (begun / "manifest.json").write_bytes(content)
    assert "manifest.json" in refused(begun, capsys)


def test_half_a_character_is_none(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = json.loads((begun / "manifest.json").read_text())["scenario"]
    scenario["scenario"]["title"] = "\ud800"
    changed_manifest(begun, True, scenario=scenario)
    assert "manifest.json: is not JSON" in refused(begun, capsys)


def test_a_directory_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not the directory of abm run --checkpoint" in refused(tmp_path, capsys)


def test_a_path_that_is_too_long_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["resume", "x" * 3000]) == 2
    assert "cannot be used (File name too long)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "record",
    [
        {"class": ["os", "system"], "fields": {}},
        {"class": ["abm.study.saved_state", "subprocess"], "fields": {}},
        {"class": ["abm.world.economy", "Programme"], "fields": {"jpy_tn_per_yr": 1.0}},
        {"class": ["abm.model", "MarketModel"], "fields": {}},
    ],
)
def test_a_state_names_no_class_but_records_of_this_program(record: dict[str, object], begun: Path) -> None:
    forged = forge((begun / "seeds" / "3.state").read_bytes(), lambda tree: tree["records"].append(record))
    with pytest.raises(ValueError, match="its tree has a record"):
        model_from(forged, load_scenario("baseline", SMALL, 5))


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (["step", 1], "no attribute that changes"),
        (["__class__", 1], "no attribute that changes"),
        (["date", 1], "no attribute that changes"),
        (["extra", {"z": 1}], "malformed"),
        (["extra", {"a": 10**9}], "malformed"),
        (["history", {"x": [["shape", 1]]}], "not of this program"),
    ],
)
def test_a_state_fills_in_nothing_but_what_changes(pair: list[object], sentence: str, begun: Path) -> None:
    forged = forge((begun / "seeds" / "3.state").read_bytes(), lambda tree: tree["model"]["d"].append(pair))
    with pytest.raises(ValueError, match=sentence):
        model_from(forged, load_scenario("baseline", SMALL, 5))


def test_a_state_cannot_claim_more_numbers_than_it_has(begun: Path) -> None:
    def enlarge(tree: dict[str, list[dict[str, object]]]) -> None:
        tree["arrays"][0]["shape"] = [10**15]

    with pytest.raises(ValueError, match="buffer"):
        model_from(forge((begun / "seeds" / "3.state").read_bytes(), enlarge), load_scenario("baseline", SMALL, 5))


def forge(content: bytes, change) -> bytes:
    """A state with another tree, signed anew."""
    line, _, body = content.partition(b"\n")
    head = json.loads(line)
    tree = json.loads(body[: head["tree"]])
    change(tree)
    text = json.dumps(tree).encode()
    body = text + body[head["tree"] :]
    head |= {"sha256": saved_state.hashlib.sha256(body).hexdigest(), "tree": len(text)}
    return json.dumps(head).encode() + b"\n" + body


# -- the command line ------------------------------------------------------------------------------------------------


def test_nothing_is_left_where_the_books_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "kept"
    asked = ["--days", "2", "--set", "carry_traders.gross_usd_bn=5000", "--checkpoint", str(place)]
    assert cli.main(["run", "sanaenomics", *asked]) == 2
    assert capsys.readouterr().err.startswith("abm: EMBOND: sectors hold")
    assert not place.exists()


def test_a_place_that_cannot_be_used_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    for place, said in (
        (file, "a directory, not a file"),
        (full, "needs a new or empty one"),
        (file / "x", "writable"),
    ):
        assert cli.main(["run", "baseline", "--days", "1", "--checkpoint", str(place)]) == 2
        assert said in capsys.readouterr().err
    assert (full / "mine").read_text() == file.read_text() == "mine"


def test_a_second_process_is_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holding = "import sys; from pathlib import Path; from abm.output.files import locked\n"
    holding += "with locked(Path(sys.argv[1]), ''): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holding, str(begun / checkpoint.LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        assert "another process is at this run" in refused(begun, capsys)
        other.stdin.close()


def test_an_interrupted_run_says_how_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    step = checkpoint.KeptModel.run_for

    def interrupted(model: checkpoint.KeptModel, duration: int) -> None:
        step(model, duration)
        if model.day == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(checkpoint.KeptModel, "run_for", interrupted)
    place = tmp_path / "kept"
    options = ["--days", "4", "--workers", "1", "--no-figures", "--checkpoint", str(place)]
    options += [f"--set={name}={value}" for name, value in SMALL.items()]
    assert cli.main(["run", "baseline", *options]) == 130
    assert f"abm resume {place} goes on with it" in capsys.readouterr().err
    monkeypatch.undo()
    assert cli.main(["resume", str(place), "--workers", "1"]) == 0
    shutil.rmtree(tmp_path)
