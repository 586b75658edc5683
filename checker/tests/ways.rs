//! The table of ways in `check.rs` is the one that the models' entries make.
//!
//! That each object decides by no other algorithm is asserted by the checker itself in debug builds; that
//! each does decide is counted in `objects_brute_force.rs` and `registers_brute_force.rs`.

use checker::objects::MODELS;

#[test]
fn the_table_of_ways_is_the_models() {
    let rows = include_str!("../src/check.rs").lines().filter_map(|line| {
        let row = line.strip_prefix("//!    | `")?;
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        Some((
            cells[0].trim_matches('`'),
            cells[1].trim_matches('`'),
            cells[2].to_owned(),
        ))
    });
    let rows: Vec<(&str, &str, String)> = rows.collect();
    let ways = MODELS.iter().map(|model| {
        let ways: Vec<&str> = model.ways.iter().map(|way| way.0).collect();
        (model.name, ways.join(", "))
    });
    let table = rows.iter().map(|(name, _, ways)| (*name, ways.clone()));
    assert_eq!(table.collect::<Vec<_>>(), ways.collect::<Vec<_>>());
    for (name, folder, _) in rows {
        let file = format!("{}/src/{folder}/mod.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).expect(&file);
        assert!(
            text.contains(&format!("name: \"{name}\"")),
            "{name} is not in {folder}"
        );
    }
}

#[test]
fn the_search_comes_last_and_nothing_comes_twice() {
    for model in MODELS {
        let mut names: Vec<&str> = model.ways.iter().map(|way| way.0).collect();
        assert!(
            names[..names.len() - 1].iter().all(|&name| name != "search"),
            "{model:?}"
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), model.ways.len(), "{model:?}");
    }
}
