;; The module that the examples of the public headers work with.
(module
  (import "host" "next" (func $next (param i32) (result i32)))
  (memory (export "memory") 1)
  (table (export "table") 2 funcref)
  (global (export "counter") (mut i32) (i32.const 0))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "twice") (param i32) (result i32) (call $next (call $next (local.get 0)))))
