(import "windlass:procedure/run@0.1.0" "log" (func $log (param i32 i32 i32)))

(func $run (result i32)
  (local $count i32)
  (loop $again
    (call $log (i32.const 1) (i32.const 0) (i32.const 4))
    (local.set $count (i32.add (local.get $count) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $count) (i32.const 20000))))
  (call $done))
