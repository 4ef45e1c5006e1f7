(import "windlass:procedure/run@0.1.0" "target" (func $target (param i32)))
(import "windlass:procedure/database-read@0.1.0" "server" (func $server (param i32 i32 i32)))

(func $run (result i32)
  (local $count i32)
  (call $target (i32.const 3072))
  (memory.copy (i32.const 3200) (i32.load (i32.const 3072)) (i32.load (i32.const 3076)))
  (loop $again
    (global.set $free (i32.const 65536))
    (call $server (i32.const 3200) (i32.load (i32.const 3076)) (i32.const 2048))
    (local.set $count (i32.add (local.get $count) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $count) (i32.const 100000))))
  (call $done))
