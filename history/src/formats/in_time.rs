//! Puts the lines of a file in the order of their times.
//!
//! Clocks tell the same time twice. What ends and what begins at one time is taken to overlap, as Porcupine's
//! closed intervals do, so that no order is claimed that is not known:
//!
//! ```text
//! time        10        20        30
//! process 0   |── a ────|── b ────|
//! process 1             |── c ────|
//! ```
//!
//! a and c overlap, but so do a and b by their times, which one process cannot say: b goes to a process of
//! its own.

use std::collections::{HashMap, HashSet, VecDeque};

use super::jepsen::{Record, What, Who};

/// Whom a record is about, and whether it begins or ends something.
struct Act {
    who: Who,
    begins: bool,
}

/// `None` where it is about no client.
fn act(record: &mut Record) -> Option<Act> {
    let begins = record.what.is_invocation();
    let who = name_mut(&mut record.what)?.clone();
    Some(Act { who, begins })
}

/// The process, also where it may be a nemesis.
fn name_mut(what: &mut What) -> Option<&mut Who> {
    match what {
        What::Nemesis {
            client: Some((who, _)),
            ..
        } => Some(who),
        what => what.who_mut(),
    }
}

/// Under which names each process has something open; what began last ends first, such as a dequeue within a
/// drain.
type Open = HashMap<Who, Vec<Who>>;

/// Sorts records that all have times.
pub(super) fn sort(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| record.time_ns);
    let mut sorted = Vec::with_capacity(records.len());
    let mut open = Open::new();
    let mut apart = 0;
    let mut rest = records.into_iter().peekable();
    while let Some(first) = rest.next() {
        let time_ns = first.time_ns;
        let mut group = vec![first];
        while let Some(record) = rest.next_if(|record| record.time_ns == time_ns) {
            group.push(record);
        }
        let mut ends: Vec<Record> = Vec::new();
        let mut have_ended: HashSet<Who> = HashSet::new();
        for mut record in in_turns(group, &open) {
            let Some(Act { who, begins }) = act(&mut record) else {
                sorted.push(record);
                continue;
            };
            let names = open.entry(who.clone()).or_default();
            if begins {
                let name = match have_ended.contains(&who) {
                    true => {
                        apart += 1;
                        Who::Apart(Box::new(who), apart)
                    }
                    false => who,
                };
                names.push(name.clone());
                rename(&mut record, name);
                sorted.push(record);
            } else {
                let name = names.pop().unwrap_or_else(|| who.clone());
                rename(&mut record, name);
                have_ended.insert(who);
                ends.push(record);
            }
        }
        sorted.append(&mut ends);
    }
    sorted
}

fn rename(record: &mut Record, name: Who) {
    if let Some(who) = name_mut(&mut record.what) {
        *who = name;
    }
}

/// The records of one time, so that each process by turns begins something and ends it, as far as it can.
fn in_turns(group: Vec<Record>, open: &Open) -> Vec<Record> {
    if group.len() == 1 {
        return group;
    }
    /// What one process begins and what it ends, and whether it has something open.
    struct Turns([VecDeque<Record>; 2], bool);
    let mut turns: HashMap<Who, Turns> = HashMap::new();
    let mut places: Vec<Result<Who, Record>> = Vec::with_capacity(group.len());
    for mut record in group {
        let Some(Act { who, begins }) = act(&mut record) else {
            places.push(Err(record));
            continue;
        };
        let is_open = || open.get(&who).is_some_and(|names| !names.is_empty());
        let own = turns
            .entry(who.clone())
            .or_insert_with(|| Turns(Default::default(), is_open()));
        own.0[usize::from(!begins)].push_back(record);
        places.push(Ok(who));
    }
    let next = |who: &Who| {
        let Turns(records, is_open) = turns.get_mut(who)?;
        let turn = usize::from(*is_open);
        let record = records[turn]
            .pop_front()
            .or_else(|| records[1 - turn].pop_front());
        *is_open = !*is_open;
        record
    };
    let mut next = next;
    places
        .into_iter()
        .filter_map(|place| place.map_or_else(Some, |who| next(&who)))
        .collect()
}
