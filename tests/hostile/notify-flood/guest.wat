(import "windlass:procedure/notify-send@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "ops")
(data (i32.const 1040) "start")
(func $run (result i32)
  (local $count i32) (local $taken i32)
  (loop $again
    (global.set $free (i32.const 65536))
    (call $send (i32.const 1024) (i32.const 3) (i32.const 1040) (i32.const 5)
      (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 2560))
    (if (i32.eqz (i32.load8_u (i32.const 2560)))
      (then (local.set $taken (i32.add (local.get $taken) (i32.const 1))))
      ;; A limit is 5.
      (else (if (i32.ne (i32.load8_u offset=4 (i32.const 2560)) (i32.const 5)) (then (return (call $let_through))))))
    (local.set $count (i32.add (local.get $count) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $count) (i32.const 5000))))
  (if (i32.ne (local.get $taken) (i32.const 100)) (then (return (call $let_through))))
  (call $done))
