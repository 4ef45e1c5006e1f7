(import "windlass:procedure/run@0.1.0" "target" (func $target (param i32)))

(import "windlass:procedure/database-maintain@0.1.0" "set-parameters"
  (func $set (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "public")
(data (i32.const 1040) "accounts")
(data (i32.const 1056) "fillfactor = 10); DROP TABLE accounts; --")
;; One element: the name above, no value.
(data (i32.const 1104) "\20\04\00\00\29\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(func $run (result i32)
  (call $target (i32.const 3072))
  (call $set (i32.load (i32.const 3072)) (i32.load (i32.const 3076)) (i32.const 1024) (i32.const 6) (i32.const 1040) (i32.const 8)
    (i32.const 1104) (i32.const 1) (i32.const 2048))
  (if (i32.eqz (i32.load8_u (i32.const 2048))) (then (return (call $let_through))))
  ;; The kind is `invalid`.
  (if (i32.ne (i32.load8_u offset=4 (i32.const 2048)) (i32.const 1)) (then (return (call $let_through))))
  (call $done))
