;; br_table: a machine of six states eats the bytes of a pseudo-random text (words, numbers, blanks, quotes) $n times and
;; counts tokens.
(module
  (memory 1)
  (func $fill
    (local $i i32) (local $seed i32)
    (local.set $seed (i32.const 12345))
    (loop $next
      (local.set $seed
        (i32.add (i32.mul (local.get $seed) (i32.const 1103515245)) (i32.const 12345)))
      (i32.store8 (local.get $i)
        (i32.and (i32.shr_u (local.get $seed) (i32.const 16)) (i32.const 7)))
      (br_if $next
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536)))))
  (func $scan (result i32)
    (local $i i32) (local $state i32) (local $byte i32) (local $tokens i32)
    (loop $next
      (local.set $byte (i32.load8_u (local.get $i)))
      (block $done
        (block $escape
          (block $quoted
            (block $sign
              (block $number
                (block $word
                  (block $blank
                    (br_table $blank $word $number $sign $quoted $escape (local.get $state)))
                  ;; blank: what begins here?
                  (local.set $tokens
                    (i32.add (local.get $tokens) (i32.ne (local.get $byte) (i32.const 0))))
                  (local.set $state
                    (select
                      (i32.const 1)
                      (select
                        (i32.const 2)
                        (select (i32.const 4) (i32.const 3) (i32.eq (local.get $byte) (i32.const 6)))
                        (i32.lt_u (local.get $byte) (i32.const 5)))
                      (i32.lt_u (local.get $byte) (i32.const 3))))
                  (br $done))
                ;; word: letters and digits go on
                (if (i32.ge_u (local.get $byte) (i32.const 5))
                  (then (local.set $state (i32.const 0))))
                (br $done))
              ;; number: digits go on, a letter makes it a word
              (if (i32.lt_u (local.get $byte) (i32.const 2))
                (then (local.set $state (i32.const 1)))
                (else
                  (if (i32.gt_u (local.get $byte) (i32.const 4))
                    (then (local.set $state (i32.const 0))))))
              (br $done))
            ;; sign: one byte
            (local.set $state (i32.const 0))
            (br $done))
          ;; quoted: up to the next quote; 7 escapes
          (if (i32.eq (local.get $byte) (i32.const 6))
            (then (local.set $state (i32.const 0)))
            (else
              (if (i32.eq (local.get $byte) (i32.const 7))
                (then (local.set $state (i32.const 5))))))
          (br $done))
        ;; escape: one byte, whatever it is
        (local.set $state (i32.const 4)))
      (br_if $next
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536))))
    (local.get $tokens))
  (func (export "run") (param $n i32) (result i64)
    (local $sum i64)
    (call $fill)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $scan))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
