;; What start.c instantiates.
(module
  (import "" "started" (func $started (param i32)))
  (func $start (call $started (i32.const 3)) (unreachable))
  (start $start))
