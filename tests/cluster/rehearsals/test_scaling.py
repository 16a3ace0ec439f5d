"""The autoscaler adds replicas while they are busy, and takes them away again, and no call is lost in either."""

import subprocess

import pytest
from support.cluster import until
from support.load import HEADLESS, Load, failed
from support.namespace import Namespace


def has_metrics() -> bool:
    return subprocess.run(["kubectl", "top", "nodes"], capture_output=True).returncode == 0


def test_the_autoscaler_follows_the_processor_time(namespace: Namespace):
    try:
        until("there are metrics of nodes", has_metrics, 90)
    except AssertionError:
        pytest.skip("no metrics-server here")
    namespace.install(
        service={"headless": {"enabled": True}},
        resources={"requests": {"cpu": "20m"}},
        autoscaling={
            "enabled": True,
            "minReplicas": 1,
            "maxReplicas": 3,
            # Five minutes by default, which is long for a rehearsal.
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 15,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}],
                }
            },
        },
    )
    load = Load(namespace, HEADLESS, "--service-config", "--readers=6", "--pause=0.03")
    until("there are three replicas", lambda: len(namespace.addresses()) == 3, 600)
    load.goes_on()
    account = load.end("scaled out from one to three by the autoscaler")
    assert failed(account, "reads") == failed(account, "creates") == {}, account
    until("there is one replica again", lambda: len(namespace.replicas()) == 1, 600)
