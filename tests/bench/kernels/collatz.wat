;; 64-bit integers: the sum of the lengths of the Collatz sequences from 1 to $n.
(module
  (func (export "run") (param $n i32) (result i64)
    (local $x i64) (local $steps i64)
    (loop $next
      (local.set $x (i64.extend_i32_u (local.get $n)))
      (block $done
        (loop $step
          (br_if $done (i64.le_u (local.get $x) (i64.const 1)))
          (local.set $steps (i64.add (local.get $steps) (i64.const 1)))
          (if (i64.eqz (i64.and (local.get $x) (i64.const 1)))
            (then (local.set $x (i64.shr_u (local.get $x) (i64.const 1))))
            (else
              (local.set $x
                (i64.add (i64.mul (local.get $x) (i64.const 3)) (i64.const 1)))))
          (br $step)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $steps)))
