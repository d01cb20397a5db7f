#!/bin/sh
# runner.sh BUILD: the suite runner tells right from wrong, and reads what wast2json writes. Two scripts: one in which every
# assertion holds, one in which none does.
set -u
build=${1:-build/release}
runner=$build/tests/spec/spec
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/right" "$scratch/wrong" "$scratch/empty"

module='(module $m
  (func $add (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "func") (result funcref) (ref.func $add))
  (func (export "null") (result funcref) (ref.null func))
  (func (export "nan") (result f32) (f32.div (f32.const 0) (f32.const 0)))
  (func (export "zero") (result f64) (f64.const -0))
  (func (export "two") (result i32 i64) (i32.const 1) (i64.const -2))
  (func (export "trap") (unreachable))
  (func $deep (export "deep") (call $deep))
  (global (export "seven") i32 (i32.const 7)))
(register "m" $m)'
cat >"$scratch/right.wast" <<EOT
$module
(module (import "m" "add" (func (param i32 i32) (result i32))) (import "spectest" "print_i32" (func (param i32))))
(assert_return (invoke \$m "add" (i32.const 1) (i32.const -2)) (i32.const -1))
(assert_return (invoke \$m "same" (ref.extern 5)) (ref.extern 5))
(assert_return (invoke \$m "same" (ref.null extern)) (ref.null extern))
(assert_return (invoke \$m "func") (ref.func))
(assert_return (invoke \$m "null") (ref.null func))
(assert_return (invoke \$m "nan") (f32.const nan:canonical))
(assert_return (invoke \$m "nan") (f32.const nan:arithmetic))
(assert_return (invoke \$m "zero") (f64.const -0))
(assert_return (invoke \$m "two") (i32.const 1) (i64.const -2))
(assert_return (get \$m "seven") (i32.const 7))
(assert_trap (invoke \$m "trap") "unreachable")
(assert_exhaustion (invoke \$m "deep") "call stack exhausted")
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_malformed (module binary "\\00asm\\02\\00\\00\\00") "unknown binary version")
(assert_unlinkable (module (import "m" "add" (func (param i64)))) "incompatible import type")
(assert_trap (module (func \$f (unreachable)) (start \$f)) "unreachable")
EOT
cat >"$scratch/wrong.wast" <<EOT
$module
(assert_return (invoke \$m "add" (i32.const 1) (i32.const -2)) (i32.const 1))
(assert_return (invoke \$m "same" (ref.extern 5)) (ref.extern 6))
(assert_return (invoke \$m "same" (ref.null extern)) (ref.extern 1))
(assert_return (invoke \$m "func") (ref.null func))
(assert_return (invoke \$m "null") (ref.func))
(assert_return (invoke \$m "nan") (f32.const 0))
(assert_return (invoke \$m "zero") (f64.const 0))
(assert_return (invoke \$m "zero") (f64.const nan:arithmetic))
(assert_return (invoke \$m "two") (i32.const 1) (i64.const 2))
(assert_return (invoke \$m "two") (i32.const 1))
(assert_return (invoke \$m "absent"))
(assert_return (get \$m "seven") (i32.const 8))
(assert_return (invoke \$m "trap"))
(assert_trap (invoke \$m "nan") "unreachable")
(assert_trap (invoke \$m "deep") "unreachable")
(assert_exhaustion (invoke \$m "trap") "call stack exhausted")
(assert_unlinkable (module (import "m" "add" (func (param i32 i32) (result i32)))) "incompatible import type")
(assert_trap (module (func \$f) (start \$f)) "unreachable")
EOT
for script in right wrong; do
    wast2json --no-check "$scratch/$script.wast" -o "$scratch/$script/$script.json" || exit 1
done
# Valid, malformed and of another kind than it says: wast2json would not write these.
cp "$scratch/right/right.0.wasm" "$scratch/wrong/good.wasm"
cat >"$scratch/wrong/modules.json" <<EOT
{"source_filename": "modules.wast", "commands": [
 {"type": "assert_invalid", "line": 1, "filename": "good.wasm", "module_type": "binary", "text": "type mismatch"},
 {"type": "assert_malformed", "line": 2, "filename": "good.wasm", "module_type": "binary", "text": "magic header"},
 {"type": "module", "line": 3, "filename": "absent.wasm"},
 {"type": "assert_weather", "line": 4}]}
EOT

expect() { # NAME CLOSING-LINE STATUS COMMAND...
    name=$1 closing=$2 wanted=$3
    shift 3
    "$@" >"$scratch/output" 2>&1
    status=$?
    if [ "$(tail -n 1 "$scratch/output")" = "$closing" ] && [ "$status" = "$wanted" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "runner: $name: expected \"$closing\" and status $wanted, got status $status and:"
    tail -n 20 "$scratch/output"
}
expect "all hold" "19 passed, 0 failed, 0 skipped" 0 "$runner" "$scratch/right" --no-expected
expect "none holds" "2 passed, 22 failed, 0 skipped" 1 "$runner" "$scratch/wrong" --no-expected
expect "without a process for each" "19 passed, 0 failed, 0 skipped" 0 "$runner" "$scratch/right" --no-expected --no-fork
expect "a folder without scripts" "spec: no scripts in $scratch/empty" 2 "$runner" "$scratch/empty"
expect "a folder that is not there" "spec: no scripts in $scratch/absent" 2 "$runner" "$scratch/absent"
mkdir "$scratch/lists"
echo 'right 19 0' >"$scratch/lists/SIMD.txt"
expect "a listed script that needs nothing" "19 passed, 1 failed, 0 skipped" 1 \
    "$runner" "$scratch/right" --expected "$scratch/lists"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
