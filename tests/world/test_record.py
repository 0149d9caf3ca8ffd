"""Records with fields changed, as `dataclasses.replace` does it."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import pytest

from abm import load_scenario
from abm.world.record import changed


@dataclass(frozen=True)
class Pair:
    a: float
    b: dict[str, int] = field(default_factory=dict)

    @cached_property
    def twice(self) -> float:
        return 2.0 * self.a


def test_it_does_what_replace_does() -> None:
    public = load_scenario("baseline").state.open_public()
    assert vars(changed(public, ladder=3)) == vars(replace(public, ladder=3))
    assert public.ladder == 0


def test_what_was_cached_is_left_behind() -> None:
    one = Pair(1.0)
    assert one.twice == 2.0
    assert changed(one, a=5.0).twice == 10.0
    assert changed(one).b is one.b


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="Pair has no field"):
        changed(Pair(1.0), c=2.0)
