"""The manifests below a kustomization, resolved as far as the tests need it."""

from pathlib import Path
from typing import Any

import yaml

from tests.deploy.promised import ROOT

Manifest = dict[str, Any]


def kustomization(folder: Path) -> Manifest:
    loaded: Manifest = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return loaded


def files(folder: Path) -> set[Path]:
    """Every file that a kustomization reaches, its own among them."""
    found = {folder / "kustomization.yaml"}
    for name in kustomization(folder).get("resources", []):
        path = (folder / name).resolve()
        found |= files(path) if path.is_dir() else {path}
    for generator in _generators(folder):
        found |= {folder / name for name in generator.get("envs", [])}
    return found


def manifests(overlay: str) -> list[Manifest]:
    """All manifests of an overlay like `k8s`."""
    paths = sorted(files(ROOT / overlay))
    texts = [path.read_text() for path in paths if path.suffix == ".yaml" and path.name != "kustomization.yaml"]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text)]


def of_kind(overlay: str, *kinds: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests(overlay) if each["kind"] in kinds}


def workloads(overlay: str) -> dict[str, Manifest]:
    """What runs pods, by name."""
    return of_kind(overlay, "Deployment", "StatefulSet")


def pod(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    (only,) = pod(workload)["containers"]
    return dict(only)


def probe_paths(container: Manifest) -> set[str]:
    probes = [probe for name, probe in container.items() if name.endswith("Probe")]
    return {probe["httpGet"]["path"] for probe in probes if "httpGet" in probe}


def generated(folder: Path) -> dict[str, dict[str, str]]:
    """The data of the generated maps and secrets, by name."""
    data: dict[str, dict[str, str]] = {}
    for name in kustomization(folder).get("resources", []):
        if (folder / name).is_dir():
            data |= generated((folder / name).resolve())
    for generator in _generators(folder):
        lines = [line for name in generator.get("envs", []) for line in (folder / name).read_text().splitlines()]
        lines = [line for line in [*lines, *generator.get("literals", [])] if line and not line.startswith("#")]
        own = dict(line.split("=", 1) for line in lines)
        data[generator["name"]] = data.get(generator["name"], {}) | own
    return data


def environment(overlay: str, workload: Manifest) -> dict[str, str]:
    """The variables that a container of ours gets."""
    sources = [next(iter(source.values())) for source in container(workload)["envFrom"]]
    data = generated(ROOT / overlay)
    made = [data[source["name"]] for source in sources if source["name"] in data or not source.get("optional")]
    return {name: value for each in made for name, value in each.items()}


def secrets(workload: Manifest) -> dict[str, bool]:
    """The secrets whose variables a container of ours gets, and whether it starts without."""
    found = [source["secretRef"] for source in container(workload)["envFrom"] if "secretRef" in source]
    return {each["name"]: each.get("optional", False) for each in found}


def _generators(folder: Path) -> list[Manifest]:
    found = kustomization(folder)
    return [*found.get("configMapGenerator", []), *found.get("secretGenerator", [])]
