//! Small histories of every model, also as the tests of Jepsen's and Maelstrom's own checkers have them.

use super::{INVALID, REFUSED, UNKNOWN, VALID, check_with, edn};

/// The flags, what the history is, the exit code, and a part of what is said. The first word of the flags is
/// the model, guessed where there is none; what follows is another flag, or what the object holds at first.
const MODELS: &[(&str, &str, i32, &str)] = &[
    // Counters, also as Jepsen's counter has them.
    (
        "",
        "0 inc nil → nil; 0 incr 4 → 4; 1 dec nil → nil; 1 read nil → 4",
        VALID,
        "model counter",
    ),
    (
        "",
        "0 increment 2 → 2; 0 decr 5 → 5; 1 read nil → 3",
        INVALID,
        "model counter",
    ),
    (
        "",
        "0 decrement -3 → nil; 1 read nil → 3",
        REFUSED,
        "may add or subtract",
    ),
    ("counter", "0 read nil → 0", VALID, ""),
    (
        "counter",
        "0 invoke add 1; 0 fail add 1; 0 read nil → 0",
        VALID,
        "",
    ),
    (
        "counter",
        "0 invoke add 1; 1 read nil → 0; 1 read nil → 1",
        VALID,
        "",
    ),
    ("counter", "0 read nil → 1", INVALID, "outside the possible range"),
    (
        "counter",
        "0 invoke read nil; 1 invoke add 1; 0 ok read 0; 0 invoke read nil; 1 ok add 1; 1 invoke add 2; 0 ok read 3; \
         0 invoke read nil; 1 ok add 2; 0 ok read 5",
        INVALID,
        "",
    ),
    // Sets from which elements are taken out.
    (
        "",
        "0 add 1 → 1; 0 remove 1 → 1; 1 read nil → #{}; 0 add 1 → 1; 1 read nil → #{1}",
        VALID,
        "model set",
    ),
    (
        "",
        "0 add 1 → 1; 0 remove 1 → 1; 1 read nil → #{1}",
        INVALID,
        "had completed before",
    ),
    (
        "",
        "0 add 1 → 1; 0 add 2 → 2; 0 delete 1 → 1; 1 read nil → #{}",
        INVALID,
        "lacking",
    ),
    // Locks that are tried.
    (
        "",
        "0 acquire nil → nil; 1 try-acquire nil → false; 0 release nil → nil",
        VALID,
        "model mutex",
    ),
    (
        "",
        "0 acquire nil → nil; 0 release nil → nil; 1 try-lock nil → false",
        INVALID,
        "",
    ),
    (
        "",
        "0 try-acquire nil → true; 1 try-acquire nil → true",
        INVALID,
        "",
    ),
    (
        "",
        "0 try-acquire nil → nil; 1 acquire nil → nil",
        REFUSED,
        "true, false or a token",
    ),
    (
        "",
        "0 try-acquire nil → 3; 1 try-acquire nil → false; 0 release nil → nil; 1 acquire nil → 2",
        INVALID,
        "model fenced-lock",
    ),
    // Locks that are taken again, which may be no plain ones.
    (
        "",
        "0 acquire nil → nil; 0 acquire nil → nil; 0 release nil → nil",
        UNKNOWN,
        "--model reentrant-lock",
    ),
    (
        "mutex",
        "0 acquire nil → nil; 0 acquire nil → nil; 0 release nil → nil",
        INVALID,
        "",
    ),
    (
        "reentrant-lock",
        "0 acquire nil → nil; 0 acquire nil → nil; 0 release nil → nil; 0 release nil → nil; 1 acquire nil → nil",
        VALID,
        "reentrant-lock-exact",
    ),
    (
        "reentrant-lock",
        "0 acquire nil → nil; 0 acquire nil → nil; 0 release nil → nil; 1 acquire nil → nil",
        INVALID,
        "never freed the lock",
    ),
    (
        "reentrant-lock",
        "0 acquire nil → 3; 0 acquire nil → 3; 0 release nil → nil",
        VALID,
        "",
    ),
    (
        "reentrant-lock",
        "0 acquire nil → 3; 0 release nil → nil; 1 acquire nil → 3",
        INVALID,
        "",
    ),
    // How often its holder may take it no one says.
    (
        "reentrant-lock",
        "0 acquire nil → nil; 0 try-acquire nil → false",
        VALID,
        "",
    ),
    (
        "reentrant-lock",
        "0 acquire nil → nil; 0 release nil → nil; 1 try-acquire nil → false",
        INVALID,
        "",
    ),
    // Semaphores.
    (
        "semaphore 2",
        "0 acquire nil → nil; 1 acquire nil → nil",
        VALID,
        "semaphore-exact",
    ),
    (
        "semaphore 2",
        "0 acquire nil → nil; 1 acquire nil → nil; 0 acquire nil → nil",
        INVALID,
        "3 permits were held at once, and there are 2",
    ),
    (
        "semaphore 2",
        "0 acquire nil → nil; 1 release nil → nil",
        INVALID,
        "held no permit",
    ),
    (
        "semaphore 1",
        "0 acquire nil → nil; 1 try-acquire nil → false",
        VALID,
        "",
    ),
    (
        "semaphore 2",
        "0 acquire nil → nil; 1 try-acquire nil → false",
        INVALID,
        "",
    ),
    (
        "semaphore",
        "0 acquire nil → nil; 1 acquire nil → nil",
        UNKNOWN,
        "--initial",
    ),
    (
        "semaphore",
        "0 acquire nil → nil; 1 release nil → nil",
        INVALID,
        "",
    ),
    (
        "semaphore -1",
        "0 acquire nil → nil",
        REFUSED,
        "the number of its permits",
    ),
    // Numbers that grow, and ids that need not.
    (
        "",
        "0 generate nil → 2; 1 generate nil → 1",
        VALID,
        "model unique-ids",
    ),
    (
        "monotonic",
        "0 generate nil → 2; 1 generate nil → 1",
        INVALID,
        "1 is less than 2",
    ),
    (
        "monotonic",
        "0 generate nil → 2; 1 read nil → 2; 1 generate nil → 2",
        INVALID,
        "the same number",
    ),
    (
        "monotonic",
        "0 generate nil → 2; 1 read nil → 2; 1 generate nil → 9",
        VALID,
        "",
    ),
    (
        "monotonic",
        "0 invoke generate nil; 1 generate nil → 2; 0 ok generate 1",
        VALID,
        "",
    ),
    ("monotonic 5", "0 generate nil → 5", INVALID, ""),
    (
        "",
        "0 generate nil → 0; 1 generate nil → 1; 2 generate nil → 0",
        INVALID,
        "the same id",
    ),
    // Banks.
    (
        "",
        "0 read nil → {0 10, 1 10}; 0 transfer {:from 0, :to 1, :amount 5} → nil; 1 read nil → {0 5, 1 15}",
        VALID,
        "model bank",
    ),
    (
        "",
        "0 read nil → {0 10, 1 10}; 0 transfer {:from 0, :to 1, :amount 5} → nil; 1 read nil → {0 10, 1 15}",
        INVALID,
        "Transfers do not change the total",
    ),
    (
        "",
        "0 transfer {:from 0, :to 1, :amount 5} → nil; 1 read nil → {0 -5, 1 25}",
        UNKNOWN,
        "--model bank-overdraft",
    ),
    (
        "",
        "0 transfer {:from 0, :to 1, :amount 5} → nil; 1 read nil → {0 -5, 1 25}; 1 read nil → {0 0, 1 25}",
        INVALID,
        "",
    ),
    (
        "bank",
        "1 read nil → {0 -5, 1 25}",
        INVALID,
        "a negative balance of the account 0",
    ),
    ("bank-overdraft", "1 read nil → {0 -5, 1 25}", VALID, ""),
    ("bank", "1 read nil → {0 nil, 1 20}", INVALID, "without a balance"),
    (
        "bank {0 10, 1 10}",
        "1 read nil → {0 10, 1 11}",
        INVALID,
        "and there are 20",
    ),
    (
        "bank {0 10, 1 10}",
        "1 read nil → {0 10, 2 10}",
        INVALID,
        "which the bank does not have",
    ),
    (
        "bank",
        "1 read nil → {0 10, 1 10}; 1 read nil → {0 10}",
        UNKNOWN,
        "--initial",
    ),
    (
        "",
        "1 read nil → {0 10, 1 10}; 0 transfer {:from 0, :to 2, :amount 1} → nil; 1 read nil → {0 9, 1 10}",
        UNKNOWN,
        "all that transfers name",
    ),
    ("bank", "1 read nil → [10 10]; 1 read nil → [9 10]", INVALID, ""),
    // Sets and counters that converge, as Maelstrom has them.
    ("g-set", "0 add 0 → 0", UNKNOWN, "no process read last"),
    ("g-set", "0 invoke add 0; 1 read nil → #{}", UNKNOWN, ""),
    ("g-set", "0 add 0 → 0; 1 read nil → #{0}", VALID, "last-reads"),
    (
        "g-set",
        "0 add 0 → 0; 1 read nil → #{}",
        UNKNOWN,
        "--last-reads-final",
    ),
    (
        "g-set --last-reads-final",
        "0 add 0 → 0; 1 read nil → #{}",
        INVALID,
        "and yet it lacks 0",
    ),
    (
        "g-set",
        "0 add 0 → 0; 1 read nil → #{}; 1 read nil → [0]",
        VALID,
        "stale",
    ),
    (
        "g-set",
        "0 invoke add 0; 1 invoke read nil; 0 ok add 0; 1 ok read #{}",
        UNKNOWN,
        "",
    ),
    (
        "g-set --last-reads-final",
        "0 invoke add 0; 1 invoke add 1; 2 read nil → #{1}; 0 ok add 0; 1 ok add 1; 2 read nil → #{0 1}; \
         2 read nil → #{0}; 2 read nil → #{}",
        INVALID,
        "",
    ),
    (
        "g-set --last-reads-final",
        "0 add 0 → 0; 1 invoke add 1; 2 read nil → #{1}; 1 ok add 1; 2 invoke read nil; 3 read nil → #{1}; \
         2 ok read #{0}",
        INVALID,
        "",
    ),
    (
        "g-set",
        "0 add 0 → 0; 1 read nil → #{0 7}",
        INVALID,
        "no operation can have written",
    ),
    ("g-set", "0 add 0 → 0; 1 read nil → [0 0]", INVALID, "twice"),
    (
        "g-set",
        "0 add 0 → 0; 3 invoke add 1; 3 info add 1; 1 read nil → #{0}; 2 read nil → #{0 1}",
        UNKNOWN,
        "may have come in between",
    ),
    (
        "pn-counter",
        "0 add 2 → 2; 1 add 3 → 3; 0 read nil → 5; 1 read nil → 4",
        INVALID,
        "They make 0, 2 to 3, 5",
    ),
    // A sum that lacks something may only have been read too soon.
    (
        "pn-counter",
        "0 add 2 → 2; 1 add 3 → 3; 0 read nil → 5; 1 read nil → 3",
        UNKNOWN,
        "--last-reads-final",
    ),
    (
        "pn-counter --last-reads-final",
        "0 add 2 → 2; 1 add 3 → 3; 0 read nil → 5; 1 read nil → 3",
        INVALID,
        "make 5",
    ),
    // What the harness marks counts, and nothing else.
    (
        "pn-counter",
        "0 add 2 → 2; 1 add 3 → 3; 0 final-read nil → 5; 1 final-read nil → 3",
        INVALID,
        "make 5",
    ),
    (
        "pn-counter",
        "0 add 2 → 2; 1 add 3 → 3; 1 final-read nil → 5; 0 read nil → 3",
        VALID,
        "",
    ),
    (
        "pn-counter",
        "0 invoke add 2; 1 final-read nil → 0; 0 ok add 2",
        UNKNOWN,
        "no process read last",
    ),
    (
        "g-set",
        "0 add 0 → 0; 1 final-read nil → #{}",
        INVALID,
        "and yet it lacks 0",
    ),
    (
        "g-set",
        "0 add 0 → 0; 1 final-read nil → #{0}; 2 read nil → #{}",
        VALID,
        "",
    ),
    // As Maelstrom's tests of its counter have them.
    (
        "pn-counter",
        "0 add 10 → 10; 1 invoke add 5; 1 info add 5; 2 invoke add -1; 2 info add -1; 3 invoke add -1; 3 info add -1; \
         0 final-read nil → 4",
        INVALID,
        "8 to 10, 13 to 15",
    ),
    (
        "pn-counter",
        "0 add 10 → 10; 1 invoke add 5; 1 info add 5; 2 invoke add -1; 2 info add -1; 3 invoke add -1; 3 info add -1; \
         0 read nil → 11",
        INVALID,
        "They make -2 to 0, 3 to 5, 8 to 10, …",
    ),
    (
        "pn-counter",
        "0 add 10 → 10; 1 invoke add 5; 1 info add 5; 2 invoke add -1; 2 info add -1; 0 read nil → 14",
        VALID,
        "",
    ),
    // Who reads before the last addition may miss it.
    (
        "pn-counter",
        "0 add 2 → 2; 1 read nil → 0; 0 add 3 → 3; 0 read nil → 5",
        VALID,
        "",
    ),
    // Transactions that fork.
    (
        "long-fork",
        "0 invoke read [[:r 0 nil] [:r 1 nil] [:r 2 nil]]; 1 invoke read [[:r 2 nil] [:r 0 nil] [:r 1 nil]]; \
         2 write [[:w 0 1]] → [[:w 0 1]]; 2 write [[:w 1 1]] → [[:w 1 1]]; 2 write [[:w 2 1]] → [[:w 2 1]]; \
         0 ok read [[:r 0 1] [:r 1 1] [:r 2 nil]]; 1 ok read [[:r 2 1] [:r 0 1] [:r 1 nil]]",
        INVALID,
        "neither write can have come first",
    ),
    (
        "long-fork",
        "2 write [[:w 0 1]] → [[:w 0 1]]; 2 write [[:w 1 1]] → [[:w 1 1]]; \
         0 read [[:r 0 nil] [:r 1 nil]] → [[:r 0 1] [:r 1 nil]]; 0 read [[:r 0 nil] [:r 1 nil]] → [[:r 0 1] [:r 1 1]]",
        VALID,
        "pairs-of-keys",
    ),
    (
        "long-fork",
        "2 write [[:w 0 1]] → [[:w 0 1]]; 2 write [[:w 0 2]] → [[:w 0 2]]; \
         0 read [[:r 0 nil] [:r 1 nil]] → [[:r 0 1] [:r 1 nil]]",
        UNKNOWN,
        "written more than once",
    ),
    // Registers whose causes show before their effects.
    (
        "causal 0",
        "0 read-init nil → 0; 0 write 1 → 1; 0 read nil → 1; 0 write 2 → 2; 0 read nil → 2",
        VALID,
        "causal-order",
    ),
    ("causal 0", "0 read-init nil → 1", INVALID, ""),
    (
        "causal 0",
        "0 read-init nil → 0; 0 write 1 → 1; 0 read nil → 0",
        INVALID,
        "",
    ),
    (
        "causal 0",
        "0 write 1 → 1; 0 write 2 → 2; 0 read nil → 1",
        INVALID,
        "",
    ),
    // Others may see it later.
    (
        "causal 0",
        "0 write 1 → 1; 1 read nil → 0; 1 read nil → 1",
        VALID,
        "",
    ),
    // Inserts that show in another order.
    (
        "causal-reverse",
        "0 write 1 → 1; 0 write 2 → 2; 0 read nil → [1 2]",
        VALID,
        "real-time-of-writes",
    ),
    (
        "causal-reverse",
        "0 write 1 → 1; 0 write 2 → 2; 0 read nil → [1]",
        VALID,
        "",
    ),
    (
        "causal-reverse",
        "0 write 1 → 1; 0 write 2 → 2; 0 read nil → [2]",
        INVALID,
        "shows 2 and lacks 1",
    ),
    (
        "causal-reverse",
        "0 invoke write 1; 1 invoke write 2; 0 ok write 1; 2 invoke read nil; 1 ok write 2; 2 ok read [2 1]",
        VALID,
        "",
    ),
    (
        "causal-reverse",
        "0 invoke write 1; 1 write 2 → 2; 0 ok write 1; 2 read nil → [2]",
        VALID,
        "",
    ),
    // Queues that lose and repeat.
    (
        "unordered-queue",
        "1 invoke enqueue 1; 2 enqueue 2 → 2; 3 dequeue nil → 1; 3 dequeue nil → 2",
        VALID,
        "",
    ),
    (
        "unordered-queue",
        "3 enqueue :dup → :dup; 6 dequeue nil → :dup; 7 dequeue nil → :dup",
        INVALID,
        "",
    ),
];

#[test]
fn each_model_has_its_verdicts() {
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (model, history, code, said) in MODELS {
        let (name, initial) = model.split_once(' ').unwrap_or((model, ""));
        let mut flags = Vec::new();
        if !name.is_empty() {
            flags.extend(["--model", name]);
        }
        let others = match initial.starts_with("--") {
            true => initial.to_owned(),
            false => format!("--initial={initial}"),
        };
        if model.contains(' ') {
            flags.push(&others);
        }
        let (found, told) = check_with(directory.path(), "history.edn", &edn(history), &flags);
        if found != Some(*code) || !told.contains(said) {
            wrong.push(format!(
                "{model}: {history}: {code} and {said:?} are expected:\n{told}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
