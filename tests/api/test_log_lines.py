"""Lines of pods' logs."""

from pathlib import Path

from harness.core.clock import SystemClock
from harness.core.logs import get_log
from harness.wasmbed.api.log_lines import LogLine, OwnLog, PodLogs, read_lines
from harness.wasmbed.resources.kinds import POD
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from tests.api.world import World

AT = "2026-11-30T10:00:00.123456789Z"


def test_a_line_has_its_time_and_level() -> None:
    lines = [f"{AT} WARNING device pump-1: refused", f"{AT} ready http=127.0.0.1:1", f"{AT} CRITICAL gone", AT]
    assert list(read_lines("\n".join(lines), "gateway")) == [
        LogLine(AT, "warning", "gateway", "device pump-1: refused"),
        LogLine(AT, "info", "gateway", "ready http=127.0.0.1:1"),
        LogLine(AT, "error", "gateway", "gone"),
        LogLine(AT, "info", "gateway", ""),
    ]


def test_a_part_of_a_line_is_none() -> None:
    """The kubelet cuts a long log anywhere; and a device can have its gateway log a separator of Unicode's."""
    text = f"{AT} device said \u2028{AT} ERROR forged\x0c\x85\n{AT} ready\n{AT[:9]}"
    assert list(read_lines(text, "gateway")) == [
        LogLine(AT, "info", "gateway", f"device said \u2028{AT} ERROR forged\x0c\x85"),
        LogLine(AT, "info", "gateway", "ready"),
    ]


async def test_they_are_this_process_s_only_without_pods(world: World, tmp_path: Path) -> None:
    await world.cluster.write_kubeconfig(tmp_path / "kubeconfig")
    api = await KubernetesApi.open("wasmbed", kubeconfig=tmp_path / "kubeconfig")
    try:
        logs = PodLogs(api, SystemClock(), OwnLog(SystemClock()))
        logs.begin()
        get_log("harness.wasmbed.gateway").error("here")
        logs.end()
        assert [each.message for each in await logs.read()] == ["here"]
        labels = {"app.kubernetes.io/component": "gateway"}
        spec = {"containers": [{"name": "gateway", "image": "wasmbed"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "g-0", "labels": labels}, "spec": spec}
        await world.api.create(POD, pod)
        assert await logs.read() == []
    finally:
        await api.close()
