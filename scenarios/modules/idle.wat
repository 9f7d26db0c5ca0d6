;; Does nothing, and is content with it.
(module
  (memory (export "memory") 1)
  (func (export "run")))
