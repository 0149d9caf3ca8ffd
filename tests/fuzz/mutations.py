"""Ways in which files and words go wrong. Every choice is drawn from `chance`, so that a failure can be repeated."""

import copy
import datetime as dt
import math
import sys
from collections.abc import Callable
from random import Random
from typing import Any, Final

import tomli_w
import typer

from abm import cli

ODD: Final[tuple[Any, ...]] = (
    math.nan,
    math.inf,
    -math.inf,
    0,
    -1,
    -0.0,
    1.5,
    1e308,
    5e-324,
    10**400,
    -(10**30),
    2**63,
    True,
    False,
    "",
    " ",
    "x",
    "x" * 3000,
    "nan",
    "12",
    "../x",
    "../../../../etc/passwd",
    "/etc/passwd",
    "a/../../b.toml",
    "2026-02-30",
    "\u202e\u65e5\u672c\u0000\n\t",
    "baseline",
    "baseline.toml",
    "2026-01-13",
    dt.date(1, 1, 1),
    dt.date(9999, 12, 31),
    dt.date(2026, 1, 17),
    dt.datetime(2026, 1, 19, 9, 30),
    dt.datetime(2026, 1, 19, 9, 30, tzinfo=dt.UTC),
    dt.time(9, 30),
    [],
    {},
    [1, [2, ["three"]]],
    [math.nan],
    [{}, {}],
    {"value": 1},
    {"a": {"b": {"c": []}}},
)
JUNK: Final = (
    b"\xff", b"\x00", b"\xef\xbb\xbf", b"[[", b"]]", b"= =", b"\r", b"\n\n", b"'''", b'"""', b"e999", b"1e400", b"_",
    b"[a.b]\n", b"[" * 3000, b"{" * 2000, b"nan", b"-inf", b",,,,", b'"', b";", b"#", b"\\u0000", b"\xe2\x80\xa8",
    b"9" * 5000, b"[scenario]\n", b"[state]\n", b"[[event]]\n", b"=1\n", b"0x_1", b"\xed\xa0\x80", b"a.b.c.d=1\n",
)  # fmt: skip


def any_bytes(content: bytes, chance: Random) -> bytes:
    """One to three changes of the bytes of a file."""
    for _ in range(chance.randint(1, 3)):
        content = chance.choice(BYTE_CHANGES)(content, chance)
    return content


def _span(content: bytes, chance: Random) -> tuple[int, int]:
    start = chance.randint(0, max(len(content) - 1, 0))
    return start, min(len(content), start + chance.randint(1, 40))


def _flip(content: bytes, chance: Random) -> bytes:
    at, _ = _span(content, chance)
    return content[:at] + bytes([chance.randint(0, 255)]) + content[at + 1 :]


def _cut(content: bytes, chance: Random) -> bytes:
    start, end = _span(content, chance)
    return content[:start] + content[end:]


def _stutter(content: bytes, chance: Random) -> bytes:
    start, end = _span(content, chance)
    return content[:end] + content[start:]


def _insert(content: bytes, chance: Random) -> bytes:
    at, _ = _span(content, chance)
    return content[:at] + chance.choice(JUNK) + content[at:]


def _truncate(content: bytes, chance: Random) -> bytes:
    return content[: _span(content, chance)[0]]


def _lines(content: bytes, chance: Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    at, other = (chance.randrange(len(lines)) for _ in range(2))
    match chance.randint(0, 3):
        case 0:
            del lines[at]
        case 1:
            lines[at], lines[other] = lines[other], lines[at]
        case 2:
            lines.insert(at, lines[other])
        case _:
            lines[at] = lines[at].rstrip(b"\n")
    return b"".join(lines)


def _twice(content: bytes, chance: Random) -> bytes:
    return content + content[_span(content, chance)[0] :]


BYTE_CHANGES: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (
    _flip, _cut, _stutter, _insert, _truncate, _lines, _lines, _twice,
)  # fmt: skip


# -- tables ----------------------------------------------------------------------------------------------------------


def any_table(table: dict[str, Any], chance: Random) -> bytes:
    """One to three changes of the values and keys of a TOML file, written as TOML again."""
    changed = copy.deepcopy(table)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(changed))
        if places:
            chance.choice(TABLE_CHANGES)(*chance.choice(places), chance)
    return tomli_w.dumps(changed).encode("utf-8", "surrogatepass")


def _places(node: Any) -> Any:
    """Every container with every key in it."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in pairs:
        yield node, key
        yield from _places(inner)


def _odd(holder: Any, key: Any, chance: Random) -> None:
    holder[key] = copy.deepcopy(chance.choice(ODD))


def _drop(holder: Any, key: Any, chance: Random) -> None:
    del holder[key]


def _rename(holder: Any, key: Any, chance: Random) -> None:
    if isinstance(holder, dict):
        new = chance.choice([key[:-1], key + "s", key.upper(), "../" + key, "", "\u00e9", key + "." + key, "__class__"])
        holder[new] = holder.pop(key)


def _wrap(holder: Any, key: Any, chance: Random) -> None:
    holder[key] = chance.choice([lambda v: [v], lambda v: {"value": v}, str])(holder[key])


def _repeat(holder: Any, key: Any, chance: Random) -> None:
    if isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif isinstance(holder[key], list):
        holder[key] = holder[key] * chance.choice([0, 2, 300])


def _move(holder: Any, key: Any, chance: Random) -> None:
    other = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


def _scale(holder: Any, key: Any, chance: Random) -> None:
    value = holder[key]
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # larger whole numbers times a fraction are no number of Python's
            holder[key] = value * chance.choice([-1, 0, 10, 1000, -1000, 0.001, 1e9])
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        day = value.toordinal() + chance.choice([-1, 1, 4, -400, 400, 20_000])
        holder[key] = dt.date.fromordinal(min(max(day, 1), dt.date.max.toordinal()))


TABLE_CHANGES: Final[tuple[Callable[[Any, Any, Random], None], ...]] = (
    _odd, _odd, _odd, _drop, _rename, _wrap, _repeat, _move, _scale, _scale,
)  # fmt: skip


# -- cells -----------------------------------------------------------------------------------------------------------

CELLS: Final = (
    "", "nan", "inf", "-inf", "0", "-0", "-1", "1e400", "1e-400", "1,5", '"', '""', "'", "1_000", "0x1f", "\u0661",
    "2026-01-13", "2026-02-30", "20260113", "0000-00-00", "9999-12-31", "JGB10", "date", "=1+1", "x" * 2000, "\t",
    "12.5 ", "+3", "1e5", "1e9", "60", "-5", "true", "None", "#N/A",
)  # fmt: skip


def any_cells(content: bytes, chance: Random) -> bytes:
    """One to three changes of the cells of a CSV file."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(chance.randint(1, 3)):
        row = chance.choice([*rows[:3], chance.choice(rows)])
        at = chance.randrange(len(row))
        match chance.randint(0, 5):
            case 0 | 1 | 2:
                row[at] = chance.choice(CELLS)
            case 3:
                row.insert(at, chance.choice(CELLS))
            case 4 if len(row) > 1:
                del row[at]
            case _:
                rows.insert(chance.randrange(len(rows)), list(chance.choice(rows)))
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


# -- words -----------------------------------------------------------------------------------------------------------

WORDS: Final = (
    "", " ", "0", "-1", "1", "2", "1.5", "nan", "inf", "1e400", "9" * 50, "9" * 5000, "\u0661\u0662", "x" * 3000,
    "../x", "/", "/dev/null", "/proc/self/mem", "gone.toml", "a\x00b", "baseline", "sanaenomics", "A", "Z", "--", "-",
    "news.scale=2", "news.scale=", "=3", "a=b=c", "switches.news=maybe", "banks.members=1e3", "banks=3", "x.y=1",
    "news.scale=nan", "news.scale=[1]", "news.scale={a=1}", "scenario.days=9999", "banks..members=1",
    "news.scale='''", "news.scale=1\nx=2", "carry_traders.members=200001", "dealers.capacity_scale=true", "\udcff",
)  # fmt: skip
COMMANDS: Final = {  # with the options of each
    name: [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
    for name, command in typer.main.get_command(cli.app).commands.items()
} | {"rnu": [], "": []}
OPTIONS: Final = sorted({option for options in COMMANDS.values() for option in options if option[0] == "-"})


def any_command(chance: Random) -> list[str]:
    """A command line that may or may not make sense, mostly with options that the command has."""
    name = chance.choice(list(COMMANDS))
    options = [option for option in COMMANDS[name] if option[0] == "-"]
    words = [name]
    words += [chance.choice(WORDS) for _ in range(chance.randint(0, 2))]
    for _ in range(chance.randint(0, 4)):
        option = chance.choice(options if options and chance.random() < 0.8 else [*OPTIONS, "--help", "--wrong"])
        words += [option, chance.choice(WORDS)] if chance.random() < 0.9 else [option]
    return words


def any_setting(names: list[str], chance: Random) -> str:
    """A text for --set: a name that exists or nearly does, and a value that may be anything."""
    name = chance.choice(names)
    if chance.random() < 0.3:
        name = any_bytes(name.encode(), chance).decode("utf-8", "replace")
    odd = chance.choice(ODD)
    value = chance.choice([repr(odd), str(odd), chance.choice(WORDS), str(chance.uniform(-10, 10)), "true"])
    return f"{name}{chance.choice(['=', '=', '=', ' = ', '', '=='])}{value}"
