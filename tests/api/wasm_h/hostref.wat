;; What hostref.c instantiates.
(module
  (import "" "pass" (func $pass (param externref) (result externref)))
  (import "" "func" (func $func (param funcref) (result funcref)))
  (global (export "global") (mut externref) (ref.null extern))
  (table $table (export "table") 4 externref)
  (func (export "pass") (param externref) (result externref) (call $pass (local.get 0)))
  (func (export "func") (param funcref) (result funcref) (call $func (local.get 0)))
  (func (export "put") (param i32 externref) (table.set $table (local.get 0) (local.get 1)))
  (func (export "take") (param i32) (result externref) (table.get $table (local.get 0)))
  (func (export "is_null") (param externref) (result i32) (ref.is_null (local.get 0))))
