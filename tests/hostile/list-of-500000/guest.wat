(import "windlass:procedure/database-maintain@0.1.0" "set-parameters"
  (func $set (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(func $run (result i32)
  (drop (memory.grow (i32.const 256)))
  ;; The elements lie in what was just had: empty names, no values.
  (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)
    (i32.const 131072) (i32.const 500000) (i32.const 1024))
  (call $let_through))
