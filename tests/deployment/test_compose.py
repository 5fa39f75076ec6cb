"""docker-compose.yml and the Dockerfile: what they name exists, and nobody has more rights than it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.programs import DEPLOY, ROOT

COMPOSE = ROOT / "docker-compose.yml"
VERSION = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*(?:@sha256:[0-9a-f]{64})?")
OURS = "cara-gateway"
GATEWAYS = ("gateway-1", "gateway-2")
INSTANCES = ("services-1", "services-2")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return loaded


SERVICES: Mapping[str, dict[str, Any]] = compose()["services"]
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def runs(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it printed; it has to succeed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARA_")}
    inherited["CARA_CACHE_DIR"] = ""
    done = subprocess.run(
        command,
        env={**inherited, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_file_is_what_the_specification_of_compose_permits() -> None:
    runs(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_the_specification_notices_a_wrong_key(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yml"
    wrong.write_text(COMPOSE.read_text("utf-8").replace("read_only: true", "readonly: true"), "utf-8")
    with pytest.raises(AssertionError, match="readonly"):
        runs(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong))


def test_every_image_of_others_has_a_version() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if service["image"] != OURS}
    assert images
    assert [name for name, image in images.items() if not VERSION.fullmatch(image)] == []
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert bases
    assert [image for image in bases if not VERSION.fullmatch(image)] == []


def test_one_image_is_built_and_the_file_says_how() -> None:
    ours = {name: service for name, service in SERVICES.items() if service["image"] == OURS}
    assert ours.keys() == {*GATEWAYS, *INSTANCES}
    # Each would build it anew under one name; and nobody has it but this machine.
    assert [name for name, service in ours.items() if "build" in service] == []
    assert {service["pull_policy"] for service in ours.values()} == {"never"}
    assert f"#     docker build -t {OURS} .\n" in COMPOSE.read_text("utf-8")


@each_service
def test_nobody_has_more_rights_than_it_needs(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert {"privileged", "cap_add", "network_mode", "pid", "devices"}.isdisjoint(service)
    # What has no user here is our own image, which says it by itself.
    assert service.get("user", "root") not in ("root", "0") or service["image"] == "cara-gateway"


def test_our_own_image_is_no_root_s() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text.rpartition("\nFROM ")[2], re.MULTILINE)


@each_service
def test_everybody_is_asked_how_it_is(service: dict[str, Any]) -> None:
    check = service.get("healthcheck")
    if check is None:
        assert service["image"] == "cara-gateway"
        assert re.search(r"^HEALTHCHECK .*--start-period", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    else:
        assert {"test", "interval", "timeout", "start_period"} <= check.keys()


def test_ports_are_open_to_this_machine_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_services_are_reached_by_gateways_alone() -> None:
    assert compose()["networks"]["services"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "services" in service["networks"]} == {*GATEWAYS, *INSTANCES}


def test_the_gateways_trust_haproxy_and_nobody_else() -> None:
    address = SERVICES["haproxy"]["networks"]["front"]["ipv4_address"]
    for number, name in enumerate(GATEWAYS, 1):
        assert SERVICES[name]["environment"]["CARA_GATEWAY_TRUSTED_PROXIES"] == address
        place = SERVICES[name]["networks"]["front"]["ipv4_address"]
        port = SERVICES[name]["environment"]["CARA_GATEWAY_LISTEN"].rpartition(":")[2]
        assert SERVICES["haproxy"]["environment"][f"GATEWAY_{number}"] == f"{place}:{port}"


def test_the_admin_listeners_are_on_the_network_of_prometheus_alone() -> None:
    listening = {SERVICES[name]["environment"]["CARA_GATEWAY_ADMIN"] for name in GATEWAYS}
    addresses = {SERVICES[name]["networks"]["watch"]["ipv4_address"] for name in GATEWAYS}
    assert {address.rpartition(":")[0] for address in listening} == addresses
    (entry,) = yaml.safe_load(compose()["configs"]["gateways"]["content"])
    assert set(entry["targets"]) == listening
    others = {name for name, service in SERVICES.items() if "watch" in service["networks"]}
    assert others == {*GATEWAYS, "prometheus", "grafana"}


def test_the_files_that_are_mounted_exist() -> None:
    configs = compose()["configs"]
    used = {
        entry["source"] if isinstance(entry, dict) else entry
        for service in SERVICES.values()
        for entry in service.get("configs", [])
    }
    assert used == set(configs)
    assert [each["file"] for each in configs.values() if "file" in each and not (ROOT / each["file"]).exists()] == []
    folders = [volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert [folder for folder in folders if folder.startswith(".") and not (ROOT / folder).is_dir()] == []


def test_the_secrets_are_made_by_the_script(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    runs("sh", str(DEPLOY / "secrets.sh"), str(folder))
    secrets = {name: each["file"] for name, each in compose()["secrets"].items()}
    assert {path: (tmp_path / path).stat().st_mode & 0o777 for path in secrets.values()} == dict.fromkeys(
        secrets.values(), 0o600
    )
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    runs("sh", str(DEPLOY / "secrets.sh"), str(folder))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    # No key is made before somebody is to have one.
    assert {name for name, data in before.items() if not data} == {"keys.txt"}


def test_the_commands_exist() -> None:
    for name in INSTANCES:
        python, dash_m, module = SERVICES[name]["entrypoint"]
        assert (python, dash_m) == ("python", "-m")
        known = runs(sys.executable, "-m", module, "--help")
        assert [option for option in SERVICES[name]["command"] if option.partition("=")[0] not in known] == []
    assert 'ENTRYPOINT ["cara-gateway"]' in (ROOT / "Dockerfile").read_text("utf-8")
    for name in GATEWAYS:
        runs(sys.executable, "-m", "gateway", SERVICES[name]["command"][0], "--help")


def checked(folder: Path, config: str, environment: Mapping[str, str] | None = None) -> str:
    """What `check` says of a configuration with the schemas and secrets of a site beside it; it has to be valid."""
    (folder / "schemas").symlink_to(ROOT / "schemas")
    runs("sh", str(DEPLOY / "secrets.sh"), str(folder / "secrets"))
    path = folder / "gateway.toml"
    path.write_text(config, "utf-8")
    return runs(sys.executable, "-m", "gateway", "check", "--config", str(path), environment=environment)


@pytest.mark.parametrize("name", GATEWAYS)
def test_the_configuration_of_a_gateway_is_valid(name: str, tmp_path: Path) -> None:
    config = (ROOT / compose()["configs"]["gateway"]["file"]).read_text("utf-8")
    *warned, said = checked(tmp_path, config, SERVICES[name]["environment"]).splitlines()
    assert said == f"{tmp_path}/gateway.toml: fine, 2 services"
    # That only operators reach the admin listener is seen to by its network.
    (warning,) = warned
    assert f"admin is at {SERVICES[name]['environment']['CARA_GATEWAY_ADMIN']}" in warning


def test_the_gateways_look_for_the_services_where_they_are() -> None:
    """Each endpoint of a service, of the file or of the environment, is a port at which an instance listens."""
    listening = {
        f"tcp://{name}:{port}": kind
        for name in INSTANCES
        for kind, port in re.findall(r"--(\w+)=tcp://0\.0\.0\.0:(\d+)", " ".join(SERVICES[name]["command"]))
    }
    config = tomllib.loads((DEPLOY / "site" / "gateway.toml").read_text("utf-8"))
    for name in GATEWAYS:
        environment = SERVICES[name]["environment"]
        for service in config["services"]:
            endpoints = environment[f"CARA_GATEWAY_SERVICES_{service.upper()}_ENDPOINT"].split(",")
            assert [listening.get(endpoint) for endpoint in endpoints] == [service] * len(endpoints)


OWN = DEPLOY / "own-service"


def test_a_service_of_one_s_own_has_its_recipe(tmp_path: Path) -> None:
    runs(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(OWN / "compose.yml"))
    recipe = yaml.safe_load((OWN / "compose.yml").read_text("utf-8"))
    gateway, service = recipe["services"]["gateway"], recipe["services"]["calculator"]
    dockerfile = (OWN / "Dockerfile").read_text("utf-8")
    assert f"FROM {OURS}\n" in dockerfile
    (copied,) = re.findall(r"^COPY (.+) \./$", dockerfile, re.MULTILINE)
    assert [name for name in copied.split() if not (OWN / name).is_file()] == []
    # What is mounted is what the image looks for, and the configuration is valid there.
    for mounted in gateway["configs"]:
        name = Path(mounted["target"])
        assert name.parent == Path("/etc/cara-gateway")
        (tmp_path / name.name).write_text((OWN / recipe["configs"][mounted["source"]]["file"]).read_text("utf-8"))
    image = (ROOT / "Dockerfile").read_text("utf-8")
    assert "CARA_GATEWAY_CONFIG=/etc/cara-gateway/gateway.toml" in image
    assert re.search(r'^CMD \["serve"\]$', image, re.MULTILINE)
    said = runs(sys.executable, "-m", "gateway", "check", "--config", str(tmp_path / "gateway.toml"))
    assert "fine, 1 service" in said
    endpoint = tomllib.loads((tmp_path / "gateway.toml").read_text())["services"]["calculator"]["endpoint"]
    assert endpoint == f"tcp://calculator:{service['environment']['CARA_ENDPOINT'].rpartition(':')[2]}"
    assert service["networks"] == ["services"]
    assert recipe["networks"]["services"] == {"internal": True}
