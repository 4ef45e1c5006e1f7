(import "windlass:procedure/database-read@0.1.0" "server" (func $server (param i32 i32 i32)))
(func $run (result i32)
  (call $server (i32.const 0) (i32.const 4) (i32.const 1024))
  (call $let_through))
