"""Names, labels, and what is handed through: several releases, long names, further objects."""

import re

import pytest
from support import helm
from support.paths import ci_values

FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def identities(rendering) -> set[tuple]:
    return {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in rendering.objects()}


@FILES
def test_every_name_and_label_fits_also_with_the_longest_name_of_a_release(file):
    # A name of 52 characters would end with the dash.
    rendering = helm.render({"fullnameOverride": "", "nameOverride": ""}, file, release=f"{'r' * 51}-x")
    for each in rendering.objects():
        name = each["metadata"]["name"]
        # Nothing is made of the names of routes and policies.
        limit = 253 if each["apiVersion"].startswith(("policy.linkerd.io/", "gateway.networking.k8s.io/")) else 63
        assert len(name) <= limit and DNS_LABEL.fullmatch(name), name
    labels = [each["metadata"].get("labels", {}) for each in rendering.objects()]
    labels += [pod["metadata"].get("labels", {}) for _, pod in rendering.pods()]
    wrong = [pair for each in labels for pair in each.items() if len(pair[1]) > 63 or not LABEL.fullmatch(pair[1])]
    assert not wrong


@FILES
def test_two_releases_in_one_namespace_share_no_object_and_no_pod(file):
    # What the values themselves name is theirs to keep apart.
    own = {"fullnameOverride": "", "nameOverride": "", "serviceAccount": {"name": ""}, "extraObjects": []}
    one, other = (helm.render(own, file, release=release) for release in ("proxy", "other"))
    assert not identities(one) & identities(other)
    selectors = [each.deployment["spec"]["selector"]["matchLabels"] for each in (one, other)]
    assert not selectors[0].items() <= other.pod["metadata"]["labels"].items()


@FILES
def test_no_object_is_there_twice(file):
    objects = helm.render(None, file).objects()
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert sorted(names, key=str) == sorted(set(names), key=str)


@FILES
def test_every_object_has_the_common_labels_and_a_namespace(file):
    for each in helm.render({"extraObjects": []}, file).objects():
        labels = each["metadata"].get("labels", {})
        assert labels.get("app.kubernetes.io/instance") == "proxy", each["metadata"]["name"]
        assert labels.get("app.kubernetes.io/name") and labels.get("helm.sh/chart") and labels.get("app.kubernetes.io/version")
        assert each["metadata"]["namespace"], each["metadata"]["name"]


def test_names_and_the_namespace_can_be_overridden():
    values = {"fullnameOverride": "front", "namespaceOverride": "edge"}
    rendering = helm.sandboxed(values)
    assert all(each["metadata"]["name"].startswith("front") for each in rendering.objects())
    assert all(each["metadata"]["namespace"] == "edge" for each in rendering.objects())
    labels = helm.sandboxed({"nameOverride": "front"}).deployment["spec"]["selector"]["matchLabels"]
    assert labels["app.kubernetes.io/name"] == "front"


def test_common_labels_and_annotations_are_on_every_object_also_where_others_are():
    values = {
        "commonLabels": {"team": "agents", "tier": "front"},
        "commonAnnotations": {"owner": "us", "tier": "front"},
        "podLabels": {"tier": "pod"},
        "service": {"labels": {"tier": "service"}, "annotations": {"tier": "service"}},
    }
    rendering = helm.sandboxed(values)
    for each in rendering.objects():
        assert each["metadata"]["labels"]["team"] == "agents" and each["metadata"]["annotations"]["owner"] == "us"
    assert rendering.service()["metadata"]["labels"]["tier"] == "service"
    assert rendering.service()["metadata"]["annotations"]["tier"] == "service"
    assert rendering.pod["metadata"]["labels"]["tier"] == "pod"
    assert rendering.pod["metadata"]["labels"]["team"] == "agents"


def test_common_labels_are_no_part_of_a_selector_which_cannot_change():
    plain, labelled = helm.sandboxed(), helm.sandboxed({"commonLabels": {"team": "agents"}})
    assert plain.deployment["spec"]["selector"] == labelled.deployment["spec"]["selector"]


@pytest.mark.parametrize(
    "image, expected",
    [
        ({}, r"(.+/)?xpander-grpc-proxy:\d+\.\d+\.\d+"),
        ({"registry": "", "repository": "proxy", "tag": "edge"}, "proxy:edge"),
        ({"digest": "sha256:" + "a" * 64}, r"[^:]+@sha256:a{64}"),
        ({"tag": "edge", "digest": "sha256:" + "a" * 64}, r"[^:]+@sha256:a{64}"),
    ],
    ids=["the chart's version", "a tag", "a digest", "both"],
)
def test_the_image_is_named_by_tag_or_by_digest(image, expected):
    rendering = helm.sandboxed({"image": image})
    assert re.fullmatch(expected, rendering.container["image"])


def test_a_service_account_can_be_named_or_brought():
    rendering = helm.sandboxed({"serviceAccount": {"name": "front"}})
    assert rendering.one("ServiceAccount")["metadata"]["name"] == "front"
    assert rendering.pod["spec"]["serviceAccountName"] == "front"
    rendering = helm.sandboxed({"serviceAccount": {"create": False, "name": "theirs"}})
    assert not rendering.has("ServiceAccount") and rendering.pod["spec"]["serviceAccountName"] == "theirs"


def test_further_objects_are_maps_or_texts_and_may_use_templates():
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "xpander-grpc-proxy.fullname" . }}-text\n'
    mapped = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-map"}}
    rendering = helm.sandboxed({"extraObjects": [text, mapped]})
    names = {each["metadata"]["name"] for each in rendering.all("ConfigMap")}
    assert {"proxy-map", f"{rendering.deployment['metadata']['name']}-text"} <= names


def test_further_variables_volumes_and_containers_reach_the_pod():
    values = {
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://egress:3128"}],
        "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "extraContainers": [{"name": "beside", "image": "busybox"}],
        "initContainers": [{"name": "before", "image": "busybox"}],
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "registry"}],
    }
    rendering = helm.sandboxed(values)
    spec, container = rendering.pod["spec"], rendering.container
    assert values["extraEnv"][0] in container["env"] and container["envFrom"] == values["extraEnvFrom"]
    assert values["extraVolumes"][0] in spec["volumes"] and values["extraVolumeMounts"][0] in container["volumeMounts"]
    assert spec["containers"][1:] == values["extraContainers"] and spec["initContainers"] == values["initContainers"]
    for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
        assert spec[name] == values[name]
