;; Publishes its first argument and the environment variable SITE.
(module
  (import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (import "wasmbed" "argument" (func $argument (param i32 i32 i32) (result i32)))
  (import "wasmbed" "environment" (func $environment (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "argument")
  (data (i32.const 16) "SITE")
  (func (export "run")
    (drop (call $publish (i32.const 0) (i32.const 8) (i32.const 64)
      (call $argument (i32.const 0) (i32.const 64) (i32.const 256))))
    (drop (call $publish (i32.const 16) (i32.const 4) (i32.const 512)
      (call $environment (i32.const 16) (i32.const 4) (i32.const 512) (i32.const 256))))))
