;; What table.c instantiates.
(module
  (table (export "table") 2 10 funcref)
  (type $unary (func (param i32) (result i32)))
  (func (export "call") (param i32 i32) (result i32)
    (call_indirect (type $unary) (local.get 0) (local.get 1)))
  (func $f (export "f") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 5)))
  (elem (i32.const 1) $f))
