;; What global.c instantiates.
(module
  (import "" "constant" (global $constant f32))
  (import "" "variable" (global $variable (mut i64)))
  (global $own (export "own") (mut i32) (i32.const 5))
  (export "variable" (global $variable))
  (func (export "constant") (result f32) (global.get $constant))
  (func (export "set") (param i64) (global.set $variable (local.get 0)))
  (func (export "own_") (result i32) (global.get $own)))
