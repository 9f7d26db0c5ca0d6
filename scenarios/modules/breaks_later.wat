;; Breaks in its second tick, eight seconds after it began to run.
(module
  (memory (export "memory") 1)
  (global $ticks (mut i32) (i32.const 0))
  (func (export "run"))
  (func (export "tick") (result i32)
    (if (global.get $ticks) (then unreachable))
    (global.set $ticks (i32.const 1))
    (i32.const 8000)))
