;; What reflect.c instantiates.
(module
  (import "host" "func" (func (param i32 externref) (result f64)))
  (import "host" "gl\00obal" (global (mut funcref)))
  (import "" "table" (table 1 5 funcref))
  (import "m" "" (memory 1))
  (func (export "func") (param i64) (result i32 f32) (i32.const 1) (f32.const 2))
  (global (export "global") i64 (i64.const 3))
  (table (export "table") 7 externref)
  (export "memory" (memory 0)))
