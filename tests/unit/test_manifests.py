"""Kubernetes' manifests, built by Kustomize, against Kubernetes' own schemas; Strimzi's objects against the topology; the systemd unit
against the command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it comes without types
import pytest
import yaml  # type: ignore[import-untyped]  # the same
from typer.main import get_command

from casebook.settings import CasebookSettings
from console.command import app
from console.settings import ConsoleSettings
from deploy.kubernetes.strimzi import FOLDER, objects, text
from streams import topology
from streams.access_lists import ACCESS
from streams.live_settings import LiveSettings

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.30", "1.37")
"""The oldest that Strimzi 1.0 takes, and the newest whose schemas are here."""
PARTS = {"worker", "closer", "casebook", "deliver", "console"}


@cache
def built() -> tuple[dict[str, Any], ...]:
    """Every object of the example overlay."""
    if (kustomize := shutil.which("kustomize")) is None:
        missing = "kustomize is not installed (go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.0)"
        if os.environ.get("HEADWAY_REQUIRE_KUSTOMIZE") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run([kustomize, "build", "overlays/example"], cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def raw() -> list[dict[str, Any]]:
    """Every whole object as it stands in the base; patches and Kustomize's own files left out."""
    files = [path for path in sorted(FOLDER.glob("*.yaml")) if not path.stem.startswith(("hardened", "kustomization"))]
    return [one for path in files for one in yaml.safe_load_all(path.read_text("utf-8"))]


def test_topics_and_users_are_those_of_the_topology() -> None:
    made = objects()
    assert {name: (FOLDER / name).read_text("utf-8") for name in made} == {name: text(documents) for name, documents in made.items()}
    assert [one["metadata"]["name"] for one in made["topics.yaml"]] == [log.name for log in topology.LOGS]
    users = {one["metadata"]["name"]: one["spec"]["authorization"]["acls"] for one in made["users.yaml"]}
    assert set(users) == {f"headway-{access.name}" for access in ACCESS}
    targets = {name for name, acls in users.items() if topology.TARGETS.name in [acl["resource"]["name"] for acl in acls]}
    assert "headway-producer" not in targets
    assert all(acl["resource"]["name"] != "*" and acl["resource"]["patternType"] == "literal" for acls in users.values() for acl in acls)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_by_kubernetes_own_schema(version: str) -> None:
    checked = [one for one in raw() if "strimzi" not in one["apiVersion"]]
    assert {one["kind"] for one in checked} >= {"Deployment", "StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget"}
    for one in checked:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_field_that_is_not_kubernetes_is_refused() -> None:
    deployment = next(one for one in raw() if one["kind"] == "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment | {"spec": deployment["spec"] | {"replica": 2}}, VERSIONS[-1], strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_what_kustomize_builds_is_valid_and_every_process_runs_with_as_little_as_it_needs(version: str) -> None:
    parts = set()
    for one in built():
        if "strimzi" not in one["apiVersion"]:
            kubernetes_validate.validate(one, version, strict=True)
        if one["kind"] in {"Deployment", "StatefulSet"}:
            pod = one["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            parts.add(one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"])
            assert (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (
                True,
                False,
                False,
            )
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"livenessProbe", "readinessProbe", "startupProbe", "resources"} <= set(container)
            assert container["image"] == "registry.example.org/headway:0.1.0"
    assert parts == PARTS


@pytest.mark.slow
def test_what_kustomize_builds_names_settings_commands_and_secrets_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (LiveSettings, CasebookSettings, ConsoleSettings)
    fields = {f"HEADWAY_{field.upper()}" for kind in kinds for field in kind.model_fields}
    maps = {one["metadata"]["name"]: one["data"] for one in built() if one["kind"] == "ConfigMap"}
    for one in built():
        if one["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        (container,) = one["spec"]["template"]["spec"]["containers"]
        given = {name: value for source in container["envFrom"] for name, value in maps[source["configMapRef"]["name"]].items()}
        given |= {entry["name"]: entry.get("value", "pod-0") for entry in container["env"]}
        assert set(given) <= fields, one["metadata"]["name"]
        with monkeypatch.context() as environment:
            for name, value in given.items():
                environment.setenv(name, value)
            assert [kind() for kind in kinds]
        assert container["args"][0] in get_command(app).commands  # type: ignore[attr-defined]  # a group's commands
        mounted = tuple(mount["mountPath"] for mount in container["volumeMounts"])
        assert all(value.startswith(mounted) for name, value in given.items() if name.endswith("_FILE"))


def test_the_unit_runs_commands_with_options_that_there_are() -> None:
    unit = (ROOT / "deploy/systemd/headway.service").read_text("utf-8")
    commands = re.findall(r"^ExecStart(?:Pre)?=\S+/headway (.+)$", unit, re.MULTILINE)
    assert [one.split()[0] for one in commands] == ["doctor", "serve"]
    for one in commands:
        name, *given = one.split()
        known = {opt for param in get_command(app).commands[name].params for opt in param.opts}  # type: ignore[attr-defined]  # the same
        assert {part for part in given if part.startswith("--")} <= known
    assert {"NoNewPrivileges=true", "ProtectSystem=strict", "CapabilityBoundingSet=", "User=headway"} <= set(unit.splitlines())
