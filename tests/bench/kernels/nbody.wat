;; Floating point with square roots and divisions: five bodies that attract each other, $n steps of leapfrog.
;; A body is seven f64: position at 0, 8, 16, velocity at 24, 32, 40, mass at 48.
(module
  (memory 1)
  (func $place (param $i i32) (param $x f64) (param $y f64) (param $z f64)
    (param $u f64) (param $v f64) (param $w f64) (param $mass f64)
    (local $at i32)
    (local.set $at (i32.mul (local.get $i) (i32.const 56)))
    (f64.store (local.get $at) (local.get $x))
    (f64.store offset=8 (local.get $at) (local.get $y))
    (f64.store offset=16 (local.get $at) (local.get $z))
    (f64.store offset=24 (local.get $at) (local.get $u))
    (f64.store offset=32 (local.get $at) (local.get $v))
    (f64.store offset=40 (local.get $at) (local.get $w))
    (f64.store offset=48 (local.get $at) (local.get $mass)))
  (func $kick (param $a i32) (param $scale f64) (param $x f64) (param $y f64) (param $z f64)
    (f64.store offset=24 (local.get $a)
      (f64.add (f64.load offset=24 (local.get $a)) (f64.mul (local.get $scale) (local.get $x))))
    (f64.store offset=32 (local.get $a)
      (f64.add (f64.load offset=32 (local.get $a)) (f64.mul (local.get $scale) (local.get $y))))
    (f64.store offset=40 (local.get $a)
      (f64.add (f64.load offset=40 (local.get $a)) (f64.mul (local.get $scale) (local.get $z)))))
  (func $attract (param $dt f64)
    (local $a i32) (local $b i32) (local $x f64) (local $y f64) (local $z f64) (local $d2 f64) (local $pull f64)
    (loop $first
      (local.set $b (i32.add (local.get $a) (i32.const 56)))
      (loop $second
        (local.set $x (f64.sub (f64.load (local.get $a)) (f64.load (local.get $b))))
        (local.set $y (f64.sub (f64.load offset=8 (local.get $a)) (f64.load offset=8 (local.get $b))))
        (local.set $z (f64.sub (f64.load offset=16 (local.get $a)) (f64.load offset=16 (local.get $b))))
        (local.set $d2
          (f64.add
            (f64.add
              (f64.mul (local.get $x) (local.get $x))
              (f64.mul (local.get $y) (local.get $y)))
            (f64.add
              (f64.mul (local.get $z) (local.get $z))
              (f64.const 0.001))))
        (local.set $pull
          (f64.div (local.get $dt) (f64.mul (local.get $d2) (f64.sqrt (local.get $d2)))))
        (call $kick (local.get $a)
          (f64.neg (f64.mul (local.get $pull) (f64.load offset=48 (local.get $b))))
          (local.get $x) (local.get $y) (local.get $z))
        (call $kick (local.get $b)
          (f64.mul (local.get $pull) (f64.load offset=48 (local.get $a)))
          (local.get $x) (local.get $y) (local.get $z))
        (br_if $second
          (i32.lt_u (local.tee $b (i32.add (local.get $b) (i32.const 56))) (i32.const 280))))
      (br_if $first
        (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 56))) (i32.const 224)))))
  (func $drift (param $dt f64)
    (local $a i32)
    (loop $next
      (f64.store (local.get $a)
        (f64.add (f64.load (local.get $a)) (f64.mul (local.get $dt) (f64.load offset=24 (local.get $a)))))
      (f64.store offset=8 (local.get $a)
        (f64.add (f64.load offset=8 (local.get $a)) (f64.mul (local.get $dt) (f64.load offset=32 (local.get $a)))))
      (f64.store offset=16 (local.get $a)
        (f64.add (f64.load offset=16 (local.get $a)) (f64.mul (local.get $dt) (f64.load offset=40 (local.get $a)))))
      (br_if $next
        (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 56))) (i32.const 280)))))
  (func (export "run") (param $n i32) (result i64)
    (call $place (i32.const 0) (f64.const 0) (f64.const 0) (f64.const 0)
      (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 39))
    (call $place (i32.const 1) (f64.const 4.8) (f64.const -1.2) (f64.const -0.1)
      (f64.const 0.6) (f64.const 2.8) (f64.const -0.02) (f64.const 0.04))
    (call $place (i32.const 2) (f64.const 8.3) (f64.const 4.1) (f64.const -0.4)
      (f64.const -1.0) (f64.const 1.8) (f64.const 0.01) (f64.const 0.01))
    (call $place (i32.const 3) (f64.const 12.9) (f64.const -15.1) (f64.const -0.2)
      (f64.const 1.1) (f64.const 0.9) (f64.const -0.01) (f64.const 0.002))
    (call $place (i32.const 4) (f64.const 15.4) (f64.const -25.9) (f64.const 0.2)
      (f64.const 1.0) (f64.const 0.6) (f64.const -0.03) (f64.const 0.002))
    (loop $step
      (call $attract (f64.const 0.01))
      (call $drift (f64.const 0.01))
      (br_if $step (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.xor
      (i64.reinterpret_f64 (f64.load (i32.const 56)))
      (i64.reinterpret_f64 (f64.load offset=24 (i32.const 112))))))
