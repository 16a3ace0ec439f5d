"""What finds what: Services, selectors, ports and policies."""

import pytest
from support import helm
from support.paths import ci_values

FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)
POLICY = {"networkPolicy": {"enabled": True}}


def selects(selector: dict, labels: dict) -> bool:
    return selector.items() <= labels.items()


@FILES
def test_every_selector_finds_the_proxys_pods_and_not_the_tests(file):
    rendering = helm.render(None, file)
    labels = rendering.pod["metadata"]["labels"]
    tests = [pod["metadata"].get("labels", {}) for pod in rendering.all("Pod")]
    selectors = {each["metadata"]["name"]: each["spec"]["selector"] for each in rendering.all("Service")}
    for kind in ("Deployment", "PodDisruptionBudget"):
        selectors |= {kind: each["spec"]["selector"]["matchLabels"] for each in rendering.all(kind)}
    for each in rendering.all("NetworkPolicy"):
        selectors["NetworkPolicy"] = each["spec"]["podSelector"]["matchLabels"]
    for number, each in enumerate(rendering.pod["spec"].get("topologySpreadConstraints", [])):
        selectors[f"spread {number}"] = each["labelSelector"]["matchLabels"]
    assert {name: selects(selector, labels) for name, selector in selectors.items()} == dict.fromkeys(selectors, True)
    caught = [name for name, selector in selectors.items() for test in tests if selects(selector, test)]
    assert not caught, "the tests' pods would be taken for replicas"


@FILES
def test_every_port_that_a_service_points_to_is_the_containers(file):
    rendering = helm.render(None, file)
    names = {port["name"]: port["containerPort"] for port in rendering.container["ports"]}
    assert names == {"grpc": 50051, "admin": 9464}
    for service in rendering.all("Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in names, service["metadata"]["name"]


def test_callers_find_grpc_and_never_the_admin_port():
    (port,) = helm.sandboxed().service()["spec"]["ports"]
    assert port["name"] == "grpc" and port["appProtocol"] == "grpc" and port["port"] == 50051
    for protocol in ("grpc", "kubernetes.io/h2c", ""):
        (port,) = helm.sandboxed({"service": {"appProtocol": protocol}}).service()["spec"]["ports"]
        assert port.get("appProtocol", "") == protocol


def test_the_headless_service_resolves_to_every_replica():
    service = helm.sandboxed({"service": {"headless": {"enabled": True}}}).one("Service", "-headless")
    assert service["spec"]["clusterIP"] == "None"
    assert [port["name"] for port in service["spec"]["ports"]] == ["grpc"]


def test_a_service_monitor_finds_one_service_and_its_port():
    rendering = helm.sandboxed({"metrics": {"serviceMonitor": {"enabled": True}}})
    spec = rendering.one("ServiceMonitor")["spec"]
    wanted = spec["selector"]["matchLabels"]
    (found,) = (each for each in rendering.all("Service") if selects(wanted, each["metadata"]["labels"]))
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] in [port["name"] for port in found["spec"]["ports"]]
    assert endpoint.get("path", "/metrics") == "/metrics"


def test_a_pod_monitor_finds_the_replicas_and_their_port():
    rendering = helm.sandboxed({"metrics": {"podMonitor": {"enabled": True}}})
    spec = rendering.one("PodMonitor")["spec"]
    assert selects(spec["selector"]["matchLabels"], rendering.pod["metadata"]["labels"])
    (endpoint,) = spec["podMetricsEndpoints"]
    assert endpoint["port"] in [port["name"] for port in rendering.container["ports"]]


def rules(values: dict, direction: str) -> list[dict]:
    spec = helm.sandboxed(helm.merged(POLICY, {"networkPolicy": values})).one("NetworkPolicy")["spec"]
    assert direction.capitalize() in spec["policyTypes"]
    return spec[direction]


def ports(rule: dict) -> list:
    return [port["port"] for port in rule["ports"]]


def test_named_namespaces_reach_grpc_and_monitoring_ones_the_admin_port_and_nobody_else():
    values = {"ingress": {"namespaces": ["shop", "jobs"], "monitoringNamespaces": ["monitoring"]}}
    reached = {}
    for rule in rules(values, "ingress"):
        for peer in rule["from"]:
            (name,) = peer["namespaceSelector"]["matchLabels"].values() if "namespaceSelector" in peer else ["the test"]
            reached.setdefault(name, []).extend(ports(rule))
    numbers = {"grpc": 50051, "admin": 9464}
    assert {name: [numbers.get(port, port) for port in found] for name, found in reached.items()} == {
        "shop": [50051],
        "jobs": [50051],
        "monitoring": [9464],
        "the test": [50051],
    }


def test_no_rule_of_ingress_is_open_to_everybody_by_itself():
    for rule in rules({}, "ingress"):
        assert rule["from"] and all(peer for peer in rule["from"])


def test_egress_goes_to_dns_and_the_platform():
    found = rules({"egress": {"platformCidrs": ["203.0.113.0/24"]}}, "egress")
    dns = [rule for rule in found if 53 in ports(rule)]
    assert {port["protocol"] for rule in dns for port in rule["ports"]} == {"UDP", "TCP"}
    (platform,) = (rule for rule in found if 443 in ports(rule))
    assert platform["to"] == [{"ipBlock": {"cidr": "203.0.113.0/24"}}]
    assert {port for rule in found for port in ports(rule)} == {53, 443}


def test_egress_goes_to_the_store_where_there_is_one():
    store = {"existingSecret": "store", "cidrs": ["10.1.0.0/16"], "ports": [6380]}
    spec = helm.sandboxed(helm.merged(POLICY, {"deduplication": {"store": store}})).one("NetworkPolicy")["spec"]
    (rule,) = (rule for rule in spec["egress"] if 6380 in ports(rule))
    assert rule["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]


def test_egress_goes_to_the_keys_of_jwts_where_they_are_fetched():
    jwt = {"issuer": "https://acme.io", "audience": "proxy"}
    keys = {"fromCluster": True, "cidrs": ["10.96.0.1/32"], "ports": [443, 6443]}
    spec = helm.sandboxed(helm.merged(POLICY, {"jwt": {**jwt, "keys": keys}})).one("NetworkPolicy")["spec"]
    (rule,) = (rule for rule in spec["egress"] if 6443 in ports(rule))
    assert rule["to"] == [{"ipBlock": {"cidr": "10.96.0.1/32"}}]
    spec = helm.sandboxed(helm.merged(POLICY, {"jwt": {**jwt, "keys": {"existingConfigMap": "keys"}}})).one("NetworkPolicy")["spec"]
    assert all(6443 not in ports(rule) for rule in spec["egress"])


def test_egress_can_be_left_free():
    spec = helm.sandboxed(helm.merged(POLICY, {"networkPolicy": {"egress": {"enabled": False}}})).one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress"] and "egress" not in spec
