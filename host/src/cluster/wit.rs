//! Implements `wit/cluster.wit`: each function becomes a call, goes through the gate, and its answer goes back to the guest.

use super::call::{Change, Effect, Look, Read};
use super::manifest;
use crate::call;
use crate::contract::CallError;
use crate::contract::cluster_config::{self, Applied, FieldEdit};
use crate::contract::cluster_nodes::{self, DrainOptions, Drained};
use crate::contract::cluster_types::{
    self, CertificateFacts, ClusterFacts, DisruptionBudget, IssuedCertificate, JobFacts,
    Namespaced, NodeFacts, ObjectName, PodFacts, Revision, Rollout, RouteFacts, RouteName,
    WorkloadFacts, WorkloadName,
};
use crate::contract::{
    cluster_certificates, cluster_jobs, cluster_manifest_jobs, cluster_read, cluster_routes,
    cluster_workloads,
};
use crate::engine::Guest;
use serde::de::DeserializeOwned;

type Answer<T> = wasmtime::Result<Result<T, CallError>>;

async fn read<T: DeserializeOwned>(guest: &mut Guest, cluster: String, look: Look) -> Answer<T> {
    let read = Read { cluster, look };
    guest.gate().read(call::Read::Cluster(read)).await
}

async fn effect<T: DeserializeOwned>(
    guest: &mut Guest,
    cluster: String,
    change: Change,
) -> Answer<T> {
    let effect = Effect { cluster, change };
    guest.gate().effect(call::Effect::Cluster(effect)).await
}

impl cluster_types::Host for Guest {}

impl cluster_read::Host for Guest {
    async fn facts(&mut self, cluster: String) -> Answer<ClusterFacts> {
        read(self, cluster, Look::Facts).await
    }

    async fn workload(&mut self, cluster: String, workload: WorkloadName) -> Answer<WorkloadFacts> {
        read(self, cluster, Look::Workload { workload }).await
    }

    async fn workloads(
        &mut self,
        cluster: String,
        namespace: String,
        selector: String,
    ) -> Answer<Vec<WorkloadFacts>> {
        read(
            self,
            cluster,
            Look::Workloads {
                namespace,
                selector,
            },
        )
        .await
    }

    async fn revisions(
        &mut self,
        cluster: String,
        workload: WorkloadName,
    ) -> Answer<Vec<Revision>> {
        read(self, cluster, Look::Revisions { workload }).await
    }

    async fn pods(
        &mut self,
        cluster: String,
        namespace: String,
        selector: String,
    ) -> Answer<Vec<PodFacts>> {
        read(
            self,
            cluster,
            Look::Pods {
                namespace,
                selector,
            },
        )
        .await
    }

    async fn logs(
        &mut self,
        cluster: String,
        pod: Namespaced,
        container: Option<String>,
        lines: u32,
    ) -> Answer<String> {
        read(
            self,
            cluster,
            Look::Logs {
                pod,
                container,
                lines,
            },
        )
        .await
    }

    async fn nodes(&mut self, cluster: String, selector: String) -> Answer<Vec<NodeFacts>> {
        read(self, cluster, Look::Nodes { selector }).await
    }

    async fn budgets(
        &mut self,
        cluster: String,
        namespace: String,
    ) -> Answer<Vec<DisruptionBudget>> {
        read(self, cluster, Look::Budgets { namespace }).await
    }

    async fn jobs(
        &mut self,
        cluster: String,
        namespace: String,
        selector: String,
    ) -> Answer<Vec<JobFacts>> {
        read(
            self,
            cluster,
            Look::Jobs {
                namespace,
                selector,
            },
        )
        .await
    }

    async fn certificates(
        &mut self,
        cluster: String,
        namespace: String,
    ) -> Answer<Vec<CertificateFacts>> {
        read(self, cluster, Look::Certificates { namespace }).await
    }

    async fn issued(
        &mut self,
        cluster: String,
        certificate: Namespaced,
    ) -> Answer<IssuedCertificate> {
        read(self, cluster, Look::Issued { certificate }).await
    }

    async fn route(&mut self, cluster: String, route: RouteName) -> Answer<RouteFacts> {
        read(self, cluster, Look::Route { route }).await
    }

    async fn members(&mut self, cluster: String, set: Namespaced) -> Answer<Vec<ObjectName>> {
        read(self, cluster, Look::Members { set }).await
    }

    async fn consumers(
        &mut self,
        cluster: String,
        namespace: String,
        config_maps: Vec<String>,
    ) -> Answer<Vec<WorkloadName>> {
        let look = Look::Consumers {
            namespace,
            config_maps,
        };
        read(self, cluster, look).await
    }

    async fn await_rollout(
        &mut self,
        cluster: String,
        workload: WorkloadName,
        within: u64,
    ) -> Answer<Rollout> {
        read(self, cluster, Look::AwaitRollout { workload, within }).await
    }

    async fn await_no_pods(
        &mut self,
        cluster: String,
        workload: WorkloadName,
        within: u64,
    ) -> Answer<()> {
        read(self, cluster, Look::AwaitNoPods { workload, within }).await
    }

    async fn await_pods(
        &mut self,
        cluster: String,
        workloads: Vec<WorkloadName>,
        within: u64,
    ) -> Answer<u32> {
        read(self, cluster, Look::AwaitPods { workloads, within }).await
    }

    async fn await_budgets(
        &mut self,
        cluster: String,
        budgets: Vec<Namespaced>,
        within: u64,
    ) -> Answer<()> {
        read(self, cluster, Look::AwaitBudgets { budgets, within }).await
    }

    async fn await_job(
        &mut self,
        cluster: String,
        job: Namespaced,
        within: u64,
    ) -> Answer<JobFacts> {
        read(self, cluster, Look::AwaitJob { job, within }).await
    }

    async fn await_certificate(
        &mut self,
        cluster: String,
        certificate: Namespaced,
        above: u32,
        within: u64,
    ) -> Answer<CertificateFacts> {
        let look = Look::AwaitCertificate {
            certificate,
            above,
            within,
        };
        read(self, cluster, look).await
    }

    async fn await_node(
        &mut self,
        cluster: String,
        node: String,
        boot: String,
        version: String,
        within: u64,
    ) -> Answer<NodeFacts> {
        let look = Look::AwaitNode {
            node,
            boot,
            version,
            within,
        };
        read(self, cluster, look).await
    }
}

impl cluster_workloads::Host for Guest {
    async fn set_image(
        &mut self,
        cluster: String,
        workload: WorkloadName,
        images: Vec<(String, String)>,
    ) -> Answer<Vec<String>> {
        effect(self, cluster, Change::SetImage { workload, images }).await
    }

    async fn scale(
        &mut self,
        cluster: String,
        workload: WorkloadName,
        replicas: u32,
    ) -> Answer<u32> {
        effect(self, cluster, Change::Scale { workload, replicas }).await
    }

    async fn restart(&mut self, cluster: String, workload: WorkloadName) -> Answer<()> {
        effect(self, cluster, Change::Restart { workload }).await
    }

    async fn pause(&mut self, cluster: String, workload: WorkloadName) -> Answer<()> {
        effect(self, cluster, Change::Pause { workload }).await
    }

    async fn proceed(&mut self, cluster: String, workload: WorkloadName) -> Answer<()> {
        effect(self, cluster, Change::Proceed { workload }).await
    }

    async fn roll_back(
        &mut self,
        cluster: String,
        workload: WorkloadName,
        revision_uid: String,
    ) -> Answer<()> {
        effect(
            self,
            cluster,
            Change::RollBack {
                workload,
                revision_uid,
            },
        )
        .await
    }

    async fn annotate(
        &mut self,
        cluster: String,
        workload: WorkloadName,
        annotations: Vec<(String, Option<String>)>,
    ) -> Answer<()> {
        effect(
            self,
            cluster,
            Change::Annotate {
                workload,
                annotations,
            },
        )
        .await
    }
}

impl cluster_nodes::Host for Guest {
    async fn cordon(&mut self, cluster: String, node: String) -> Answer<bool> {
        effect(self, cluster, Change::Cordon { node }).await
    }

    async fn uncordon(&mut self, cluster: String, node: String) -> Answer<()> {
        effect(self, cluster, Change::Uncordon { node }).await
    }

    async fn label(
        &mut self,
        cluster: String,
        node: String,
        labels: Vec<(String, Option<String>)>,
    ) -> Answer<()> {
        effect(self, cluster, Change::Label { node, labels }).await
    }

    async fn drain(
        &mut self,
        cluster: String,
        node: String,
        options: DrainOptions,
    ) -> Answer<Drained> {
        effect(self, cluster, Change::Drain { node, options }).await
    }
}

impl cluster_jobs::Host for Guest {
    async fn from_cron_job(&mut self, cluster: String, cron_job: Namespaced) -> Answer<JobFacts> {
        effect(self, cluster, Change::FromCronJob { cron_job }).await
    }

    async fn delete(&mut self, cluster: String, job: Namespaced) -> Answer<()> {
        effect(self, cluster, Change::DeleteJob { job }).await
    }
}

impl cluster_manifest_jobs::Host for Guest {
    async fn from_manifest(
        &mut self,
        cluster: String,
        manifest: String,
        reversible: bool,
    ) -> Answer<JobFacts> {
        let change = |manifest| Change::FromManifest {
            manifest,
            reversible,
        };
        match manifest::parse(&manifest) {
            Ok(manifest) => effect(self, cluster, change(manifest)).await,
            Err(invalid) => Ok(Err(invalid)),
        }
    }
}

impl cluster_routes::Host for Guest {
    async fn divert(
        &mut self,
        cluster: String,
        route: RouteName,
        service: String,
        port: u16,
    ) -> Answer<bool> {
        effect(
            self,
            cluster,
            Change::Divert {
                route,
                service,
                port,
            },
        )
        .await
    }

    async fn restore(&mut self, cluster: String, route: RouteName) -> Answer<()> {
        effect(self, cluster, Change::Restore { route }).await
    }
}

impl cluster_certificates::Host for Guest {
    async fn renew(&mut self, cluster: String, certificate: Namespaced) -> Answer<u32> {
        effect(self, cluster, Change::Renew { certificate }).await
    }
}

impl cluster_config::Host for Guest {
    async fn apply(
        &mut self,
        cluster: String,
        manifest: String,
        set: Option<String>,
    ) -> Answer<Applied> {
        match manifest::parse(&manifest) {
            Ok(manifest) => effect(self, cluster, Change::Apply { manifest, set }).await,
            Err(invalid) => Ok(Err(invalid)),
        }
    }

    async fn compare(
        &mut self,
        cluster: String,
        manifest: String,
        set: Option<String>,
    ) -> Answer<Vec<String>> {
        match manifest::parse(&manifest) {
            Ok(manifest) => read(self, cluster, Look::Compare { manifest, set }).await,
            Err(invalid) => Ok(Err(invalid)),
        }
    }

    async fn declare(
        &mut self,
        cluster: String,
        set: Namespaced,
        kinds: Vec<String>,
    ) -> Answer<Applied> {
        effect(self, cluster, Change::Declare { set, kinds }).await
    }

    async fn prune(&mut self, cluster: String, object: ObjectName, set: String) -> Answer<()> {
        effect(self, cluster, Change::Prune { object, set }).await
    }

    async fn patch(
        &mut self,
        cluster: String,
        object: ObjectName,
        changes: Vec<FieldEdit>,
    ) -> Answer<Applied> {
        effect(self, cluster, Change::Patch { object, changes }).await
    }
}
