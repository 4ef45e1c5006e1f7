(import "windlass:procedure/run@0.2.0" "target" (func $later (param i32)))
(func $run (result i32)
  (call $later (i32.const 1024))
  (call $let_through))
