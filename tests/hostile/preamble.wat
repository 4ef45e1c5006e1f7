;; What every guest of the suite has besides its own text: memory, the canonical ABI's allocator, the two exports, and two ways to end.
;; A guest defines `$run`. The first 1024 bytes of memory belong to this file; a guest has those up to 64 KiB, where the heap begins.
(memory $memory (export "memory") 2)
(global $free (mut i32) (i32.const 65536))
(data (i32.const 0) "done")
(data (i32.const 8) "it was let through")
(data (i32.const 32) "{\"type\":\"object\"}")

(func $reserve (export "cabi_realloc") (param $old i32) (param $had i32) (param $align i32) (param $bytes i32) (result i32)
  (local $place i32)
  (local.set $place (global.get $free))
  (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get $bytes)) (i32.const 15)) (i32.const -16)))
  (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
    (then (drop (memory.grow (i32.add (i32.shr_u (local.get $bytes) (i32.const 16)) (i32.const 1))))))
  (local.get $place))

(func (export "windlass:procedure/procedure@0.1.0#parameters-schema") (result i32)
  (i32.store (i32.const 64) (i32.const 32))
  (i32.store (i32.const 68) (i32.const 17))
  (i32.const 64))

(export "windlass:procedure/procedure@0.1.0#run" (func $run))

;; The end of a guest that succeeded: ok("done").
(func $done (result i32)
  (i32.store (i32.const 80) (i32.const 0))
  (i32.store (i32.const 84) (i32.const 0))
  (i32.store (i32.const 88) (i32.const 4))
  (i32.const 80))

;; The end of a guest that failed: err("it was let through").
(func $let_through (result i32)
  (i32.store (i32.const 80) (i32.const 1))
  (i32.store (i32.const 84) (i32.const 8))
  (i32.store (i32.const 88) (i32.const 18))
  (i32.const 80))
