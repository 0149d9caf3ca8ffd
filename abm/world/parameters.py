"""Parameters of sectors and of the news: what is written beside each."""

from typing import Any

from pydantic import Field


def par(
    value: Any,
    unit: str,
    source: str,
    meaning: str,
    lo: float | None = None,
    hi: float | None = None,
    above: float | None = None,
) -> Any:
    """A parameter with its unit, source, meaning and allowed range, inclusive unless it must be ``above`` a bound."""
    extra: Any = {"unit": unit, "source": source}
    return Field(value, ge=lo, le=hi, gt=above, description=meaning, json_schema_extra=extra)
