"""The state of a model as bytes, and back: what a checkpoint holds. Nothing in it is code, and none runs on reading.

    {"file": "abm state", "format": 1, "sha256": ..., "tree": length, "numbers": length}    one line of JSON
    tree        JSON: every attribute that changes during a run, sector by sector, with tags for what JSON lacks
    numbers     the arrays, raw, at the places that the tree names

sha256 is that of all that follows the line. Tags: t tuple, d dictionary, s set, f frozenset, date, a array (by number),
n NumPy scalar, o record (a dataclass of this package, by number), e event, x attributes of an object, kept what opening
the scenario's books gives again, such as parameters. Everything is read into a model that has just opened its books, so
that classes, methods and parameters come from the program and only values from the file.
"""

import datetime as dt
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, Literal

import mesa
import numpy as np
from pydantic import BaseModel

from abm.model import MarketModel
from abm.output.recorder import Recorder
from abm.scenarios import Scenario
from abm.world.book import Book
from abm.world.errors import InputError
from abm.world.events import EVENT_KINDS, Event
from abm.world.ledger import LedgerError
from abm.world.streams import Streams

FORMAT: Final = 1
FILE: Final = "abm state"
LONGEST_LINE: Final = 1000
OF_THE_DAY: Final = {"view", "orders", "schedules", "clearing", "quote"}  # made anew every day before they are read
KEPT_TYPES: Final = (mesa.Model, Scenario, Streams, Book, BaseModel, slice)
PLAIN: Final = (bool, int, float, str, type(None))
KINDS_OF_NUMBERS: Final = "biuf"  # dtypes an array may have
COLLECTIONS: Final[dict[str, Callable[[list[Any]], Any]]] = {"t": tuple, "s": set, "f": frozenset}


def state_of(model: MarketModel) -> bytes:
    """Everything that the rest of the run depends on, and what is recorded so far."""
    own = {name: value for name, value in _attributes(model).items() if name not in OF_THE_DAY}
    return _packed({"day": model.day, "seed": model.seed_number, "model": own})


def model_from(content: bytes, scenario: Scenario) -> MarketModel:
    """The model as it was on that day of the scenario. ValueError if the content is no state of this program's."""
    with _malformed_is_a_value_error():
        tree, reader = _unpacked(content)
        model = MarketModel(scenario, rng=int(tree["seed"]))
        _pass_time(model, int(tree["day"]))
        _overlay(model, tree["model"], reader)
        for name, sector in model.sectors.items():
            sector.book = model.ledger.book(name)
        model.ledger.check(model.day)
    return model


def record_of(recorder: Recorder) -> bytes:
    """What is recorded of a run that is over."""
    return _packed({"sectors": list(recorder.sectors), "seed": recorder.seed, "recorder": vars(recorder)})


def recorder_from(content: bytes) -> Recorder:
    """The record of a run that is over. ValueError if it is none."""
    with _malformed_is_a_value_error():
        tree, reader = _unpacked(content)
        recorder = Recorder(tuple(tree["sectors"]), tree["seed"])
        _overlay(recorder, tree["recorder"], reader)
    return recorder


def holds_a_record(content: bytes) -> bool:
    """Whether the run was over. ValueError as above."""
    with _malformed_is_a_value_error():
        return "recorder" in _unpacked(content)[0]


@contextmanager
def _malformed_is_a_value_error() -> Iterator[None]:
    """What has the right checksum and yet cannot be read was not written by this program."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError, LedgerError) as error:
        raise ValueError(f"its content is malformed ({type(error).__name__})") from None


def _pass_time(model: MarketModel, day: int) -> None:
    """Mesa's clock goes on to a day without anybody acting."""
    acting = model._user_step
    model._user_step = lambda: None
    if day:
        model.run_for(day)
    model._user_step = acting


def _attributes(thing: Any) -> dict[str, Any]:
    """Own attributes, without those of Mesa's base classes."""
    mesas = vars(mesa.Model()) if isinstance(thing, mesa.Model) else {}
    return {k: v for k, v in vars(thing).items() if k not in mesas}


# -- writing -------------------------------------------------------------------------------------------------------


@dataclass
class _Writer:
    """Arrays and records written so far, by identity: what is shared stays shared."""

    arrays: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[bytes] = field(default_factory=list)
    length: int = 0
    known: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def node(self, value: Any, path: str) -> Any:
        """A value as JSON. TypeError for what has no place in a state."""
        if type(value) in PLAIN:
            return value
        if id(value) in self.known:
            return self.known[id(value)][0]
        node = self._tagged(value, path)
        if isinstance(value, np.ndarray) or is_dataclass(value):
            self.known[id(value)] = node, value
        return node

    def _tagged(self, value: Any, path: str) -> Any:
        kind = type(value)
        if isinstance(value, Event):
            return {"e": [value.kind, value.model_dump(mode="json")]}
        if isinstance(value, KEPT_TYPES):
            return {"kept": True}
        if isinstance(value, np.ndarray | np.generic):
            tag = "a" if isinstance(value, np.ndarray) else "n"
            return {tag: self._array(np.asarray(value), path)}
        if kind is dt.date:
            return {"date": value.isoformat()}
        if kind.__module__.startswith("abm."):
            return self._of_this_program(value, path)
        return self._collection(value, path)

    def _of_this_program(self, value: Any, path: str) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return {"o": self._record(value, path)}
        return {"x": [[k, self.node(v, f"{path}.{k}")] for k, v in _attributes(value).items()]}

    def _collection(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind is dict:
            return {"d": [[self.node(k, path), self.node(v, f"{path}.{k}")] for k, v in value.items()]}
        if kind is list:
            return self._all(value, path)
        for tag, known in COLLECTIONS.items():
            if kind is known:
                return {tag: self._all(value if kind is tuple else sorted(value), path)}
        raise TypeError(f"{path} is a {kind.__name__}, which a saved state cannot hold")

    def _all(self, values: Any, path: str) -> list[Any]:
        return [self.node(v, f"{path}[{i}]") for i, v in enumerate(values)]

    def _record(self, value: Any, path: str) -> int:
        kind = type(value)
        content = {f.name: self.node(getattr(value, f.name), f"{path}.{f.name}") for f in fields(value)}
        self.records.append({"class": [kind.__module__, kind.__name__], "fields": content})
        return len(self.records) - 1

    def _array(self, value: np.ndarray, path: str) -> int:
        if value.dtype.kind not in KINDS_OF_NUMBERS:
            raise TypeError(f"{path} is an array of {value.dtype}, which a saved state cannot hold")
        order: Literal["F", "C"] = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        content = value.tobytes(order)
        self.arrays.append(
            {
                "type": value.dtype.str,
                "shape": list(value.shape),
                "order": order,
                "writable": bool(value.flags.writeable),
                "at": self.length,
            }
        )
        self.numbers.append(content)
        self.length += len(content)
        return len(self.arrays) - 1


def _packed(content: Mapping[str, Any]) -> bytes:
    writer = _Writer()
    tree = {name: writer.node(value, name) for name, value in content.items()}
    text = json.dumps({**tree, "arrays": writer.arrays, "records": writer.records}, separators=(",", ":")).encode()
    body = b"".join([text, *writer.numbers])
    head = {
        "file": FILE,
        "format": FORMAT,
        "sha256": hashlib.sha256(body).hexdigest(),
        "tree": len(text),
        "numbers": len(body) - len(text),
    }
    return json.dumps(head).encode() + b"\n" + body


# -- reading -------------------------------------------------------------------------------------------------------


def _unpacked(content: bytes) -> tuple[dict[str, Any], "_Reader"]:
    """The tree, and a reader of what it refers to. InputError for another format, ValueError for damage."""
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line) if len(line) <= LONGEST_LINE else None
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("file") != FILE:
        raise ValueError("it is not a saved state")
    if head.get("format") != FORMAT:
        raise InputError(f"format {head.get('format')!r:.20} of saved states is not read, only format {FORMAT}")
    if head.get("sha256") != hashlib.sha256(body).hexdigest() or head["tree"] + head["numbers"] != len(body):
        raise ValueError("its content does not have the checksum it should have")
    tree = json.loads(body[: head["tree"]])
    return tree, _Reader(body[head["tree"] :], tree["arrays"], tree["records"])


class _Reader:
    """Arrays and records of a state."""

    def __init__(self, numbers: bytes, arrays: list[dict[str, Any]], records: list[dict[str, Any]]) -> None:
        self.numbers = numbers
        self.arrays = [self._array(told) for told in arrays]
        self.records: list[Any] = []
        for told in records:
            self.records.append(self._record(told))

    def value(self, node: Any, now: Any) -> Any:
        """What a node means. now: what the model that has just opened its books has in its place."""
        if type(node) in PLAIN:
            return node
        if isinstance(node, list):
            return [self.value(inner, None) for inner in node]
        ((tag, content),) = node.items()
        if tag in COLLECTIONS:
            return COLLECTIONS[tag]([self.value(inner, None) for inner in content])
        meaning: dict[str, Callable[[], Any]] = {
            "kept": lambda: now,
            "a": lambda: self.arrays[content],
            "n": lambda: self.arrays[content][()],
            "o": lambda: self.records[content],
            "e": lambda: EVENT_KINDS[content[0]].model_validate_json(json.dumps(content[1])),
            "date": lambda: dt.date.fromisoformat(content),
            "d": lambda: self._dictionary(content, now),
            "x": lambda: _overlay(now, node, self),
        }
        return meaning[tag]()

    def _dictionary(self, content: list[Any], now: Any) -> dict[Any, Any]:
        before = now if isinstance(now, dict) else {}
        pairs = ((self.value(key, None), inner) for key, inner in content)
        return {key: self.value(inner, before.get(key)) for key, inner in pairs}

    def _array(self, told: dict[str, Any]) -> np.ndarray:
        kind, shape = np.dtype(told["type"]), tuple(int(n) for n in told["shape"])
        if kind.kind not in KINDS_OF_NUMBERS or min(shape, default=0) < 0:
            raise ValueError("its tree has an array of a kind that is not read")
        count = int(np.prod(shape, dtype=object))
        flat = np.frombuffer(self.numbers, kind, count, int(told["at"])) if count else np.zeros(0, kind)
        array = flat.reshape(shape, order="F" if told["order"] == "F" else "C").copy(order="K")
        array.setflags(write=bool(told["writable"]))
        return array

    def _record(self, told: dict[str, Any]) -> Any:
        module, name = told["class"]
        kind = getattr(sys.modules.get(module), name, None) if module.startswith("abm.") else None
        if not isinstance(kind, type) or not is_dataclass(kind):
            raise ValueError(f"its tree has a record {name!r:.40} that this program does not have")
        if {f.name for f in fields(kind)} != set(told["fields"]):
            raise ValueError(f"its tree has a record {name!r:.40} with other fields than this program's")
        record = object.__new__(kind)
        for field_name, node in told["fields"].items():
            object.__setattr__(record, field_name, self.value(node, None))
        return record


def _overlay(thing: Any, node: Any, reader: _Reader) -> Any:
    """Values of the tree in place of the attributes of an object of this program; returns the object."""
    ((_, pairs),) = node.items()
    if not type(thing).__module__.startswith("abm."):
        raise ValueError(f"its tree fills in a {type(thing).__name__}, which is not of this program")
    for name, inner in pairs:
        of_class = getattr(type(thing), name, None)
        if name.startswith("__") or callable(of_class) or isinstance(of_class, property):
            raise ValueError(f"its tree sets {name!r:.40}, which is no attribute that changes")
        setattr(thing, name, reader.value(inner, getattr(thing, name, None)))
    return thing
