(import "windlass:procedure/notify-send@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "gone-away")
(data (i32.const 1040) "start")
(func $run (result i32)
  (call $send (i32.const 1024) (i32.const 9) (i32.const 1040) (i32.const 5)
    (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 2560))
  ;; Not found.
  (if (i32.eqz (i32.load8_u (i32.const 2560))) (then (return (call $let_through))))
  (if (i32.ne (i32.load8_u offset=4 (i32.const 2560)) (i32.const 2)) (then (return (call $let_through))))
  (call $done))
