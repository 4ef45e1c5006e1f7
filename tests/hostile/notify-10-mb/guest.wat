(import "windlass:procedure/notify-send@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "ops")
(data (i32.const 1040) "start")
(func $run (result i32)
  (drop (memory.grow (i32.const 200)))
  (call $send (i32.const 1024) (i32.const 3) (i32.const 1040) (i32.const 5)
    (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 131072) (i32.const 10000000) (i32.const 0) (i32.const 0) (i32.const 2560))
  (call $let_through))
