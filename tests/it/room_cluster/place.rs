//! Where a kubeconfig leads: files beside it, and servers that nobody vouches for.

use crate::world::{Namespace, Project};
use serde_json::{Value, json};
use xtask::kubernetes::User;

/// A project whose kubeconfig is that of the testbed, changed, in a folder of its own.
fn project(namespace: &Namespace, change: impl Fn(&Project, &mut Value)) -> Project {
    let config = format!(
        "[cluster.staging]\nkubeconfig = {{ file = \"keys/config\" }}\nnamespace = \"{}\"\n",
        namespace.name()
    );
    let project = Project::new(&config, &[]);
    let text = std::fs::read_to_string(namespace.cluster().kubeconfig(User::Admin)).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    std::fs::create_dir(project.path().join("keys")).unwrap();
    change(&project, &mut kubeconfig);
    project.write("keys/config", &kubeconfig.to_string());
    project
}

#[test]
fn files_are_looked_for_beside_the_kubeconfig() {
    let namespace = Namespace::new();
    if !namespace.cluster().is_ours() {
        // Whoever gave it wrote its kubeconfig in some other way.
        return;
    }
    let project = project(&namespace, |project, kubeconfig| {
        let user = &mut kubeconfig["users"][0]["user"];
        project.write("keys/token", user["token"].as_str().unwrap());
        *user = json!({"tokenFile": "token"});
    });
    project
        .windlass(&["doctor", "--target", "staging"])
        .expect(0);
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_asked() {
    let namespace = Namespace::new();
    if !namespace.cluster().is_ours() {
        return;
    }
    let project = project(&namespace, |_, kubeconfig| {
        let cluster = kubeconfig["clusters"][0]["cluster"]
            .as_object_mut()
            .unwrap();
        cluster.remove("certificate-authority-data");
        cluster.insert("insecure-skip-tls-verify".into(), true.into());
    });
    let output = project.windlass(&["doctor", "--target", "staging"]);
    assert_ne!(output.code, 0, "{output}");
    let said = format!("{output}");
    assert!(said.contains("insecure-skip-tls-verify"), "{said}");
}
