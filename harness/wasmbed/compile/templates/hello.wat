;; Writes a line to the console, once.
(module
  (import "wasmbed" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "hello from text")
  ;; Called once after the deployment.
  (func (export "run")
    (call $log (i32.const 2) (i32.const 0) (i32.const 15))))
