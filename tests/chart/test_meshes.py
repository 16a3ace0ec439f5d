"""What the chart tells meshes and gateways: no task is created twice, no stream is cut, nobody calls who may not."""

import re

import pytest
import yaml
from support import helm
from support.paths import REPOSITORY

API = "xpander.agent.v1.AgentService"
PROTO = (REPOSITORY / "proto/xpander/agent/v1/agent_service.proto").read_text()
CALLS = set(re.findall(r"^\s*rpc (\w+)\(", PROTO, re.MULTILINE))
READS = {"GetTask", "WaitTask", "StreamEvents", "ListAgents", "ListTasks", "GetTaskActivity"}
CREATES = CALLS - READS
CLIENT = {"name": "gateway", "serviceAccounts": [{"name": "gateway", "namespace": "shop"}]}


def istio(**values) -> helm.Rendering:
    return helm.sandboxed({"fullnameOverride": "proxy", "istio": {"enabled": True, **values}})


def linkerd(**values) -> helm.Rendering:
    return helm.sandboxed({"fullnameOverride": "proxy", "linkerd": {"enabled": True, **values}})


def constant(name: str) -> str:
    """What the tests behind a real Envoy retry on."""
    code = (REPOSITORY / "tests/it/support/envoy/config.rs").read_text()
    return re.search(rf'const {name}: &str = "([^"]+)"', code)[1]


def methods(route: dict) -> set[str]:
    matches = [match["method"] for rule in route["spec"]["rules"] for match in rule.get("matches", [])]
    return {match.get("method", "") for match in matches if match["service"] == API}


def test_every_call_of_the_api_can_be_named_in_the_values():
    schema = (REPOSITORY / "helm/values.schema.json").read_text()
    lists = [set(names) for names in _enums(yaml.safe_load(schema)) if "Invoke" in names]
    assert len(lists) == 3 and all(names == CALLS for names in lists)


def _enums(value):
    if isinstance(value, dict):
        yield from [value["enum"]] if isinstance(value.get("enum"), list) else []
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _enums(each)


def test_istio_sends_reads_again_and_creates_only_where_they_were_not_processed():
    reads, others = istio().one("VirtualService")["spec"]["http"]
    assert {match["uri"]["exact"] for match in reads["match"]} == {f"/{API}/{call}" for call in READS}
    assert reads["retries"]["retryOn"] == constant("RETRY_READS")
    assert "match" not in others
    assert others["retries"]["retryOn"] == constant("RETRY_CREATES")


def test_istio_is_told_of_no_retries_in_words_that_it_does_not_take_for_its_defaults():
    routes = istio(virtualService={"readRetries": 0, "createRetries": 0}).one("VirtualService")["spec"]["http"]
    assert [route["retries"] for route in routes] == [{"attempts": 0}] * 2


def test_istio_cuts_no_call_short():
    # None at all: the CRD refuses "0s".
    assert all("timeout" not in route for route in istio().one("VirtualService")["spec"]["http"])


def test_istio_leaves_out_replicas_for_what_is_not_an_answer_and_never_all():
    outliers = istio().one("DestinationRule")["spec"]["trafficPolicy"]["outlierDetection"]
    assert outliers["splitExternalLocalOriginErrors"] and outliers["consecutiveLocalOriginFailures"] == 5
    assert outliers["consecutive5xxErrors"] == outliers["consecutiveGatewayErrors"] == 0
    assert outliers["maxEjectionPercent"] == 50
    assert "maxEjectionPercent" in helm.refusal(
        helm.merged(helm.SANDBOX, {"istio": {"enabled": True, "destinationRule": {"outlierDetection": {"maxEjectionPercent": 100}}}})
    )


def test_istio_lets_those_call_who_are_named_what_is_named():
    rules = [{"principals": ["cluster.local/ns/shop/sa/gateway"], "methods": ["Invoke"]}, {"namespaces": ["backoffice"]}]
    policy = istio(authorizationPolicy={"enabled": True, "rules": rules}).one("AuthorizationPolicy")["spec"]
    named, namespace, health = policy["rules"]
    assert policy["action"] == "ALLOW"
    assert named["from"] == [{"source": {"principals": ["cluster.local/ns/shop/sa/gateway"]}}]
    assert named["to"] == [{"operation": {"ports": ["50051"], "paths": [f"/{API}/Invoke"]}}]
    assert namespace["from"] == [{"source": {"namespaces": ["backoffice"]}}]
    assert namespace["to"][0]["operation"]["paths"] == [f"/{API}/*"]
    assert health["to"][0]["operation"]["paths"] == ["/grpc.health.v1.Health/*"]


@pytest.mark.parametrize("port", ["exclude", "mesh"])
def test_istio_lets_scrapes_through(port):
    rules = [{"principals": ["a"]}]
    values = {"adminPort": port, "authorizationPolicy": {"enabled": True, "rules": rules}, "peerAuthentication": {"enabled": True}}
    rendered = istio(**values)
    excluded = rendered.pod["metadata"]["annotations"].get("traffic.sidecar.istio.io/excludeInboundPorts")
    open_rule = {"to": [{"operation": {"ports": ["9464"]}}]}
    spec = rendered.one("PeerAuthentication")["spec"]
    assert excluded == ("9464" if port == "exclude" else None)
    assert (open_rule in rendered.one("AuthorizationPolicy")["spec"]["rules"]) == (port == "mesh")
    assert spec.get("portLevelMtls") == ({"9464": {"mode": "PERMISSIVE"}} if port == "mesh" else None)
    assert spec["mtls"] == {"mode": "STRICT"}


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_a_sidecar_outlives_the_drain(mesh):
    values = {mesh: {"enabled": True, "nativeSidecar": False}, "drain": {"delaySeconds": 7, "timeoutSeconds": 60}}
    pod = helm.sandboxed(values).pod
    annotations = pod["metadata"]["annotations"]
    told = annotations.get("proxy.istio.io/config") or annotations["config.alpha.linkerd.io/proxy-wait-before-exit-seconds"]
    seconds = int(re.search(r"\d+", told)[0])
    assert 7 + 7 + 60 < seconds < pod["spec"]["terminationGracePeriodSeconds"]


def test_a_native_sidecar_needs_no_such_care():
    assert istio().pod["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"
    assert linkerd().pod["metadata"]["annotations"]["config.beta.linkerd.io/proxy-enable-native-sidecar"] == "true"


def test_linkerd_sends_reads_again_and_nothing_else():
    rendered = linkerd()
    reads, others = rendered.one("GRPCRoute", "-reads"), rendered.one("GRPCRoute", "-others")
    assert methods(reads) == READS
    assert reads["metadata"]["annotations"] == {"retry.linkerd.io/grpc": "unavailable", "retry.linkerd.io/limit": "2"}
    # Without matches it has all that the other one has not.
    assert "matches" not in others["spec"]["rules"][0] and "annotations" not in others["metadata"]
    for route in (reads, others):
        service = {"group": "", "kind": "Service", "name": "proxy", "port": 50051}
        assert route["spec"]["parentRefs"] == route["spec"]["rules"][0]["backendRefs"] == [service]
    service = rendered.service()
    assert not [key for key in service["metadata"].get("annotations", {}) if key.startswith("retry.")]


def test_linkerd_cuts_no_silent_stream_unless_told_to():
    cut = linkerd(routes={"idleTimeout": "10m"}).all("GRPCRoute")
    assert len(cut) == 2 and all(route["metadata"]["annotations"]["timeout.linkerd.io/idle"] == "10m" for route in cut)
    assert "timeout.linkerd.io" not in linkerd().text


def test_linkerd_has_a_route_for_every_call_and_lets_none_but_the_named_use_it():
    clients = [{**CLIENT, "methods": ["Invoke", "StreamEvents"]}, {"name": "jobs", "identities": ["*.jobs.example"]}]
    rendered = linkerd(policy={"enabled": True, "clients": clients})
    inbound = {route["metadata"]["name"]: route for route in rendered.all("GRPCRoute") if "-inbound-" in route["metadata"]["name"]}
    assert set().union(*map(methods, inbound.values())) == CALLS
    allowed = {}
    for policy in rendered.all("AuthorizationPolicy"):
        (who,) = policy["spec"]["requiredAuthenticationRefs"]
        allowed.setdefault(who["name"], set()).add(policy["spec"]["targetRef"]["name"])
    assert allowed == {
        "proxy-client-gateway": {"proxy-inbound-invoke", "proxy-inbound-stream-events"},
        "proxy-client-jobs": {"proxy-grpc"},
        # The kubelet.
        "proxy-probes": {"proxy-inbound-health"},
    }
    assert set.union(*allowed.values()) <= inbound.keys() | {"proxy-grpc"}
    assert {each["spec"]["accessPolicy"] for each in rendered.all("Server")} == {"deny"}


def test_linkerd_lets_probes_and_scrapes_through_where_they_take_the_mesh():
    rendered = linkerd(adminPort="mesh", policy={"enabled": True, "clients": [CLIENT]})
    paths = {route["metadata"]["name"]: _paths(route) for route in rendered.all("HTTPRoute")}
    assert paths == {"proxy-admin-probes": {"/livez", "/readyz"}, "proxy-admin-metrics": {"/metrics"}}
    targets = {policy["spec"]["targetRef"]["name"] for policy in rendered.all("AuthorizationPolicy")}
    assert paths.keys() <= targets
    assert "config.linkerd.io/skip-inbound-ports" not in rendered.pod["metadata"]["annotations"]
    assert linkerd().pod["metadata"]["annotations"]["config.linkerd.io/skip-inbound-ports"] == "9464"


def _paths(route: dict) -> set[str]:
    return {match["path"]["value"] for rule in route["spec"]["rules"] for match in rule["matches"]}


def test_a_gateway_routes_what_is_named():
    def served(**values):
        gateway = {"enabled": True, "parentRefs": [{"name": "public"}], **values}
        (rule,) = helm.sandboxed({"gatewayApi": gateway}).one("GRPCRoute")["spec"]["rules"]
        return {(match["method"]["service"], match["method"].get("method")) for match in rule["matches"]}

    assert served() == {(API, None)}
    assert served(methods=["GetTask"], health=True) == {(API, "GetTask"), ("grpc.health.v1.Health", None)}
    assert served(reflection=True) - served() == {(f"grpc.reflection.{v}.ServerReflection", None) for v in ("v1", "v1alpha")}


TLS = {"enabled": True, "existingSecret": "certificate"}
MONITORS = {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}
WRONG = {
    "two monitors": ({"metrics": MONITORS}, ["metrics.serviceMonitor", "metrics.podMonitor"]),
    "a warning above the alarm": (
        {"metrics": {"prometheusRule": {"thresholds": {"errorShare": 0.5}}}},
        ["errorShare", "manyErrorsShare"],
    ),
    "a route of no gateway": ({"gatewayApi": {"enabled": True}}, ["gatewayApi.parentRefs"]),
    "TLS to a cleartext port": (
        {"gatewayApi": {"enabled": True, "parentRefs": [{"name": "a"}], "backendTls": {"enabled": True}}},
        ["gatewayApi.backendTls", "tls.enabled", "hostname", "caConfigMaps"],
    ),
    "two meshes": ({"istio": {"enabled": True}, "linkerd": {"enabled": True}}, ["istio.enabled", "linkerd.enabled"]),
    "TLS inside Istio": ({"istio": {"enabled": True}, "tls": TLS}, ["istio.enabled", "tls.enabled"]),
    "TLS inside Linkerd": ({"linkerd": {"enabled": True}, "tls": TLS}, ["linkerd.enabled", "tls.enabled"]),
    "retries of creates": (
        {"service": {"annotations": {"retry.linkerd.io/grpc": "unavailable"}}},
        ["service.annotations", "retry.linkerd.io/grpc"],
    ),
    "an Istio policy that lets nobody in": (
        {"istio": {"enabled": True, "authorizationPolicy": {"enabled": True}}},
        ["istio.authorizationPolicy.rules"],
    ),
    "a principal that Istio never has": (
        {"istio": {"enabled": True, "authorizationPolicy": {"enabled": True, "rules": [{"principals": ["spiffe://a/ns/b/sa/c"]}]}}},
        ["spiffe://a/ns/b/sa/c"],
    ),
    "an Istio policy without Istio": (
        {"istio": {"authorizationPolicy": {"enabled": True, "rules": [{"principals": ["a"]}]}}},
        ["istio.authorizationPolicy.enabled", "istio.enabled"],
    ),
    "mTLS without Istio": ({"istio": {"peerAuthentication": {"enabled": True}}}, ["istio.peerAuthentication", "istio.enabled"]),
    "a ServiceEntry without Istio": ({"istio": {"serviceEntry": {"enabled": True}}}, ["istio.serviceEntry", "istio.enabled"]),
    "a Linkerd policy that lets nobody in": (
        {"linkerd": {"enabled": True, "policy": {"enabled": True}}},
        ["linkerd.policy.clients"],
    ),
    "a Linkerd policy without Linkerd": (
        {"linkerd": {"policy": {"enabled": True, "clients": [CLIENT]}}},
        ["linkerd.policy.enabled", "linkerd.enabled"],
    ),
    "pings without an end": (
        {"istio": {"enabled": True, "destinationRule": {"http2KeepAlive": {"interval": "30s"}}}},
        ["istio.destinationRule.http2KeepAlive"],
    ),
    "two clients of one name": (
        {"linkerd": {"enabled": True, "policy": {"enabled": True, "clients": [CLIENT, CLIENT]}}},
        ["linkerd.policy.clients", "gateway"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_together_is_refused_and_named(name):
    values, names = WRONG[name]
    message = helm.refusal(helm.merged(helm.SANDBOX, values))
    assert [each for each in names if each not in message] == [], message
    assert "nil pointer" not in message and "can't evaluate" not in message


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_the_test_is_in_the_mesh_and_ends_there_and_asks_only_what_it_may(mesh):
    def test_pod(values):
        return helm.sandboxed({mesh: {"enabled": True, "nativeSidecar": False, **values}}).one("Pod")

    policy = {
        "istio": {"authorizationPolicy": {"enabled": True, "rules": [{"principals": ["a"]}]}},
        "linkerd": {"policy": {"enabled": True, "clients": [CLIENT]}},
    }
    pod = test_pod({})
    told = pod["metadata"]["labels"] | pod["metadata"]["annotations"]
    native = {"istio": "sidecar.istio.io/nativeSidecar", "linkerd": "config.beta.linkerd.io/proxy-enable-native-sidecar"}
    inject = {"istio": ("sidecar.istio.io/inject", "true"), "linkerd": ("linkerd.io/inject", "enabled")}
    assert told[native[mesh]] == "true" and told[inject[mesh][0]] == inject[mesh][1]
    assert pod["spec"]["containers"][0]["name"] == "invoke"
    assert test_pod(policy[mesh])["spec"]["containers"][0]["name"] == "health"


def test_a_network_policy_lets_linkerd_through():
    def ports(**values):
        policy = helm.sandboxed({"networkPolicy": {"enabled": True}, **values}).one("NetworkPolicy")
        return [port["port"] for port in policy["spec"]["ingress"][0]["ports"]]

    assert ports() == ["grpc"] and ports(linkerd={"enabled": True}) == ["grpc", 4143]
