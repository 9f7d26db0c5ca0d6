;; Reads sensor channel 1 ten times and publishes the average in thousandths, as a decimal number.
(module
  (import "wasmbed" "sensor_read" (func $sensor (param i32) (result i32)))
  (import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "average")
  (func (export "run")
    (local $left i32) (local $value i32) (local $at i32)
    (local.set $left (i32.const 10))
    (loop $more
      (local.set $value (i32.add (local.get $value) (call $sensor (i32.const 1))))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
    ;; digits, last first, up to address 64
    (local.set $at (i32.const 64))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
      (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
      (br_if $digit (local.get $value)))
    (drop (call $publish (i32.const 0) (i32.const 7)
      (local.get $at) (i32.sub (i32.const 64) (local.get $at))))))
