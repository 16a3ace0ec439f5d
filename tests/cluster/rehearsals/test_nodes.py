"""A node is lost. Only where the cluster is the project's own."""

import time

import pytest
from support.cluster import IS_OWN, found, kubectl, until
from support.load import HEADLESS, SERVICE, Load, failed
from support.namespace import Namespace, is_ready
from support.nodes import link, other_node

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not IS_OWN, reason="the nodes are not ours: only `tests/cluster/up` makes some that are"),
]


def test_a_node_is_drained(namespace: Namespace):
    namespace.install()
    load = Load(namespace, SERVICE)
    node = other_node(namespace)
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=600s")
        namespace.rolled_out()
        account = load.end("a node drained, over the Service")
    finally:
        kubectl("uncordon", node)
    assert failed(account, "reads") == failed(account, "creates") == {}, account


def test_a_node_is_cut_off(namespace: Namespace):
    namespace.install(service={"headless": {"enabled": True}})
    load = Load(namespace, HEADLESS, "--service-config")
    node = other_node(namespace)
    there = {pod["metadata"]["name"] for pod in namespace.replicas() if pod["spec"]["nodeName"] == node}
    begun = time.monotonic()
    link(node, "down")
    try:
        until("the Service leads past it", lambda: not there & namespace.addresses())
        noticed = time.monotonic() - begun
        load.goes_on()
    finally:
        link(node, "up")
        until("the node is ready", lambda: is_ready(found("node", node)))
    until("all replicas are ready", lambda: all(map(is_ready, namespace.replicas())))
    account = load.end(f"a node cut off, which the Service leads past after {noticed:.0f} s")
    assert failed(account, "reads") == {}, account
    assert set(failed(account, "creates")) <= {"UNAVAILABLE"}, account
