;; One manifest that is against policy, in a namespace that is granted; the answer is not looked at.
(import "windlass:procedure/cluster-config@0.1.0" "apply"
  (func $apply (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "windlass:procedure/cluster-manifest-jobs@0.1.0" "from-manifest"
  (func $job (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "staging")
(data (i32.const 4096)
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"a:1\",\"securityContext\":{\"privileged\":true}}]}}}}")
(func $run (result i32)
  (call $apply (i32.const 1024) (i32.const 7) (i32.const 4096) (i32.const 213)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (call $job (i32.const 1024) (i32.const 7) (i32.const 4096) (i32.const 213) (i32.const 1) (i32.const 2048))
  (call $done))
