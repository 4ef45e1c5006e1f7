(import "windlass:procedure/run@0.1.0" "target" (func $target (param i32)))

(import "windlass:procedure/database-maintain@0.1.0" "cancel-backend" (func $cancel (param i32 i32 i32 i64 i32)))
(func $run (result i32)
  (local $pid i32)
  (call $target (i32.const 3072))
  (loop $again
    (call $cancel (i32.load (i32.const 3072)) (i32.load (i32.const 3076)) (local.get $pid) (i64.const 0) (i32.const 2048))
    (if (i32.eqz (i32.load8_u (i32.const 2048))) (then (return (call $let_through))))
    (local.set $pid (i32.add (local.get $pid) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $pid) (i32.const 50))))
  (call $done))
