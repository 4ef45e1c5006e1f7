use super::{Given, manifest, pod_template};
use serde_json::{Value, json};

/// A deployment with this in the specification of its pods.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is read where it is written"
)]
fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": spec}}})
}

#[track_caller]
fn refused(manifest_of: &Value, at: &str) {
    let error = manifest(manifest_of).unwrap_err();
    assert!(
        error.message.starts_with(&format!("`{at}` ")),
        "{}",
        error.message
    );
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is read where it is written"
)]
fn in_container(context: Value) -> Value {
    deployment(json!({"containers": [{"name": "app", "securityContext": context}]}))
}

#[test]
fn a_pod_gets_no_more_than_its_own() {
    let context = "spec.template.spec.containers[app].securityContext";
    for (field, value) in [
        ("privileged", json!(true)),
        ("privileged", json!("true")),
        ("allowPrivilegeEscalation", json!(true)),
        ("procMount", json!("Unmasked")),
        ("capabilities", json!({"add": ["NET_ADMIN"]})),
        ("capabilities", json!({"add": "ALL"})),
        ("seccompProfile", json!({"type": "Unconfined"})),
        ("appArmorProfile", json!({"type": "Unconfined"})),
        ("seLinuxOptions", json!({"role": "sysadm_r"})),
    ] {
        refused(
            &in_container(json!({field: value})),
            &format!("{context}.{field}"),
        );
    }
    for (field, value) in [
        ("hostNetwork", json!(true)),
        ("hostPID", json!(true)),
        ("hostIPC", json!(true)),
    ] {
        refused(
            &deployment(json!({field: value})),
            &format!("spec.template.spec.{field}"),
        );
    }
    let spec = deployment(json!({"volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}]}));
    refused(&spec, "spec.template.spec.volumes[etc].hostPath");
    let spec = deployment(json!({"initContainers": [{"name": "a", "ports": [{"hostPort": 80}]}]}));
    refused(
        &spec,
        "spec.template.spec.initContainers[a].ports[0].hostPort",
    );
    let spec = |name: &str| {
        deployment(json!({"securityContext": {"sysctls": [{"name": name, "value": "1"}]}}))
    };
    refused(
        &spec("kernel.msgmax"),
        "spec.template.spec.securityContext.sysctls",
    );
    assert!(manifest(&spec("net.ipv4.tcp_syncookies")).is_ok());
}

#[test]
fn what_makes_a_pod_smaller_is_fine() {
    let context = json!({
        "privileged": false, "allowPrivilegeEscalation": false, "procMount": "Default", "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"], "add": []}, "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(manifest(&in_container(context)), Ok(Given::default()));
    let ports = deployment(
        json!({"hostNetwork": false, "containers": [{"ports": [{"containerPort": 80, "hostPort": 0}]}]}),
    );
    assert!(manifest(&ports).is_ok());
}

#[test]
fn a_template_is_found_wherever_it_stands() {
    let job = json!({"jobTemplate": {"spec": {"template": {"spec": {"hostPID": true}}}}});
    let cron_job =
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {}, "spec": job});
    refused(&cron_job, "spec.jobTemplate.spec.template.spec.hostPID");
    let foreign = json!({"apiVersion": "x.example/v1", "kind": "Flow", "metadata": {}, "steps": [{"pod": {"hostIPC": true}}]});
    refused(&foreign, "steps[0].pod.hostIPC");
    let error = pod_template(&json!({"spec": {"hostPID": true}}), "spec.template").unwrap_err();
    assert!(error.message.starts_with("`spec.template.spec.hostPID` "));
}

#[test]
fn service_accounts_are_told() {
    let accounts = |spec| manifest(&deployment(spec)).unwrap().accounts;
    assert!(accounts(json!({"serviceAccountName": "default"})).is_empty());
    assert_eq!(accounts(json!({"serviceAccountName": "admin"})), ["admin"]);
    let old = json!({"serviceAccount": "admin", "serviceAccountName": "admin"});
    assert_eq!(accounts(old), ["admin"]);
}

#[test]
fn what_a_pod_runs_and_takes_from_is_told() {
    let contents = |spec| manifest(&deployment(spec)).unwrap().contents;
    let container = |more: Value| {
        let mut container = json!({"name": "app"});
        container
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"containers": [container]})
    };
    let volume = |of: Value| json!({"volumes": [of]});
    for (spec, content) in [
        (container(json!({"image": "shop:2"})), "image/shop:2"),
        (
            container(
                json!({"env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}]}),
            ),
            "secret/db",
        ),
        (
            container(json!({"envFrom": [{"secretRef": {"name": "db"}}]})),
            "secret/db",
        ),
        (
            container(json!({"envFrom": [{"configMapRef": {"name": "app"}}]})),
            "config-map/app",
        ),
        (
            volume(json!({"name": "v", "secret": {"secretName": "db"}})),
            "secret/db",
        ),
        (
            volume(json!({"name": "v", "projected": {"sources": [{"secret": {"name": "db"}}]}})),
            "secret/db",
        ),
        (
            volume(json!({"name": "v", "configMap": {"name": "app"}})),
            "config-map/app",
        ),
        (
            volume(json!({"name": "v", "persistentVolumeClaim": {"claimName": "data"}})),
            "claim/data",
        ),
        (
            json!({"imagePullSecrets": [{"name": "pull"}]}),
            "secret/pull",
        ),
        (
            json!({"priorityClassName": "batch"}),
            "priority-class/batch",
        ),
        (
            json!({"runtimeClassName": "gvisor"}),
            "runtime-class/gvisor",
        ),
    ] {
        assert_eq!(contents(spec.clone()), [content], "{spec}");
    }
    assert!(contents(container(json!({"env": [{"name": "A", "value": "b"}]}))).is_empty());
}

#[test]
fn what_reaches_beyond_a_pod_is_refused_by_name() {
    let at = "spec.template.spec";
    for (spec, field) in [
        (json!({"nodeName": "cp-1"}), "nodeName"),
        (json!({"schedulerName": "mine"}), "schedulerName"),
        (
            json!({"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}),
            "nodeSelector",
        ),
        (
            json!({"tolerations": [{"operator": "Exists"}]}),
            "tolerations",
        ),
        (
            json!({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}),
            "tolerations",
        ),
        (json!({"overhead": {"cpu": "1"}}), "overhead"),
        (json!({"somethingNew": true}), "somethingNew"),
        (
            json!({"securityContext": {"somethingNew": true}}),
            "somethingNew",
        ),
        (
            json!({"containers": [{"name": "a", "somethingNew": true}]}),
            "containers[a].somethingNew",
        ),
        (
            json!({"volumes": [{"name": "v", "nfs": {"server": "x", "path": "/"}}]}),
            "volumes[v].nfs",
        ),
        (
            json!({"volumes": [{"name": "v", "csi": {"driver": "x"}}]}),
            "volumes[v].csi",
        ),
        (
            json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}),
            "volumes[v].projected.sources[0].serviceAccountToken",
        ),
        (
            json!({"containers": [{"name": "a", "livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}]}),
            "containers[a].livenessProbe.httpGet",
        ),
        (
            json!({"containers": [{"name": "a", "securityContext": {"seLinuxOptions": {"type": "spc_t"}}}]}),
            "containers[a].securityContext.seLinuxOptions",
        ),
    ] {
        refused(&deployment(spec), &format!("{at}.{field}"));
    }
}

#[test]
fn what_is_a_pods_own_business_is_fine() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {"externalIPs": ["10.0.0.1"]}});
    refused(&service, "spec.externalIPs");
    for spec in [
        json!({"tolerations": [{"key": "spot.example/only", "operator": "Exists"}]}),
        json!({"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 30}]}),
        json!({"nodeSelector": {"disk": "ssd"}, "volumes": [{"name": "v", "emptyDir": {}}]}),
    ] {
        assert_eq!(
            manifest(&deployment(spec.clone())),
            Ok(Given::default()),
            "{spec}"
        );
    }
}

#[test]
fn what_is_not_the_authors_to_say() {
    let with = |metadata: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"hostPath": "/x"}});
    assert!(
        manifest(&with(
            json!({"name": "a", "namespace": "b", "labels": {"a": "b"}, "creationTimestamp": null})
        ))
        .is_ok()
    );
    for key in [
        "ownerReferences",
        "finalizers",
        "managedFields",
        "uid",
        "resourceVersion",
        "generateName",
    ] {
        refused(&with(json!({key: ["x"]})), &format!("metadata.{key}"));
    }
    for name in [
        "windlass.dev/effect",
        "a.windlass.dev/b",
        "applyset.kubernetes.io/id",
    ] {
        refused(
            &with(json!({"labels": {name: "x"}})),
            &format!("metadata.labels[{name}]"),
        );
        refused(
            &with(json!({"annotations": {name: "x"}})),
            &format!("metadata.annotations[{name}]"),
        );
    }
    let nested = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {}, "spec": {"volumeClaimTemplates": [{"metadata": {"name": "a", "finalizers": ["x"]}}]}});
    refused(&nested, "spec.volumeClaimTemplates[0].metadata.finalizers");
    refused(&json!({"metadata": {}, "status": {}}), "status");
    let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": []});
    refused(&list, "items");
}
