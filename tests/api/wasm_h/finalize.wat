;; What finalize.c instantiates.
(module
  (memory (export "memory") 1)
  (global (export "global") (mut i32) (i32.const 1))
  (table (export "table") 1 funcref)
  (func (export "func") (result i32) (i32.const 42)))
