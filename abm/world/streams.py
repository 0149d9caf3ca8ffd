"""Random numbers keyed by who draws, for what, and on which day.

Every draw comes from a generator made from (seed, owner, purpose, day). No stream is advanced by another, so
adding a sector or a shock leaves every other draw unchanged (common random numbers between scenarios), and a
run can be resumed or forked on any day without saving generator states.
"""

import hashlib
from typing import Any

import numpy as np


class Streams:
    """Generators keyed by owner, purpose and day, all descending from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = int(seed)
        self._started: dict[tuple[str, str], tuple[np.random.Generator, dict[str, Any]]] = {}

    def on(self, owner: str, purpose: str, day: int = 0) -> np.random.Generator:
        """The generator for this owner and purpose, started anew for the day; the same arguments give the same numbers.

        Draw from it before the same owner and purpose ask again.
        """
        if (owner, purpose) not in self._started:
            text = f"{self.seed}/{owner}/{purpose}".encode()
            key = np.frombuffer(hashlib.blake2b(text, digest_size=16).digest()[::-1], dtype="<u8").astype(np.uint64)
            numbers = np.random.Philox(key=key)
            self._started[owner, purpose] = np.random.Generator(numbers), dict(numbers.state)
        generator, state = self._started[owner, purpose]
        state["state"]["counter"][1] = day
        generator.bit_generator.state = state
        return generator

    def __deepcopy__(self, memo: dict[int, Any]) -> "Streams":
        """Generators are not copied: they start anew whenever they are asked for."""
        return Streams(self.seed)
