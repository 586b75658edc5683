//! A register that answers with versions (`versioned-register`).

mod exact;
mod model;

use history::{History, OpKind, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search;
use crate::engine::frontier::by_frontier;
use crate::engine::publish::{self, Judged};
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::Entry;
use crate::objects::guess::Seen;
use crate::verdict::{Algorithm, Decision};
use model::readable;

pub use model::{VersionedRegister, VersionedRegisterOp, VersionedRegisterState};

const EXACT: Algorithm = Algorithm("versioned-register-exact");

pub(crate) const ENTRY: Entry = Entry {
    name: "versioned-register",
    about: "a register whose answers tell its version, such as a key of etcd with its mod revision",
    promise: "linearizable",
    operations: &[OpKind::Read, OpKind::Write, OpKind::Cas],
    per_key: true,
    suits: Seen::is_versioned,
    initial: || Value::Nil,
    initial_is: |_| Ok(()),
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| {
        Ok(sequential(
            &VersionedRegister {
                initial: initial.clone(),
            },
            true,
            history,
            limits,
        ))
    },
    account: None,
    monitor: |initial, limits| {
        let initial = initial.clone();
        Ok(by_frontier(VersionedRegister { initial }, limits))
    },
    ways: &[EXACT, Algorithm::SEARCH],
    decide,
};

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let register = VersionedRegister {
        initial: initial.clone(),
    };
    let calls = Calls::read(&register, history, indices);
    match exact::judge(&register, history, &calls) {
        // What a cas found is not to be seen in a choice of versions.
        Judged::Contradiction(found) if exact::holds(&calls, &found) => {
            (publish::conflict(history, &calls, found, Vec::new(), true), EXACT)
        }
        judged => publish::publish(&register, history, &calls, judged, EXACT)
            .unwrap_or_else(|| by_search(&register, history, indices, limits)),
    }
}
