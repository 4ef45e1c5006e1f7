(table 1000000 funcref)
(func $run (result i32)
  (call $let_through))
