(import "windlass:procedure/run@0.1.0" "recall" (func $recall (param i32 i32 i32)))

(func $run (result i32)
  (loop $again
    (global.set $free (i32.const 65536))
    ;; 4 KB of NUL: in the record six times as much.
    (call $recall (i32.const 4096) (i32.const 4096) (i32.const 1024))
    (br $again))
  (unreachable))
