;; Each manifest is tried in three ways: applied, compared, made a job. Whatever the way, it is denied (0) or invalid (1).
(import "windlass:procedure/cluster-config@0.1.0" "apply"
  (func $apply (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "windlass:procedure/cluster-config@0.1.0" "compare"
  (func $compare (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "windlass:procedure/cluster-manifest-jobs@0.1.0" "from-manifest"
  (func $job (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "staging")
;; A line each; an empty one ends them.
(data (i32.const 4096)
  ;; What is never taken, whatever is granted: secrets, nodes, locks, rights, reviews that tell what one may.
  "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"stringData\":{\"a\":\"b\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"}}\n"
  "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"Role\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"rules\":[{\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"verbs\":[\"escalate\",\"bind\",\"impersonate\"]}]}\n"
  "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"ClusterRoleBinding\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"certificates.k8s.io/v1\",\"kind\":\"CertificateSigningRequest\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  ;; What reaches beyond the namespace: `*` in a grant does not mean it.
  "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolume\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"admissionregistration.k8s.io/v1\",\"kind\":\"ValidatingWebhookConfiguration\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"apiregistration.k8s.io/v1\",\"kind\":\"APIService\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"kube-system\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\"}}\n"
  ;; What gives a pod more than its own, in any kind and at any depth.
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"a:1\",\"securityContext\":{\"privileged\":true}}]}}}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"securityContext\":{\"capabilities\":{\"add\":[\"SYS_ADMIN\"]}}}]}}}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"ephemeralContainers\":[{\"name\":\"a\",\"securityContext\":{\"allowPrivilegeEscalation\":true}}]}}}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"volumes\":[{\"name\":\"a\",\"hostPath\":{\"path\":\"/\"}}]}}}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"hostNetwork\":true}}}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"ports\":[{\"containerPort\":80,\"hostPort\":80}]}]}}}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"securityContext\":{\"sysctls\":[{\"name\":\"kernel.msgmax\",\"value\":\"1\"}]}}}}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"hostPID\":true}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"hostIPC\":true}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"CronJob\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"jobTemplate\":{\"spec\":{\"template\":{\"spec\":{\"hostPID\":true}}}}}}\n"
  "{\"apiVersion\":\"x.example/v1\",\"kind\":\"Flow\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"steps\":[{\"pod\":{\"hostIPC\":true}}]}\n"
  ;; The rights of a service account that was not granted.
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"serviceAccountName\":\"admin\"}}}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"serviceAccount\":\"admin\"}}}}\n"
  "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"spec\":{\"template\":{\"spec\":{\"serviceAccountName\":\"admin\"}}}}\n"
  ;; What is not its author's to say of an object.
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\",\"ownerReferences\":[{\"kind\":\"Node\",\"name\":\"a\"}]}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\",\"finalizers\":[\"a.example/b\"]}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\",\"finalizers\":null,\"managedFields\":[]}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\",\"annotations\":{\"windlass.dev/effect\":\"another/1\"}}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\",\"labels\":{\"applyset.kubernetes.io/part-of\":\"another\"}}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\",\"uid\":\"a\",\"resourceVersion\":\"1\"}}\n"
  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"status\":{\"replicas\":0}}\n"
  ;; Other objects under the name of one, other addresses, and what is none.
  "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"}}]}]}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"SecretList\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"},\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"}}]}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile/status\",\"namespace\":\"shop\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile?force=true\",\"namespace\":\"shop\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"..\",\"namespace\":\"shop\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop/secrets/x?\"}}\n"
  "{\"apiVersion\":\"v1/../../apis/apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"secrets/windlass-hostile\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"}}\n"
  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"shop\"}}\n"
  "[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"windlass-hostile\",\"namespace\":\"shop\"}}]\n"
  "{\n"
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
