//! Watches the store during a run: which node leads, and which processes died on their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use control::{Db, Node};
use history::{Note, NoteKind};

use super::{Dispatcher, Runtime};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// Records a note in the history whenever another node leads, or the same one in another term, and whenever a
/// node's process dies although no fault killed it. Runs until it is dropped.
pub async fn watch_store<R: Runtime>(dispatcher: Arc<Dispatcher<R>>, db: Arc<dyn Db>, nodes: Vec<Node>) {
    let mut leader = None;
    let mut crashed = BTreeSet::new();
    let name = |index: usize| {
        nodes
            .get(index)
            .map_or_else(|| index.to_string(), |node| node.name.clone())
    };
    loop {
        let primaries = db.primaries().await;
        // An isolated old leader may take itself for the leader for a while; the newest one counts.
        if let Some(&first) = primaries.first()
            && leader != Some(first)
        {
            leader = Some(first);
            let others: Vec<String> = primaries[1..].iter().map(|primary| name(primary.node)).collect();
            let detail = match others.is_empty() {
                true => String::new(),
                false => format!("{} still claims to lead", others.join(", ")),
            };
            dispatcher.record_note(Note {
                node: name(first.node),
                term: first.term,
                detail,
                ..Note::new(NoteKind::Leader)
            });
        }
        let now: BTreeSet<usize> = db.crashed().await.into_iter().collect();
        for &index in now.difference(&crashed) {
            dispatcher.note(
                NoteKind::Crash,
                &name(index),
                "its process ended, and no fault had ended it".into(),
            );
        }
        crashed = now;
        tokio::time::sleep(INTERVAL).await;
    }
}
