(import "windlass:procedure/run@0.1.0" "panicked" (func $panicked (param i32 i32)))

(data (i32.const 1024) "\1b[2J\1b]0;owned\07\e2\80\ae gnp.exe \e2\81\a6\0d\0aerror: forged")
(func $run (result i32)
  (call $panicked (i32.const 1024) (i32.const 44))
  (unreachable))
