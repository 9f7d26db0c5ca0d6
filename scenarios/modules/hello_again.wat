;; The next version of hello.
(module
  (import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "greeting")
  (data (i32.const 16) "hello again")
  (func (export "run")
    (drop (call $publish (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 11)))))
