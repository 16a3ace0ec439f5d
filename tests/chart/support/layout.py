"""What a container finds when the kubelet starts it: its arguments, its environment and its files, laid out in a folder.

A Secret or ConfigMap that the release does not have stands for one that people bring; it gets the contents that `brought`
has for its keys."""

import base64
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .certificates import texts
from .paths import BINARY
from .rendering import Rendering

HASH = "8d70d691c822d55638b6e7fd54cd94170c87d19eb1f628b757506ede5688d297"
# By key; beside them stand an authority, a certificate and its key.
BROUGHT = {
    "api-key": "xp-brought-key\n",
    "organization-id": "acme-brought",
    "XPANDER_ORGANIZATION_ID": "acme-brought",
    "XPANDER_GRPC_TOKEN": "a-token",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=acme",
    "tokens": f"reports={HASH}\n",
    "token": "a-token",
    "headers": "x-tenant=acme",
}
FIELDS = {
    "metadata.name": "proxy-0",
    "metadata.namespace": "shop",
    "metadata.uid": "0b7c",
    "spec.nodeName": "node-1",
    "status.podIP": "10.0.0.7",
    "spec.serviceAccountName": "proxy",
}


@dataclass
class Laid:
    """A container as it would be started, its files below `root`."""

    root: Path
    arguments: list[str]
    environment: dict[str, str]

    def run(self, *arguments: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], **self.environment}
        command = [str(BINARY), *(arguments or self.arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)

    def check(self) -> subprocess.CompletedProcess[str]:
        """What the proxy says of the settings that `serve` would have here."""
        assert self.arguments[0] == "serve", self.arguments
        return self.run("check", *self.arguments[1:])

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()


def lay(rendering: Rendering, root: Path, pod: dict | None = None, container: dict | None = None, brought=None) -> Laid:
    """Lays out a container, by default the proxy's own."""
    pod, container = pod or rendering.pod, container or rendering.container
    made = texts()
    authorities = dict.fromkeys(("client-ca.crt", "platform-ca.crt", "jwks-ca.crt"), made["ca.crt"])
    sources = Sources(rendering, BROUGHT | made | authorities | (brought or {}))
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    mounts = container.get("volumeMounts", [])
    for mount in mounts:
        folder = root / mount["mountPath"].lstrip("/")
        files = sources.files(volumes[mount["name"]])
        if "subPath" in mount:
            folder, files = folder.parent, {folder.name: files[mount["subPath"]]}
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(moved(content, root, mounts))
    environment = sources.environment(container)
    return Laid(
        root,
        [moved(argument, root, mounts) for argument in container.get("args", [])],
        {name: moved(value, root, mounts) for name, value in environment.items()},
    )


def moved(text: str, root: Path, mounts: list[dict]) -> str:
    """The same with the mounted paths where they are here."""
    for path in sorted({mount["mountPath"] for mount in mounts}, key=len, reverse=True):
        text = text.replace(path, f"{root}{path}")
    return text


@dataclass
class Sources:
    """The Secrets and ConfigMaps of a release, and those that are brought."""

    rendering: Rendering
    brought: dict[str, str]

    def files(self, volume: dict) -> dict[str, str]:
        if "projected" in volume:
            found: dict[str, str] = {}
            for source in volume["projected"]["sources"]:
                found |= self.files(source)
            return found
        for kind, key, field in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
            if key in volume:
                source = volume[key]
                name = source.get(field) or source["name"]
                return self.projected(kind, name, source.get("items"), source.get("optional", False))
        if "serviceAccountToken" in volume:
            return {volume["serviceAccountToken"]["path"]: "a.token.of-the-pod"}
        assert "emptyDir" in volume or "downwardAPI" in volume, volume
        return {}

    def projected(self, kind: str, name: str, items: list[dict] | None, optional: bool) -> dict[str, str]:
        data = self.data(kind, name)
        if data is None and items is None:
            return {} if optional else dict(self.brought)
        if items is None:
            return data or {}
        return {item["path"]: self.value(kind, name, item["key"], item["path"]) for item in items}

    def data(self, kind: str, name: str) -> dict[str, str] | None:
        """All that is in the release's own; None where it is brought."""
        for each in self.rendering.all(kind):
            if each["metadata"]["name"] == name:
                plain = each.get("data", {}) if kind == "ConfigMap" else each.get("stringData", {})
                coded = each.get("data", {}) if kind == "Secret" else {}
                return dict(plain) | {key: base64.b64decode(value).decode() for key, value in coded.items()}
        return None

    def value(self, kind: str, name: str, key: str, place: str) -> str:
        """Of what is brought by its key, or else by the place that it is wanted in."""
        own = self.data(kind, name)
        if own is None:
            return self.brought[key if key in self.brought else place]
        assert key in own, f"{kind} {name} has no {key}: {sorted(own)}"
        return own[key]

    def environment(self, container: dict) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            for kind, key in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
                if key in source:
                    data = self.data(kind, source[key]["name"]) or {}
                    found |= {source.get("prefix", "") + name: value for name, value in data.items()}
        for variable in container.get("env", []):
            value = self.variable(variable)
            # Like the kubelet: $(NAME) of a variable before this one.
            for name, known in found.items():
                value = value.replace(f"$({name})", known)
            found[variable["name"]] = value
        return found

    def variable(self, variable: dict) -> str:
        source = variable.get("valueFrom")
        if source is None:
            return variable.get("value", "")
        for kind, key in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
            if key in source:
                return self.value(kind, source[key]["name"], source[key]["key"], variable["name"])
        if "resourceFieldRef" in source:
            return "1"
        return FIELDS[source["fieldRef"]["fieldPath"]]
