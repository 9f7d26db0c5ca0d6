"""A platform whose programs run in a cluster: what ``wasmbed platform`` asks kubectl to do with its manifests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import RigError, UsageError

__all__ = ["InCluster"]

PART_OF = "app.kubernetes.io/part-of=wasmbed"
"""The label of all objects of the manifests in ``deploy``."""
WORKLOADS = "deployments,statefulsets"


class InCluster:
    """``manifests``: a folder for kustomize, or a file."""

    def __init__(self, manifests: Path, kubeconfig: Path | None, namespace: str) -> None:
        if not manifests.exists():
            do = "correct cluster.manifests; a clone has deploy/kustomize/overlays"
            raise UsageError("there are no such manifests", where=str(manifests), do=do)
        self._manifests = ["-k" if manifests.is_dir() else "-f", str(manifests)]
        self._access = [f"--kubeconfig={kubeconfig}"] if kubeconfig is not None else []
        self._namespace = f"--namespace={namespace}"

    def deploy(self, within: int) -> None:
        """Apply the manifests, and wait for ``within`` seconds (0: not at all) until all programs run."""
        self._run("apply", *self._manifests)
        if within:
            # Each workload has the whole time: kubectl waits for one after the other.
            for name in self._names():
                self._run("rollout", "status", name, self._namespace, f"--timeout={within}s")

    def status(self) -> None:
        """Show the programs and their pods."""
        self._run("get", f"{WORKLOADS},pods,services", self._namespace)

    def stop(self) -> None:
        """Have no program run. Resources and Secrets stay."""
        self._run("scale", WORKLOADS, self._namespace, "-l", PART_OF, "--replicas=0")

    def restart(self, programs: Sequence[str]) -> None:
        """Replace the pods of these programs, or of all, one after the other."""
        self._run("rollout", "restart", self._namespace, *self._chosen(programs))

    def logs(self, programs: Sequence[str], tail: int | None, *, follow: bool) -> None:
        """Show the logs of one pod of each program."""
        for name in self._chosen(programs):
            self._run("logs", name, self._namespace, f"--tail={-1 if tail is None else tail}", *["-f"] * follow)

    def clean(self) -> None:
        """Delete all that the manifests made, with the namespace and its resources."""
        self._run("delete", *self._manifests, "--ignore-not-found")

    def _chosen(self, programs: Sequence[str]) -> list[str]:
        known = self._names()
        chosen = [name for name in known if not programs or name.rpartition("/")[2] in programs]
        unknown = set(programs) - {name.rpartition("/")[2] for name in chosen}
        if unknown or not chosen:
            names = ", ".join(name.rpartition("/")[2] for name in known) or "none: deploy them first"
            what = f"unknown program {min(unknown)!r}" if unknown else "there are no programs"
            raise UsageError(what, do=f"the programs are {names}")
        return chosen

    def _names(self) -> list[str]:
        return self._run("get", WORKLOADS, self._namespace, "-l", PART_OF, "-o", "name", shown=False).split()

    def _run(self, *arguments: str, shown: bool = True) -> str:
        program = shutil.which("kubectl")
        if program is None:
            raise RigError("kubectl is not installed", do="install kubectl 1.27 or newer")
        # What it prints is for the user: progress, and its own errors.
        done = subprocess.run(
            [program, *self._access, *arguments],
            stdout=None if shown else subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ,
        )
        if done.returncode:
            raise RigError(
                f"kubectl {arguments[0]} failed with exit code {done.returncode}", do="see what it said above"
            )
        return done.stdout or ""
