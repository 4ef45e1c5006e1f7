(import "windlass:procedure/run@0.1.0" "parameters" (func $parameters (param i32)))

(func $run (result i32)
  (loop $again
    (global.set $free (i32.const 65536))
    (call $parameters (i32.const 1024))
    (br $again))
  (unreachable))
