;; Imports what no device offers.
(module
  (import "wasmbed" "teleport" (func $teleport))
  (memory (export "memory") 1)
  (func (export "run") (call $teleport)))
