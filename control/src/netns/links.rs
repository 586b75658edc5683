//! The network between the namespaces: cut by iptables or by the switch, probed by datagrams.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::iptables::Iptables;
use super::namespace::Namespace;
use super::switch::Switch;
use super::topology;
use crate::prober::{self, Prober};
use crate::{ControlError, EnvKind, Link, LinkControl, Net, Sample, Shape};

/// With what links are cut.
pub(super) enum Cutter {
    Iptables(Arc<Chains>),
    /// `None` once it was stopped.
    Switch(Mutex<Option<Switch>>),
}

/// The chains of all nodes.
pub(super) struct Chains {
    iptables: Iptables,
    nodes: Vec<Namespace>,
    /// Every link that is cut, or that a failed call may have cut.
    cuts: Mutex<BTreeSet<Link>>,
}

/// The network of the environment `netns`.
pub(super) struct Links {
    nodes: usize,
    cutter: Cutter,
    prober: Arc<Mutex<Prober>>,
}

impl Links {
    pub(super) fn new(nodes: usize, cutter: Cutter, prober: Prober) -> Links {
        Links {
            nodes,
            cutter,
            prober: Arc::new(Mutex::new(prober)),
        }
    }

    /// Stops the switch, if there is one; nothing passes any more then.
    pub(super) fn stop(&self) {
        if let Cutter::Switch(switch) = &self.cutter {
            drop(lock(switch).take());
        }
    }
}

/// Does something with a switch that still runs.
fn with_switch(switch: &Mutex<Option<Switch>>, work: impl FnOnce(&Switch)) -> Result<(), ControlError> {
    match &*lock(switch) {
        Some(switch) => {
            work(switch);
            Ok(())
        }
        None => Err(ControlError::Other("the environment was torn down".into())),
    }
}

impl Chains {
    pub(super) fn new(iptables: Iptables, nodes: Vec<Namespace>) -> Result<Chains, ControlError> {
        each(&nodes, |namespace| iptables.hook(namespace))?;
        Ok(Chains {
            iptables,
            nodes,
            cuts: Mutex::new(BTreeSet::new()),
        })
    }

    fn cut(&self, links: &[Link]) -> Result<(), ControlError> {
        let mut cuts = lock(&self.cuts);
        cuts.extend(links);
        let receivers: BTreeSet<usize> = links.iter().map(|link| link.to).collect();
        self.write(&receivers, &cuts)
    }

    fn heal(&self) -> Result<(), ControlError> {
        let mut cuts = lock(&self.cuts);
        let receivers: BTreeSet<usize> = cuts.iter().map(|link| link.to).collect();
        self.write(&receivers, &BTreeSet::new())?;
        cuts.clear();
        Ok(())
    }

    /// Writes the chains of these receivers, all at the same time.
    fn write(&self, receivers: &BTreeSet<usize>, cuts: &BTreeSet<Link>) -> Result<(), ControlError> {
        let mut senders: BTreeMap<usize, Vec<_>> = receivers.iter().map(|&to| (to, Vec::new())).collect();
        for cut in cuts {
            if let Some(senders) = senders.get_mut(&cut.to) {
                senders.push(topology::address(cut.from));
            }
        }
        let senders: Vec<_> = senders.into_iter().collect();
        each(&senders, |(to, senders)| {
            self.iptables.set(&self.nodes[*to], senders)
        })
    }
}

/// Does something with every item on a thread each; the first error counts.
fn each<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), ControlError> + Sync,
) -> Result<(), ControlError> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| work(item))).collect();
        let results: Vec<_> = threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        results.into_iter().collect()
    })
}

/// Runs iptables on a thread that may block.
async fn blocking(
    chains: &Arc<Chains>,
    work: impl FnOnce(&Chains) -> Result<(), ControlError> + Send + 'static,
) -> Result<(), ControlError> {
    let chains = Arc::clone(chains);
    tokio::task::spawn_blocking(move || work(&chains))
        .await
        .map_err(|error| ControlError::Other(format!("changing links was broken off: {error}")))?
}

#[async_trait]
impl Net for Links {
    fn control(&self) -> LinkControl {
        match self.cutter {
            Cutter::Iptables(_) => LinkControl::Iptables,
            Cutter::Switch(_) => LinkControl::Switch,
        }
    }

    fn can_shape(&self) -> bool {
        matches!(self.cutter, Cutter::Switch(_))
    }

    async fn cut(&self, links: &[Link]) -> Result<(), ControlError> {
        prober::check(links, self.nodes)?;
        match &self.cutter {
            Cutter::Iptables(chains) => {
                let links = links.to_vec();
                blocking(chains, move |chains| chains.cut(&links)).await
            }
            Cutter::Switch(switch) => {
                with_switch(switch, |switch| links.iter().for_each(|&link| switch.cut(link)))
            }
        }
    }

    async fn shape(&self, link: Link, shape: Shape) -> Result<(), ControlError> {
        prober::check(&[link], self.nodes)?;
        shape.check()?;
        match &self.cutter {
            Cutter::Switch(switch) => with_switch(switch, |switch| switch.shape(link, shape)),
            Cutter::Iptables(_) if shape == Shape::default() => Ok(()),
            Cutter::Iptables(_) => Err(ControlError::Unsupported {
                env: EnvKind::Netns.name(),
                what: "delay or loss on a link without --links switch".into(),
            }),
        }
    }

    async fn heal(&self) -> Result<(), ControlError> {
        match &self.cutter {
            Cutter::Iptables(chains) => blocking(chains, Chains::heal).await,
            Cutter::Switch(switch) => with_switch(switch, Switch::heal),
        }
    }

    async fn sample(
        &self,
        link: Link,
        count: usize,
        bytes: usize,
        limit: Duration,
    ) -> Result<Sample, ControlError> {
        prober::sample_blocking(&self.prober, link, count, bytes, limit).await
    }

    async fn probe(&self, links: &[Link], limit: Duration) -> Result<Vec<bool>, ControlError> {
        prober::probe_blocking(&self.prober, links, limit).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
