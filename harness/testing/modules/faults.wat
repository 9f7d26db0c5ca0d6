;; One entry for each way in which a call can end early, and one that does not.
(module
  (import "wasmbed" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "fine"))
  (func (export "trap") unreachable)
  (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.load (i32.const 0)))))
  (func (export "reach") (drop (i32.load (i32.const 65533))))
  (func (export "stray") (call $log (i32.const 2) (i32.const 65530) (i32.const 16)))
  (func (export "spin") (loop $again (br $again)))
  (func (export "grow")
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    unreachable)
  (func $deep (export "deep") (call $deep)))
