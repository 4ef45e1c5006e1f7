(import "windlass:procedure/probe-read@0.1.0" "http" (func $http (param i32 i32 i32)))
(data (i32.const 1024) "metadata")
(func $run (result i32)
  (call $http (i32.const 1024) (i32.const 8) (i32.const 2560))
  ;; Denied.
  (if (i32.eqz (i32.load8_u (i32.const 2560))) (then (return (call $let_through))))
  (if (i32.ne (i32.load8_u offset=8 (i32.const 2560)) (i32.const 0)) (then (return (call $let_through))))
  (call $done))
