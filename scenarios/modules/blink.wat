;; Switches output pin 13 on and off, ten times a second, for as long as it is left to.
(module
  (import "wasmbed" "gpio_write" (func $gpio (param i32 i32)))
  (memory (export "memory") 1)
  (global $on (mut i32) (i32.const 0))
  (func (export "run"))
  (func (export "tick") (result i32)
    (global.set $on (i32.eqz (global.get $on)))
    (call $gpio (i32.const 13) (global.get $on))
    (i32.const 50)))
