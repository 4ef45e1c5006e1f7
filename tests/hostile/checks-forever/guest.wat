(import "windlass:procedure/run@0.1.0" "check" (func $check (param i32 i32 i32 i32 i32)))

(func $run (result i32)
  (loop $again
    (call $check (i32.const 0) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 60000))
    (br $again))
  (unreachable))
