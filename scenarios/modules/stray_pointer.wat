;; Hands the host a pointer that leaves its memory.
(module
  (import "wasmbed" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "run") (call $log (i32.const 2) (i32.const 0x7fff0000) (i32.const 16))))
