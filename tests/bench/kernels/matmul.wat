;; Floating point loads and sums: the product of two 128 x 128 matrices, $n times; the sum of its elements.
(module
  (memory 16)
  (global $a i32 (i32.const 0))
  (global $b i32 (i32.const 262144))
  (global $c i32 (i32.const 524288))
  (func $at (param $base i32) (param $n i32) (param $row i32) (param $column i32) (result i32)
    (i32.add (local.get $base)
      (i32.shl (i32.add (i32.mul (local.get $row) (local.get $n)) (local.get $column)) (i32.const 3))))
  (func $fill (param $n i32)
    (local $i i32) (local $end i32)
    (local.set $end (i32.mul (local.get $n) (local.get $n)))
    (loop $next
      (f64.store (i32.add (global.get $a) (i32.shl (local.get $i) (i32.const 3)))
        (f64.convert_i32_s (i32.sub (i32.rem_u (local.get $i) (i32.const 17)) (i32.const 8))))
      (f64.store (i32.add (global.get $b) (i32.shl (local.get $i) (i32.const 3)))
        (f64.convert_i32_s (i32.sub (i32.rem_u (local.get $i) (i32.const 13)) (i32.const 6))))
      (br_if $next
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $end)))))
  (func $multiply (param $n i32)
    (local $i i32) (local $j i32) (local $k i32)
    (local $p i32) (local $q i32) (local $step i32) (local $sum f64)
    (local.set $step (i32.shl (local.get $n) (i32.const 3)))
    (loop $rows
      (local.set $j (i32.const 0))
      (loop $columns
        (local.set $sum (f64.const 0))
        (local.set $p (call $at (global.get $a) (local.get $n) (local.get $i) (i32.const 0)))
        (local.set $q (call $at (global.get $b) (local.get $n) (i32.const 0) (local.get $j)))
        (local.set $k (local.get $n))
        (loop $inner
          (local.set $sum
            (f64.add (local.get $sum)
              (f64.mul (f64.load (local.get $p)) (f64.load (local.get $q)))))
          (local.set $p (i32.add (local.get $p) (i32.const 8)))
          (local.set $q (i32.add (local.get $q) (local.get $step)))
          (br_if $inner (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
        (f64.store (call $at (global.get $c) (local.get $n) (local.get $i) (local.get $j)) (local.get $sum))
        (br_if $columns
          (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
      (br_if $rows
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))
  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $sum f64)
    (call $fill (i32.const 128))
    (loop $again
      (call $multiply (i32.const 128))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.set $i (i32.const 16384))
    (loop $next
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (local.set $sum
        (f64.add (local.get $sum)
          (f64.load (i32.add (global.get $c) (i32.shl (local.get $i) (i32.const 3))))))
      (br_if $next (local.get $i)))
    (i64.trunc_f64_s (local.get $sum))))
