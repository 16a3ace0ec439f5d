"""The schemas of custom resources, from the CRDs that `.ci/tools` puts into target/tools/crds; strict: a field that no
schema has is a mistake, as it is for `kubectl apply` with strict validation."""

import functools

import jsonschema
import yaml

from .paths import REPOSITORY, TOOLS

FOLDERS = (TOOLS / "crds", REPOSITORY / "tests/chart/crds")
# What every object has beside what its schema says.
ENVELOPE = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}


def problems(manifest: dict) -> list[str]:
    """What the CRD's schema says against a manifest. Fails for a kind that has none."""
    known = schemas()
    key = (manifest["apiVersion"], manifest["kind"])
    assert key in known, f"no CRD for {key}: add it to `.ci/tools`"
    errors = jsonschema.Draft4Validator(known[key]).iter_errors(manifest)
    return [f"{'.'.join(str(step) for step in error.absolute_path)}: {error.message}" for error in errors]


@functools.cache
def schemas() -> dict[tuple[str, str], dict]:
    """By apiVersion and kind."""
    found = {}
    for folder in FOLDERS:
        for file in sorted(folder.glob("*.yaml")):
            for document in yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader):
                if document and document["kind"] == "CustomResourceDefinition":
                    found.update(_versions(document["spec"]))
    return found


def _versions(spec: dict):
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"] = schema.get("properties", {}) | ENVELOPE
        # The API server's, never a chart's.
        schema["properties"].pop("status", None)
        yield (f"{spec['group']}/{version['name']}", spec["names"]["kind"]), schema


def strict(schema: dict) -> dict:
    """A structural schema of OpenAPI as JSON Schema, which refuses what the API server would prune."""
    result = {key: value for key, value in schema.items() if key not in ("properties", "items", "additionalProperties")}
    if schema.get("x-kubernetes-int-or-string"):
        return result
    if "properties" in schema:
        result["properties"] = {name: strict(each) for name, each in schema["properties"].items()}
    if "items" in schema:
        result["items"] = strict(schema["items"])
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        result["additionalProperties"] = strict(more)
    elif more is not True and schema.get("type") == "object":
        result["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if schema.get("nullable") and "type" in schema:
        result["type"] = [schema["type"], "null"]
    return result
