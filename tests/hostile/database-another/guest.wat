(import "windlass:procedure/database-read@0.1.0" "server" (func $server (param i32 i32 i32)))

(data (i32.const 1024) "another")
(func $run (result i32)
  (call $server (i32.const 1024) (i32.const 7) (i32.const 2048))
  (if (i32.eqz (i32.load8_u (i32.const 2048))) (then (return (call $let_through))))
  (call $done))
