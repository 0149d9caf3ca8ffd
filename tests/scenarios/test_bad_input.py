"""Bad input: exit status 2, one clear sentence on standard error, no traceback, nothing computed, nothing written."""

import os
from pathlib import Path

import pytest

from abm import cli

HEAD = """
[scenario]
name = "mine"
title = "Mine"
extends = "baseline"
days = 20
"""
STATE_HEAD = """
[state]
name = "own"
title = "Own"
date = 2026-01-13
extends = "2026-01-13"
"""
INTERVENTION = '[[event]]\ndate = 2026-01-20\nkind = "fx_intervention"\namount_jpy_tn = 1.0\n'
FIGURE = 'unit = "USD bn", source = "me", conf = "L"'


def event(kind: str, **fields: object) -> str:
    """A scenario with one event on 20 January 2026 unless the fields say another day."""
    when = {} if {"date", "day"} & set(fields) else {"date": "2026-01-20"}
    lines = [f"{name} = {value}" for name, value in {**when, **fields}.items()]
    return "\n".join([HEAD, "[[event]]", f'kind = "{kind}"', *lines])


def setting(key: str, value: str) -> str:
    """A scenario that sets one parameter or switch."""
    return f'{HEAD}\n[set]\n"{key}" = {value}\n'


SCENARIOS = {  # what is wrong: (file, parts of the sentence)
    "unknown scenario key": (HEAD + "dayz = 3", ["dayz = 3", "nearest is 'days'"]),
    "unknown scenario key without end": (HEAD + "d" * 9000 + " = 3", ["unknown key", "ddd...", "allowed are days"]),
    "unknown table": (HEAD + "[sets]\nx = 1", ["'sets'", "nearest is 'set'"]),
    "set is no table": ("set = 3\n" + HEAD, ["set = 3", "table headed [set]"]),
    "event is no list": (HEAD + "[event]\nday = 3", ["event", "[[event]]"]),
    "no scenario table": ("[set]\n", ["no table [scenario]"]),
    "no name": (HEAD.replace('name = "mine"', ""), ["scenario.name", "missing"]),
    "name that leaves the directory": (HEAD.replace('"mine"', '"../mine"'), ["scenario.name = '../mine'"]),
    "name that is a number": (HEAD.replace('"mine"', "3"), ["scenario.name = 3", "text"]),
    "empty title": (HEAD.replace('"Mine"', '""'), ["scenario.title = ''", "1 to 200 characters"]),
    "days zero": (HEAD.replace("20", "0"), ["scenario.days = 0", "from 1 to 5000 (trading days)"]),
    "days too many": (HEAD.replace("20", "5001"), ["scenario.days = 5001", "from 1 to 5000"]),
    "days a fraction": (HEAD.replace("20", "2.5"), ["scenario.days = 2.5", "a whole number"]),
    "days as text": (HEAD.replace("20", '"20"'), ["scenario.days = '20'", "a whole number"]),
    "days true": (HEAD.replace("20", "true"), ["scenario.days = True", "a whole number"]),
    "start before the state": (HEAD + "start = 2026-01-09", ["scenario.start = 2026-01-09", "from 2026-01-13"]),
    "start long after the state": (HEAD + "start = 2026-06-01", ["scenario.start", "to 2026-02-13"]),
    "start as a number": (HEAD + "start = 5", ["scenario.start = 5", "a date"]),
    "start in another century": (HEAD + "start = 2126-01-01", ["scenario.start", "1990-01-01 to 2070-12-31"]),
    "unknown state": (HEAD + 'state = "2026-01-14"', ["'2026-01-14'", "nearest is '2026-01-13'"]),
    "state that leaves the directory": (HEAD + 'state = "../x.toml"', ["scenario.state", "same directory"]),
    "state file that is missing": (
        HEAD + 'state = "gone.toml"',
        ["scenario.state = 'gone.toml'", "a file that exists"],
    ),
    "no state": (HEAD.replace('extends = "baseline"', ""), ["scenario.state is missing", "2026-01-13"]),
    "unknown parent": (HEAD.replace("baseline", "basline"), ["'basline'", "nearest is 'baseline'"]),
    "parent that leaves the directory": (HEAD.replace("baseline", "../b.toml"), ["scenario.extends", "same directory"]),
    "parent by absolute path": (HEAD.replace("baseline", "/etc/b.toml"), ["scenario.extends", "same directory"]),
    "parent that is a number": (HEAD.replace('"baseline"', "7"), ["scenario.extends = 7"]),
    "its own parent": (HEAD.replace("baseline", "mine.toml"), ["circle", "mine -> mine"]),
    "replace_events as text": (HEAD + 'replace_events = "yes"', ["replace_events = 'yes'", "true or false"]),
    "unknown sector": (setting("cary_traders.members", "3"), ["'cary_traders.members'", "nearest is 'carry_traders'"]),
    "unknown parameter": (setting("banks.member", "3"), ["banks.member = 3", "nearest is 'members'"]),
    "key without parameter": (setting("banks", "3"), ["'banks'", "sector.parameter"]),
    "parameter too small": (
        setting("banks.members", "0"),
        ["banks.members = 0", "a whole number from", "(institutions)"],
    ),
    "parameter too large": (setting("news.scale", "51"), ["news.scale = 51", "from 0 to 50 (multiple)"]),
    "parameter nan": (setting("news.scale", "nan"), ["news.scale = nan", "from 0 to 50"]),
    "parameter infinite": (setting("news.scale", "-inf"), ["news.scale = -inf", "from 0 to 50"]),
    "parameter as text": (setting("news.scale", '"1"'), ["news.scale = '1'", "a number"]),
    "parameter true": (setting("news.scale", "true"), ["news.scale = True", "a number"]),
    "parameter a fraction": (setting("banks.members", "2.5"), ["banks.members = 2.5", "a whole number"]),
    "parameter a list": (setting("news.scale", "[1, 2]"), ["news.scale = [1, 2]", "a number"]),
    "parameter a date": (setting("news.scale", "2026-01-01"), ["news.scale", "a number"]),
    "parameter of 400 digits": (setting("news.scale", "9" * 400), ["news.scale = 999", "from 0 to 50"]),
    "unknown switch": (setting("switches.margin_call", "true"), ["margin_call", "nearest is 'margin_calls'"]),
    "switch as number": (setting("switches.margin_calls", "1"), ["switches.margin_calls = 1", "true or false"]),
    "event without kind": (HEAD + "[[event]]\nday = 3", ["event 1 has no kind", "fx_intervention"]),
    "unknown event kind": (event("fx_interventions"), ["fx_interventions", "nearest is 'fx_intervention'"]),
    "event kind a number": (event("rate_check").replace('"rate_check"', "3"), ["event 1.kind = 3"]),
    "unknown event field": (event("rate_check", size=3), ["event 1.size = 3", "allowed are"]),
    "event with a cause": (event("rate_check", cause="'fate'"), ["event 1.cause = 'fate'"]),
    "event without amount": (event("fx_intervention"), ["event 1.amount_jpy_tn", "missing", "from -30 to 30"]),
    "event amount too large": (event("fx_intervention", amount_jpy_tn=31), ["amount_jpy_tn = 31", "from -30 to 30"]),
    "event amount nan": (event("fx_intervention", amount_jpy_tn="nan"), ["amount_jpy_tn = nan", "from -30 to 30"]),
    "event amount as text": (event("fx_intervention", amount_jpy_tn="'1'"), ["amount_jpy_tn = '1'", "a number"]),
    "event market unknown": (event("auction_result", market="'JGB5'", strength_sd=1), ["'JGB5'", "JGB2, JGB10"]),
    "event without date": (event("rate_check").replace("date = 2026-01-20", ""), ["neither date nor day"]),
    "event with date and day": (event("rate_check", day=3, date="2026-01-20"), ["date and day", "give one"]),
    "event before the run": (event("rate_check", date="2026-01-12"), ["event 1.date = 2026-01-12", "2026-01-14 to"]),
    "event on day 0": (event("rate_check", date="2026-01-13"), ["event 1.date = 2026-01-13", "days 1 to 20"]),
    "event after the run": (event("rate_check", date="2026-03-30"), ["event 1.date = 2026-03-30", "days 1 to 20"]),
    "event on day 21 of 20": (event("rate_check", day=21), ["event 1.day = 21", "days 1 to 20"]),
    "event on day 0 by number": (event("rate_check", day=0), ["event 1.day = 0", "from 1 to 5000"]),
    "event date with a time": (event("rate_check", date="2026-01-20T10:00:00"), ["event 1.date", "a date"]),
    "event date as a number": (event("rate_check", date="3"), ["event 1.date = 3", "a date"]),
    "the same event twice": (HEAD + 2 * INTERVENTION, ["event 2", "repeats event 1"]),
    "twice, once by day": (HEAD + INTERVENTION + INTERVENTION.replace("date = 2026-01-20", "day = 5"), ["repeats"]),
    "inherited event repeated": (
        HEAD.replace("baseline", "sanaenomics") + "[[event]]\nday = 19\nkind = 'election'",
        ["event 1", "repeats event 3"],
    ),
    "a comma missing": (HEAD + "x = [1 2]", ["not valid TOML", "line 7"]),
    "a key twice": (HEAD + "days = 3", ["not valid TOML"]),
    "only a comment": ("# nothing", ["is empty"]),
    "nothing": ("", ["is empty"]),
}

STATES = {
    "unknown section": ("[level]\nJGB2 = 1", ["'level'", "nearest is 'levels'"]),
    "unknown market": ("[levels]\nJGB3 = 1", ["'JGB3'", "nearest is 'JGB"]),
    "no source": ('[levels]\nJGB2 = {value = 1, unit = "%", conf = "L"}', ["levels.JGB2 has no source"]),
    "no unit": ('[levels]\nJGB2 = {value = 1, source = "me", conf = "L"}', ["levels.JGB2 has no unit"]),
    "a bare number": (
        "[levels]\nUSDJPY = 160",
        ['levels.USDJPY has no unit; write USDJPY = { value = 160, unit = "JPY per USD", source = "who says so", conf'],
    ),
    "no value": ('[levels]\nJGB2 = {unit = "%", source = "me", conf = "L"}', ["levels.JGB2 has no value"]),
    "wrong unit": ('[levels]\nJGB2 = {value = 1, unit = "bp", source = "me", conf = "L"}', ["unit = 'bp'", "'%'"]),
    "unknown confidence": (
        f"[outstanding_usd_bn]\nBTC = {{value = 1900, {FIGURE.replace('L', 'X')}}}",
        ["BTC.conf", "'X'"],
    ),
    "empty source": (f"[outstanding_usd_bn]\nBTC = {{value = 1900, {FIGURE.replace('me', ' ')}}}", ["source = ' '"]),
    "source a number": (
        '[levels]\nJGB2 = {value = 1, unit = "%", source = 3, conf = "L"}',
        ["source = 3", "publisher"],
    ),
    "unknown word in a figure": (
        f"[outstanding_usd_bn]\nBTC = {{value = 9, {FIGURE}, unti = 3}}",
        ["'unti'", "'unit'"],
    ),
    "price not positive": (
        '[levels]\nUSDJPY = {value = 0, unit = "JPY per USD", source = "me", conf = "L"}',
        ["levels.USDJPY = 0", "JPY per USD"],
    ),
    "yield nan": ('[levels]\nJGB2 = {value = nan, unit = "%", source = "me", conf = "L"}', ["levels.JGB2 = nan"]),
    "more owned than there is": (
        f"[holdings_usd_bn.banks]\nJGB40 = {{value = 500, {FIGURE}}}",
        ["JGB40 add up to 740.00 USD bn", "252.00 USD bn are outstanding"],
    ),
    "less there than owned": (f"[outstanding_usd_bn]\nJGB40 = {{value = 100, {FIGURE}}}", ["only 100.00"]),
    "negative holdings": (f"[holdings_usd_bn.banks]\nJGB40 = {{value = -5, {FIGURE}}}", ["JGB40 = -5", "from 0"]),
    "holdings of the residual": (
        f"[holdings_usd_bn.rest_of_world]\nJGB40 = {{value = 5, {FIGURE}}}",
        ["rest_of_world"],
    ),
    "holdings of a currency": (f"[holdings_usd_bn.banks]\nUSDJPY = {{value = 5, {FIGURE}}}", ["USDJPY"]),
    "holdings that are no table": ("[holdings_usd_bn]\nbanks = 5", ["holdings_usd_bn.banks = 5", "a table"]),
    "correlation above one": (
        '[correlation]\nunit = "correlation"\nsource = "me"\nconf = "L"\nJGB10 = {JGB2 = 1.2}',
        ["correlation.JGB10.JGB2 = 1.2", "from -1 to 1"],
    ),
    "correlation not symmetric": (
        '[correlation]\nunit = "correlation"\nsource = "me"\nconf = "L"\nJGB10 = {JGB2 = 0.7}\nJGB2 = {JGB10 = 0.6}',
        ["JGB10 and JGB2 is given twice", "symmetric"],
    ),
    "correlation with itself": (
        '[correlation]\nunit = "correlation"\nsource = "me"\nconf = "L"\nJGB10 = {JGB10 = 0.7}',
        ["correlation.JGB10.JGB10 = 0.7", "must be 1"],
    ),
    "correlations that contradict": (
        '[correlation]\nunit = "correlation"\nsource = "me"\nconf = "L"\nJGB40 = {JGB30 = -0.95}',
        ["contradict"],
    ),
    "meeting that is no date": (
        '[meetings]\nunit = "decision dates"\nsource = "me"\nconf = "L"\nBOJ = ["soon"]',
        ["meetings.BOJ = 'soon'", "a date"],
    ),
    "unknown bank": ("[meetings]\nBOE = []", ["'BOE'", "BOJ"]),
    "parameter out of range": (
        '[parameters.banks]\nmembers = {value = 0, source = "me", conf = "L"}',
        ["state own: banks.members = 0", "a whole number from"],
    ),
    "parameter that does not exist": ("[parameters.banks]\nmember = 3", ["'member'", "nearest is 'members'"]),
    "state with an unknown header key": ("", ["state.tilte", "nearest is 'title'"]),
    "state without a parent": ("", ["levels.JGB2 is missing"]),
    "state that is its own parent": ("", ["circle"]),
    "state whose parent is a scenario": ("", ["mine.toml: has no table [state]"]),
}
STATE_HEADS = {
    "state whose parent is a scenario": STATE_HEAD.replace('extends = "2026-01-13"', 'extends = "mine.toml"'),
    "state with an unknown header key": STATE_HEAD.replace("title", "tilte"),
    "state without a parent": STATE_HEAD.replace('extends = "2026-01-13"', ""),
    "state that is its own parent": STATE_HEAD.replace('extends = "2026-01-13"', 'extends = "own.toml"'),
}


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which the arguments are refused, after checking that nothing else happened."""
    before = sorted(Path().rglob("*"))
    status = cli.main(arguments)
    said = capsys.readouterr()
    assert status == 2, said
    assert said.out == ""
    assert said.err.count("\n") == 1 and said.err.endswith("\n"), said.err
    assert "Traceback" not in said.err
    assert sorted(Path().rglob("*")) == before
    return said.err


@pytest.mark.parametrize("what", SCENARIOS)
def test_a_bad_scenario_file_is_refused(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, parts = SCENARIOS[what]
    Path("mine.toml").write_text(text)
    sentence = refused(["run", "mine.toml"], capsys)
    assert "mine.toml" in sentence
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize("what", STATES)
def test_a_bad_opening_state_is_refused(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, parts = STATES[what]
    Path("own.toml").write_text(STATE_HEADS.get(what, STATE_HEAD) + text)
    Path("mine.toml").write_text(HEAD + 'state = "own.toml"\n')
    sentence = refused(["run", "mine.toml"], capsys)
    assert "mine.toml" in sentence or "own" in sentence
    for part in parts:
        assert part in sentence


def test_a_circle_of_several_files_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for name, parent in (("mine", "b"), ("b", "c"), ("c", "b")):
        Path(f"{name}.toml").write_text(HEAD.replace("mine", name).replace("baseline", f"{parent}.toml"))
    assert "mine -> b -> c -> b" in refused(["run", "mine.toml"], capsys)


def test_a_link_out_of_the_directory_is_refused(tmp_path_factory: pytest.TempPathFactory, capsys) -> None:
    outside = tmp_path_factory.mktemp("outside") / "base.toml"
    outside.write_text(HEAD)
    Path("link.toml").symlink_to(outside)
    Path("mine.toml").write_text(HEAD.replace("baseline", "link.toml"))
    assert "same directory" in refused(["run", "mine.toml"], capsys)


def test_a_directory_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").mkdir()
    assert "is a directory" in refused(["run", "mine.toml"], capsys)


def test_text_that_is_not_utf8_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_bytes(HEAD.encode() + b"# \xff\xfe")
    assert "not UTF-8" in refused(["run", "mine.toml"], capsys)


def test_a_file_that_is_too_large_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text(HEAD + "#" * 2_000_000)
    assert "at most 2000000 are read" in refused(["run", "mine.toml"], capsys)


def test_deep_nesting_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text(HEAD + "x = " + "[" * 5000)
    assert "not valid TOML" in refused(["run", "mine.toml"], capsys)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("mine.toml")
    assert "no such file" in refused(["run", "mine.toml"], capsys)


def test_a_file_that_may_not_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    Path("mine.toml").write_text(HEAD)

    def forbidden(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert "mine.toml: cannot be read (Permission denied)" in refused(["run", "mine.toml"], capsys)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("sanaenomic", "nearest is 'sanaenomics'"),
        ("../sanaenomics", "letters, digits"),
        ("states/2026-01-13", "letters, digits"),
        ("", "letters, digits"),
        ("x\0y", "letters, digits"),
        ("gone.toml", "no such file"),
        ("x" * 300 + ".toml", "File name too long"),
        ("two\nlines.toml", "no such file"),
    ],
)
@pytest.mark.parametrize("command", ["run", "show", "compare"])
def test_a_name_that_means_nothing_is_refused(command: str, name: str, part: str, capsys) -> None:
    arguments = [command, name, "baseline"] if command == "compare" else [command, name]
    assert part in refused(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--days", "0"], "--days = '0', but it must be a whole number from 1 to 5000"),
        (["--days", "ten"], "--days = 'ten'"),
        (["--days", "1.5"], "--days = '1.5'"),
        (["--days", "9" * 5000], "--days = '999"),
        (["--days", "٣"], "--days = '٣'"),
        (["--seed", "-1"], "--seed = '-1'"),
        (["--seeds", "0"], "--seeds = '0'"),
        (["--seeds", "1e3"], "--seeds = '1e3'"),
        (["--workers", "0"], "--workers = '0'"),
        (["--set", "banks.members"], "of the form sector.parameter=value"),
        (["--set", "=3"], "of the form sector.parameter=value"),
        (["--set", "banks.members="], "of the form sector.parameter=value"),
        (["--set", "banks.member=3"], "nearest is 'members'"),
        (["--set", "bank.members=3"], "nearest is 'banks'"),
        (["--set", "banks.members=0"], "--set: banks.members = 0, but it must be a whole number from"),
        (["--set", "banks.members=many"], "banks.members = 'many'"),
        (["--set", "banks.members=3\nx = 4"], "banks.members = '3\\nx = 4'"),
        (["--set", "switches.news=off"], "switches.news = 'off', but it must be true or false"),
        (["--set", "scenario.days=0"], "scenario.days = 0"),
        (["--set", "scenario.name=x"], "scenario.name"),
        (["--set", "banks.members=3", "--set", "banks.members=4"], "given twice, 3 and 4"),
        (["--day", "3"], "--day"),
        (["surplus"], "surplus"),
    ],
)
def test_a_bad_option_is_refused(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert part in refused(["run", "baseline", *arguments], capsys)


@pytest.mark.parametrize("arguments", [["runn"], ["run"], ["compare", "baseline"], ["show"], ["--nothing"]])
def test_a_bad_command_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    refused(arguments, capsys)


def test_a_place_for_results_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken").mkdir()
    Path("taken/thesis.txt").write_text("mine")
    Path("file").write_text("mine")
    assert "new or empty directory" in refused(["run", "baseline", "--out", "taken"], capsys)
    assert "a directory, not a file" in refused(["run", "baseline", "--out", "file"], capsys)
    assert "writable directory" in refused(["run", "baseline", "--out", "file/below"], capsys)
    assert "new or empty directory" in refused(["compare", "baseline", "baseline", "--out", "taken"], capsys)


def test_a_finished_run_is_not_replaced_but_an_interrupted_one_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    Path("old").mkdir()
    Path("old/manifest.json").write_text('{"status": "complete"}')
    assert "new or empty directory" in refused(["run", "baseline", "--out", "old"], capsys)
    Path("old/manifest.json").write_text('{"status": "interrupted"}')
    assert cli.directory_for("baseline", Path("old")) == Path("old")
