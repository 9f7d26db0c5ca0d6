#!/usr/bin/env bash
# wasmtime's Module::validate accepts a module that Module::new refuses, on the same engine.
#
# The documentation of wasmtime_module_validate says that it validates "according to the engine's configuration". Compact import
# sections, a proposal that is off in the engine, are refused when the module is compiled, but pass the validation: the validator gets
# the engine's features, but its parser does not. A gateway that only validates, because that is much cheaper, sends modules that no
# engine with the same configuration loads. Needs python3 (3.11 or newer). Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q wasmtime==50.0.1

cat >validate.py <<'PYTHON'
import sys
from importlib.metadata import version

import wasmtime
from wasmtime import _bindings as c_api


def section(number, content):
    return bytes([number, len(content)]) + content


# Imports env.f and env.g: the module's name once, then (0x7f) a list of names with their types.
module = b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(2, b"\1\3env\0\x7f\2\1f\0\0\1g\0\0")


def outcome(act):
    try:
        act()
    except wasmtime.WasmtimeError as error:
        return " ".join(str(error).split())
    return "accepted"


print(f"wasmtime {version('wasmtime')}")
seen = {}
for on in (False, True):
    config = wasmtime.Config()
    c_api.wasmtime_config_wasm_compact_imports_set(config.ptr(), on)
    engine = wasmtime.Engine(config)
    for name, act in (("validate", wasmtime.Module.validate), ("compile", wasmtime.Module)):
        seen[on, name] = outcome(lambda act=act: act(engine, module))
        print(f"compact imports {'on' if on else 'off'}, {name}: {seen[on, name]}")
changed = (seen[False, "validate"], seen[True, "compile"]) != ("accepted", "accepted")
changed |= "compact imports proposal disabled" not in seen[False, "compile"]
sys.exit("the behaviour has changed" if changed else 0)
PYTHON
venv/bin/python validate.py
