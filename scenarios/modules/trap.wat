;; Breaks as soon as it runs.
(module
  (memory (export "memory") 1)
  (func (export "run") unreachable))
