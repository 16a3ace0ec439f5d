"""What the chart renders is what the proxy's own `check` takes, and each setting has its place in the values."""

import pytest
import yaml
from support import helm
from support.helm import SANDBOX
from support.layout import HASH, lay
from support.paths import CHART, ci_values
from support.reference import in_force, settings
from support.schema import at, values_schema

# What the chart must know of, or is secret, is a value of its own.
OWNED = {
    "server.listen": "bindAddress",
    "server.admin_listen": "bindAddress",
    "server.tls_cert_file": "tls",
    "server.tls_key_file": "tls",
    "server.tls_client_ca_file": "tls",
    "server.drain_delay": "drain",
    "server.drain_timeout": "drain",
    "platform.api_key": "credentials",
    "platform.api_key_file": "credentials",
    "platform.organization_id": "credentials",
    "platform.ca_file": "platformCa",
    "auth.tokens": "tokens",
    "auth.tokens_file": "tokens",
    "auth.jwt.issuer": "jwt",
    "auth.jwt.audience": "jwt",
    "auth.jwt.claim": "jwt",
    "auth.jwt.jwks_file": "jwt",
    "auth.jwt.jwks_url": "jwt",
    "auth.jwt.jwks_ca_file": "jwt",
    "auth.jwt.jwks_token_file": "jwt",
    "auth.jwt.leeway": "jwt",
    "deduplication.store": "deduplication",
    "deduplication.store_file": "deduplication",
    "deduplication.store_ca_file": "deduplication",
}
# In words, since their defaults are none or all.
EMPTY = {"agents.default_id": "", "auth.agents": {}, "auth.caller_metadata": ""}


@pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)
def test_the_proxy_takes_the_rendered_settings(file, tmp_path):
    checked = lay(helm.render(None, file), tmp_path).check()
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_setting_that_the_proxy_refuses_would_be_seen(tmp_path):
    laid = lay(helm.sandboxed(), tmp_path)
    (file,) = tmp_path.rglob("*.toml")
    file.write_text(file.read_text().replace("max_calls = 5000", "max_calls = 0"))
    assert laid.check().returncode == 2


def test_each_setting_is_in_the_values_or_owned_by_the_chart():
    shown = {f"{section}.{key}" for section, keys in at(values_schema(), "config").items() for key in keys["properties"]}
    owned = {name for name in shown if "owned by the chart" in str(at_setting(name).get("$comment"))}
    assert shown | set(OWNED) == set(settings())
    assert owned <= set(OWNED)
    assert shown - owned == set(settings()) - set(OWNED)
    assert all(value in values_schema()["properties"] for value in OWNED.values())


def test_the_values_state_the_proxys_own_defaults():
    values = yaml.safe_load((CHART / "values.yaml").read_text())["config"]
    stated = {f"{section}.{key}": value for section, keys in values.items() for key, value in keys.items()}
    expected = {name: EMPTY.get(name, each.default) for name, each in settings().items() if name not in OWNED}
    assert stated == expected


def test_the_default_values_are_in_force_as_the_proxys_defaults(tmp_path):
    checked = lay(helm.render({"credentials": {"existingSecret": "xpander"}}), tmp_path).check()
    found = in_force(checked.stdout)
    expected = {name: each.default for name, each in settings().items() if each.default is not None}
    assert {name: found[name] for name in expected} == expected


def test_a_key_and_the_organization_reach_the_proxy_the_key_as_a_file(tmp_path):
    values = {"credentials": {"apiKey": "xp-own-key", "organizationId": "acme"}}
    laid = lay(helm.render(values), tmp_path)
    found = in_force(laid.check().stdout)
    assert found["platform.api_key"] == "(set)" and found["platform.organization_id"] == "acme"
    assert found["platform.api_key_file"].startswith(str(tmp_path))
    assert "xp-own-key" not in str(laid.environment) + str(laid.arguments)


def test_a_secret_that_people_bring_is_used_under_its_keys(tmp_path):
    values = {"credentials": {"existingSecret": "mine", "apiKeyKey": "one", "organizationIdKey": "two"}}
    found = in_force(lay(helm.render(values), tmp_path, brought={"one": "xp-1", "two": "acme-2"}).check().stdout)
    assert found["platform.api_key"] == "(set)" and found["platform.organization_id"] == "acme-2"


def test_the_url_of_a_store_reaches_the_proxy_as_a_file_and_needs_a_secret(tmp_path):
    values = helm.merged(SANDBOX, {"deduplication": {"store": {"existingSecret": "store", "key": "redis"}}})
    url = "rediss://proxy:se%3Acret@redis.acme.svc:6380/1"
    laid = lay(helm.render(values), tmp_path, brought={"redis": url})
    found = in_force(laid.check().stdout)
    assert found["deduplication.store"] == "(set)" and found["deduplication.store_file"].startswith(str(tmp_path))
    assert "se%3Acret" not in str(laid.environment) + str(laid.arguments) + laid.check().stdout


def test_the_hashes_of_tokens_reach_the_proxy(tmp_path):
    values = helm.merged(SANDBOX, {"tokens": {"hashes": {"reports": HASH, "jobs@acme.io": ["a" * 64, "b" * 64]}}})
    laid = lay(helm.render(values), tmp_path)
    assert laid.check().returncode == 0
    (file,) = (file for file in tmp_path.rglob("*") if file.name == "tokens")
    lines = set(file.read_text().split("\n")) - {""}
    assert lines == {f"reports={HASH}", f"jobs@acme.io={'a' * 64} {'b' * 64}"}


ISSUER = {"issuer": "https://kubernetes.default.svc.cluster.local", "audience": "xpander-grpc-proxy"}


def test_the_clusters_keys_are_fetched_by_its_own_authorities_and_with_a_token_of_the_pod(tmp_path):
    rendering = helm.render(helm.merged(SANDBOX, {"jwt": {**ISSUER, "keys": {"fromCluster": True}}}))
    found = in_force(lay(rendering, tmp_path).check().stdout)
    assert found["auth.jwt.issuer"] == ISSUER["issuer"] and found["auth.jwt.audience"] == ISSUER["audience"]
    assert found["auth.jwt.jwks_url"] == "https://kubernetes.default.svc/openid/v1/jwks"
    (volume,) = (volume for volume in rendering.pod["spec"]["volumes"] if "projected" in volume)
    sources = volume["projected"]["sources"]
    assert {"serviceAccountToken": {"path": "jwks-token", "expirationSeconds": 3600}} in sources
    for setting, file in (("jwks_ca_file", "jwks-ca.crt"), ("jwks_token_file", "jwks-token")):
        assert found[f"auth.jwt.{setting}"].endswith(f"/{file}")


def test_the_keys_of_another_issuer_come_from_a_config_map_or_a_url(tmp_path):
    of = lambda keys: helm.render(helm.merged(SANDBOX, {"jwt": {**ISSUER, "claim": "azp", "leeway": "1m", "keys": keys}}))  # noqa: E731
    found = in_force(lay(of({"existingConfigMap": "keys", "key": "mine"}), tmp_path, brought={"mine": JWKS}).check().stdout)
    assert found["auth.jwt.jwks_file"].endswith("/jwks.json") and found["auth.jwt.claim"] == "azp"
    url = "https://login.acme.io/jwks?p=1"
    ca = {"existingSecret": "ca", "key": "ca.crt"}
    found = in_force(lay(of({"url": url, "ca": ca}), tmp_path / "url").check().stdout)
    assert found["auth.jwt.jwks_url"] == url and found["auth.jwt.leeway"] == "1m"
    assert found["auth.jwt.jwks_ca_file"].endswith("/jwks-ca.crt") and found["auth.jwt.jwks_token_file"] == "(not set)"


JWKS = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'


def at_setting(name: str) -> dict:
    section, key = name.split(".")
    return at(values_schema(), "config", section)[key]
