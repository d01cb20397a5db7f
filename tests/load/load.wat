;; One shared module; every worker gives it imports of its own and must see them, and only them.
(module
  (global $id (import "env" "id") i32)
  (func $mix (import "env" "mix") (param i32) (result i32))
  (global $calls (mut i32) (i32.const 0))
  (memory 1)
  (data (i32.const 64) "a fresh memory for each instance")
  ;; the worker's id, mixed by the worker's function, plus what this instance alone has counted and stored (both 0)
  (func (export "check") (result i32)
    (i32.add
      (call $mix (global.get $id))
      (i32.add (global.get $calls) (i32.load (i32.const 1024))))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1000)))
    (i32.store (i32.const 1024) (global.get $id))))
