"""Values that a JSON schema accepts: its edges first, then others at random, the same ones on every run."""

import re
from itertools import cycle, islice

import jsonschema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

# Texts that lie at the edge of what some pattern takes; those that it does not take are left out.
AT_THE_EDGE = (
    *("", ".", "..", "...", "*", "a", "0", "-", "~", "a" * 64, "a" * 128, "a*", "#a", "!", '"', "\\", "'"),
    *("0s", "0ms", "0m", "0h", "1ms", "999ms", "1000ms", "1s", "59m", "60m", "1h", "3600s", "3600000ms"),
    *("24h", "1440m", "86400s", "86400000ms", "0001s"),
    *("dns:a", "dns:a.b-c_d", "spiffe://a", "spiffe://acme.io/ns/A/sa/b_c.d", "spiffe://a/...", "spiffe://a/" + "b" * 2037, "A.b", "1.a", "a_b"),
    *("localhost", "http://localhost:1", "https://a.b:65535/c/", "127.0.0.1", "0.0.0.0", "::", "::1"),
    *("x-user", "x.y_z", "-", "grpcx", "off", "trace,h2=off", "info,xpander_grpc_proxy::platform=debug"),
    *("0123456789abcdefABCDEF" * 2 + "0" * 20, "f" * 64, "F" * 64),
)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)


def samples(schema: dict, count: int) -> list:
    """`count` values; they repeat themselves where there are fewer."""
    is_valid = jsonschema.Draft7Validator(schema).is_valid
    found = [edge for edge in edges(schema) if is_valid(edge)]
    found += drawn(strategy(schema).filter(is_valid), max(5, count - len(found)))
    return list(islice(cycle(found), count))


def drawn(source: st.SearchStrategy, count: int) -> list:
    found: list = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(source)
    def collect(value):
        found.append(value)

    collect()
    return found


def choices(schema: dict) -> list[dict]:
    """The schemas of which one holds; `not` and what else narrows them is for `samples` to filter by."""
    if "allOf" in schema:
        (only,) = schema["allOf"]
        return choices(only)
    found = [each for key in ("anyOf", "oneOf") for each in schema.get(key, []) if set(each) & {"type", "enum", "const", "allOf"}]
    return found or [schema]


def edges(schema: dict) -> list:
    found = [edge for each in choices(schema) if each is not schema for edge in edges(each)]
    if found:
        return found
    if "enum" in schema or "const" in schema:
        return list(schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "boolean":
            return [True, False]
        case "integer":
            return [schema["minimum"], schema["maximum"]]
        case "number":
            return [schema["minimum"], schema["maximum"]]
        case "string":
            return list(AT_THE_EDGE)
        case "array":
            return [[], [edge for edge in edges(schema["items"]) if jsonschema.Draft7Validator(schema["items"]).is_valid(edge)]]
        case "object":
            return [{}]
        case "null":
            return [None]
    return [edge for kind in schema["type"] for edge in edges({**schema, "type": kind})]


def strategy(schema: dict) -> st.SearchStrategy:
    options = choices(schema)
    if options != [schema]:
        return st.one_of([strategy(each) for each in options])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "number":
            least, most = (int(schema[bound] * 1000) for bound in ("minimum", "maximum"))
            return st.integers(least, most).map(lambda thousandths: thousandths / 1000)
        case "string":
            return strings(schema)
        case "array":
            is_set = schema.get("uniqueItems", False)
            return st.lists(strategy(schema["items"]), min_size=schema.get("minItems", 0), max_size=4, unique=is_set)
        case "object":
            return maps(schema)
        case "null":
            return st.none()
    return st.one_of([strategy({**schema, "type": kind}) for kind in schema["type"]])


def strings(schema: dict) -> st.SearchStrategy:
    if "pattern" not in schema:
        return TEXT
    # Helm's engine is Go's, where $ is the end and nothing else, and \s and the like are ASCII.
    return st.from_regex(re.compile(re.sub(r"(?<!\\)\$", r"\\Z", schema["pattern"]), re.ASCII))


def maps(schema: dict) -> st.SearchStrategy:
    if "properties" in schema:
        parts = {name: strategy(each) for name, each in schema["properties"].items()}
        required = {name: parts.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional=parts)
    names = strategy({"type": "string", **schema.get("propertyNames", {})})
    return st.dictionaries(names, strategy(schema["additionalProperties"]), max_size=schema.get("maxProperties", 3))
