//! The network between the namespaces: cut by iptables or by the switch, probed by datagrams.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::namespace::Namespace;
use super::switch::Switch;
use crate::links::iptables::Iptables;
use crate::links::prober::{self, Prober};
use crate::{CONTROLLER, ControlError, EnvKind, Link, LinkControl, Net, Sample, Shape};

/// How links are cut.
pub(crate) enum Cutter {
    Iptables(Arc<Chains>),
    /// `None` once it was stopped.
    Switch(Mutex<Option<Switch>>),
    /// Nothing can be cut.
    None,
}

/// The chains of all nodes.
pub(crate) struct Chains {
    iptables: Iptables,
    /// The namespace and the address of each node.
    nodes: Vec<(Namespace, IpAddr)>,
    /// Every link that is cut, or that a failed call may have cut.
    cuts: Mutex<BTreeSet<Link>>,
}

/// The network of the environment `netns`. The controller is a host like the nodes, the one after the last of
/// them, also for chains, switch and prober, where it can be cut off at all.
pub(crate) struct Links {
    nodes: usize,
    hosts: usize,
    cutter: Cutter,
    prober: Arc<Mutex<Prober>>,
}

impl Links {
    /// With `hosts` one more than `nodes`, the controller is one of them.
    pub(crate) fn new(nodes: usize, hosts: usize, cutter: Cutter, prober: Prober) -> Links {
        Links {
            nodes,
            hosts,
            cutter,
            prober: Arc::new(Mutex::new(prober)),
        }
    }

    /// The links between hosts for these links between nodes.
    ///
    /// # Errors
    /// When there is no such link.
    fn hosts(&self, links: &[Link]) -> Result<Vec<Link>, ControlError> {
        let host = |node| if node == CONTROLLER { self.nodes } else { node };
        let meant = links.iter().map(|link| Link {
            from: host(link.from),
            to: host(link.to),
        });
        let meant: Vec<Link> = meant.collect();
        prober::check(&meant, self.hosts)?;
        Ok(meant)
    }

    /// Stops the switch, if there is one; after that nothing passes.
    pub(crate) fn stop(&self) {
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
    pub(crate) fn new(iptables: Iptables, nodes: Vec<(Namespace, IpAddr)>) -> Result<Chains, ControlError> {
        each(&nodes, |(namespace, _)| iptables.hook(Some(namespace)))?;
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
                senders.push(self.nodes[cut.from].1);
            }
        }
        let senders: Vec<_> = senders.into_iter().collect();
        each(&senders, |(to, senders)| {
            self.iptables.set(Some(&self.nodes[*to].0), senders)
        })
    }
}

/// Does something with every item on its own thread; the first error counts.
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
        .map_err(|error| ControlError::Other(format!("changing links was interrupted: {error}")))?
}

#[async_trait]
impl Net for Links {
    fn control(&self) -> LinkControl {
        match self.cutter {
            Cutter::Iptables(_) => LinkControl::Iptables,
            Cutter::Switch(_) => LinkControl::Switch,
            Cutter::None => LinkControl::None,
        }
    }

    fn can_shape(&self) -> bool {
        matches!(self.cutter, Cutter::Switch(_))
    }

    async fn cut(&self, links: &[Link]) -> Result<(), ControlError> {
        let links = self.hosts(links)?;
        match &self.cutter {
            Cutter::Iptables(chains) => blocking(chains, move |chains| chains.cut(&links)).await,
            Cutter::Switch(switch) => {
                with_switch(switch, |switch| links.iter().for_each(|&link| switch.cut(link)))
            }
            Cutter::None if links.is_empty() => Ok(()),
            Cutter::None => Err(ControlError::Other("links cannot be cut here".into())),
        }
    }

    async fn cuts(&self) -> BTreeSet<Link> {
        let cuts = match &self.cutter {
            Cutter::Iptables(chains) => lock(&chains.cuts).clone(),
            Cutter::Switch(switch) => lock(switch).as_ref().map(Switch::cuts).unwrap_or_default(),
            Cutter::None => BTreeSet::new(),
        };
        let node = |host| if host == self.nodes { CONTROLLER } else { host };
        let named = cuts.into_iter().map(|link| Link {
            from: node(link.from),
            to: node(link.to),
        });
        named.collect()
    }

    async fn shape(&self, link: Link, shape: Shape) -> Result<(), ControlError> {
        prober::check(&[link], self.nodes)?;
        shape.check()?;
        match &self.cutter {
            Cutter::Switch(switch) => with_switch(switch, |switch| switch.shape(link, shape)),
            Cutter::Iptables(_) | Cutter::None if shape == Shape::default() => Ok(()),
            Cutter::Iptables(_) | Cutter::None => Err(ControlError::Unsupported {
                env: EnvKind::Netns.name(),
                what: "delay or loss on a link without --links switch".into(),
            }),
        }
    }

    async fn heal(&self) -> Result<(), ControlError> {
        match &self.cutter {
            Cutter::Iptables(chains) => blocking(chains, Chains::heal).await,
            Cutter::Switch(switch) => with_switch(switch, Switch::heal),
            Cutter::None => Ok(()),
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
        prober::probe_blocking(&self.prober, &self.hosts(links)?, limit).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
