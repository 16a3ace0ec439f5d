"""The values: each known by name, of the right type, described; what is misspelt stops the install."""

import re

import jsonschema
import pytest
import yaml
from support import helm
from support.paths import CHART
from support.refused import BASE, REFUSED
from support.schema import values_schema

# Handed to Kubernetes as they are: their fields are Kubernetes' business.
PASSED_ON = re.compile(
    r"(annotations|labels|resources|securityContext|podSecurityContext|affinity|nodeSelector|dnsConfig|behavior|strategy"
    r"|matchLabels|namespaceSelector|\[\])$",
    re.IGNORECASE,
)


def objects(schema: dict, path: tuple = ()):
    """Every object of the schema that has names of its own, with its place."""
    if "properties" in schema:
        yield path, schema
        for name, each in schema["properties"].items():
            yield from objects(each, (*path, name))
    for key in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(key, []):
            yield from objects(each, path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_api_server_would_refuse_is_refused_before_anything_is_installed(name):
    message = helm.refusal(helm.merged(BASE, REFUSED[name]))
    # By the place, or in words for people.
    assert "nil pointer" not in message and "can't" not in message, message


def test_networks_that_are_right_are_taken():
    cidrs = ["0.0.0.0/0", "10.255.0.1/32", "::/0", "fd00:1::/64", "2001:db8::1/128"]
    assert helm.sandboxed({"networkPolicy": {"enabled": True, "egress": {"platformCidrs": cidrs}}}).text


def leaves(schema: dict, path: tuple = ()):
    for name, each in schema.get("properties", {}).items():
        if "properties" in each:
            yield from leaves(each, (*path, name))
        else:
            yield (*path, name), each


def place(path: tuple) -> dict:
    """The schema of what is there."""
    schema = values_schema()
    for step in path:
        schema = schema["properties"][step]
    return schema


def nested(path: tuple, value) -> dict:
    for step in reversed(path):
        value = {step: value}
    return value


def is_owned(schema: dict) -> bool:
    return "owned by the chart" in str(schema.get("$comment"))


def is_passed_on(path: tuple) -> bool:
    return any(PASSED_ON.search(step) for step in path[:-1])


CLOSED = [path for path, each in objects(values_schema()) if each.get("additionalProperties") is False]
LEAVES = {path: each for path, each in leaves(values_schema()) if not is_owned(each) and not is_passed_on(path)}
def test_every_object_with_names_of_its_own_refuses_others():
    wide_open = {path for path, each in objects(values_schema()) if each.get("additionalProperties") is not False}
    assert {path for path in wide_open if not PASSED_ON.search(path[-1] if path else "")} == set()


def test_a_misspelt_value_at_any_level_stops_the_install_and_is_named():
    assert len(CLOSED) > 40
    values = helm.SANDBOX
    for number, path in enumerate(CLOSED):
        values = helm.merged(values, nested(path, {f"misspelt{number}": 1}))
    message = helm.refusal(values)
    unnamed = [path for number, path in enumerate(CLOSED) if not re.search(rf"misspelt{number}\b", message)]
    assert unnamed == [], message
    # With the place, as a path.
    assert "/".join(CLOSED[-1]) in message


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
def test_a_value_of_the_wrong_type_does_not_fit_the_schema(path):
    """Nothing is text, a number, a list and a map at once."""
    validator = jsonschema.Draft7Validator(place(path))
    fits = [value for value in ("a b", 1.5, [[[]]], {"no such key": [[]]}) if validator.is_valid(value)]
    assert len(fits) <= 1, fits


def test_a_value_of_the_wrong_type_stops_the_install_and_is_named():
    values = helm.SANDBOX
    for path in LEAVES:
        values = helm.merged(values, nested(path, [[{"a": "list of lists"}]]))
    message = helm.refusal(values)
    assert [path for path in LEAVES if f"'/{'/'.join(path)}" not in message] == []


def test_an_install_without_a_key_says_what_to_give():
    message = helm.refusal({})
    for way in ("credentials.apiKey", "credentials.organizationId", "credentials.existingSecret", "sandbox.enabled"):
        assert way in message
    assert "pass_through" in message and "nil pointer" not in message


@pytest.mark.parametrize("given", [{"apiKey": "xp-1"}, {"organizationId": "acme"}], ids=["a key alone", "an organization alone"])
def test_half_of_the_credentials_is_refused(given):
    assert "credentials" in helm.refusal({"credentials": given})


def test_the_defaults_fit_the_schema():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.Draft7Validator(values_schema()).validate(values)


def test_the_schema_and_the_values_have_the_same_names():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    known = {path for path, _ in objects(values_schema()) if path and not is_passed_on(path)} | set(LEAVES)
    # Helm gives it to every chart.
    known -= {("global",)}
    missing = {path for path in known if not present(values, path)}
    assert missing == set(), "in the schema, not in values.yaml"
    assert {path for path in paths(values) if not is_known(path)} == set(), "in values.yaml, not in the schema"


def present(values, path: tuple) -> bool:
    for step in path:
        if not isinstance(values, dict) or step not in values:
            # A part of what is empty by default, or handed on, need not be shown.
            return values in ({}, [], "", None) or not isinstance(values, dict)
        values = values[step]
    return True


def paths(values: dict, path: tuple = ()):
    for name, value in values.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from paths(value, (*path, name))


def is_known(path: tuple) -> bool:
    schema = values_schema()
    for step in path:
        if step not in schema.get("properties", {}):
            return schema.get("additionalProperties", True) is not False and "properties" not in schema
        schema = schema["properties"][step]
    return True
