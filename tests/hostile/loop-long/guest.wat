(func $run (result i32)
  (local $count i64)
  (loop $again
    (local.set $count (i64.add (local.get $count) (i64.const 1)))
    (br_if $again (i64.lt_u (local.get $count) (i64.const 1000000000000))))
  (call $done))
