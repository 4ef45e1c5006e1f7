(import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
(func $run (result i32)
  (call $exit (i32.const 0))
  (call $let_through))
