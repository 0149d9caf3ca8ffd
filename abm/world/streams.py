"""Random numbers keyed by who draws, for what, and on which day.

Every draw comes from a generator made from (seed, owner, purpose, day). No stream is advanced by another, so
adding a sector or a shock leaves every other draw unchanged (common random numbers between scenarios), and a
run can be resumed or forked on any day without saving generator states.
"""

import hashlib

import numpy as np


class Streams:
    """Generators keyed by owner, purpose and day, all descending from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = int(seed)
        self._keys: dict[tuple[str, str], np.ndarray] = {}

    def on(self, owner: str, purpose: str, day: int = 0) -> np.random.Generator:
        """A fresh generator for this owner, purpose and day; the same arguments give the same numbers."""
        key = self._keys.get((owner, purpose))
        if key is None:
            text = f"{self.seed}/{owner}/{purpose}".encode()
            key = np.frombuffer(hashlib.blake2b(text, digest_size=16).digest()[::-1], dtype="<u8").astype(np.uint64)
            self._keys[owner, purpose] = key
        return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, day, 0, 0], dtype=np.uint64)))
