;; Says hello on the console and publishes it.
(module
  (import "wasmbed" "log" (func $log (param i32 i32 i32)))
  (import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "greeting")
  (data (i32.const 16) "hello from a module")
  (func (export "run")
    (call $log (i32.const 2) (i32.const 16) (i32.const 19))
    (drop (call $publish (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 19)))))
