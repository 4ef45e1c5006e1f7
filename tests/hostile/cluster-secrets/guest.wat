;; Each job takes something for its pods that no grant names: a Secret in each way there is, another's claim, an image, a rank. It is applied,
;; compared and run; each way is denied.
(import "windlass:procedure/cluster-config@0.1.0" "apply"
  (func $apply (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "windlass:procedure/cluster-config@0.1.0" "compare"
  (func $compare (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "windlass:procedure/cluster-manifest-jobs@0.1.0" "from-manifest"
  (func $job (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "staging")
;; A line each; an empty one ends them.
(data (i32.const 4096)
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"P\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"db\",\"key\":\"p\"}}}]}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"envFrom\":[{\"secretRef\":{\"name\":\"db\"}}]}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"envFrom\":[{\"secretRef\":{\"name\":\"db\"}}]}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"db\"}}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{\"secret\":{\"name\":\"db\"}}]}}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\"}}]}}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"csi\":{\"driver\":\"x\",\"nodePublishSecretRef\":{\"name\":\"db\"}}}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"app\"}}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[],\"imagePullSecrets\":[{\"name\":\"pull\"}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"elsewhere.example/a:1\"}]}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"priorityClassName\":\"high\",\"containers\":[]}}}}\n"
  "\n")
;; Whether the answer at 2048 is anything but denied or invalid. Its first byte is 1 for an error; the error's kind stands where the answer has
;; its place, which is its first field's alignment.
(func $is_through (param $kind i32) (result i32)
  (i32.or (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (i32.gt_u (i32.load8_u (local.get $kind)) (i32.const 1))))
(func $try (param $at i32) (param $length i32) (result i32)
  (call $apply (i32.const 1024) (i32.const 7) (local.get $at) (local.get $length)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (call $is_through (i32.const 2052)) (then (return (i32.const 1))))
  (call $compare (i32.const 1024) (i32.const 7) (local.get $at) (local.get $length)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (call $is_through (i32.const 2052)) (then (return (i32.const 1))))
  (call $job (i32.const 1024) (i32.const 7) (local.get $at) (local.get $length) (i32.const 1) (i32.const 2048))
  (call $is_through (i32.const 2056)))
(func $run (result i32)
  (local $at i32)
  (local $end i32)
  (local.set $at (i32.const 4096))
  (loop $line
    (local.set $end (local.get $at))
    (block $ended
      (loop $byte
        (br_if $ended (i32.eq (i32.load8_u (local.get $end)) (i32.const 10)))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $byte)))
    (if (i32.eq (local.get $at) (local.get $end)) (then (return (call $done))))
    (if (call $try (local.get $at) (i32.sub (local.get $end) (local.get $at)))
      (then (return (call $let_through))))
    (local.set $at (i32.add (local.get $end) (i32.const 1)))
    (br $line))
  (unreachable))
