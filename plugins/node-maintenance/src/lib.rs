//! Takes nodes through maintenance, a batch at a time.
//!
//! What is chosen is read in [`parameters`], which nodes go together is decided in [`choose`], both without a host. [`around`] and [`surge`]
//! look after what runs on the nodes; this file takes a batch through. The first failure ends the run, and windlass lets the nodes that it
//! cordoned work again.
#![forbid(unsafe_code)]

mod around;
mod choose;
mod parameters;
mod surge;

use around::Around;
use parameters::{Chosen, Parameters, Update};
use windlass_sdk::cluster::NodeFacts;
use windlass_sdk::notify::Message;
use windlass_sdk::parameters::Span;
use windlass_sdk::{Cluster, Error, Procedure, Run, text};

/// A node that is about to be taken out is ready already, or it is not taken out.
const AT_ONCE: Span = Span::seconds(5);

struct NodeMaintenance;

windlass_sdk::export!(NodeMaintenance);

impl Procedure for NodeMaintenance {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let cluster = run.cluster();
        let fleet = Fleet {
            signal: parameters.signal()?,
            parameters: &parameters,
            run,
            cluster: &cluster,
        };
        let (channel, name) = (parameters.notify.as_deref(), cluster.name());
        Message::info(format!("{name}: node maintenance")).tell(run, channel, "start");
        let ended = fleet.maintain();
        match &ended {
            Ok(sentence) => Message::success(format!("{name}: {sentence}")),
            Err(error) => Message::failure(format!("{name}: node maintenance failed"))
                .text(format!("{error}\nNo further node is touched, and those that are out are let work again.")),
        }
        .tell(run, channel, "end");
        ended
    }
}

/// The nodes of one run, and all that is needed to work on them.
struct Fleet<'a> {
    parameters: &'a Parameters,
    signal: Option<(String, Option<String>)>,
    run: &'a Run,
    cluster: &'a Cluster,
}

impl Fleet<'_> {
    fn maintain(&self) -> Result<String, Error> {
        let Self {
            parameters,
            run,
            cluster,
            ..
        } = *self;
        run.step("look");
        let chosen = parameters.chosen()?;
        let selector = match chosen {
            Chosen::Named(_) => "",
            Chosen::Pool(pool) => pool,
        };
        let nodes = choose::nodes(chosen, &cluster.nodes(selector)?)?;
        if parameters.namespaces.is_empty() {
            run.info("no namespaces are named: of what runs on the nodes nothing is looked after");
        }
        let around = Around::look(run, cluster, &parameters.namespaces)?;
        let batches = choose::batches(&nodes, parameters.batch, parameters.canary);
        for (batch, number) in batches.iter().zip(1..) {
            let title = format!("batch {number} of {}", batches.len());
            run.step(format!("{title}: {}", names(batch)));
            run.progress(number - 1, batches.len() as u64, "batches");
            self.take_through(batch)?;
            around.check(run, cluster, &title, batch, parameters.drain_within)?;
            if parameters.soak > Span::seconds(0) {
                run.sleep(parameters.soak.as_duration())?;
                let title = format!("{title}, {} later", parameters.soak);
                around.check(run, cluster, &title, batch, parameters.drain_within)?;
            }
        }
        let all = text::count(nodes.len(), "node");
        Ok(match parameters.update {
            Update::None => format!("{all} emptied and back at work"),
            Update::ByHand | Update::Label => format!("{all} maintained and back at work"),
        })
    }

    /// Out of work, through its maintenance, and back.
    fn take_through(&self, batch: &[NodeFacts]) -> Result<(), Error> {
        let Self {
            parameters,
            run,
            cluster,
            ..
        } = *self;
        for node in batch {
            cluster.await_ready_node(&node.name, AT_ONCE)?;
        }
        for node in batch {
            if cluster.cordon(&node.name)? {
                return Err(choose::cordoned_by_another(&node.name));
            }
        }
        let surged = surge::surge(run, cluster, parameters, batch)?;
        for node in batch {
            let drained = cluster.drain(&node.name, parameters.drain_options())?;
            let evicted = text::count(drained.evicted.len(), "pod");
            run.info(format!(
                "{}: {evicted} evicted, {} stay",
                node.name, drained.left
            ));
        }
        surge::end(cluster, parameters, &surged)?;
        self.update(batch)?;
        for node in batch {
            cluster.uncordon(&node.name)?;
        }
        Ok(())
    }

    /// Has the nodes maintained, and waits until each is back.
    fn update(&self, batch: &[NodeFacts]) -> Result<(), Error> {
        let Self {
            parameters,
            run,
            cluster,
            ..
        } = *self;
        if let Some(label) = &self.signal {
            for node in batch {
                cluster.label_node(&node.name, std::slice::from_ref(label))?;
            }
        }
        match parameters.update {
            Update::None => return Ok(()),
            Update::Label => run.info(format!("waiting for the controller that maintains {}", names(batch))),
            Update::ByHand => run.info(format!(
                "{} can be maintained now: the run goes on when each has booted anew or has another kubelet, at most {} from now",
                names(batch),
                parameters.within
            )),
        }
        for node in batch {
            let back = cluster.await_node(node, parameters.within)?;
            run.info(format!(
                "{} is back, kubelet {}",
                node.name, back.kubelet_version
            ));
        }
        Ok(())
    }
}

/// The first names, and how many more there are.
fn names(nodes: &[NodeFacts]) -> String {
    const SHOWN: usize = 5;
    let first: Vec<_> = nodes
        .iter()
        .take(SHOWN)
        .map(|node| node.name.as_str())
        .collect();
    match nodes.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
