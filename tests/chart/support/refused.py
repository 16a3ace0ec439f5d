"""Values that the API server refuses, perhaps with half of a release installed. The chart has to refuse them before."""

from . import helm

# What they are laid over: as many replicas as an autoscaler and a budget need.
BASE = helm.merged(helm.KEY, {"replicaCount": 2})
GATEWAY = {"gatewayApi": {"enabled": True, "parentRefs": [{"name": "public"}]}}
BALANCER = {"service": {"type": "LoadBalancer"}}
POLICY = {"networkPolicy": {"enabled": True}}
SCALER = {"autoscaling": {"enabled": True}}
MONITOR = {"metrics": {"serviceMonitor": {"enabled": True}}}
RULES = {"metrics": {"prometheusRule": {"enabled": True}}}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
BESIDE = {"name": "beside", "image": "beside:1"}
MORE = {"name": "more", "emptyDir": {}}


def at(path: str, value, *base: dict) -> dict:
    """The values with this one at a place of theirs, over others that it takes."""
    for step in reversed(path.split(".")):
        value = {step: value}
    for each in base:
        value = helm.merged(each, value)
    return value


def filters(*given: dict) -> dict:
    return at("gatewayApi.filters", list(given), GATEWAY)


def groups(*given: dict) -> dict:
    return at("metrics.prometheusRule.additionalGroups", list(given), RULES)


def node(operator: str, *values: str) -> dict:
    term = {"matchExpressions": [{"key": "zone", "operator": operator, "values": list(values)}]}
    return at("affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms", [term])


def beside(how: str, *terms: dict) -> dict:
    return at(f"affinity.podAntiAffinity.{how}DuringSchedulingIgnoredDuringExecution", list(terms))


REFUSED = {
    # Names, labels and the like.
    "a label with a blank": at("podLabels", {"team": "a b"}),
    "a label's key with a blank": at("commonLabels", {"the team": "a"}),
    "a label's key with two slashes": at("service.labels", {"acme.io/a/b": "c"}),
    "a label's key that is too long": at("podLabels", {"a" * 64: "b"}),
    "an annotation's key with a blank": at("podAnnotations", {"the team": "a"}),
    "an annotation's key without a name": at("serviceAccount.annotations", {"acme.io/": "a"}),
    "a node's label with a blank": at("nodeSelector", {"zone": "a b"}),
    "a name with two dots": at("priorityClassName", "a..b"),
    "a gateway's name with two dots": at("gatewayApi.parentRefs", [{"name": "a..b", "sectionName": "c..d"}], GATEWAY),
    "a Secret's key of dots": at("credentials.organizationIdKey", "..key"),
    "a registry's Secret without a name": at("imagePullSecrets", [{"name": ""}]),
    # Numbers and quantities.
    "more replicas than there can be": at("replicaCount", 3_000_000_000),
    "a history beyond all bounds": at("revisionHistoryLimit", 3_000_000_000),
    "a rollout that can never count as done": at("minReadySeconds", 700),
    "a unit that there is not": at("resources.requests.memory", "1GB"),
    "a negative quantity": at("resources.requests.cpu", "-1"),
    "a resource that there is not": at("resources.requests", {"disk": "1Gi"}),
    "a memory request above the limit": at("resources.requests.memory", "2Gi"),
    "a request above the limit in another unit": at("resources.requests.memory", "1Ei"),
    "a limit of nothing": at("resources.limits.memory", 0),
    "a device without a limit": at("resources.requests", {"acme.io/device": 1}),
    "a user beyond all bounds": at("podSecurityContext.runAsUser", 3_000_000_000),
    "more than all may be away": at("podDisruptionBudget.maxUnavailable", "150%"),
    "more than all may be away in a rollout": at("strategy.rollingUpdate.maxUnavailable", "150%"),
    "a surge of nothing": at("strategy.rollingUpdate", {"maxSurge": "", "maxUnavailable": 1}),
    # Pods.
    "no DNS at all": at("dnsPolicy", "None"),
    "a name server by name": at("dnsConfig", {"nameservers": ["dns.acme.io"]}),
    "a search domain with a blank": at("dnsConfig", {"searches": ["acme io"]}),
    "an option of DNS without a name": at("dnsConfig", {"options": [{"value": "2"}]}),
    "a host by name": at("hostAliases", [{"ip": "acme.io", "hostnames": ["acme.io"]}]),
    "a toleration of everything that is to be equal": at("tolerations", [{"operator": "Equal", "value": "a"}]),
    "a toleration of whatever value, and of one": at("tolerations", [{"key": "a", "operator": "Exists", "value": "b"}]),
    "a toleration for a time of what is not evicted": at("tolerations", [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]),
    "an effect that there is not": at("tolerations", [{"key": "a", "effect": "NoRun"}]),
    "nodes that are in nothing": node("In"),
    "nodes that have a label, with values": node("Exists", "a"),
    "a weight of nothing": beside("preferred", {"weight": 0, "podAffinityTerm": {"topologyKey": "zone"}}),
    "beside whom, without where": beside("required", {"labelSelector": {"matchLabels": {"a": "b"}}}),
    "a spread over nothing": at("topologySpreadConstraints", [{**SPREAD, "topologyKey": ""}]),
    "a spread without a skew": at("topologySpreadConstraints", [{**SPREAD, "maxSkew": 0}]),
    "one spread twice": at("topologySpreadConstraints", [SPREAD, SPREAD]),
    "domains that need not be": at("topologySpreadConstraints", [{**SPREAD, "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}]),
    "a profile without its file": at("podSecurityContext.seccompProfile", {"type": "Localhost"}),
    "privileged without escalation": at("securityContext.privileged", True),
    "a sysctl with a blank": at("podSecurityContext.sysctls", [{"name": "net ipv4", "value": "1"}]),
    # What is beside the proxy.
    "a variable without a source": at("extraEnv", [{"name": "A", "valueFrom": {}}]),
    "a variable with a value and a source": at("extraEnv", [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
    "a variable with an equals sign": at("extraEnv", [{"name": "A=B", "value": "c"}]),
    "a Secret's variable without its key": at("extraEnv", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "b"}}}]),
    "variables of nothing": at("extraEnvFrom", [{"prefix": "A_"}]),
    "variables of a Secret that there cannot be": at("extraEnvFrom", [{"secretRef": {"name": "A B"}}]),
    "a volume in capital letters": at("extraVolumes", [{"name": "More", "emptyDir": {}}]),
    "a Secret's volume without the Secret": at("extraVolumes", [{"name": "more", "secret": {}}]),
    "a volume of two kinds": at("extraVolumes", [{**MORE, "secret": {"secretName": "a"}}]),
    "the chart's own volume": at("extraVolumes", [{"name": "settings", "emptyDir": {}}]),
    "a mount of no volume": at("extraVolumeMounts", [{"name": "more", "mountPath": "/more"}]),
    "two mounts in one place": at("extraVolumeMounts", [{"name": "more", "mountPath": "/more"}] * 2, {"extraVolumes": [MORE]}),
    "a second container named proxy": at("extraContainers", [{**BESIDE, "name": "proxy"}]),
    "two containers of one name": at("initContainers", [BESIDE], {"extraContainers": [BESIDE]}),
    "a container without an image": at("extraContainers", [{"name": "beside"}]),
    # Services and networks.
    "two families without a policy": at("service.ipFamilies", ["IPv4", "IPv6"]),
    "one family twice": at("service.ipFamilies", ["IPv4", "IPv4"]),
    "a class with a blank": at("service.loadBalancerClass", "acme internal", BALANCER),
    "a network that is none": at("networkPolicy.egress.platformCidrs", ["10.0.0.0/33"], POLICY),
    "a network of IPv6 that is none": at("networkPolicy.egress.platformCidrs", ["1::2::3/64"], POLICY),
    "a peer that is nobody": at("networkPolicy.ingress.from", [{}], POLICY),
    "a peer that is a network and pods": at("networkPolicy.ingress.from", [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}], POLICY),
    "a peer by a label with a blank": at("networkPolicy.egress.dnsTo", [{"podSelector": {"matchLabels": {"a": "b c"}}}], POLICY),
    "a protocol that there is not": at("networkPolicy.egress.extra", [{"ports": [{"port": 443, "protocol": "HTTP"}]}], POLICY),
    "ports that end before they begin": at("networkPolicy.egress.extra", [{"ports": [{"port": 443, "endPort": 80}]}], POLICY),
    # The autoscaler.
    "a metric without a body": at("autoscaling.metrics", [{"type": "Resource"}], SCALER),
    "a metric without a target": at("autoscaling.metrics", [{"type": "Resource", "resource": {"name": "memory"}}], SCALER),
    "a target without a value": at(
        "autoscaling.metrics", [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue"}}}], SCALER
    ),
    "a policy of no time": at("autoscaling.behavior.scaleDown.policies", [{"type": "Pods", "value": 1, "periodSeconds": 0}], SCALER),
    "a policy of no pods": at("autoscaling.behavior.scaleUp.policies", [{"type": "Pods", "value": 0, "periodSeconds": 60}], SCALER),
    # Gateways.
    "one gateway twice": at("gatewayApi.parentRefs", [{"name": "a"}, {"name": "a"}], GATEWAY),
    "one gateway twice, once by its kind": at("gatewayApi.parentRefs", [{"name": "a"}, {"name": "a", "kind": "Gateway"}], GATEWAY),
    "one gateway as a whole and in part": at("gatewayApi.parentRefs", [{"name": "a"}, {"name": "a", "sectionName": "b"}], GATEWAY),
    "a filter without a body": filters({"type": "RequestHeaderModifier"}),
    "a filter with another's body": filters({"type": "ExtensionRef", "requestHeaderModifier": {}}),
    "a filter twice": filters(*[{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}}] * 2),
    "a header with a blank": filters({"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a b", "value": "c"}]}}),
    "one header set twice": filters(
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}}
    ),
    "a mirror of more than all": filters({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "a", "port": 1}, "percent": 101}}),
    "a mirror without a port": filters({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "a"}}}),
    # Monitoring.
    "a monitor's label with a blank": at("metrics.serviceMonitor.labels", {"team": "a b"}, MONITOR),
    "a rule without an expression": groups({"name": "a", "rules": [{"alert": "A"}]}),
    "a rule with a time that is none": groups({"name": "a", "rules": [{"alert": "A", "expr": "1", "for": "soon"}]}),
    "the chart's own group": groups({"name": "proxy-xpander-grpc-proxy.calls", "rules": []}),
    "two groups of one name": groups({"name": "a", "rules": []}, {"name": "a", "rules": []}),
}
