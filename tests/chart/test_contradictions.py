"""Values that are right by themselves and wrong together stop the install, with words that name them."""

import hashlib

import pytest
from support import helm
from support.layout import HASH

TLS = {"enabled": True, "existingSecret": "certificate"}
PLATFORM = {"credentials": {"apiKey": "xp-1", "organizationId": "acme"}}

# What is wrong together, and the names that the message has.
WRONG = {
    "a client CA without TLS": ({"tls": {"clientCa": {"enabled": True, "existingSecret": "ca"}}}, ["tls.enabled"]),
    "TLS without a certificate": ({"tls": {"enabled": True}}, ["tls.existingSecret", "tls.certificate"]),
    "a certificate without its key": ({"tls": {"enabled": True, "certificate": "-----BEGIN CERTIFICATE-----"}}, ["privateKey"]),
    "two certificates": (
        {"tls": {**TLS, "certificate": "-----BEGIN CERTIFICATE-----", "privateKey": "-----BEGIN PRIVATE KEY-----"}},
        ["tls.existingSecret", "tls.certificate"],
    ),
    "mTLS without authorities": ({"tls": {**TLS, "clientCa": {"enabled": True}}}, ["tls.clientCa"]),
    "allowed clients without a client CA": ({"config": {"auth": {"allowed_clients": ["a.io"]}}}, ["allowed_clients", "tls.clientCa"]),
    "agents of callers without names": ({"config": {"auth": {"agents": {"reports": ["echo"]}}}}, ["auth.agents", "tokens"]),
    "readers of lists without names": ({"config": {"auth": {"list_tasks": ["reports"]}}}, ["auth.list_tasks", "tokens"]),
    "gateways without names": ({"config": {"users": {"callers": ["gateway"]}}}, ["users.callers", "tokens"]),
    "limits of callers without names": ({"config": {"limits": {"shares": {"reports": 0.2}}}}, ["limits.shares", "tokens"]),
    "a burst without a rate": ({"config": {"limits": {"burst": {"*": 5}}}}, ["limits.burst", "limits.creates_per_second"]),
    "a mesh's word that others may say": ({"config": {"auth": {"caller_metadata": "x-caller"}}}, ["caller_metadata", "mesh_only"]),
    "names from a mesh and from tokens": (
        {"tokens": {"hashes": {"a": HASH}}, "config": {"auth": {"caller_metadata": "x-caller", "mesh_only": True}}},
        ["caller_metadata", "tokens"],
    ),
    "a JWT for whomever": (
        {"jwt": {"issuer": "https://acme.io", "keys": {"url": "https://acme.io/jwks"}}},
        ["jwt.audience"],
    ),
    "JWTs of nobody": ({"jwt": {"audience": "proxy", "keys": {"fromCluster": True}}}, ["jwt.issuer"]),
    "JWTs without keys": ({"jwt": {"issuer": "https://acme.io", "audience": "proxy"}}, ["jwt.keys.fromCluster", "jwt.keys.url"]),
    "keys from two places": (
        {"jwt": {"issuer": "https://acme.io", "audience": "p", "keys": {"fromCluster": True, "existingConfigMap": "keys"}}},
        ["jwt.keys.fromCluster", "jwt.keys.existingConfigMap", "give one"],
    ),
    "authorities for keys that are not fetched": (
        {"jwt": {"issuer": "https://acme.io", "audience": "p", "keys": {"existingConfigMap": "keys", "ca": {"existingSecret": "ca"}}}},
        ["jwt.keys.ca", "jwt.keys.url"],
    ),
    "names from a mesh and from JWTs": (
        {
            "jwt": {"issuer": "https://acme.io", "audience": "p", "keys": {"fromCluster": True}},
            "config": {"auth": {"caller_metadata": "x-caller", "mesh_only": True}},
        },
        ["caller_metadata", "jwt"],
    ),
    "a token's caller named as a service account": (
        {"tokens": {"hashes": {"system:serviceaccount:shop:orders": HASH}}},
        ["tokens.hashes"],
    ),
    "principals without names": ({"config": {"users": {"principal": True}}}, ["users.principal", "tokens"]),
    "users without e-mail": ({"config": {"users": {"metadata": {"id": "x-id"}}}}, ["users.metadata", "email"]),
    "one hash for two callers": ({"tokens": {"hashes": {"a": HASH, "b": [HASH.upper()]}}}, ["tokens.hashes"]),
    "the hash of the empty text": ({"tokens": {"hashes": {"a": hashlib.sha256(b"").hexdigest().upper()}}}, ["tokens.hashes"]),
    "a token's caller named as a certificate's": ({"tokens": {"hashes": {"spiffe://acme.io/a": HASH}}}, ["tokens.hashes"]),
    "hashes of one's own and brought ones": ({"tokens": {"hashes": {"a": HASH}, "existingSecret": "t"}}, ["tokens"]),
    "a key and a brought one": ({"credentials": {"existingSecret": "mine", **PLATFORM["credentials"]}}, ["credentials.existingSecret"]),
    "gRPC probes at a TLS port": ({"tls": TLS, "probes": {"type": "grpc"}}, ["probes.type"]),
    "gRPC probes without open health": (
        {"tokens": {"existingSecret": "t"}, "config": {"auth": {"open_health": False}}, "probes": {"type": "grpc"}},
        ["probes.type"],
    ),
    "two authorities for the platform": ({"platformCa": {"existingSecret": "a", "existingConfigMap": "b"}}, ["platformCa"]),
    "a setting in the environment": (
        {"extraEnv": [{"name": "XPANDER_PROXY_SERVER__MAX_CALLS", "value": "0"}]},
        ["XPANDER_PROXY_SERVER__MAX_CALLS", "config"],
    ),
    "a setting that the chart owns": ({"config": {"server": {"listen": "0.0.0.0:1"}}}, ["config.server.listen", "bindAddress"]),
    "a secret in the settings file": ({"config": {"platform": {"api_key": "xp-1"}}}, ["config.platform.api_key", "credentials.apiKey"]),
    "hashes in the settings file": ({"config": {"auth": {"tokens": {"a": HASH}}}}, ["config.auth.tokens", "tokens.hashes"]),
    "the drain in the settings file": ({"config": {"server": {"drain_delay": "1s"}}}, ["drain.delaySeconds"]),
    "a rollout that can never count as done": ({"minReadySeconds": 700}, ["progressDeadlineSeconds", "minReadySeconds"]),
    "a rollout that waits for callers longer than it may": (
        {"progressDeadlineSeconds": 30, "service": {"headless": {"enabled": True}}},
        ["progressDeadlineSeconds", "service.headless.resolveSeconds"],
    ),
    "a memory request above the limit": ({"resources": {"requests": {"memory": "2Gi"}}}, ["resources.requests.memory", "2Gi", "1Gi"]),
    "a processor request above the limit": (
        {"resources": {"requests": {"cpu": 1.5}, "limits": {"cpu": "1200m"}}},
        ["resources.requests.cpu", "resources.limits.cpu"],
    ),
    "no DNS at all": ({"dnsPolicy": "None"}, ["dnsPolicy", "dnsConfig.nameservers"]),
    "a scrape that takes longer than the next one comes": (
        {"metrics": {"serviceMonitor": {"enabled": True, "interval": "30s", "scrapeTimeout": "1m"}}},
        ["metrics.serviceMonitor.scrapeTimeout", "metrics.serviceMonitor.interval"],
    ),
    "a node port inside the cluster": ({"service": {"nodePort": 30000}}, ["service.nodePort"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_together_is_refused_and_named(name):
    values, names = WRONG[name]
    message = helm.refusal(helm.merged({} if "credentials" in values else helm.SANDBOX, values))
    assert [each for each in names if each not in message] == [], message
    # Words for people, not a template's trouble.
    assert "nil pointer" not in message and "can't evaluate" not in message


def test_all_faults_are_told_at_once():
    values = {"tls": {"enabled": True}, "config": {"users": {"principal": True}}, "probes": {"type": "grpc"}}
    message = helm.refusal(helm.merged(helm.SANDBOX, values))
    assert all(each in message for each in ("tls.existingSecret", "users.principal", "probes.type"))


@pytest.mark.parametrize(
    "values",
    [
        {"credentials": {"existingSecret": "mine"}},
        {"config": {"auth": {"pass_through": True}}},
        {"sandbox": {"enabled": True}},
        PLATFORM,
    ],
    ids=["a brought Secret", "keys of callers", "the sandbox", "a key"],
)
def test_each_way_to_a_key_is_enough(values):
    assert helm.render(values).has("Deployment")
