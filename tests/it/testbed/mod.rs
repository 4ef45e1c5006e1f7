//! What `tests/testbed` promises: the tests of procedures for Kubernetes take it for granted.

mod nodes;
mod pods;
mod server;

use crate::world::Namespace;

/// A deployment of this image, named `shop`, with a label of that name.
fn deployment(image: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: shop}}}}
  template:
    metadata: {{labels: {{app: shop}}}}
    spec: {{containers: [{{name: app, image: \"{image}\"}}]}}
"
    )
}

/// Applies a pod of this image, with the name and the annotations that are given.
fn run(namespace: &Namespace, name: &str, image: &str, annotations: &str) {
    namespace.apply(&format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec: {{containers: [{{name: app, image: \"{image}\"}}]}}
"
    ));
}
