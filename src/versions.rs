//! Which runs tested the same: the system in its version, the way of reading, the planted bug.

use reports::{Group, Results};

/// Groups runs by what they tested, in the order in which they were named. If all tested the same, each run
/// is a group.
pub fn by_version(runs: &[(String, Results)]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for (_, results) in runs {
        let name = version(results);
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.runs.push(results),
            None => groups.push(Group {
                name,
                runs: vec![results],
            }),
        }
    }
    if groups.len() < 2 {
        return (runs.iter())
            .map(|(name, results)| Group {
                name: name.clone(),
                runs: vec![results],
            })
            .collect();
    }
    groups
}

/// What a run tested, such as `etcd 3.5.1 serializable`.
pub fn version(results: &Results) -> String {
    let test = &results.test;
    let bug = test.bug.as_ref().map(|bug| format!("with {bug}"));
    let parts = [
        Some(test.system.clone()),
        Some(test.system_version.clone()).filter(|version| !version.is_empty()),
        test.read_mode.clone(),
        bug,
        Some(format!("perjury {}", test.perjury_version)).filter(|_| test.system != "bundled"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
