(import "windlass:procedure/run@0.1.0" "progress" (func $progress (param i64 i64 i32 i32)))

(func $run (result i32)
  (loop $again
    (call $progress (i64.const 1) (i64.const 2) (i32.const 0) (i32.const 4096))
    (br $again))
  (unreachable))
