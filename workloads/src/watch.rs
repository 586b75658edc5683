//! `watch`: writers change a few registers, watchers follow them; every change must be reported once, in
//! order.
//!
//! ```text
//!  writers   ── write(3, 17) = revision 40 ── write(3, 18) = revision 42 ──
//!  watchers  ── watch(3, from 39) = up to 41: [40, 17] ── watch(3, from 42) = up to 44: [42, 18] ──
//!                                                          after the heal: every thread watches
//!                                                          every key once, from before its first change
//! ```
//!
//! A watcher requests what came after the last revision that it received, so that its answers join without a
//! gap; many watchers on several nodes must agree. The last watches show the whole order of changes, as each
//! node has it. A fresh key takes a key's place after so many writes, which keeps these answers small.
//!
//! Invariant: no value is written twice in a run, to any key. Source: etcd's guarantees for watches (etcd API
//! guarantees: ordered, unique, reliable, atomic, resumable).

mod following;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use generator::each_thread;
use history::ObjectKind;

use crate::last_reads::LastReads;
use crate::{Entry, Workload, WorkloadOptions, judge_by};
use following::{Beginnings, Following};

pub(crate) const ENTRY: Entry = Entry {
    name: "watch",
    description: "registers under write and watch; judged by whether every change was reported once and in order",
    make,
};

const MODEL: &str = "watch";

fn make(options: &WorkloadOptions) -> Workload {
    let begun = Arc::new(AtomicI64::new(0));
    let beginnings = Arc::new(Mutex::new(Beginnings::default()));
    // Every thread watches every key, so each gets its part of what may be read at the end.
    let each = WorkloadOptions {
        final_keys: options.final_keys / options.clients.max(1),
        nodes: 0,
        ..options.clone()
    };
    let last = {
        let (begun, beginnings) = (begun.clone(), beginnings.clone());
        each_thread(move |_| {
            let beginnings = beginnings.clone();
            let ask = move |key| following::watch(key, following::beginning(&beginnings, key));
            Box::new(LastReads::new(&each, begun.clone(), Arc::default(), ask))
        })
    };
    Workload {
        generator: Box::new(Following::new(options, begun, beginnings)),
        final_generator: Some(Box::new(last)),
        object: ObjectKind::Watched,
        model: MODEL,
        stream: Some(checker::stream::Stream::new(&judge_by(MODEL))),
    }
}
