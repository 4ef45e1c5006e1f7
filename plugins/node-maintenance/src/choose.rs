//! Which nodes, and which of them together. Pure.

use crate::parameters::Chosen;
use std::collections::BTreeSet;
use windlass_sdk::Error;
use windlass_sdk::cluster::NodeFacts;

/// The chosen ones among those that were found. Refuses what cannot be taken out: one that is missing, not ready, or cordoned already.
pub(crate) fn nodes(chosen: Chosen<'_>, found: &[NodeFacts]) -> Result<Vec<NodeFacts>, Error> {
    let nodes = match chosen {
        Chosen::Pool(pool) if found.is_empty() => {
            let message =
                format!("no node is meant by `{pool}`, or none that needs and grant cover");
            return Err(Error::failed(message));
        }
        Chosen::Pool(_) => found.to_vec(),
        Chosen::Named(names) => named(names, found)?,
    };
    nodes.iter().try_for_each(fit)?;
    Ok(nodes)
}

fn named(names: &[String], found: &[NodeFacts]) -> Result<Vec<NodeFacts>, Error> {
    let mut seen = BTreeSet::new();
    let find = |name| {
        if !seen.insert(name) {
            return Err(Error::failed(format!("node {name} is named twice")));
        }
        let node = found.iter().find(|node| node.name.as_str() == name);
        let missing = || format!("node {name} is not there, or needs and grant do not cover it");
        node.cloned().ok_or_else(|| Error::failed(missing()))
    };
    names.iter().map(String::as_str).map(find).collect()
}

fn fit(node: &NodeFacts) -> Result<(), Error> {
    let name = &node.name;
    if !node.ready {
        return Err(Error::failed(format!("node {name} is not ready")));
    }
    if node.cordoned_by_windlass {
        let message = format!(
            "node {name} was cordoned by another run of windlass, which `windlass runs` lists: undo or resume that one first"
        );
        return Err(Error::failed(message));
    }
    if node.cordoned {
        return Err(cordoned_by_another(name));
    }
    Ok(())
}

pub(crate) fn cordoned_by_another(name: &str) -> Error {
    Error::failed(format!(
        "node {name} is cordoned by another hand; it is not touched before whoever did so lets it work again: kubectl uncordon {name}"
    ))
}

/// In batches of this size; the first is a single node where one is to go ahead.
pub(crate) fn batches(nodes: &[NodeFacts], size: u32, canary: bool) -> Vec<&[NodeFacts]> {
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    let (first, rest) = nodes.split_at(usize::from(canary).min(nodes.len()));
    let first = (!first.is_empty()).then_some(first);
    first.into_iter().chain(rest.chunks(size)).collect()
}

#[cfg(test)]
mod tests {
    use super::{batches, nodes};
    use crate::parameters::Chosen;
    use windlass_sdk::cluster::NodeFacts;

    fn node(name: &str) -> NodeFacts {
        NodeFacts {
            name: name.into(),
            uid: name.into(),
            ready: true,
            cordoned: false,
            cordoned_by_windlass: false,
            control_plane: false,
            kubelet_version: "v1".into(),
            os_image: String::new(),
            boot_id: "b".into(),
            labels: Vec::new(),
        }
    }

    #[test]
    fn only_nodes_that_work_are_taken_out() {
        let refusal = |change: fn(&mut NodeFacts)| {
            let mut second = node("b");
            change(&mut second);
            let found = [node("a"), second];
            nodes(Chosen::Pool("x"), &found).map_err(|error| error.message)
        };
        assert_eq!(refusal(|_| ()).unwrap().len(), 2);
        let why = refusal(|node| node.ready = false).unwrap_err();
        assert_eq!(why, "node b is not ready");
        let why = refusal(|node| node.cordoned = true).unwrap_err();
        assert!(why.ends_with("kubectl uncordon b"), "{why}");
        let ours = |node: &mut NodeFacts| (node.cordoned, node.cordoned_by_windlass) = (true, true);
        assert!(refusal(ours).unwrap_err().contains("windlass runs"));
        assert!(nodes(Chosen::Pool("x"), &[]).is_err());
    }

    #[test]
    fn named_nodes_keep_their_order_and_are_all_there() {
        let found = [node("a"), node("b"), node("c")];
        let names = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            let nodes = nodes(Chosen::Named(&names), &found)?;
            Ok::<_, windlass_sdk::Error>(
                nodes.into_iter().map(|node| node.name).collect::<Vec<_>>(),
            )
        };
        assert_eq!(names(&["c", "a"]).unwrap(), ["c", "a"]);
        assert!(names(&["a", "d"]).unwrap_err().message.contains("node d"));
        assert!(names(&["a", "a"]).unwrap_err().message.contains("twice"));
    }

    #[test]
    fn one_goes_ahead_and_the_others_follow_together() {
        let all: Vec<_> = ["a", "b", "c", "d"].map(node).into();
        let sizes = |count: usize, size, canary| {
            let batches = batches(&all[..count], size, canary);
            batches.iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(4, 2, true), [1, 2, 1]);
        assert_eq!(sizes(4, 2, false), [2, 2]);
        assert_eq!(sizes(1, 3, true), [1]);
        assert_eq!(sizes(4, 0, false), [1, 1, 1, 1]);
    }
}
