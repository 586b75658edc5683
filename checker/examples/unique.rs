//! dev
use checker::{Options, check, synthetic::*};
use history::Value;
use std::time::Instant;
fn hwm() -> usize {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}
fn rss() -> usize {
    std::fs::read_to_string("/proc/self/statm")
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 4096
}
fn main() {
    let n: usize = std::env::args()
        .nth(1)
        .map(|x| x.parse().unwrap())
        .unwrap_or(1_000_000);
    let h = register(&Synthetic {
        operations: n,
        clients: 100,
        open: 1000,
        values: None,
        violation: None,
        seed: 1,
    });
    let options = Options {
        initial: Some(Value::Int(0)),
        ..Options::default()
    };
    let mut sorts = vec![];
    let mut checks = vec![];
    let mut nearly = vec![];
    std::fs::write("/proc/self/clear_refs", "5").ok();
    let before = rss();
    for _ in 0..7 {
        let mut ts: Vec<u64> = h
            .operations
            .iter()
            .flat_map(|o| [o.invoked, o.completed])
            .collect();
        let t = Instant::now();
        ts.sort_unstable();
        nearly.push(t.elapsed().as_secs_f64());
        let mut x = 88172645463325252u64;
        for i in (1..ts.len()).rev() {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            ts.swap(i, (x % (i as u64 + 1)) as usize);
        }
        let t = Instant::now();
        ts.sort_unstable();
        sorts.push(t.elapsed().as_secs_f64());
        std::hint::black_box(&ts);
        drop(ts);
        let t = Instant::now();
        let a = check(&h, &options);
        checks.push(t.elapsed().as_secs_f64());
        assert_eq!(a.verdict, checker::Verdict::Valid, "{:?}", a.unknown);
    }
    let peak = hwm();
    for v in [&mut sorts, &mut checks, &mut nearly] {
        v.sort_by(f64::total_cmp);
    }
    println!(
        "sort {:.3} nearly {:.3} check {:.3} ratio {:.2} before {} B/op, growth {} B/op",
        sorts[3],
        nearly[3],
        checks[3],
        checks[3] / sorts[3],
        before / n,
        (peak - before) / n
    );
}
