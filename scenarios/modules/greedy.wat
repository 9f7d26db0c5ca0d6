;; Grows its memory until it is refused, and breaks.
(module
  (memory (export "memory") 1)
  (func (export "run")
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    unreachable))
