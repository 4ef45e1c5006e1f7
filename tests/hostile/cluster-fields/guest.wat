;; Each field is set to a text in a deployment, and one in a secret. All are denied (0) or invalid (1).
(import "windlass:procedure/cluster-config@0.1.0" "patch"
  (func $patch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "staging")
(data (i32.const 1040) "apps/v1")
(data (i32.const 1056) "Deployment")
(data (i32.const 1072) "shop")
(data (i32.const 1088) "windlass-hostile")
(data (i32.const 1120) "v1")
(data (i32.const 1136) "Secret")
(data (i32.const 1152) "\"a\"")
(data (i32.const 1168) "data.a")
;; A line each; an empty one ends them.
(data (i32.const 4096)
  "status.replicas\n"
  "kind\n"
  "metadata.name\n"
  "metadata.finalizers\n"
  "metadata.ownerReferences\n"
  "metadata.annotations[windlass.dev/effect]\n"
  "metadata.labels[applyset.kubernetes.io/part-of]\n"
  "spec.template.spec.hostNetwork\n"
  "spec.template.spec.serviceAccountName\n"
  "spec.template.spec.containers[a].securityContext.privileged\n"
  "spec.template.spec.volumes[a].hostPath\n"
  "spec.replicas\n"
  "spec.template\n"
  "spec\n"
  "*\n"
  "data..x\n"
  "data[x\n"
  "\n")
;; Whether it was anything but denied or invalid: the answer's first byte is 1 for an error, the fifth its kind.
(func $try (param $version i32) (param $version_length i32) (param $kind i32) (param $kind_length i32)
  (param $at i32) (param $length i32) (result i32)
  ;; One edit: its path, that there is a value, the value.
  (i32.store (i32.const 3072) (local.get $at))
  (i32.store (i32.const 3076) (local.get $length))
  (i32.store (i32.const 3080) (i32.const 1))
  (i32.store (i32.const 3084) (i32.const 1152))
  (i32.store (i32.const 3088) (i32.const 3))
  (call $patch (i32.const 1024) (i32.const 7)
    (local.get $version) (local.get $version_length) (local.get $kind) (local.get $kind_length)
    (i32.const 1) (i32.const 1072) (i32.const 4) (i32.const 1088) (i32.const 16)
    (i32.const 3072) (i32.const 1) (i32.const 2048))
  (i32.or (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (i32.gt_u (i32.load8_u (i32.const 2052)) (i32.const 1))))
(func $run (result i32)
  (local $at i32)
  (local $end i32)
  (if (call $try (i32.const 1120) (i32.const 2) (i32.const 1136) (i32.const 6) (i32.const 1168) (i32.const 6))
    (then (return (call $let_through))))
  (local.set $at (i32.const 4096))
  (loop $line
    (local.set $end (local.get $at))
    (block $ended
      (loop $byte
        (br_if $ended (i32.eq (i32.load8_u (local.get $end)) (i32.const 10)))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $byte)))
    (if (i32.eq (local.get $at) (local.get $end)) (then (return (call $done))))
    (if (call $try (i32.const 1040) (i32.const 7) (i32.const 1056) (i32.const 10)
          (local.get $at) (i32.sub (local.get $end) (local.get $at)))
      (then (return (call $let_through))))
    (local.set $at (i32.add (local.get $end) (i32.const 1)))
    (br $line))
  (unreachable))
