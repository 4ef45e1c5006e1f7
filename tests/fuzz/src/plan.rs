//! Plan files.

use sha2::{Digest as _, Sha256};
use windlass::engine::{Plan, PlanError};

/// A plan file's text.
///
/// # Panics
///
/// If what is accepted does not print and parse to the same; if a plan with other content under the same digest is accepted; if one that
/// carries the digest of its own content is not.
pub fn plan(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Plan::parse(&text) {
        Ok(plan) => {
            assert_eq!(plan.digest, plan_digest(&plan));
            seals(&plan);
        }
        Err(PlanError::Changed) => {
            let plan: Plan =
                serde_json::from_str(&text).expect("it was read before it was refused");
            assert_ne!(plan.digest, plan_digest(&plan));
            seals(&sealed(plan));
        }
        Err(PlanError::Malformed(_) | PlanError::Schema(_)) => {}
        Err(error) => panic!("reading a plan cannot end so: {error}"),
    }
}

/// The whole of the plan is under its digest.
fn seals(plan: &Plan) {
    assert_eq!(read(plan).expect("it is sealed"), *plan);
    let mut others = vec![plan.clone(); 5];
    others[0].summary.push('.');
    others[1].target.push('2');
    others[2].refused = !plan.refused;
    others[3].at.0 ^= 1;
    if others[4].effects.pop().is_none() {
        others[4].remarks.push(String::new());
    }
    for other in others {
        assert!(matches!(read(&other), Err(PlanError::Changed)), "{other:?}");
    }
}

fn read(plan: &Plan) -> Result<Plan, PlanError> {
    Plan::parse(&serde_json::to_string(plan).expect("a plan can be written"))
}

fn sealed(plan: Plan) -> Plan {
    Plan {
        digest: plan_digest(&plan),
        ..plan
    }
}

/// What a plan's digest has to be, worked out apart from the host: that of the document with an empty digest.
///
/// # Panics
///
/// If a plan cannot be written as JSON.
pub fn plan_digest(plan: &Plan) -> String {
    let bare = Plan {
        digest: String::new(),
        ..plan.clone()
    };
    let bytes = serde_json::to_vec(&bare).expect("a plan can be written");
    let hash = Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    format!("sha256:{hash}")
}
