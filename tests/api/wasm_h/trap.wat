;; What trap.c instantiates.
(module
  (import "" "fail" (func $fail (result i32)))
  (func $inner (result i32) (call $fail))
  (func (export "host") (result i32) (call $inner))
  (func (export "own") (result i32) (nop) (unreachable)))
