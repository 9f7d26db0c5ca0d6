"""Tables ``[gateways.NAME]`` for tests, and small programs that stand for gateways that do not do as they should."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.stack.options import StackOptions

__all__ = ["described", "ours"]

OURS = """
kind = "command"
command = ["{python}", "-P", "-m", "harness.cli", "gateway", "--listen", "{{listen}}", "--http", "{{http}}",
  "--name", "{{name}}", "--advertise", "{{advertise}}", "--advertise-http", "{{advertise_http}}",
  "--certificate", "{{certificate}}", "--key", "{{key}}", "--certificate", "{{certificate_2}}", "--key", "{{key_2}}",
  "--device-authority", "{{ca}}", "--device-authority-key", "{{ca_key}}",
  "--kubeconfig", "{{kubeconfig}}", "--namespace", "{{namespace}}", "--settings", "{{folder}}/settings.toml"]
certificates = "der"
keys = "pkcs8-der"
ready = {{ line = "^ready " }}
reload = "SIGHUP"
reload_line = "certificates were read again"
revocation_line = "list of the cluster is in force"
features = ["gateway-certificate-errors", "gateway-device-info", "gateway-http", "gateway-pairing", "gateway-settings"]

[gateways.{name}.files]
"settings.toml" = '''
heartbeat_interval = {{heartbeat_interval}}
last_seen_interval = {{last_seen_interval}}
retry_after = {{retry_after}}
'''
"""


def described(folder: Path, body: str, name: str = "mine") -> StackOptions:
    """Options of a stack whose gateway is the table ``[gateways.NAME]`` with this body, in a file in ``folder``."""
    file = folder / "harness.toml"
    file.write_text(f"# Written by a test.\n[gateways.{name}]\n{body}", "utf-8")
    return StackOptions(gateway=name, gateway_file=file)


def ours(folder: Path, name: str = "mine") -> StackOptions:
    """Options of a stack whose gateway is this project's, brought in as a foreign program would be."""
    return described(folder, OURS.format(python=sys.executable, name=name), name)
