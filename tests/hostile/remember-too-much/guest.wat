(import "windlass:procedure/run@0.1.0" "remember" (func $remember (param i32 i32 i32 i32 i32)))

(func $keep (param $bytes i32) (result i32)
  (call $remember (i32.const 0) (i32.const 4) (i32.const 131072) (local.get $bytes) (i32.const 1024))
  ;; 0 if it was taken, 6 for the kind `limit` and one more.
  (i32.mul (i32.load8_u (i32.const 1024)) (i32.add (i32.load8_u offset=4 (i32.const 1024)) (i32.const 1))))
(func $run (result i32)
  (local $count i32)
  (drop (memory.grow (i32.const 64)))
  (memory.fill (i32.const 131072) (i32.const 49) (i32.const 2097152))
  (global.set $free (i32.const 3145728))
  (if (i32.ne (call $keep (i32.const 2097152)) (i32.const 6)) (then (return (call $let_through))))
  (loop $again
    (local.set $count (i32.add (local.get $count) (i32.const 1)))
    (br_if $again (i32.eqz (call $keep (i32.const 1000000)))))
  (if (i32.ne (local.get $count) (i32.const 17)) (then (return (call $let_through))))
  (call $done))
