//! dev
use checker::{Options, check_key, synthetic::*};
use history::Value;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let list = |i: usize, d: &str| -> Vec<usize> {
        args.get(i)
            .map(String::as_str)
            .unwrap_or(d)
            .split(',')
            .map(|x| x.parse().unwrap())
            .collect()
    };
    let limit: f64 = args.get(4).map(|x| x.parse().unwrap()).unwrap_or(10.0);
    let seeds: u64 = args.get(5).map(|x| x.parse().unwrap()).unwrap_or(1);
    let kinds = args.get(6).cloned().unwrap_or("v,n,o,t".into());
    let first: u64 = args.get(7).map(|x| x.parse().unwrap()).unwrap_or(1);
    for &operations in &list(1, "1000,10000,100000") {
        for &clients in &list(2, "5,10,20,50,100") {
            for &open in &list(3, "0,10,30,100") {
                for (k, violation) in [
                    ("v", None),
                    ("n", Some(Violation::NeverWritten)),
                    ("o", Some(Violation::Overwritten)),
                    ("t", Some(Violation::TooManyUses)),
                ] {
                    if !kinds.contains(k) {
                        continue;
                    }
                    let mut line = format!("{operations:>7} {clients:>4} {open:>4} {k}");
                    for seed in first..first + seeds {
                        let h = register(&Synthetic {
                            operations,
                            clients,
                            open,
                            values: Some(5),
                            violation,
                            seed,
                        });
                        let stop = Arc::new(AtomicBool::new(false));
                        let done = Arc::new(AtomicBool::new(false));
                        let (s, d) = (stop.clone(), done.clone());
                        let t = std::thread::spawn(move || {
                            let t0 = Instant::now();
                            while !d.load(Ordering::Relaxed) {
                                if t0.elapsed() > Duration::from_secs_f64(limit) {
                                    s.store(true, Ordering::Relaxed);
                                }
                                std::thread::sleep(Duration::from_millis(2));
                            }
                        });
                        let t0 = Instant::now();
                        let mut options = Options {
                            initial: Some(Value::Int(0)),
                            ..Options::default()
                        };
                        options.limits.memory_bytes = 2 << 30;
                        options.limits.steps = u64::MAX;
                        options.limits.stop = vec![stop];
                        let all: Vec<usize> = (0..h.operations.len()).collect();
                        let (decision, alg) = check_key(&h, &all, &options);
                        let e = t0.elapsed();
                        done.store(true, Ordering::Relaxed);
                        t.join().unwrap();
                        let name = match &decision {
                            checker::Decision::Unknown(why) => format!("UNKNOWN({why})"),
                            d => d.verdict().name().to_owned(),
                        };
                        let right = match (violation, &decision) {
                            (_, checker::Decision::Unknown(_)) => "",
                            (None, checker::Decision::Valid(_)) => "",
                            (Some(_), checker::Decision::Invalid(_)) => "",
                            _ => " WRONG",
                        };
                        line += &format!(" | {name}{right} {:.2}s {alg}", e.as_secs_f64());
                    }
                    println!("{line}");
                }
            }
        }
    }
}
