;; Wants 4 MiB of memory from the start.
(module
  (memory (export "memory") 64)
  (func (export "run")))
