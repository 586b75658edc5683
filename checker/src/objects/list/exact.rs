//! Lists to which transactions append unique elements: exact, in time close to that of reading all answers.
//!
//! The longest answer of each list tells the order of its appends (Kingsbury and Alvaro, Elle, VLDB 2020,
//! section 4), so it is known which transactions must come before which: who appended before whom, who was
//! seen by whom, who did not see whom yet, and who had completed before whom began (a chain of points in time
//! stands for these pairs). Appends that no one saw come behind all that was seen, in any order; open
//! transactions of which no one saw anything never happened as far as anybody can tell. A version tells how
//! many transactions had appended by then, which must be those whose appends a read of the same transaction
//! shows, and does as well as a read where it is no greater than what was seen. The transactions have an
//! order iff there is no cycle (Adya 1999, with real time).

use history::{History, Key, OPEN, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::model::{ListAppend, ListMicro};
use super::proof::holds;
use crate::engine::cycle::{Cycle, Edge, Graph, Kind};
use crate::engine::publish::{self, Contradiction, Judged};
use crate::model::Calls;
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::{Algorithm, Decision, Rule};

pub(crate) const ALGORITHM: Algorithm = Algorithm("list-append-exact");

/// Judges lists; `None` if the search must help.
pub(crate) fn decide(history: &History, calls: &Calls<Vec<ListMicro>>) -> Option<(Decision, Algorithm)> {
    match (Finder { calls }).judge() {
        Judged::Order(order) => Some((publish::valid(&ListAppend, calls, &order), ALGORITHM)),
        Judged::Contradiction(found) if found.rule == Rule::Cycle || holds(calls, &found) => Some((
            publish::conflict(history, calls, found, Vec::new(), true),
            ALGORITHM,
        )),
        Judged::Contradiction(found) => {
            let why = format!("internal: the conflict is wrong: {} does not follow", found.rule);
            Some((Decision::unknown(why), ALGORITHM))
        }
        Judged::Other => None,
    }
}

/// What a transaction did to one list, seen from outside.
#[derive(Debug, Default)]
struct Part<'a> {
    /// What it found there before it appended, if it looked.
    found: Option<&'a [Value]>,
    /// How many transactions had appended to it before, if it asked.
    version: Option<i64>,
    /// What it appended, in order.
    appended: Vec<&'a Value>,
}

/// One list.
#[derive(Debug, Default)]
struct List<'a> {
    /// Who did what to it, by call number.
    parts: Vec<(usize, Part<'a>)>,
    /// Who appended each element: places in `parts`.
    writers: FxHashMap<&'a Value, usize>,
}

/// One list's appends in the order in which they were seen.
#[derive(Debug, Default)]
struct Versions {
    /// Places in `parts`.
    writers: Vec<usize>,
    /// How many of the writers made the list so long.
    ends: FxHashMap<usize, usize>,
}

struct Finder<'a> {
    calls: &'a Calls<Vec<ListMicro>>,
}

/// Why there is no order, or that no one knows.
type Why = Judged;

impl<'a> Finder<'a> {
    fn judge(&self) -> Judged {
        self.try_judge().unwrap_or_else(|why| why)
    }

    fn try_judge(&self) -> Result<Judged, Why> {
        let calls = &self.calls.calls;
        let lists = self.lists()?;
        let mut versions = Vec::with_capacity(lists.len());
        let mut happened: Vec<bool> = calls.iter().map(|call| call.finish != OPEN).collect();
        for list in &lists {
            let found = self.versions(list)?;
            self.counted(list, &found)?;
            for &place in &found.writers {
                happened[list.parts[place].0] = true;
            }
            versions.push(found);
        }
        let mut graph = Graph::new(calls, &happened);
        for (number, (list, versions)) in lists.iter().zip(&versions).enumerate() {
            self.connect(&mut graph, number as u32, list, versions, &happened)?;
        }
        match graph.order() {
            Ok(order) => Ok(Judged::Order(order)),
            Err(cycle) => Err(self.cycle(&lists, &happened, cycle)),
        }
    }

    /// Sorts what was done by list.
    fn lists(&self) -> Result<Vec<List<'a>>, Why> {
        let mut places: FxHashMap<&Key, usize> = FxHashMap::default();
        let mut lists: Vec<List> = Vec::new();
        for (number, call) in self.calls.calls.iter().enumerate() {
            for micro in &call.op {
                let (ListMicro::Read(key, _) | ListMicro::Append(key, _) | ListMicro::Version(key, ..)) =
                    micro;
                let place = *places.entry(key).or_insert(lists.len());
                if place == lists.len() {
                    lists.push(List::default());
                }
                let list = &mut lists[place];
                if list.parts.last().is_none_or(|(last, _)| *last != number) {
                    list.parts.push((number, Part::default()));
                }
                let here = list.parts.len() - 1;
                let part = &mut list.parts[here].1;
                match micro {
                    ListMicro::Append(_, element) => {
                        part.appended.push(element);
                        if list.writers.insert(element, here).is_some() {
                            return Err(Judged::Other);
                        }
                    }
                    ListMicro::Version(_, version, _) => {
                        let before = version.saturating_sub(i64::from(!part.appended.is_empty()));
                        if part.version.is_some_and(|version| version != before) {
                            return Err(self.at_odds(number));
                        }
                        part.version = Some(before);
                    }
                    ListMicro::Read(_, seen) => {
                        // What it appended itself stands at the end.
                        let own = part.appended.len();
                        let before = seen.len().checked_sub(own).map(|length| seen.split_at(length));
                        match before {
                            Some((before, after))
                                if after.iter().eq(part.appended.iter().copied())
                                    && part.found.is_none_or(|found| found == before) =>
                            {
                                part.found = Some(before);
                            }
                            _ => return Err(self.at_odds(number)),
                        }
                    }
                }
            }
        }
        Ok(lists)
    }

    /// The order in which a list grew.
    fn versions(&self, list: &List<'a>) -> Result<Versions, Why> {
        // Elements are appended once, so no one finds what it is about to append.
        let finds_own = |(_, part): &&(usize, Part)| {
            let is_found = |own: &&Value| part.found.is_some_and(|found| found.contains(own));
            part.appended.iter().any(is_found)
        };
        if let Some((number, _)) = list.parts.iter().find(finds_own) {
            return Err(self.at_odds(*number));
        }
        let readers = || {
            list.parts
                .iter()
                .filter_map(|(number, part)| Some((*number, part.found?)))
        };
        let Some((reader, longest)) = readers().max_by_key(|(_, found)| found.len()) else {
            return Ok(Versions {
                writers: Vec::new(),
                ends: FxHashMap::from_iter([(0, 0)]),
            });
        };
        if let Some((other, _)) = readers().find(|(_, found)| !longest.starts_with(found)) {
            return Err(self.diverged(other, reader));
        }
        let mut versions = Versions::default();
        let mut rest = longest;
        let mut seen: FxHashSet<usize> = FxHashSet::default();
        loop {
            versions
                .ends
                .insert(longest.len() - rest.len(), versions.writers.len());
            let Some(first) = rest.first() else { break };
            let Some(&writer) = list.writers.get(first) else {
                return Err(self.phantom(reader, first));
            };
            let (number, part) = &list.parts[writer];
            if !seen.insert(writer) {
                return Err(self.in_pieces(reader, *number));
            }
            let length = part.appended.len();
            if rest.len() < length || !rest[..length].iter().eq(part.appended.iter().copied()) {
                return Err(self.in_pieces(reader, *number));
            }
            versions.writers.push(writer);
            rest = &rest[length..];
        }
        for (other, found) in readers() {
            if !versions.ends.contains_key(&found.len()) {
                let cut = longest.get(found.len()).and_then(|next| list.writers.get(next));
                let writer = cut.map_or(other, |&writer| list.parts[writer].0);
                return Err(self.in_pieces(other, writer));
            }
        }
        Ok(versions)
    }

    /// Whether the versions that were told can be: they count what was seen, and not more than can have been
    /// appended.
    fn counted(&self, list: &List<'a>, versions: &Versions) -> Result<(), Why> {
        for (number, part) in &list.parts {
            let Some(version) = part.version else { continue };
            let count = part.found.and_then(|found| versions.ends.get(&found.len()));
            match (count, part.found) {
                (Some(&count), Some(found)) if i64::try_from(count) != Ok(version) => {
                    return Err(self.miscounted(*number, found.len(), version, count));
                }
                _ => {}
            }
            let writes = |(other, part): &&(usize, Part)| other != number && !part.appended.is_empty();
            if count.is_none() {
                let most = list.parts.iter().filter(writes).count();
                if version < 0 || i64::try_from(most).is_ok_and(|most| version > most) {
                    return Err(self.uncountable(*number, version, most));
                }
            }
        }
        // Of appends that no one saw no one knows in which order they were counted; and who counted and
        // appended, but did not look, is followed no further.
        let is_unclear = |(place, (_, part)): (usize, &(usize, Part))| {
            let version = part.version.and_then(|version| usize::try_from(version).ok());
            version.is_some_and(|version| version > versions.writers.len())
                || (version.is_some() && part.found.is_none() && versions.writers.contains(&place))
        };
        match list.parts.iter().enumerate().any(is_unclear) {
            true => Err(Judged::Other),
            false => Ok(()),
        }
    }

    /// Which transactions must come before which because of one list.
    fn connect(
        &self,
        graph: &mut Graph,
        list_number: u32,
        list: &List<'a>,
        versions: &Versions,
        happened: &[bool],
    ) -> Result<(), Why> {
        let edge = |kind| Edge {
            kind,
            list: list_number,
        };
        let calls_of = |place: usize| list.parts[place].0;
        let mut writers = versions.writers.clone();
        let mut is_seen = vec![false; list.parts.len()];
        writers.iter().for_each(|&place| is_seen[place] = true);
        let full = writers.len();
        let count = |part: &Part| match part.found {
            Some(found) => versions.ends.get(&found.len()).copied(),
            None => part.version.and_then(|version| usize::try_from(version).ok()),
        };
        let is_left = |&place: &usize| {
            let (number, part) = &list.parts[place];
            !is_seen[place] && happened[*number] && !part.appended.is_empty()
        };
        let mut left: Vec<usize> = (0..list.parts.len()).filter(is_left).collect();
        // Who found all that was seen and appended to it comes next. Two cannot: each would have to see the
        // other.
        let next: Vec<usize> = left
            .iter()
            .copied()
            .filter(|&place| count(&list.parts[place].1) == Some(full))
            .collect();
        for &place in &next {
            for &other in next.iter().take(2).filter(|&&other| other != place) {
                graph.add(calls_of(place), calls_of(other), edge(Kind::NotSeen));
            }
        }
        if let [next] = next[..] {
            left.retain(|&place| place != next);
            writers.push(next);
        }
        for pair in writers.windows(2) {
            graph.add(calls_of(pair[0]), calls_of(pair[1]), edge(Kind::Behind));
        }
        if let Some(&last) = writers.last() {
            for &place in &left {
                graph.add(calls_of(last), calls_of(place), edge(Kind::Behind));
            }
        }
        let end = graph.point();
        for &place in &left {
            graph.leave(end, calls_of(place), edge(Kind::NotSeen));
        }
        for (number, part) in list.parts.iter().filter(|(number, _)| happened[*number]) {
            let Some(count) = count(part) else { continue };
            if let Some(&writer) = count.checked_sub(1).and_then(|place| writers.get(place)) {
                graph.add(calls_of(writer), *number, edge(Kind::Seen));
            }
            match writers.get(count) {
                Some(&writer) if calls_of(writer) == *number => {}
                Some(&writer) => graph.add(*number, calls_of(writer), edge(Kind::NotSeen)),
                // Those that found all and appended were dealt with above.
                None if part.appended.is_empty() => graph.enter(*number, end, edge(Kind::NotSeen)),
                None => {}
            }
        }
        Ok(())
    }

    fn diverged(&self, one: usize, other: usize) -> Why {
        let why = sentence![
            op(one),
            " and ",
            op(other),
            " saw the same list, and neither of the two answers is a prefix of the other."
        ];
        Judged::Contradiction(Contradiction::whole(Rule::Diverged, vec![one, other], vec![why]))
    }

    fn phantom(&self, reader: usize, element: &Value) -> Why {
        let why = sentence![
            op(reader),
            format!(" saw {element}, which no operation can have appended.")
        ];
        Judged::Contradiction(Contradiction::whole(Rule::NeverWritten, vec![reader], vec![why]))
    }

    fn at_odds(&self, number: usize) -> Why {
        let why = sentence![
            op(number),
            " contradicts itself: what it saw does not fit what else it saw and appended."
        ];
        Judged::Contradiction(Contradiction::whole(Rule::OutOfOrder, vec![number], vec![why]))
    }

    fn miscounted(&self, number: usize, elements: usize, version: i64, count: usize) -> Why {
        let found = match elements {
            1 => "1 element".to_owned(),
            _ => format!("{elements} elements"),
        };
        let why = sentence![
            op(number),
            format!(" found a list of {found} at version {version}.")
        ];
        let but = match count {
            1 => "They were appended by 1 transaction, and a transaction adds 1 to the version.".to_owned(),
            _ => format!(
                "They were appended by {count} transactions, and each transaction adds 1 to the version."
            ),
        };
        Judged::Contradiction(Contradiction::whole(
            Rule::WrongVersion,
            vec![number],
            vec![why, but.into()],
        ))
    }

    fn uncountable(&self, number: usize, version: i64, most: usize) -> Why {
        let why = sentence![op(number), format!(" found a list at version {version}.")];
        let but = match most {
            1 => "But only 1 other transaction can have appended to it.".to_owned(),
            _ => format!("But only {most} other transactions can have appended to it."),
        };
        Judged::Contradiction(Contradiction::whole(
            Rule::WrongVersion,
            vec![number],
            vec![why, but.into()],
        ))
    }

    fn in_pieces(&self, reader: usize, writer: usize) -> Why {
        let why = sentence![
            op(reader),
            " saw only a part of what ",
            op(writer),
            " appended, or did not see it in one piece."
        ];
        Judged::Contradiction(Contradiction::whole(Rule::Lost, vec![reader, writer], vec![why]))
    }

    fn cycle(&self, lists: &[List<'a>], happened: &[bool], cycle: Cycle) -> Why {
        /// How many transactions are named.
        const MOST_NAMED: usize = 6;
        for &(from, to, edge) in &cycle.edges {
            if !self.follows(lists, happened, from, to, edge) {
                return Judged::Other;
            }
        }
        let because = |&(from, to, edge): &(usize, usize, Edge)| {
            let why = match edge.kind {
                Kind::Seen => "the second saw what the first appended",
                Kind::Behind => "the second appended after the first",
                Kind::NotSeen => "the first did not yet see what the second appended",
                Kind::Before => "the first had completed when the second began",
            };
            sentence![op(from), " comes before ", op(to), format!(": {why}.")]
        };
        let mut sentences: Vec<Sentence> = cycle.edges.iter().take(3).map(because).collect();
        if cycle.edges.len() > 3 {
            let rest = format!("And so on: {} transactions in a circle.", cycle.edges.len());
            sentences[2] = rest.into();
        }
        let mut shown: Vec<usize> = cycle.edges.iter().map(|(from, ..)| *from).collect();
        let also = shown.split_off(shown.len().min(MOST_NAMED));
        let found = Contradiction::whole(Rule::Cycle, shown, sentences);
        Judged::Contradiction(Contradiction { also, ..found })
    }

    /// Whether one transaction must come before another, looked at again without the order of the versions:
    /// by what reads show and lack.
    fn follows(&self, lists: &[List<'a>], happened: &[bool], from: usize, to: usize, edge: Edge) -> bool {
        let calls = &self.calls.calls;
        if !happened[from] || !happened[to] || from == to {
            return false;
        }
        if edge.kind == Kind::Before {
            return calls[from].finish < calls[to].start;
        }
        let list = &lists[edge.list as usize];
        let part = |number: usize| {
            list.parts
                .iter()
                .find(|(other, _)| *other == number)
                .map(|(_, part)| part)
        };
        let (Some(from), Some(to)) = (part(from), part(to)) else {
            return false;
        };
        let place = |found: &[Value], part: &Part| {
            part.appended
                .iter()
                .find_map(|element| found.iter().position(|other| other == *element))
        };
        match edge.kind {
            Kind::Seen => to.found.is_some_and(|found| place(found, from).is_some()),
            Kind::NotSeen => {
                !to.appended.is_empty() && from.found.is_some_and(|found| place(found, to).is_none())
            }
            // Someone saw the one before the other, or the one without the other, maybe the other himself.
            Kind::Behind => list.parts.iter().filter_map(|(_, part)| part.found).any(|found| {
                match (place(found, from), place(found, to)) {
                    (Some(one), Some(other)) => one < other,
                    (one, other) => one.is_some() && other.is_none() && !to.appended.is_empty(),
                }
            }),
            Kind::Before => false,
        }
    }
}
