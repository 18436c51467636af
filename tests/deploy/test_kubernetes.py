"""The manifests are valid, and say what the code says."""

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.deploy.dockerfile import last
from tests.deploy.manifests import (
    Manifest,
    container,
    environment,
    files,
    manifests,
    of_kind,
    pod,
    probe_paths,
    secrets,
    workloads,
)
from tests.deploy.promised import (
    COMMANDS,
    DRAIN_SECONDS,
    LOG_USERS,
    PORTS,
    READ_MODEL_USERS,
    ROOT,
    VARIABLES,
    VERSION,
    settings_of,
)

OLDEST = "1.30"  # the first with the `sleep` of preStop
OVERLAYS = ("k8s", "k8s/with-databases")
OURS = sorted(PORTS)
SERVED = ("eventstore", "projection")

overlays = pytest.mark.parametrize("overlay", OVERLAYS)
ours = pytest.mark.parametrize("name", OURS)
served = pytest.mark.parametrize("name", SERVED)
versions = pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed: it renders kustomizations"
)


def rendered(folder: Path) -> list[Manifest]:
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=60, check=True)
    return list(yaml.safe_load_all(done.stdout))


def test_every_file_is_listed_by_a_kustomization_and_every_listed_one_exists() -> None:
    reached = set().union(*(files(ROOT / overlay) for overlay in OVERLAYS))

    assert reached == {path for path in (ROOT / "k8s").rglob("*") if path.is_file()}


@overlays
@versions
def test_manifests_fit_the_schema_without_an_unknown_field(overlay: str, version: str) -> None:
    for manifest in manifests(overlay):
        kubernetes_validate.validate(manifest, version, strict=True)


@overlays
@kubectl
def test_kubectl_renders_what_is_written(overlay: str) -> None:
    objects = rendered(ROOT / overlay)

    for each in objects:
        kubernetes_validate.validate(each, OLDEST, strict=True)
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert {(each["kind"], each["metadata"]["name"]) for each in manifests(overlay)} <= names
    assert {kind for kind, name in names if name.startswith(("qaservice-", "mongodb-"))} == {"ConfigMap", "Secret"}


@overlays
def test_pods_fit_the_restricted_security_standard(overlay: str) -> None:
    for workload in workloads(overlay).values():
        spec, security = pod(workload), container(workload)["securityContext"]
        assert spec["enableServiceLinks"] is False
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        for bound in ("requests", "limits"):
            assert container(workload)["resources"][bound].keys() == {"cpu", "memory"}


@ours
def test_services_run_their_image_as_its_user_on_its_port_and_write_nothing(name: str) -> None:
    workload = workloads("k8s")[name]
    own = container(workload)

    assert name in COMMANDS
    assert own["image"] == f"qaservice/{name}:{VERSION}"
    assert own["imagePullPolicy"] == "IfNotPresent"
    assert own["ports"] == [{"name": "http", "containerPort": PORTS[name]}]
    assert own["securityContext"]["readOnlyRootFilesystem"] is True
    security = pod(workload)["securityContext"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == last("USER")


@ours
def test_services_are_restarted_when_not_live_and_left_alone_when_not_ready(name: str) -> None:
    own = container(workloads("k8s")[name])

    for probe, path in (("startup", "/health/live"), ("liveness", "/health/live"), ("readiness", "/health/ready")):
        assert own[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "http"}
    assert probe_paths(own) == {"/health/live", "/health/ready"}
    assert own["readinessProbe"]["timeoutSeconds"] >= DRAIN_SECONDS  # as long as a reply may take


@overlays
@ours
def test_variables_are_settings_and_lead_to_the_databases(overlay: str, name: str) -> None:
    variables = environment(overlay, workloads(overlay)[name])

    settings = settings_of(variables)

    assert variables.keys() <= VARIABLES
    hosts = {
        "k8s": ("host.minikube.internal", "host.minikube.internal"),
        "k8s/with-databases": ("eventstoredb", "mongodb"),
    }
    log, model = hosts[overlay]
    if name in LOG_USERS:
        assert settings.eventstore() == f"esdb://{log}:2113?tls=false"
    if name in READ_MODEL_USERS:
        assert settings.mongodb() == f"mongodb://qaservice:change-me@{model}:27017"
    else:
        assert "MONGODB_PASS" not in variables


@overlays
@ours
def test_whoever_uses_a_store_gets_its_secret_and_nobody_else(overlay: str, name: str) -> None:
    """Whole URIs stand in secrets: one who missed his would use another store than the others."""
    wanted = {}
    if name in LOG_USERS:
        wanted["eventstoredb"] = True  # without passwords there is none
    if name in READ_MODEL_USERS:
        wanted["mongodb"] = False

    assert secrets(workloads(overlay)[name]) == wanted


@kubectl
def test_the_overlay_of_the_readme_leads_everybody_to_the_stores_that_it_names(tmp_path: Path) -> None:
    found = re.search(r"^# my-cluster/kustomization.yaml\n.*?(?=^```)", (ROOT / "README.md").read_text(), re.M | re.S)
    assert found
    own = tmp_path / "my-cluster"
    own.mkdir()
    shutil.copytree(ROOT / "k8s", tmp_path / "qaservice" / "k8s")
    (own / "kustomization.yaml").write_text(found[0])
    uris = {"eventstoredb": "EVENTSTORE_URI", "mongodb": "MONGODB_URI"}
    for secret, variable in uris.items():
        (own / f"{secret}.env").write_text(f"{variable}=a-secret\n")

    objects = rendered(own)

    data = {each["metadata"]["name"]: each.get("data") for each in objects if each["kind"] in ("Secret", "ConfigMap")}
    deployments = {each["metadata"]["name"]: each for each in objects if each["kind"] == "Deployment"}
    assert deployments.keys() == PORTS.keys()
    for name, deployment in deployments.items():
        gets = {variable for secret in secrets(deployment) for variable in data[secret]}
        assert ("EVENTSTORE_URI" in gets, "MONGODB_URI" in gets) == (name in LOG_USERS, name in READ_MODEL_USERS)
        assert container(deployment)["image"] != f"qaservice/{name}:{VERSION}"
    (settings,) = (values for name, values in data.items() if name.startswith("qaservice-"))
    assert "minikube" not in str(settings)


@served
def test_a_load_balancer_leads_from_port_80_to_the_service(name: str) -> None:
    service, template = of_kind("k8s", "Service")[name]["spec"], workloads("k8s")[name]["spec"]["template"]

    assert service["type"] == "LoadBalancer"
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(80, "http")]


@served
def test_an_update_or_a_drained_node_stops_no_request(name: str) -> None:
    workload = workloads("k8s")[name]
    spec, budget = workload["spec"], of_kind("k8s", "PodDisruptionBudget")[name]["spec"]

    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == spec["selector"]
    pause = container(workload)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause + DRAIN_SECONDS < pod(workload)["terminationGracePeriodSeconds"]


def test_there_is_one_projector_at_a_time() -> None:
    spec = workloads("k8s")["projector"]["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize(("name", "port"), [("eventstoredb", 2113), ("mongodb", 27017)])
def test_a_database_in_the_cluster_keeps_its_data_and_is_reached_by_its_name(name: str, port: int) -> None:
    overlay = "k8s/with-databases"
    spec, service = workloads(overlay)[name]["spec"], of_kind(overlay, "Service")[name]["spec"]
    own = container(workloads(overlay)[name])

    claims = {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    assert {mount["name"] for mount in own["volumeMounts"]} == claims
    assert [(each["port"], each["targetPort"]) for each in service["ports"]] == [(port, own["ports"][0]["name"])]
    assert own["ports"][0]["containerPort"] == port
    assert service["selector"].items() <= spec["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("path", sorted((ROOT / "k8s").rglob("*.env")))
def test_a_sample_secret_says_that_it_is_one(path: Path) -> None:
    assert "change-me" in path.read_text()
