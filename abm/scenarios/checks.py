"""Checking tables against pydantic models, and saying in one sentence what is wrong and what is allowed."""

import datetime as dt
import json
import math
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from abm.world.errors import InputError, shown, unknown_name, wrong_value

PLAIN_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dt.date: "a date (year-month-day)",
}
UNKNOWN = "extra_forbidden"
LIMIT_WORDS = ((Ge, "ge", "from"), (Gt, "gt", "above"), (Le, "le", "to"), (Lt, "lt", "below"))


def allowed_values(field: FieldInfo) -> str:
    """What a field may hold, in words: its type, its range and its unit."""
    parts = [_type_in_words(field.annotation), *_limits(field.metadata)]
    unit = unit_and_source(field)[0]
    return " ".join(parts) + (f" ({unit})" if unit else "")


def unit_and_source(field: FieldInfo) -> tuple[str, str]:
    """Unit and source written beside a parameter, empty where there is none."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return str(extra.get("unit", "")), str(extra.get("source", ""))


def _type_in_words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if origin is Annotated:
        inner, *limits = get_args(kind)
        return " ".join([_type_in_words(inner), *_limits(_unpacked(limits))])
    if origin in (Union, types.UnionType):
        return " or ".join(_type_in_words(k) for k in get_args(kind) if k is not types.NoneType)
    if origin in (tuple, list):
        return f"a list, each {_type_in_words(get_args(kind)[0])}"
    return PLAIN_TYPES.get(kind, getattr(kind, "__name__", str(kind)))


def _unpacked(metadata: Iterable[Any]) -> list[Any]:
    """The limits of an annotation, those that a field in it holds among them."""
    return [limit for item in metadata for limit in (item.metadata if isinstance(item, FieldInfo) else [item])]


def _limits(metadata: Iterable[Any]) -> list[str]:
    return [
        f"{word} {_limit(getattr(limit, attribute))}"
        for kind, attribute, word in LIMIT_WORDS
        for limit in metadata
        if isinstance(limit, kind)
    ]


def _limit(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def checked[M: BaseModel](
    model: type[M], values: Mapping[str, Any], where: Callable[[str], str], key: Callable[[str], str]
) -> M:
    """The model made from a table, strictly: no text for numbers, nothing unknown, nothing infinite.

    where: file that set a field; key: how a field is called there. Raises InputError about the first thing wrong.
    """
    try:
        return model.model_validate_json(json.dumps(values, default=_as_text), strict=True)
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: e["type"] != UNKNOWN)  # a misspelt key, before what it leaves out
        raise _in_words(first, model, values, where, key) from None


def is_finite_number(value: Any) -> bool:
    """Whether a value of a file is a number, no truth value, that a float can hold."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _as_text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _in_words(
    error: ErrorDetails,
    model: type[BaseModel],
    values: Mapping[str, Any],
    where: Callable[[str], str],
    key: Callable[[str], str],
) -> InputError:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == UNKNOWN:
        written = f"{key(name)} = {shown(values[name])}"
        return unknown_name(where(name), "key", name, model.model_fields, written)
    if name not in model.model_fields:
        return InputError(f"{where(name)}: {key(name)} is inconsistent: {' '.join(error['msg'].split())}")
    field = model.model_fields[name]
    if error["type"] == "missing":
        meaning = f" ({field.description})" if field.description else ""
        return InputError(f"{where(name)}: {key(name)}{meaning} is missing, it must be {allowed_values(field)}")
    return wrong_value(where(name), key(name), values[name], allowed_values(field))
