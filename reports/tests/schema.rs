//! The form of `results.json`: what is written fits the schema that is published, and the schema that is
//! published is the one of the program.

mod synthetic;

use std::path::Path;

use reports::{NodeLogs, Results, SCHEMA_VERSION, schema};
use serde_json::{Value, json};

fn results(plant: bool) -> Value {
    let run = synthetic::run(&synthetic::Options {
        seed: 7,
        clients: 5,
        duration_s: 12.0,
        latency_ms: 2.0,
        plant,
    });
    let results: Results = reports::summarize(&run.record, &run.history, &run.analysis, &NodeLogs::default());
    serde_json::to_value(results).unwrap()
}

#[test]
fn the_published_schema_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("PERJURY_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "the form of results.json has changed: raise SCHEMA_VERSION if a script could notice, then run this test with \
         PERJURY_WRITE_SCHEMA=1 and commit {}",
        path.display()
    );
    assert_eq!(schema()["$id"], format!("perjury-results-{SCHEMA_VERSION}"));
}

#[test]
fn what_is_written_fits() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for plant in [false, true] {
        let results = results(plant);
        let errors: Vec<String> = validator
            .iter_errors(&results)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new());
        assert!(
            results["faults"]
                .as_array()
                .is_some_and(|faults| !faults.is_empty())
        );
        assert_eq!(
            results["conflicts"]
                .as_array()
                .is_some_and(|conflicts| conflicts.is_empty()),
            !plant
        );
    }
}

#[test]
fn what_is_not_of_that_form_does_not_fit() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let good = results(true);
    for (pointer, wrong) in [
        ("/verdict", json!("perhaps")),
        ("/schema_version", json!(SCHEMA_VERSION + 1)),
        ("/faults/0/hold", json!(true)),
        ("/conflicts/0/key", json!({})),
        ("/conflicts/0/operations/0/f", json!("steal")),
        ("/operations_total/ok", json!(-1)),
        ("/test/seed", json!("7")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = wrong;
        assert!(!validator.is_valid(&bad), "{pointer}");
    }
    let mut bad = good.clone();
    bad.as_object_mut().unwrap().remove("headline");
    assert!(!validator.is_valid(&bad));
}
