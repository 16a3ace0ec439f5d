"""The proxy's API, from the descriptors that Buf makes of proto/, and the page beside it."""

import json
import re
from pathlib import Path

from source import Type

SCALARS = {
    "TYPE_STRING": "text",
    "TYPE_BOOL": "bool",
    "TYPE_INT32": "integer",
    "TYPE_INT64": "integer",
    "TYPE_DOUBLE": "number",
}
WELL_KNOWN = {"Struct": "json", "Value": "json", "Timestamp": "time", "Duration": "number"}


class Api:
    def __init__(self, image: Path) -> None:
        files = [file for file in json.loads(image.read_text())["file"] if file["package"] == "xpander.agent.v1"]
        self.messages = {message["name"]: message for file in files for message in file.get("messageType", [])}
        self.enums = {enum["name"]: enum for file in files for enum in file.get("enumType", [])}

    def fields(self, message: str) -> dict[str, Type]:
        return {field["name"]: _type_of(field) for field in self.messages[message]["field"]}

    def optional(self, message: str) -> set[str]:
        """The fields that tell unset from empty."""
        return {field["name"] for field in self.messages[message]["field"] if field.get("proto3Optional")}

    def reserved(self, message: str) -> set[str]:
        return set(self.messages[message].get("reservedName", []))

    def words(self, enum: str) -> list[str]:
        """The values but the first, as the platform writes them."""
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum).upper() + "_"
        return [value["name"].removeprefix(prefix).lower() for value in self.enums[enum]["value"][1:]]


def _type_of(field: dict) -> Type:
    name = field.get("typeName", "").rsplit(".", 1)[-1]
    kind = SCALARS.get(field["type"]) or WELL_KNOWN.get(name, name)
    return Type(kind, field["label"] == "LABEL_REPEATED")


def table(page: Path, first: str) -> dict[str, list[str]]:
    """The rows of the page's table with this heading: each name in code in a row's first cell, with the other cells."""
    rows: dict[str, list[str]] = {}
    lines = iter(page.read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {first} | official client |"):
            break
    for line in lines:
        if not line.startswith("|"):
            break
        names, *others = [cell.strip() for cell in line.strip("|").split("|")]
        rows |= {name: others for name in re.findall(r"`([^`]+)`", names)}
    return rows
