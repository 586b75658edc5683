//! Writes the reports of runs that never were, to look at and to measure: `synthetic DIR [CLIENTS
//! DURATION_S]`.

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::time::Instant;

use history::RunDir;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .ok_or("usage: synthetic DIR [CLIENTS DURATION_S]")?;
    let clients = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let duration_s = arguments.next().map_or(Ok(30.0), |text| text.parse())?;
    for (name, plant) in [("valid", false), ("invalid", true)] {
        let options = synthetic::Options {
            seed: 7,
            clients,
            duration_s,
            latency_ms: 2.0,
            plant,
        };
        let run = synthetic::run(&options);
        let dir = RunDir::new(std::path::Path::new(&dir).join(name));
        std::fs::create_dir_all(dir.root())?;
        dir.write_test(&run.record)?;
        let begun = Instant::now();
        let results = reports::write_all(&dir, &run.record, &run.history, &run.analysis)?;
        println!(
            "{}: {} operations, written in {:.0} ms, report.html {} kB",
            dir.report().display(),
            run.history.operations.len(),
            begun.elapsed().as_secs_f64() * 1e3,
            std::fs::metadata(dir.report())?.len() / 1000
        );
        print!("{}", reports::summary_text(&results));
    }
    Ok(())
}
