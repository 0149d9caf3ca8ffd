"""Frozen records with some of their fields changed."""

from typing import Any


def changed[Record](record: Record, **fields: Any) -> Record:
    """A copy of a frozen dataclass with other values in some fields; what was cached on it is left behind.

    `dataclasses.replace` without the constructor, whose cost of a few microseconds per field is paid many times a day.
    For classes without `__post_init__` and slots. TypeError for a field that the class does not have.
    """
    names = record.__dataclass_fields__  # type: ignore[attr-defined]
    if not fields.keys() <= names.keys():
        raise TypeError(f"{type(record).__name__} has no field {sorted(fields.keys() - names.keys())}")
    copy = object.__new__(type(record))
    values = vars(copy)
    values.update(vars(record))
    if len(values) > len(names):
        for cached in values.keys() - names.keys():
            del values[cached]
    values.update(fields)
    return copy
