"""A value that is valid under a JSON Schema, chosen by a seed: what a grammar-bound model of random weights writes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

MOST_REPEATS = 2000  # of anything in a grammar of llama.cpp
DEEP = 6  # levels after which recursion is ended: shortest arrays, null where allowed


class BadSchema(ValueError):
    """The schema cannot be turned into a grammar."""


def value_for(schema: Mapping[str, Any], seed: str) -> Any:  # Any: JSON
    """A valid value. Another seed gives other strings, numbers, choices and lengths.

    Raises BadSchema: an unknown type, a $ref to nothing, or a pattern no built-in example fits.
    """
    return _Maker(schema).make(schema, seed, 0)


class _Maker:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def make(self, schema: Any, at: str, depth: int) -> Any:
        if isinstance(schema, Mapping):
            repeats = [schema[key] for key in ("minLength", "maxLength", "minItems", "maxItems") if key in schema]
            if any(count >= MOST_REPEATS for count in repeats):
                raise BadSchema("number of repetitions exceeds sane defaults, please reduce the number of repetitions")
        if schema is True or schema == {}:
            return f"any {_hex(at)}"
        if not isinstance(schema, Mapping):
            raise BadSchema(f"unrecognized schema: {schema!r}")
        if depth > 4 * DEEP:
            raise BadSchema("schema has no finite value")
        if "$ref" in schema:
            return self.make(self._resolve(schema["$ref"]), at, depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][_pick(at) % len(schema["enum"])]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.make(self._choose(schema[key], at, depth), at, depth + 1)
        if "allOf" in schema:
            return self.make(self._merged(schema), at, depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            wanted = [{**schema, "type": one} for one in kind]
            return self.make(self._choose(wanted, at, depth), at, depth + 1)
        make = getattr(self, f"_{kind}", None)
        if make is None:
            raise BadSchema(f"unrecognized schema type: {kind!r}")
        return make(schema, at, depth)

    def _resolve(self, ref: Any) -> Any:
        node: Any = self._root
        for part in str(ref).removeprefix("#/").split("/"):
            if not isinstance(node, Mapping) or part not in node:
                raise BadSchema(f"$ref to nothing: {ref!r}")
            node = node[part]
        return node

    def _choose(self, choices: list[Any], at: str, depth: int) -> Any:
        if depth > DEEP:
            ends = [one for one in choices if isinstance(one, Mapping) and one.get("type") not in ("object", "array")]
            choices = [one for one in ends if "$ref" not in one] or choices
        return choices[_pick(at) % len(choices)]

    def _merged(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            part = self._resolve(part["$ref"]) if "$ref" in part else part
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            merged = {**merged, **part, **({"properties": properties} if properties else {})}
        return merged

    def _object(self, schema: Mapping[str, Any], at: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        wanted = [name for name in properties if depth <= DEEP or name in required]
        return {name: self.make(properties[name], f"{at}.{name}", depth + 1) for name in wanted}

    def _array(self, schema: Mapping[str, Any], at: str, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.make(one, f"{at}[{i}]", depth + 1) for i, one in enumerate(schema["prefixItems"])]
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, 3))
        usual = least if depth > DEEP else max(least, 1 + _pick(at) % 2)
        length = min(most, usual)
        return [self.make(schema.get("items", {}), f"{at}[{i}]", depth + 1) for i in range(length)]

    def _string(self, schema: Mapping[str, Any], at: str, depth: int) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", 10_000)
        if "pattern" in schema:
            examples = (
                "a",
                "A",
                "1",
                "12",
                "1.5",
                "2026",
                "en",
                "fa",
                "ab",
                "2026-11-23",
                f"x{_hex(at)}",
                "$x$",
                "[1]",
            )
            fitting = [one for one in examples if re.search(schema["pattern"], one) and least <= len(one) <= most]
            if not fitting:
                raise BadSchema(f"pattern not supported: {schema['pattern']!r}")
            return fitting[_pick(at) % len(fitting)]
        if schema.get("format") in ("date", "date-time"):
            return "2026-11-23" + ("T10:00:00Z" if schema["format"] == "date-time" else "")
        text = f"{at.rsplit('.', 1)[-1].split('[', maxsplit=1)[0]} {_hex(at)}" if "." in at else f"text {_hex(at)}"
        while len(text) < least:
            text += f" {_hex(text)}"
        return text[:most]

    def _integer(self, schema: Mapping[str, Any], at: str, depth: int) -> int:
        low, high = _bounds(schema, 1)
        step = int(schema.get("multipleOf", 1))
        first = -(-int(low) // step) * step
        return first + step * (_pick(at) % max(1, (int(high) - first) // step + 1))

    def _number(self, schema: Mapping[str, Any], at: str, depth: int) -> float:
        low, high = _bounds(schema, 1e-6)
        return round(low + (high - low) * (_pick(at) % 1001) / 1000, 6)

    def _boolean(self, schema: Mapping[str, Any], at: str, depth: int) -> bool:
        return bool(_pick(at) % 2)

    def _null(self, schema: Mapping[str, Any], at: str, depth: int) -> None:
        return None


def _bounds(schema: Mapping[str, Any], step: float) -> tuple[float, float]:
    low = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
    high = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
    if low is None:
        low = 0 if high is None or high >= 0 else high - 100
    return low, low + 100 if high is None else high


def _pick(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
