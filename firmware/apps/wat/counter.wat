;; Counts to five, a tenth of a second apart, and publishes each number as one digit.
(module
  (import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "count")
  (global $count (mut i32) (i32.const 0))
  (func (export "run"))
  (func (export "tick") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store8 (i32.const 16) (i32.add (i32.const 48) (global.get $count)))
    (drop (call $publish (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 1)))
    (select (i32.const 100) (i32.const 0) (i32.lt_u (global.get $count) (i32.const 5)))))
