"""A kube-apiserver with its audit log, as programs of an installation see it: RBAC, and ServiceAccounts' tokens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.clusters.apiserver import program
from harness.clusters.session import Server, join
from harness.core.clock import Clock

NAMESPACE = "wasmbed"
PATIENCE = 120.0
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
"""A watch is in the log when it begins, another request when it ends."""


@dataclass(frozen=True)
class Request:
    """A question that the server's authorizer answered. ``resource`` is as a role writes it: ``devices/status``."""

    account: str
    verb: str
    group: str
    resource: str
    name: str
    allowed: bool
    code: int


class AuditedServer:
    """Started by :func:`harness.clusters.session.join`, so it ends with this process, however that ends."""

    def __init__(self, folder: Path) -> None:
        policy, self._log, self._folder = folder / "policy.yaml", folder / "audit.log", folder
        policy.write_text(json.dumps(POLICY))
        for name in ("kube-apiserver", "etcd"):
            (folder / name).symlink_to(program.program())
        audited = folder / "audited"
        flags = f"--audit-policy-file={policy} --audit-log-path={self._log} --audit-log-mode=blocking"
        audited.write_text(f'#!/bin/sh\nexec "{folder}/kube-apiserver" "$@" {flags}\n')
        audited.chmod(0o700)
        keeper = [sys.executable, "-m", "harness.clusters.envtest.keeper", str(audited), str(folder / "etcd")]
        self._server: Server = join("deploy", keeper)
        self.kubeconfig = self._server.kubeconfig

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl as the server's administrator; returns what it prints on both streams. It must succeed."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(
            command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150, check=False
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}"
        return done.stdout

    def access(self, account: str) -> Path:
        """A kubeconfig with a token of a ServiceAccount, as its pod has one."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": self.kubectl("create", "token", account, f"-n{NAMESPACE}").strip()}
        path = self._folder / f"kubeconfig-{account}"
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        return path

    def requests(self) -> Iterator[Request]:
        """The requests of the namespace's ServiceAccounts, oldest first."""
        prefix = f"system:serviceaccount:{NAMESPACE}:"
        for line in self._log.read_text().splitlines():
            event: dict[str, Any] = json.loads(line)
            user, asked = event["user"]["username"], event.get("objectRef")
            if user.startswith(prefix) and asked is not None:
                parts = [asked["resource"], asked.get("subresource", "")]
                yield Request(
                    user.removeprefix(prefix),
                    event["verb"],
                    asked.get("apiGroup", ""),
                    "/".join(filter(None, parts)),
                    asked.get("name", ""),
                    event["annotations"].get("authorization.k8s.io/decision") == "allow",
                    event.get("responseStatus", {}).get("code", 0),
                )

    async def until_asked(self, clock: Clock, *requests: tuple[str, str, str]) -> None:
        """Wait until each of these is in the log: account, verb, resource."""
        async with clock.deadline(PATIENCE):
            while not {(each.account, each.verb, each.resource) for each in self.requests()}.issuperset(requests):
                await clock.sleep(0.2)  # the log is a file

    def leave(self) -> None:
        self._server.leave()


def build(tool: Path, folder: str | Path) -> list[dict[str, Any]]:
    """The objects of a kustomization."""
    done = subprocess.run([tool, "build", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def of_kind(objects: Sequence[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [each for each in objects if each["kind"] in kinds]
