;; Publishes twenty times every twenty milliseconds, without end.
(module
  (import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "noise")
  (data (i32.const 16) "0123456789abcdef")
  (func (export "run"))
  (func (export "tick") (result i32)
    (local $left i32)
    (local.set $left (i32.const 20))
    (loop $more
      (drop (call $publish (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 16)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (i32.const 20)))
