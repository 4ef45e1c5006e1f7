(import "windlass:procedure/run@0.1.0" "log" (func $log (param i32 i32 i32)))

(func $run (result i32)
  (loop $again
    (call $log (i32.const 1) (i32.const 0) (i32.const 60000))
    (br $again))
  (unreachable))
