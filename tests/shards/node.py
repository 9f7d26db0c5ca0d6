"""A node, a Job controller and a kubelet for a real API server that has none: a pod's command is run as a process.

What they leave out: images (the command is run by this Python, in the folder of a suite), volumes (the paths of mounts
in the command are those of folders), cgroups, and retries of Jobs. What reaches the API server is what the parts of a
cluster send: a Node with the address of its kubelet, pods with an index, their status, and, over TLS, the kubelet's
answers to ``log`` and ``exec``, the latter in the channels of its WebSocket protocol.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.shards.job import INDEX, JOB_NAME
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, api_error
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import EVENT, JOB, NODE, POD
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.timestamps import format_timestamp

PROBED_EVERY = 0.2
"""Seconds between two readiness probes, instead of the manifest's, for the sake of the tests' time."""


@dataclass(slots=True)
class Container:
    """A pod's process, and what it has printed."""

    command: list[str]
    folders: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    printed: bytearray = field(default_factory=bytearray)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    ended: bool = False

    async def printed_after(self, place: int) -> bytes:
        """Wait for more than it has printed up to a place; nothing once it has ended."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.printed) > place or self.ended)
            return bytes(self.printed[place:])


class Node:
    """Runs the Jobs of one namespace, with ``suite`` as the working directory of their image.

    ``start_pod`` is called with each new pod; by default its process is started, as :meth:`run` does.
    """

    def __init__(self, api: KubernetesApi, folder: Path, suite: Path) -> None:
        self._api, self._folder, self._suite = api, folder, suite
        self._clock = SystemClock()
        self.name = f"node-{Randomness().token(4)}"
        self.start_pod: Callable[[Object], Coroutine[Any, Any, None]] = self.run
        self.exec_calls: list[str] = []
        self.breaks = 0
        """Connections of ``exec`` that break in the middle of the output."""
        self.containers: dict[str, Container] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._informers: list[Informer] = []
        self.errors: list[Exception] = []

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._log)
        app.router.add_get("/exec/{namespace}/{pod}/{container}", self._exec)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=_context(self._folder))
        await site.start()
        port = self._runner.addresses[0][1]
        await self._api.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await self._api.patch_status(NODE, self.name, {"status": status})
        for resource, changed in ((JOB, self._job_changed), (POD, self._pod_changed)):
            informer = Informer(self._api, resource, self._clock, Randomness())
            informer.add_handler(changed)
            self._informers.append(informer)
            await informer.start()

    async def stop(self) -> None:
        for informer in self._informers:
            await informer.stop()
        for container in self.containers.values():
            kill(container)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        await self._api.delete(NODE, self.name)
        if self.errors:
            raise ExceptionGroup("the node failed", self.errors)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            # A pod that is deleted is not found, and takes no node any more.
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                self.errors += [] if isinstance(error, NotFound | Conflict) else [error]

        task.add_done_callback(ended)

    # The Job controller.

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None:
            self._begin(self._make_pods(new))

    async def _make_pods(self, job: Object) -> None:
        name = job["metadata"]["name"]
        for index in range(job["spec"]["completions"]):
            pod = deepcopy(job["spec"]["template"])
            owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
            pod |= {"apiVersion": "v1", "kind": "Pod"}
            pod["metadata"] |= {
                "name": f"{name}-{index}",
                "annotations": {INDEX: str(index)},
                "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
            }
            pod["metadata"]["labels"][JOB_NAME] = name
            environment = pod["spec"]["containers"][0].setdefault("env", [])
            environment.append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
            try:
                await self._api.create(POD, pod)
            except ApiError as error:
                await self.warn(job, "FailedCreate", f"Error creating: {error}")

    async def warn(self, job: Object, reason: str, message: str) -> None:
        """Tell of a Job as an Event."""
        about = {"kind": "Job", "name": job["metadata"]["name"], "namespace": self._api.namespace}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{about['name']}.{Randomness().token(4)}"},
            "involvedObject": about | {"uid": job["metadata"]["uid"], "apiVersion": "batch/v1"},
            "type": "Warning",
            "reason": reason,
            "message": message,
        }
        await self._api.create(EVENT, event)

    # The kubelet.

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None:
            self._begin(self.start_pod(new))
        elif new is not None and new["metadata"].get("deletionTimestamp"):
            self._begin(self._remove_pod(new["metadata"]["name"]))

    async def _remove_pod(self, name: str) -> None:
        if (container := self.containers.get(name)) is not None:
            if container.process is not None and container.process.returncode is None:
                container.process.terminate()  # the container's first process alone
            async with container.changed:
                await container.changed.wait_for(lambda: container.ended)
        body = json.dumps({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}).encode()
        path = f"/api/v1/namespaces/{self._api.namespace}/pods/{name}"
        answer = await self._api.forward("DELETE", path, {"Content-Type": "application/json"}, body)
        answer.release()

    async def say(self, pod: Object, **status: Any) -> None:
        """Write a pod's status."""
        await self._api.patch_status(POD, pod["metadata"]["name"], {"status": status})

    async def bind(self, pod: Object) -> None:
        """Place a pod here, as a scheduler does."""
        name = pod["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self.name},
        }
        path = f"/api/v1/namespaces/{self._api.namespace}/pods/{name}/binding"
        answer = await self._api.forward(
            "POST", path, {"Content-Type": "application/json"}, json.dumps(binding).encode()
        )
        if answer.status != 201:
            raise api_error({**json.loads(await answer.read()), "code": answer.status})
        answer.release()

    async def run(self, pod: Object, printed: Callable[[Container], object] = lambda container: None) -> None:
        """Run its process until it ends, and tell the API server of it; ``printed`` is called after each output."""
        await self.bind(pod)
        name, spec = pod["metadata"]["name"], pod["spec"]["containers"][0]
        container = Container([*spec["command"], *spec["args"]], self._mount(name, spec["volumeMounts"]))
        values = {each["name"]: each["value"] for each in spec["env"]}
        self.containers[name] = container
        container.process = process = await asyncio.create_subprocess_exec(
            *self._as_here(container, container.command, values),
            cwd=self._suite,
            env={**os.environ, "TMPDIR": container.folders["/tmp"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        await self.say(pod, phase="Running", **_state("running", {"startedAt": format_timestamp(self._clock.now())}))
        probing = asyncio.create_task(self._probe(pod, container))
        assert process.stdout is not None
        while piece := await process.stdout.read(65_536):
            async with container.changed:
                container.printed += piece
                container.changed.notify_all()
            printed(container)
        code = await process.wait()
        probing.cancel()
        async with container.changed:
            container.ended = True
            container.changed.notify_all()
        ended = {"exitCode": code if code >= 0 else 128 - code, "reason": "Error" if code else "Completed"}
        await self.say(pod, phase="Failed" if code else "Succeeded", **_state("terminated", ended))

    def _mount(self, pod: str, mounts: Sequence[Object]) -> dict[str, str]:
        """Make an empty folder for each volume; returns them by their paths in the pod."""
        folders = {mount["mountPath"]: self._folder / pod / mount["name"] for mount in mounts}
        for folder in folders.values():
            folder.mkdir(parents=True)
        return {path: str(folder) for path, folder in folders.items()}

    async def _probe(self, pod: Object, container: Container) -> None:
        command = pod["spec"]["containers"][0]["readinessProbe"]["exec"]["command"]
        while await (await self._run_beside(container, command)).wait():
            await self._clock.sleep(PROBED_EVERY)
        ready = {"type": "Ready", "status": "True"}
        await self.say(
            pod,
            phase="Running",
            **_state("running", {"startedAt": format_timestamp(self._clock.now())}, ready),
            conditions=[ready],
        )

    def _as_here(self, container: Container, command: Sequence[str], values: dict[str, str]) -> list[str]:
        """A command of the image as one that runs here."""
        made = []
        for part in command:
            for name, value in values.items():
                part = part.replace(f"$({name})", value)
            for path, folder in container.folders.items():
                part = folder if part == path else part
            made.append(sys.executable if part == "/usr/bin/python3" else part)
        return made

    async def _run_beside(self, container: Container, command: Sequence[str]) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*self._as_here(container, command, {}), stdout=pipe, stderr=pipe)

    async def _log(self, request: web.Request) -> web.StreamResponse:
        container, sent = self.containers[request.match_info["pod"]], 0
        answer = web.StreamResponse()
        await answer.prepare(request)
        while piece := await container.printed_after(sent):
            await answer.write(piece)
            sent += len(piece)
        return answer

    async def _exec(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        command = request.query.getall("command")
        self.exec_calls.append(command[-2])
        process = await self._run_beside(self.containers[request.match_info["pod"]], command)
        assert process.stdout is not None
        assert process.stderr is not None
        while piece := await process.stdout.read(32_768):
            await socket.send_bytes(b"\x01" + piece[: len(piece) // 2] if self.breaks else b"\x01" + piece)
            if self.breaks:
                self.breaks -= 1
                process.kill()
                await process.wait()
                assert request.transport is not None
                request.transport.close()
                return socket
        if said := await process.stderr.read():
            await socket.send_bytes(b"\x02" + said)
        code = await process.wait()
        status: Object = {"metadata": {}, "status": "Success"}
        if code:
            causes = [{"reason": "ExitCode", "message": str(code)}]
            message = f"command terminated with non-zero exit code: exit status {code}"
            status = {
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "message": message,
                "details": {"causes": causes},
            }
        with suppress(ConnectionResetError):  # a peer that has what it wanted
            await socket.send_bytes(b"\x03" + json.dumps(status).encode())
            await socket.close()
        return socket


def _state(name: str, state: Object, *conditions: Object) -> Object:
    container = {
        "name": "shard",
        "image": "",
        "imageID": "",
        "restartCount": 0,
        "ready": bool(conditions),
        "state": {name: state, **{other: None for other in ("running", "waiting", "terminated") if other != name}},
    }
    return {"containerStatuses": [container]}


def kill(container: Container) -> None:
    """Kill all of its processes, as when it is out of memory."""
    if container.process is not None and container.process.returncode is None:
        os.killpg(container.process.pid, signal.SIGKILL)


def _context(folder: Path) -> ssl.SSLContext:
    """TLS of a kubelet, with a certificate of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubelet")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2120))
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "kubelet.pem").write_bytes(certificate + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "kubelet.pem")
    return context
