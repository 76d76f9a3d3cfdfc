"""YAML that has one reading, and a hash: no field twice, no number that is none.

Most readers take the last of two equal fields, a person reads the first: whoever forges a document
would show them different things. Infinity and NaN have no place in JSON, over which hashes are
taken.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import yaml

# the parser in C, where PyYAML has it, is ten times faster
_Plain: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Once:
    """For a loader of PyYAML: a key given twice is an error and not the last one's win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        loader: Any = super()
        found: dict[Hashable, Any] = loader.construct_mapping(node, deep=deep)
        return found


class _Loader(Once, _Plain):
    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        value: float = super().construct_yaml_float(node)
        if not math.isfinite(value):
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value} is no number", node.start_mark
            )
        return value


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def load(text: str) -> Any:
    """Read a YAML document of plain values.

    Raises
    ------
    yaml.YAMLError
        If it is no such document, gives a field twice, or holds infinity or NaN.
    """
    # a loader made for one text; it knows no tags but those of plain values
    return yaml.load(text, Loader=_Loader)  # noqa: S506
