;; Imports what no device offers.
(module
  (import "wasmbed" "fly" (func $fly (param i32)))
  (memory (export "memory") 1)
  (func (export "run") (call $fly (i32.const 1))))
