//! What the specification of a pod may say: an allow-list of fields, after the restricted volumes and the baseline of Kubernetes' Pod
//! Security Standards (1.36), and beyond them where a pod would be placed, outranks others, or is watched. Pure.

use serde_json::{Map, Value};

/// Fields of a pod's specification that say nothing about other pods, nodes or people; those with power are looked at by themselves.
const SPEC: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "imagePullSecrets",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "os",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resources",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
];

const CONTAINER: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

const SECURITY_CONTEXT: &[&str] = &[
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "fsGroup",
    "fsGroupChangePolicy",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxChangePolicy",
    "seLinuxOptions",
    "seccompProfile",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "sysctls",
    "windowsOptions",
];

/// Kinds of volumes that hold what is the pod's own, or what a grant names.
const VOLUME: &[&str] = &[
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "hostPath",
    "name",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Sources of a projected volume.
const SOURCE: &[&str] = &["clusterTrustBundle", "configMap", "downwardAPI", "secret"];

/// Types of `SELinux` that the baseline allows.
const SELINUX_TYPES: &[&str] = &[
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

/// A field that is not on the list of where it stands: its name, and why it is not taken.
pub(super) type Unknown<'a> = (&'a str, &'static str);

/// Whether the object is the specification of a pod, wherever it stands.
pub(super) fn is_spec(fields: &Map<String, Value>) -> bool {
    let is_list = |key: &str| fields.get(key).is_some_and(Value::is_array);
    ["containers", "initContainers", "ephemeralContainers"]
        .into_iter()
        .any(is_list)
}

/// A field of a pod's specification that is not known to be harmless.
pub(super) fn unknown_in_spec(fields: &Map<String, Value>) -> Option<Unknown<'_>> {
    let unknown = unknown(fields, SPEC, "it is not known to be a pod's own");
    unknown.or_else(|| {
        fields
            .get("securityContext")?
            .as_object()
            .and_then(unknown_in_context)
    })
}

/// A field of an element of such a list that is not known to be harmless.
pub(super) fn unknown_in_element<'a>(
    list: &str,
    fields: &'a Map<String, Value>,
) -> Option<Unknown<'a>> {
    match list {
        "containers" | "initContainers" | "ephemeralContainers" => {
            let of_container =
                unknown(fields, CONTAINER, "it is not known to be a container's own");
            of_container.or_else(|| unknown_in_context(fields.get("securityContext")?.as_object()?))
        }
        "volumes" => unknown(
            fields,
            VOLUME,
            "it is no volume that is known to be a pod's own",
        ),
        "sources" => unknown(
            fields,
            SOURCE,
            "it is no source that is known to be a pod's own",
        ),
        _ => None,
    }
}

fn unknown_in_context(fields: &Map<String, Value>) -> Option<Unknown<'_>> {
    unknown(fields, SECURITY_CONTEXT, "it is not known to confine")
}

fn unknown<'a>(
    fields: &'a Map<String, Value>,
    known: &[&str],
    why: &'static str,
) -> Option<Unknown<'a>> {
    let mut set = fields.iter().filter(|(_, value)| !value.is_null());
    let (key, _) = set.find(|(key, _)| !known.contains(&key.as_str()))?;
    Some((key, why))
}

/// Why a field places a pod where it should not be, lets it outrank others, or reaches beyond it, if it does.
pub(super) fn reaches_beyond(key: &str, value: &Value) -> Option<&'static str> {
    let is_text = |known: &str| {
        value
            .as_str()
            .is_some_and(|text| text != known && !text.is_empty())
    };
    match key {
        "nodeName" if is_text("") => Some("it goes around the scheduler"),
        "schedulerName" if is_text("default-scheduler") => Some("it goes around the scheduler"),
        "nodeSelector"
            if value
                .as_object()
                .is_some_and(|all| all.keys().any(|key| is_role(key))) =>
        {
            Some("it leads to nodes of the control plane")
        }
        "matchExpressions" if all(value).any(|one| one["key"].as_str().is_some_and(is_role)) => {
            Some("it leads to nodes of the control plane")
        }
        "tolerations" if all(value).any(tolerates_too_much) => {
            Some("it takes a pod to nodes that are kept from others")
        }
        "externalIPs" if all(value).next().is_some() => Some("it takes traffic of others"),
        // Of a probe or a hook: the kubelet would ask another machine.
        "httpGet" | "tcpSocket" if value["host"].as_str().is_some_and(|host| !host.is_empty()) => {
            Some("with a host it has the node ask another machine")
        }
        "seLinuxOptions"
            if value["type"]
                .as_str()
                .is_some_and(|kind| !SELINUX_TYPES.contains(&kind)) =>
        {
            Some("it takes a container's confinement away")
        }
        _ => None,
    }
}

fn all(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A label that tells what a node is for.
fn is_role(key: &str) -> bool {
    key.starts_with("node-role.kubernetes.io/")
}

/// A toleration without a key tolerates everything, and taints of Kubernetes say that a node is not fit, or not for everybody.
fn tolerates_too_much(toleration: &Value) -> bool {
    let key = toleration["key"].as_str().unwrap_or_default();
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_of_kubernetes = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
    // Not ready and unreachable: each pod tolerates these for a while, and may say for how long.
    let is_usual = matches!(
        key,
        "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable"
    ) && toleration["tolerationSeconds"].is_u64();
    (key.is_empty() || is_of_kubernetes) && !is_usual
}

/// What the field gives to a pod that a grant has to name, as grants write it: `secret/db`, `image/shop:2`.
pub(super) fn contents(key: &str, value: &Value, at_list: &str) -> Option<String> {
    let named = |kind: &str, field: &str| {
        let name = value[field].as_str()?;
        Some(format!("{kind}/{name}"))
    };
    let text = |kind: &str| {
        Some(format!(
            "{kind}/{}",
            value.as_str().filter(|text| !text.is_empty())?
        ))
    };
    match key {
        "secretKeyRef" | "secretRef" => named("secret", "name"),
        "configMapKeyRef" | "configMapRef" => named("config-map", "name"),
        "secret" if at_list == "volumes" => named("secret", "secretName"),
        "secret" if at_list == "sources" => named("secret", "name"),
        "configMap" if matches!(at_list, "volumes" | "sources") => named("config-map", "name"),
        "persistentVolumeClaim" if at_list == "volumes" => named("claim", "claimName"),
        "name" if at_list == "imagePullSecrets" => text("secret"),
        "image"
            if matches!(
                at_list,
                "containers" | "initContainers" | "ephemeralContainers"
            ) =>
        {
            text("image")
        }
        "priorityClassName" => text("priority-class"),
        "runtimeClassName" => text("runtime-class"),
        _ => None,
    }
}
