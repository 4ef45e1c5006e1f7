(memory 10000)
(func $run (result i32)
  (call $let_through))
