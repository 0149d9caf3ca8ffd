"""What is said when the input is wrong."""

import difflib
import re
from collections.abc import Iterable
from typing import Any, Final

SHOWN_CHARACTERS: Final = 60
LONG_WORD: Final = re.compile(r"[^\s/]{300,}")


class InputError(ValueError):
    """Bad input. The message is one sentence: file, key, value, what is allowed, and the nearest valid name.

    What is quoted of the input may be of any length: words longer than the name of a file can be are cut.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(LONG_WORD.sub(lambda word: word[0][:SHOWN_CHARACTERS] + "...", sentence))


class MarketFailure(RuntimeError):
    """Too few trade on price in a market for the orders there are: what clears it is no price any more."""


def shown(value: Any) -> str:
    """A value as it is quoted in a message: one line, cut where it is long."""
    try:
        text = value.isoformat() if hasattr(value, "isoformat") else repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = "a very large number"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def wrong_value(where: str, key: str, value: Any, allowed: str) -> InputError:
    """A known key has a value that is not allowed."""
    return InputError(f"{where}: {key} = {shown(value)}, but it must be {allowed}")


def unknown_name(where: str, what: str, name: str, known: Iterable[str], shown_as: str = "") -> InputError:
    """A name that does not exist, with the nearest one that does. shown_as: the name with its surroundings."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; nearest is {near[0]!r}" if near else ""
    allowed = f"allowed are {', '.join(names)}" if names else "none is allowed here"
    place = f"{where}: " if where else ""
    return InputError(f"{place}unknown {what} {shown_as or shown(name)}, {allowed}{hint}")
