"""Precision of the arithmetic that makes pictures: float32, or bf16 where that is faster.

A processor that multiplies bf16 itself (AVX512-BF16) takes about half the time for the
convolutions of a step; every other one imitates it, far slower. Weights and the sampler's state
stay float32 (`torch.autocast`). Pictures differ by 0.001 of the grey scale on average, at no
frequency more than at another, and by up to 0.007 with the batch that they are made in: a live
preview may, a picture that is recorded does not unless it is asked for. `benchmarks/precision.py`
measures all this for every bundled model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeVar, get_args

from cmr_synth.errors import InputError

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""What can be asked for."""

Item = TypeVar("Item")


def computes_bf16() -> bool:
    """Whether this processor multiplies bf16 itself; imports torch."""
    import torch

    # torch offers no public question, and builds for other processors may lack this one
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def precision_of(generator: Any, wanted: Precision = "auto") -> Literal["fp32", "bf16"]:
    """The precision in which a generator makes its pictures.

    Parameters
    ----------
    generator : Generator
        Whose family states with `in_bf16` whether its pictures stay the same; without a word of it
        they are made in float32.
    wanted : str
        "auto" takes bf16 on processors that multiply it, for families that state so. A GPU waits
        for the launches of networks this small, and gains nothing.

    Raises
    ------
    InputError
        If bf16 is wanted of a family that does not state it.
    """
    stated = bool(getattr(generator, "in_bf16", False))
    if wanted == "bf16" and not stated:
        raise InputError(
            f"precision bf16: family {getattr(generator, 'family', type(generator).__name__)!r} "
            "was not seen to make the same pictures in it; choose auto or fp32."
        )
    if wanted != "auto":
        return wanted
    return "bf16" if stated and str(generator.device) == "cpu" and computes_bf16() else "fp32"


def at_precision(
    run: Iterator[Item], precision: Literal["fp32", "bf16"], *, device: str
) -> Iterator[Item]:
    """The items of a sampling run, its arithmetic in a precision.

    Parameters
    ----------
    run : iterator
        Of `Generator.sample`.
    precision : str
        From `precision_of`.
    device : str
        Kind of device that the networks are on, such as "cpu".

    Yields
    ------
    item
        As the run yields it; between two items torch computes as before.
    """
    if precision == "fp32":
        yield from run
        return
    import torch

    while True:
        # entered anew for every item: in between, others may compute in the same thread
        with torch.autocast(device, dtype=torch.bfloat16):
            try:
                item = next(run)
            except StopIteration:
                return
        yield item
