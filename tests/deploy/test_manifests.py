"""The manifests in ``deploy``: what must be the same in two places, and what a linter of manifests asks for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.main import run
from harness.cli.secrets import DEVICES, GATEWAYS, IDENTITY
from harness.emulators.members import lease_name
from harness.wasmbed.api.fleet import GATEWAYS as FLEET
from harness.wasmbed.api.roles import ROLES
from harness.wasmbed.gateway.settings_file import read_settings
from harness.wasmbed.resources.names import gateway_api_secret
from tests.deploy.conftest import DEPLOY
from tests.deploy.server import build, of_kind

BASE = DEPLOY / "kustomize" / "base"
OVERLAYS = sorted(path.name for path in (DEPLOY / "kustomize" / "overlays").iterdir())
ADDRESSES = DEPLOY / "kustomize" / "components" / "address-per-gateway"
DEFINITIONS = DEPLOY.parent / "harness" / "wasmbed" / "resources" / "crds"
WORKLOADS = ("StatefulSet", "Deployment", "CronJob", "Job")
Tool = Callable[[str], Path]
built = pytest.mark.system("kustomize, helm and kube-score")


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.load_all((BASE / name).read_text(), yaml.CSafeLoader))


def template(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod that a workload makes."""
    spec = workload["spec"]
    spec = spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec
    found: dict[str, Any] = spec["template"]["spec"]
    return found


@pytest.mark.parametrize("folder", [BASE / "crds", DEPLOY / "chart" / "crds"], ids=["kustomize", "chart"])
def test_the_definitions_are_those_of_the_platform(folder: Path) -> None:
    """Stale ones are made anew with ``make manifests``."""
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        path.name: path.read_text() for path in DEFINITIONS.glob("*.yaml")
    }


def test_the_application_controller_may_read_the_token_of_every_gateway_that_can_be() -> None:
    (scaler,) = of_kind(read("gateway.yaml"), "HorizontalPodAutoscaler")
    name = scaler["spec"]["scaleTargetRef"]["name"]
    (role,) = (each for each in read("roles.yaml") if each["metadata"]["name"] == "wasmbed-application-controller")
    (rule,) = (each for each in role["rules"] if each["resources"] == ["secrets"])
    gateways = range(scaler["spec"]["maxReplicas"])
    assert rule["resourceNames"] == [gateway_api_secret(f"{name}-{number}") for number in gateways]


def test_each_emulator_manager_may_renew_the_lease_of_its_pod() -> None:
    """As many as the chart's schema allows, whose identities are the names of pods."""
    (manager,) = read("emulators.yaml")
    (role,) = (each for each in read("roles.yaml") if each["metadata"]["name"] == "wasmbed-emulators")
    (rule,) = (each for each in role["rules"] if "update" in each["verbs"])
    schema = json.loads((DEPLOY / "chart" / "values.schema.json").read_text())
    most = schema["properties"]["emulators"]["properties"]["replicas"]["maximum"]
    names = (f"{manager['metadata']['name']}-{number}" for number in range(most))
    assert rule["resourceNames"] == [lease_name(name) for name in names]


def test_the_api_asks_the_infrastructure_service_where_it_serves() -> None:
    (api, *_), (_, service) = read("api.yaml"), read("infrastructure.yaml")
    (url,) = (each["value"] for each in template(api)["containers"][0]["env"] if "INFRASTRUCTURE" in each["name"])
    assert url == f"http://{service['metadata']['name']}.wasmbed.svc:{service['spec']['ports'][0]['port']}"


def test_the_roles_of_callers_are_those_of_the_api() -> None:
    found = {each["metadata"]["name"]: each["rules"] for each in read("callers.yaml")}
    assert found == {f"wasmbed-{name}": role.policy() for name, role in ROLES.items()}


def test_every_gateway_that_can_be_has_an_address_of_its_own() -> None:
    """The component has a Service for each pod that the autoscaler may make, and the quota has room for them."""
    (scaler,) = of_kind(read("gateway.yaml"), "HorizontalPodAutoscaler")
    name, most = scaler["spec"]["scaleTargetRef"]["name"], scaler["spec"]["maxReplicas"]
    services = list(yaml.load_all((ADDRESSES / "services.yaml").read_text(), yaml.CSafeLoader))
    pods = [f"{name}-{number}" for number in range(most)]
    assert [each["metadata"]["name"] for each in services] == pods
    assert [each["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] for each in services] == pods
    assert f'value: "{most + 1}"' in (ADDRESSES / "kustomization.yaml").read_text()


def test_the_api_adds_replicas_of_the_gateways() -> None:
    (gateways,) = of_kind(read("gateway.yaml"), "StatefulSet")
    (role,) = (each for each in read("roles.yaml") if each["metadata"]["name"] == "wasmbed-rest-api")
    (rule,) = (each for each in role["rules"] if each["resources"] == ["statefulsets"])
    assert [FLEET] == [gateways["metadata"]["name"]] == rule["resourceNames"]


def test_the_settings_are_a_gateways() -> None:
    settings = read_settings(BASE / "settings.toml")
    (gateways, *_) = read("gateway.yaml")
    assert template(gateways)["terminationGracePeriodSeconds"] > 4 * settings["drain_timeout"]


def test_the_secrets_are_those_that_pods_mount(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each call issues another identity of the same authorities."""
    assert run(["secrets", str(tmp_path / "kept"), "--host", "wasmbed-devices.wasmbed.svc"]) == 0
    said = capsys.readouterr()
    assert "kept is made with new authorities; devices that know the authorities of another folder" in said.err
    made = {each["metadata"]["name"]: each["data"] for each in yaml.safe_load_all(said.out)}
    assert set(made) == {IDENTITY, GATEWAYS, DEVICES}
    mounted: dict[str, set[str]] = {}
    for name in ("gateway", "boards", "emulators", "infrastructure"):
        pod = template(read(f"{name}.yaml")[0])
        places = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        for volume in (each for each in pod["volumes"] if "secret" in each):
            used = (text.partition("=")[2] for text in pod["containers"][0]["args"])
            files = {Path(path).name for path in used if path.startswith(places[volume["name"]] + "/")}
            mounted.setdefault(volume["secret"]["secretName"], set()).update(files)
    assert {name: set(files) for name, files in made.items()} == mounted
    assert run(["secrets", str(tmp_path / "kept"), "--host", "wasmbed-devices.wasmbed.svc"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    again = {each["metadata"]["name"]: each["data"] for each in yaml.safe_load_all(said.out)}
    assert again[GATEWAYS] == made[GATEWAYS]
    assert again[DEVICES] == made[DEVICES]
    assert again[IDENTITY] != made[IDENTITY]


@pytest.mark.parametrize(
    "host",
    ["gateways.example:8081", "https://gateways.example", "10.0.0.999", "[::1]", "", "a b", "a.*.b", "ü.example"],
)
def test_a_host_that_no_device_would_find_is_refused(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["secrets", str(tmp_path / "kept"), f"--host={host}"]) == 2
    assert "is neither a host name nor an address" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_authorities_are_told_where_a_folder_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts = ["--host=::1", "--host=192.0.2.1", "--host=localhost", "--host=*.gateways.example"]
    assert run(["secrets", str(tmp_path), *hosts]) == 0
    assert "is made with new authorities" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert run(["secrets", str(tmp_path / "file"), *hosts]) == 2
    assert "cannot be written: File exists" in capsys.readouterr().err


@built
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_confined(tool: Tool, overlay: str) -> None:
    """Not root, a root file system that is read only, and a token of the API server only for programs with a role."""
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / overlay)
    bound = {each["subjects"][0]["name"] for each in of_kind(objects, "RoleBinding")}
    workloads = of_kind(objects, *WORKLOADS)
    assert len(workloads) == 9
    for workload in workloads:
        pod = template(workload)
        assert pod["automountServiceAccountToken"] == (pod["serviceAccountName"] in bound)
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]


SMALL = (
    "container-image-pull-policy,deployment-has-poddisruptionbudget,statefulset-has-poddisruptionbudget,service-type"
)
"""Checks of kube-score that a small installation does not meet: one replica needs no budget, and it uses node ports."""


@built
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_linter_of_manifests_agrees(tool: Tool, overlay: str) -> None:
    """kube-score; but it would have a tag pulled at each start, and images are named by their version."""
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / overlay)
    known = [each for each in objects if each["kind"] != "CustomResourceDefinition"]
    least, ignored = ("2", "container-image-pull-policy") if overlay == "production" else ("1", SMALL)
    command = [tool("kube-score"), "score", "-", "-o", "ci", "--kubernetes-version=v1.36", "--exit-one-on-warning"]
    command += [f"--min-replicas-deployment={least}", f"--min-replicas-hpa={least}", f"--ignore-test={ignored}"]
    text = yaml.safe_dump_all(known)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    said = (line for line in done.stdout.splitlines() if line.startswith(("[CRITICAL", "[WARNING")))
    assert done.returncode == 0, "\n".join(said)


def plain(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Objects by kind and name, without what says that settings have changed: kustomize's name of the ConfigMap, the
    chart's annotation."""
    name = next(each["metadata"]["name"] for each in of_kind(objects, "ConfigMap"))
    objects = json.loads(json.dumps(objects).replace(f'"{name}"', '"wasmbed-settings"'))
    for each in of_kind(objects, "StatefulSet"):
        each["spec"]["template"]["metadata"].get("annotations", {}).pop("wasmbed.io/settings", None)
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


@built
def test_the_chart_makes_what_the_base_makes(tool: Tool) -> None:
    """All but the namespace, which helm makes with --create-namespace."""
    command = [tool("helm"), "template", "wasmbed", DEPLOY / "chart", "-nwasmbed", "--include-crds"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    chart = plain(list(filter(None, yaml.load_all(done.stdout, yaml.CSafeLoader))))
    base = plain(build(tool("kustomize"), BASE))
    del base["Namespace", "wasmbed"]
    for found in base.values():  # The definitions in the chart are copies.
        if found["kind"] == "CustomResourceDefinition":
            del found["metadata"]["labels"]
    assert chart == base


@built
def test_the_chart_gives_each_gateway_the_address_that_the_component_gives(tool: Tool) -> None:
    command = [
        tool("helm"),
        "template",
        "wasmbed",
        DEPLOY / "chart",
        "-nwasmbed",
        "--set=gateway.domain=gateways.example",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    chart = plain(list(filter(None, yaml.load_all(done.stdout, yaml.CSafeLoader))))
    production = plain(build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / "production"))
    for kind in ("Service", "ResourceQuota"):
        assert {key: each for key, each in chart.items() if key[0] == kind} == {
            key: each for key, each in production.items() if key[0] == kind
        }
    (container,) = template(chart["StatefulSet", "wasmbed-gateway"])["containers"]
    assert container["env"] == template(production["StatefulSet", "wasmbed-gateway"])["containers"][0]["env"]


@built
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("gateway.advertise=nowhere", "gateway/advertise"),
        ("gateway.maxReplica=3", "maxReplica"),
        ("image.registry=registry.example/", "image/registry"),
        ("boards.replicas=-1", "boards/replicas"),
    ],
)
def test_the_chart_names_a_value_that_is_wrong(tool: Tool, value: str, says: str) -> None:
    command = [tool("helm"), "template", "wasmbed", DEPLOY / "chart", f"--set={value}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert says in done.stderr
