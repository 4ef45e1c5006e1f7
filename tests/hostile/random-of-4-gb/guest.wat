(import "windlass:procedure/run@0.1.0" "random" (func $random (param i32 i32)))

(func $run (result i32)
  (call $random (i32.const -1) (i32.const 1024))
  (if (i32.ne (i32.load (i32.const 1028)) (i32.const 1024)) (then (return (call $let_through))))
  (call $done))
