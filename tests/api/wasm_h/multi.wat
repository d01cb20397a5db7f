;; What multi.c instantiates.
(module
  (import "" "swap" (func $swap (param i32 i64 f32 f64) (result f64 f32 i64 i32)))
  (func (export "swap") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
    (call $swap (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func (export "many") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32 i32 i32 i32 i32)
    (i32.add (local.get 0) (local.get 1)) (i32.add (local.get 2) (local.get 3)) (i32.add (local.get 4) (local.get 5))
    (i32.add (local.get 6) (local.get 7)) (i32.add (local.get 8) (local.get 9))))
