"""The chart's values.schema.json, with its references put in their place."""

import functools
import json

from .paths import CHART


@functools.cache
def values_schema() -> dict:
    whole = json.loads((CHART / "values.schema.json").read_text())
    return resolved(whole, whole)


def resolved(schema, whole: dict):
    if isinstance(schema, list):
        return [resolved(each, whole) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = whole
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return {key: resolved(value, whole) for key, value in schema.items() if key not in ("definitions", "$defs")}


def at(schema: dict, *path: str) -> dict:
    """The properties at a place, by name."""
    for step in path:
        schema = schema["properties"][step]
    return schema["properties"]
