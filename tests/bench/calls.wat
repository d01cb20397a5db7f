;; Calls in every direction, for bench_calls: loops of $n calls that add up, and the same loop without a call.
;; The callee calls itself for -1, which never comes: so that no compiler puts it into its caller.
(module
  (import "host" "add" (func $host_add (param i32 i32) (result i32)))
  (type $binary (func (param i32 i32) (result i32)))
  (table funcref (elem $add $add $add $add))
  (func $add (export "add") (param $a i32) (param $b i32) (result i32)
    (if (result i32) (i32.eq (local.get $b) (i32.const -1))
      (then (call $add (local.get $a) (i32.const 0)))
      (else (i32.add (local.get $a) (local.get $b)))))
  (func (export "nothing"))
  (func (export "loop") (param $n i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "call") (param $n i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum (call $add (local.get $sum) (local.get $n)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "call_indirect") (param $n i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum
        (call_indirect (type $binary) (local.get $sum) (local.get $n) (i32.and (local.get $n) (i32.const 3))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "call_host") (param $n i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum (call $host_add (local.get $sum) (local.get $n)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
