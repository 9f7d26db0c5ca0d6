#!/usr/bin/env bash
# wasmtime charges fuel for instantiating a module that runs no code, and its charges differ between releases.
#
# The documentation says that fuel is consumed "as WebAssembly executes". Since version 46 copying a data segment at instantiation
# costs a unit for each byte, so a module without a start function can trap with "all fuel consumed" before any call; but only if
# copy-on-write images (memory_init_cow), an optimisation, are off. memory.fill and memory.copy cost a unit for each byte too (before,
# 5 units for any size), and since 49 memory.grow costs one for each page. A call with just enough fuel fails after an update.
# Needs python3 (3.11 or newer). Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >fuel.py <<'PYTHON'
import json
import wasmtime

FUEL = 10_000_000
data = "x" * 4000
TEXT = f"""(module (memory (export "memory") 16 32) (data (i32.const 0) "{data}")
  (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576)))
  (func (export "grow") (drop (memory.grow (i32.const 10)))))"""


def compiled(copy_on_write):
    config = wasmtime.Config()
    config.consume_fuel = True
    config.memory_init_cow = copy_on_write
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module(engine, wasmtime.wat2wasm(TEXT))


costs = {}
for copy_on_write in (True, False):
    engine, module = compiled(copy_on_write)
    store = wasmtime.Store(engine)
    store.set_fuel(FUEL)
    exports = wasmtime.Instance(store, module, []).exports(store)
    costs["instantiation" if copy_on_write else "without copy-on-write"] = FUEL - store.get_fuel()
for name in ("fill", "grow"):
    before = store.get_fuel()
    exports[name](store)
    costs[name] = before - store.get_fuel()
little = wasmtime.Store(engine)
little.set_fuel(10)
try:
    wasmtime.Instance(little, module, [])
    costs["with 10 units"] = "instantiated"
except wasmtime.Trap as trap:
    costs["with 10 units"] = "all fuel consumed" if "all fuel consumed" in str(trap) else str(trap)
print(json.dumps(costs))
PYTHON

seen=""
for version in 45.0.0 46.0.1 49.0.0 50.0.1; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install -q "wasmtime==$version"
    costs=$("venv-$version/bin/python" fuel.py)
    echo "wasmtime $version: $costs"
    seen+="$costs"$'\n'
done
expected='{"instantiation": 0, "without copy-on-write": 0, "fill": 5, "grow": 3, "with 10 units": "instantiated"}
{"instantiation": 0, "without copy-on-write": 4002, "fill": 1048581, "grow": 3, "with 10 units": "all fuel consumed"}
{"instantiation": 0, "without copy-on-write": 4002, "fill": 1048581, "grow": 13, "with 10 units": "all fuel consumed"}
{"instantiation": 0, "without copy-on-write": 4002, "fill": 1048581, "grow": 13, "with 10 units": "all fuel consumed"}
'
if [ "$seen" != "$expected" ]; then
    echo "the behaviour has changed" >&2
    exit 1
fi
