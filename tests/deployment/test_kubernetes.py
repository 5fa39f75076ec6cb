"""The manifest for Kubernetes is what a cluster takes, and its parts fit together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.config.file import GatewayConfig
from tests.deployment.programs import DEPLOY, ROOT
from tests.deployment.test_compose import checked

MANIFEST = DEPLOY / "kubernetes" / "cara-gateway.yaml"
VERSIONS = ("1.30", "1.37")
"""The oldest and the newest of which we have the schemas."""


def objects() -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(MANIFEST.read_text("utf-8"))


def one(kind: str) -> dict[str, Any]:
    (found,) = (each for each in objects() if each["kind"] == kind)
    return found


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = one("Deployment")["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_manifest(version: str) -> None:
    kinds = []
    for each in objects():
        kubernetes_validate.validate(each, version, strict=True)
        kinds.append(each["kind"])
    assert kinds == ["ConfigMap", "Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget"]


def test_a_wrong_key_would_be_noticed() -> None:
    wrong = one("PodDisruptionBudget")
    wrong["spec"]["minAvailible"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    config = one("ConfigMap")["data"]["gateway.toml"]
    assert "fine, 2 services" in checked(tmp_path, config)


def test_what_selects_pods_finds_them() -> None:
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert one("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert one("Service")["spec"]["selector"] == labels
    assert one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels


def test_a_pod_may_go_without_the_last_one() -> None:
    assert one("PodDisruptionBudget")["spec"]["minAvailable"] < one("Deployment")["spec"]["replicas"]


def test_the_probes_ask_paths_of_the_gateway() -> None:
    probes = {name: container()[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: get["path"] for name, get in probes.items()} == {
        "startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz",
    }  # fmt: skip
    assert {get["port"] for get in probes.values()} == {"http"}
    assert one("Service")["spec"]["ports"][0]["targetPort"] == "http"


def test_the_admin_listener_is_for_a_namespace_of_its_own() -> None:
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    admin = {each["name"]: each.get("value") for each in container()["env"]}["CARA_GATEWAY_ADMIN"]
    assert admin == f"$(POD_IP):{ports['admin']}"
    rules = one("NetworkPolicy")["spec"]["ingress"]
    let_in = {rule["ports"][0]["port"]: rule["from"][0]["namespaceSelector"]["matchLabels"] for rule in rules}
    assert let_in.keys() == ports.keys()
    assert let_in["admin"] != let_in["http"]
    assert [port["targetPort"] for port in one("Service")["spec"]["ports"]] == ["http"]


def test_a_pod_has_the_time_that_its_gateway_takes_to_end(tmp_path: Path) -> None:
    config = tomllib.loads(one("ConfigMap")["data"]["gateway.toml"])["gateway"]
    defaults = GatewayConfig()
    longest = config.get("drain_delay_s", defaults.drain_delay_s) + config.get("drain_s", defaults.drain_s)
    assert pod()["terminationGracePeriodSeconds"] > longest


def test_the_pod_has_no_rights() -> None:
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["securityContext"]["runAsNonRoot"] is True
    context = container()["securityContext"]
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert f"USER {pod()['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_files_that_the_configuration_names_are_mounted() -> None:
    """All of them, under the names that it gives them, relative to itself."""
    config = one("ConfigMap")["data"]["gateway.toml"]
    (sources,) = (volume["projected"]["sources"] for volume in pod()["volumes"] if "projected" in volume)
    mounted = {
        item["path"] for source in sources for each in source.values() if "items" in each for item in each["items"]
    }
    assert mounted == set(re.findall(r'"((?:schemas|secrets)/[^"]+)"', config))
    assert container()["args"][-1] == f"{container()['volumeMounts'][0]['mountPath']}/gateway.toml"


def test_every_volume_is_used_and_every_mount_is_a_volume() -> None:
    mounted = {mount["name"] for mount in container()["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod()["volumes"]}
