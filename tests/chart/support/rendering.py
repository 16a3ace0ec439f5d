"""A rendered release: its manifests, its test pods and its notes. Not how it was rendered."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from .strict_yaml import load_all


@dataclass(frozen=True)
class Rendering:
    text: str
    notes: str

    @classmethod
    def of(cls, templates: dict[str, str]) -> "Rendering":
        """From what became of each template, by its path."""
        notes = "".join(text for path, text in templates.items() if path.endswith("NOTES.txt"))
        others = [text.strip("\n") for path, text in sorted(templates.items()) if not path.endswith("NOTES.txt")]
        return cls("\n---\n".join(text for text in others if text.strip()) + "\n", notes)

    def objects(self) -> list[dict]:
        """All manifests, the test pods' too."""
        return [document for document in load_all(self.text) if document is not None]

    def all(self, kind: str) -> list[dict]:
        return [each for each in self.objects() if each["kind"] == kind]

    def one(self, kind: str, suffix: str = "") -> dict:
        """The only one of its kind (whose name ends with `suffix`)."""
        found = [each for each in self.all(kind) if each["metadata"]["name"].endswith(suffix)]
        assert len(found) == 1, f"{len(found)} of {kind} …{suffix}: {[each['metadata']['name'] for each in found]}"
        return found[0]

    def has(self, kind: str) -> bool:
        return bool(self.all(kind))

    @property
    def deployment(self) -> dict:
        return self.one("Deployment")

    @property
    def pod(self) -> dict:
        """The Deployment's pod: its metadata and its spec."""
        return self.deployment["spec"]["template"]

    @property
    def container(self) -> dict:
        """The proxy's own container."""
        return next(each for each in self.pod["spec"]["containers"] if each["name"] == "proxy")

    def service(self) -> dict:
        """The Service that callers use, not the headless one."""
        found = [each for each in self.all("Service") if each["spec"].get("clusterIP") != "None"]
        assert len(found) == 1, [each["metadata"]["name"] for each in found]
        return found[0]

    def pods(self) -> Iterator[tuple[str, dict]]:
        """Each pod that this release may run: what it belongs to, and its metadata and spec."""
        for each in self.objects():
            name = f"{each['kind']} {each['metadata']['name']}"
            if each["kind"] == "Pod":
                yield name, each
            elif "template" in each.get("spec", {}):
                yield name, each["spec"]["template"]


def secret_values(rendering: Rendering) -> list[str]:
    """All that stands in the Secrets, decoded."""
    values = []
    for secret in rendering.all("Secret"):
        values += [base64.b64decode(value).decode() for value in (secret.get("data") or {}).values()]
        values += (secret.get("stringData") or {}).values()
    return values


def containers(pod: dict) -> list[dict]:
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec["containers"], *spec.get("ephemeralContainers", [])]
