"""The images: what they hold, and that their programs run from them, as a user who can write nothing."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import yaml

from harness.cli.main import run
from harness.cli.secrets import DEVICES, GATEWAYS, IDENTITY
from tests.deploy.conftest import DEPLOY
from tests.deploy.installation import Installation
from tests.deploy.server import NAMESPACE, AuditedServer, build
from tests.deploy.test_manifests import Tool

NAMES = ("platform", "boards")
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PROGRAM = ("/usr/bin/python3", "-P", "-m", "harness.cli")
RUN = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev"
ln -s /proc/self/fd "$1/dev/fd"
for device in null zero random urandom; do
    touch "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
mount -o remount,bind,ro "$1"
root=$1
shift
exec chroot --userspec=65532:65532 "$root" "$@"
"""
"""Runs a program as an image's user, on its root file system, with nothing to write but ``/tmp``, and what each runtime
mounts (OCI runtime specification, "Default Filesystems")."""


def confined(test: Callable[..., None]) -> Callable[..., None]:
    """A test that runs programs of an image."""
    skip = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces everywhere")
    return pytest.mark.system("buildah")(skip(test))


def layout(name: str) -> Path:
    """The OCI layout of an image, if it was built."""
    from deploy.images import FOLDER

    if not (FOLDER / name / "index.json").is_file():
        pytest.skip(f"the image {name} is not built: run make oci")
    return FOLDER / name


def blob(folder: Path, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "blobs" / digest.replace(":", "/")).read_text())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_image_names_its_program_and_a_user(name: str) -> None:
    from deploy.bill import digest_of

    folder = layout(name)
    config = blob(folder, blob(folder, digest_of(folder))["config"]["digest"])["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == list(PROGRAM)


@pytest.mark.parametrize("name", NAMES)
def test_a_bill_names_the_image_its_packages_and_its_wheels(name: str) -> None:
    from deploy.bill import digest_of

    folder = layout(name)
    bill = json.loads(folder.with_suffix(".cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert digest_of(folder) in bill["metadata"]["component"]["purl"]
    named = {each["purl"].partition("@")[0] for each in bill["components"]}
    assert {"pkg:deb/debian/python3.13-minimal", "pkg:deb/debian/libssl3t64", "pkg:pypi/wasmbed-harness"} <= named
    pinned = {line.lower() for line in (DEPLOY.parent / "constraints.txt").read_text().splitlines()}
    wheels = {each["purl"] for each in bill["components"] if each["purl"].startswith("pkg:pypi/")}
    assert wheels - {f"pkg:pypi/{line.replace('==', '@').replace('_', '-')}" for line in pinned} == {
        f"pkg:pypi/wasmbed-harness@{bill['metadata']['component']['version']}"
    }


def unpack(crane: Path, archive: Path, root: Path) -> None:
    """The root file system of an image."""
    root.mkdir()
    with archive.open("rb") as given:
        export = subprocess.Popen([crane, "export", "-", "-"], stdin=given, stdout=subprocess.PIPE)
    assert export.stdout is not None
    with export.stdout:
        subprocess.run(["tar", "-xC", root], stdin=export.stdout, check=True, timeout=150)
    assert export.wait(150) == 0


@pytest.fixture
def root(tool: Tool, tmp_path: Path) -> Path:
    """The root file system of the image ``platform``."""
    unpack(tool("crane"), layout("platform").with_suffix(".tar"), tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def boards_root(tool: Tool, tmp_path: Path) -> Path:
    """The root file system of the image ``boards``."""
    unpack(tool("crane"), layout("boards").with_suffix(".tar"), tmp_path / "root")
    return tmp_path / "root"


def put(root: Path, place: str, content: bytes) -> None:
    """Make a file of a root file system, as a volume would."""
    path = root / place.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def start(root: Path, *command: str, apart: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
    """Start a program of the image, ``apart`` from the machine by further namespaces."""
    config = {"PYTHONUNBUFFERED": "1", "HOME": "/tmp", "PATH": os.environ["PATH"]}
    unshare = ("unshare", "--mount", *apart, "sh", "-c", RUN, "sh", str(root))
    return subprocess.Popen((*unshare, *command), env=config | environment, stdout=PIPE, stderr=STDOUT, text=True)


@confined
def test_the_programs_run_from_the_image(root: Path) -> None:
    """As its user, who can write nothing but /tmp; there is no shell in it, and nothing that gains rights."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    assert [path for path in files if path.stat().st_mode & 0o6000] == []
    assert not [name for name in ("sh", "dash", "bash") if (root / "bin" / name).exists()]

    def says(*command: str) -> str:
        said, _ = start(root, *command, apart=("--pid", "--fork", "--net")).communicate(timeout=150)
        return said

    assert "Run one gateway until SIGTERM" in says(*PROGRAM, "gateway", "--help")
    assert "the pod's service account: not a usable Kubernetes configuration" in says(*PROGRAM, "controllers")
    written = says("/usr/bin/python3", "-c", "open('/tmp/a', 'w'); open('/usr/a', 'w')")
    assert "Read-only file system: '/usr/a'" in written


class Pods:
    """Programs of the image as a kubelet runs them, on a server where the local overlay is applied."""

    def __init__(self, server: AuditedServer, root: Path) -> None:
        self._server, self._root = server, root
        self._running: list[subprocess.Popen[str]] = []

    def run(self, account: str, *command: str, ready: str) -> str:
        """Start a program with its token; returns the line that says that it is ready."""
        access = yaml.safe_load(self._server.access(account).read_text())
        cluster = access["clusters"][0]["cluster"]
        put(self._root, f"{SERVICE_ACCOUNT}/token", access["users"][0]["user"]["token"].encode())
        put(self._root, f"{SERVICE_ACCOUNT}/ca.crt", Path(cluster["certificate-authority"]).read_bytes())
        address = urlsplit(cluster["server"])
        environment = {"KUBERNETES_SERVICE_HOST": str(address.hostname), "KUBERNETES_SERVICE_PORT": str(address.port)}
        program = start(self._root, *PROGRAM, *command, **environment)
        self._running.append(program)
        assert program.stdout is not None
        said: list[str] = []
        for line in iter(program.stdout.readline, ""):
            said.append(line)
            if line.startswith(ready):
                return line
        raise AssertionError(f"{command} ended before it was ready: {said}")

    def end(self) -> list[int]:
        """End the programs, newest first; returns their exit codes."""
        codes = []
        while self._running:
            program = self._running.pop()
            program.terminate()
            program.communicate(timeout=150)
            codes.append(program.returncode)
        return codes


@confined
def test_the_programs_of_the_image_run_as_in_their_pods(
    server: AuditedServer, tool: Tool, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what a kubelet gives to a pod, the token of its ServiceAccount and where the server is: a board connects."""
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / "local")
    server.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(objects))
    assert run(["secrets", str(tmp_path / "authorities"), "--host=127.0.0.1"]) == 0
    pods = Pods(server, root)
    for secret in yaml.safe_load_all(capsys.readouterr().out):
        for name, content in secret["data"].items():
            put(root, f"/etc/wasmbed/{secret['metadata']['name']}/{name}", b64decode(content))
    http = pods.run("wasmbed-device-controller", "controllers", "--only=device", "--http=127.0.0.1:0", ready="ready")
    with urlopen(f"http://{http.split('http=')[1].strip()}/readyz", timeout=60) as answer:
        assert answer.read() == b"ok\n"
    identity = f"/etc/wasmbed/{IDENTITY}"
    options = [f"--certificate={identity}/cert-{number}.der" for number in (1, 2)]
    options += [f"--key={identity}/key-{number}.der" for number in (1, 2)]
    devices = f"/etc/wasmbed/{DEVICES}"
    authority = (f"--device-authority={devices}/ca-cert.der", f"--device-authority-key={devices}/ca-key.der")
    options += [*authority, "--name=wasmbed-gateway-0", "--listen=127.0.0.1:0", "--http=127.0.0.1:0"]
    gateway = pods.run("wasmbed-gateway", "gateway", *options, ready="ready").split("devices=")[1].split(" ")[0]
    trust = f"--gateway-authority=/etc/wasmbed/{GATEWAYS}/ca-cert.der"
    boards = ("--name=pod-0", f"--gateway={gateway}", "--state=/tmp/state", trust, *authority)
    pods.run("wasmbed-boards", "emulate", *boards, ready="running 1 boards")
    for condition in ("create", "jsonpath={.status.phase}=Connected"):
        wait = ("wait", f"-n{NAMESPACE}", "device/pod-0-virtual-1", f"--for={condition}", "--timeout=120s")
        server.kubectl(*wait)
    assert pods.end() == [0, 0, 0]


@confined
def test_emulated_boards_run_from_the_image(boards_root: Path, installation: Installation) -> None:
    """Real firmware in the image's QEMU connects to a gateway."""
    for secret, name in ((GATEWAYS, "ca-cert.der"), (DEVICES, "ca-cert.der"), (DEVICES, "ca-key.der")):
        put(boards_root, f"/etc/wasmbed/{secret}/{name}", installation.read(secret, name))
    installation.controller("device")
    _, gateway = installation.gateway()
    options = ["--boards=mps2-an385=1", "--name=pod-0", f"--gateway={gateway}", "--state=/tmp/state"]
    options += [f"--gateway-authority=/etc/wasmbed/{GATEWAYS}/ca-cert.der"]
    options += [f"--device-authority=/etc/wasmbed/{DEVICES}/ca-cert.der"]
    options += [f"--device-authority-key=/etc/wasmbed/{DEVICES}/ca-key.der"]
    images = {"WASMBED_IMAGES": "/opt/wasmbed/images", "PATH": "/usr/bin:/bin:/usr/sbin"}
    boards = start(boards_root, *PROGRAM, "emulate", *options, **images)
    assert boards.stdout is not None
    assert boards.stdout.readline() == "running 1 boards\n"
    installation.until("device/pod-0-mps2-an385-1", "Connected")
    boards.terminate()
    said, _ = boards.communicate(timeout=150)
    assert boards.returncode == 0, said


@confined
def test_a_shard_of_the_suite_runs_from_the_image(boards_root: Path) -> None:
    """The program of ``wasmbed run``'s pods, with the scenarios that are in the image."""
    scenario = "/opt/wasmbed/suite/scenarios/test_enrollment.py"
    arguments = (scenario, "--boards=sim", "--rootdir=/opt/wasmbed/suite", "--shard=0/4", "-p", "no:cacheprovider")
    command = ("/usr/bin/python3", "-P", "-m", "harness.shards.in_pod", "run", "/tmp", *arguments)
    shard = start(boards_root, *command, apart=("--net",))
    assert shard.stdout is not None
    said = []
    for line in iter(shard.stdout.readline, ""):
        said.append(line)
        if line == "ready\n":
            break
    shard.terminate()
    shard.communicate(timeout=150)
    assert shard.returncode == 143
    assert " passed" in "".join(said), said


@pytest.mark.parametrize("name", NAMES)
def test_the_bill_of_an_image_was_signed(name: str) -> None:
    """``SIGNING_KEY=key.pem make oci``, as CI calls it, and the check that docs/how-to/deploy.md shows."""
    from deploy.images import PUBLIC_KEY

    bill = layout(name).with_suffix(".cdx.json")
    if not (signature := bill.with_name(f"{bill.name}.sig")).is_file():
        pytest.skip("the image was built without a SIGNING_KEY")
    verify = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", PUBLIC_KEY, "-in", bill]
    subprocess.run([*verify, "-sigfile", signature], check=True, timeout=60, capture_output=True)


def test_a_signature_tells_a_bill_that_was_changed(tmp_path: Path) -> None:
    from deploy.bill import sign

    key, public, bill = tmp_path / "key.pem", tmp_path / "key.pub", tmp_path / "bill.json"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, timeout=60)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, timeout=60)
    bill.write_text("{}")
    verify = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", bill]
    verify += ["-sigfile", sign(bill, key)]
    assert subprocess.run(verify, capture_output=True, timeout=60, check=False).returncode == 0
    bill.write_text("{ }")
    assert subprocess.run(verify, capture_output=True, timeout=60, check=False).returncode == 1
