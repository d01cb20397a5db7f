;; What threads.c instantiates.
(module
  (import "" "id" (global $id i32))
  (import "" "add" (func $add (param i32 i32) (result i32)))
  (func (export "run") (param i32) (result i32) (call $add (local.get 0) (global.get $id))))
