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
    "credentials": {"existingSecret": "xpander"},
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
# Nobody may have a name that no certificate that is let in has; here are tokens, whose file may bring any.
for setting in ("shares", "creates_per_second", "burst"):
    name = f"limits.{setting}"
    SETTINGS[name] = [{key: value for key, value in each.items() if not re.match("spiffe://|dns:|jwt:|system:serviceaccount:", key)} for each in SETTINGS[name]]
# Helm lays maps over those of values.yaml.
SETTINGS["limits.shares"] = [{"*": 0.5, **each} for each in SETTINGS["limits.shares"]]
# A burst is a rate's.
for rates, bursts in zip(SETTINGS["limits.creates_per_second"], SETTINGS["limits.burst"], strict=True):
    rates.update({caller: 1.5 for caller in bursts if caller not in rates})
# Here callers have names already, so that a mesh gives none.
SETTINGS["auth.caller_metadata"] = [""] * ROUNDS


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


# Values that become settings in another way, apart from each other where one excludes the other.
OTHERS = {
    "in a sandbox": {
        "names": [
            *("drain.delaySeconds", "drain.timeoutSeconds", "bindAddress", "tokens.hashes"),
            *("otel.protocol", "otel.metrics", "otel.sampler", "otel.serviceName", "otel.resourceAttributes"),
        ],
        "beside": {"sandbox": {"enabled": True}, "otel": {"endpoint": "http://otel:4317"}},
    },
    "with an endpoint": {"names": ["otel.endpoint"], "beside": {"sandbox": {"enabled": True}}},
    "with a key": {"names": ["credentials.apiKey", "credentials.organizationId"], "beside": {}},
}


# What stands in guards rather than in the schema, whose messages would repeat a secret.
GUARDED = {
    "credentials.apiKey": {"type": "string", "pattern": "^[!-~]+$"},
    "tokens.hashes": {
        "type": "object",
        "propertyNames": {"pattern": "^[!-)+\\-./-<>-~]{1,128}$"},
        "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}},
    },
}


@pytest.mark.parametrize("of", OTHERS)
def test_the_proxy_takes_whatever_else_the_schema_takes(of, tmp_path):
    schemas = {name: GUARDED.get(name) or at(values_schema(), *name.split(".")[:-1])[name.split(".")[-1]] for name in OTHERS[of]["names"]}
    values = {name: samples(schema, 10) for name, schema in schemas.items()}
    taken = 0
    for number in range(10):
        given = OTHERS[of]["beside"]
        for name in values:
            given = helm.merged(given, nested(name.split("."), values[name][number]))
        done = helm.install(given)
        if isinstance(done, str):
            # A guard refuses it: one hash for two callers, or an empty value that is needed.
            assert "execution error" in done, done
            continue
        taken += 1
        checked = lay(done, tmp_path / str(number)).check()
        assert checked.returncode == 0, (given, checked.stdout + checked.stderr)
    assert taken >= 5


def nested(path: list[str], value) -> dict:
    for step in reversed(path):
        value = {step: value}
    return value
