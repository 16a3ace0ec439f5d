"""No value of the chart makes settings that the proxy refuses: whatever the schema takes, `check` takes, and has in force."""

import re

import pytest
from support import helm
from support.layout import HASH, lay
from support.reference import in_force
from support.samples import samples
from support.schema import at, values_schema

ROUNDS = 30
# Callers with names, so that whatever names some may stand.
NAMED = {
    "sandbox": {"enabled": True},
    "tokens": {"hashes": {"reports": HASH}},
    "tls": {
        "enabled": True,
        "existingSecret": "certificate",
        "clientCa": {"enabled": True, "existingSecret": "certificate"},
    },
}


def settings_of(sections: dict) -> dict[str, dict]:
    """The schema of each setting, by `section.key`, without those that the chart owns."""
    every = {f"{section}.{key}": each for section, keys in sections.items() for key, each in keys["properties"].items()}
    return {name: each for name, each in every.items() if "owned by the chart" not in str(each.get("$comment"))}


SETTINGS = {name: samples(each, ROUNDS) for name, each in settings_of(at(values_schema(), "config")).items()}
# An e-mail address makes the user, so metadata without one is refused by a guard.
SETTINGS["users.metadata"] = [{"email": "x-mail", **each} if each else each for each in SETTINGS["users.metadata"]]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_proxy_takes_and_has_in_force_whatever_the_schema_takes(number, tmp_path):
    config: dict = {}
    for name, values in SETTINGS.items():
        section, key = name.split(".")
        config.setdefault(section, {})[key] = values[number]
    checked = lay(helm.render(helm.merged(NAMED, {"config": config})), tmp_path).check()
    assert checked.returncode == 0, checked.stdout + checked.stderr
    found = in_force(checked.stdout)
    given = {name: values[number] for name, values in SETTINGS.items() if values[number] not in ("", {}, [])}
    assert {name: same(found[name]) for name in given} == {name: same(given[name], name) for name in given}


def same(value, name: str = ""):
    """What is the same to the proxy, in one form."""
    if name == "platform.base_url":
        url = value if "://" in value else f"https://{value}"
        # Without the scheme's own port, and in lower case but for the path.
        scheme, host, path = re.fullmatch(r"(https?)://([^/]*)(.*?)/*", url).groups()
        own = {"http": ":80", "https": ":443"}[scheme]
        return f"{scheme}://{host.lower().removesuffix(own)}{path}"
    if isinstance(value, str) and re.fullmatch(r"\d+(ms|s|m|h)", value):
        number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", value).groups()
        return int(number) * {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}[unit]
    if name == "auth.allowed_clients":
        return sorted({each if each.startswith("spiffe:") else each.lower() for each in value})
    if isinstance(value, list):
        return sorted(set(value))
    if isinstance(value, dict) and name == "auth.agents":
        return {key: same(each if isinstance(each, list) else [each]) for key, each in value.items()}
    if isinstance(value, dict):
        return {key: same(each) for key, each in value.items()}
    return value


# Values that become settings in another way: where they are, and what else they need.
OTHERS = {
    "credentials.apiKey": {"credentials": {"organizationId": "acme"}},
    "credentials.organizationId": {"credentials": {"apiKey": "xp-1"}},
    "drain.delaySeconds": helm.SANDBOX,
    "drain.timeoutSeconds": helm.SANDBOX,
    "bindAddress": helm.SANDBOX,
    "tokens.hashes": helm.SANDBOX,
    "otel.endpoint": helm.SANDBOX,
    "otel.protocol": helm.merged(helm.SANDBOX, {"otel": {"endpoint": "http://otel:4317"}}),
    "otel.metrics": helm.merged(helm.SANDBOX, {"otel": {"endpoint": "http://otel:4317"}}),
    "otel.sampler": helm.merged(helm.SANDBOX, {"otel": {"endpoint": "http://otel:4317"}}),
    "otel.samplerArg": helm.merged(helm.SANDBOX, {"otel": {"endpoint": "http://otel:4317", "sampler": "traceidratio"}}),
    "otel.serviceName": helm.merged(helm.SANDBOX, {"otel": {"endpoint": "http://otel:4317"}}),
    "otel.resourceAttributes": helm.merged(helm.SANDBOX, {"otel": {"endpoint": "http://otel:4317"}}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_proxy_takes_whatever_else_the_schema_takes(name, tmp_path):
    *parents, last = name.split(".")
    accepted = 0
    for number, value in enumerate(samples(at(values_schema(), *parents)[last], 12)):
        values: dict = {last: value}
        for parent in reversed(parents):
            values = {parent: values}
        values = helm.merged(OTHERS[name], values)
        done = helm.install(values)
        # A guard may want something else beside it, and says so.
        if done.returncode != 0:
            assert "execution error" in done.stderr and name.split(".")[0] in done.stderr, (value, done.stderr)
            continue
        accepted += 1
        checked = lay(helm.render(values), tmp_path / str(number)).check()
        assert checked.returncode == 0, (value, checked.stdout + checked.stderr)
    assert accepted >= 2
