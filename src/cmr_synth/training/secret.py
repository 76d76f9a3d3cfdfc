"""Draws from a secret, each by a name of its own, so that no draw shifts another."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SIZE = 32  # bytes


@dataclass(frozen=True)
class Secret:
    """What all chance in a private training comes from.

    Who knows it can take the noise off again, so that it stands in no model, recipe or log.

    Parameters
    ----------
    key : bytes
        By default from the machine's entropy.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(SIZE), repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != SIZE:
            raise ValueError(f"a secret has {SIZE} bytes, and {len(self.key)} are given")

    def draw(self, *name: str | int) -> np.random.Generator:
        """The generator of a name, such as a step, a patient and an image; always the same one."""
        return np.random.default_rng(int.from_bytes(self._stream(32, name), "little"))

    def normal(self, count: int, *name: str | int) -> NDArray[np.float64]:
        """Standard normal numbers of a name, (count,), that tell nothing of the key.

        Box and Muller's, from 53 bits each of a cryptographic stream: what a numpy generator has
        given shows what it will give.
        """
        pairs = -(-count // 2)
        bits = np.frombuffer(self._stream(16 * pairs, name), "<u8") >> np.uint64(11)
        radius, turn = ((bits + np.uint64(1)) * 2.0**-53).reshape(2, pairs)  # in (0, 1]
        radius, turn = np.sqrt(-2 * np.log(radius)), 2 * np.pi * turn
        return np.concatenate([radius * np.cos(turn), radius * np.sin(turn)])[:count]

    def fingerprint(self, text: str) -> str:
        """By which a text is known again, and which tells nothing without the secret."""
        return self._stream(32, ("fingerprint", text)).hex()

    def _stream(self, length: int, name: tuple[str | int, ...]) -> bytes:
        return hashlib.shake_256(self.key + json.dumps(name).encode()).digest(length)
