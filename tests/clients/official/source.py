"""The official client as its source says it is: read, never imported."""

import ast
from dataclasses import dataclass
from pathlib import Path

# What its annotations come down to, and what is the same in a descriptor. Any other
# name is a class of its own: a message or an enum.
KINDS = {"str": "text", "bool": "bool", "int": "integer", "float": "number", "dict": "json", "Dict": "json"}
KINDS |= {"Any": "json", "datetime": "time"}


@dataclass(frozen=True)
class Type:
    kind: str
    repeated: bool = False


def type_of(annotation: ast.expr) -> Type:
    """`Optional[List[str]]` is a repeated text."""
    if isinstance(annotation, ast.Constant):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.Name):
        return Type(KINDS.get(annotation.id, annotation.id))
    outer, inner = annotation.value.id, annotation.slice
    if outer == "Optional":
        return type_of(inner)
    if outer == "List":
        return Type(type_of(inner).kind, repeated=True)
    return Type(KINDS.get(outer, outer))


class Source:
    def __init__(self, package: Path) -> None:
        self.package = package

    def module(self, path: str) -> ast.Module:
        return ast.parse((self.package / path).read_text())

    def definition(self, path: str, name: str) -> ast.AST:
        """A class or function, or by `Class.method` a method."""
        found: ast.AST = self.module(path)
        for part in name.split("."):
            found = next(node for node in found.body if getattr(node, "name", None) == part)
        return found

    def parameters(self, path: str, name: str) -> dict[str, tuple[Type, object]]:
        """Each with its type and its default, where that is a constant."""
        arguments = self.definition(path, name).args
        named = arguments.args[1:]
        defaults = [None] * (len(named) - len(arguments.defaults)) + arguments.defaults
        return {
            argument.arg: (type_of(argument.annotation), getattr(default, "value", None))
            for argument, default in zip(named, defaults)
        }

    def attributes(self, path: str, name: str) -> dict[str, Type]:
        """The public ones of a model, with those of its base in the same file."""
        model = self.definition(path, name)
        found: dict[str, Type] = {}
        for base in model.bases:
            if any(getattr(node, "name", None) == base.id for node in self.module(path).body):
                found |= self.attributes(path, base.id)
        for node in model.body:
            if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
                found[node.target.id] = type_of(node.annotation)
        return found

    def values(self, path: str, name: str) -> list[str]:
        return [node.value.value for node in self.definition(path, name).body if isinstance(node, ast.Assign)]
