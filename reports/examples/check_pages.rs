//! Writes the pages of checked histories, to look at: `check_pages DIR [FILE…]`; without files, of histories
//! by hand.

#[path = "../tests/cases/mod.rs"]
mod cases;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: check_pages DIR [FILE…]")?;
    std::fs::create_dir_all(&dir)?;
    let mut cases = Vec::new();
    for file in arguments {
        let imported = history::formats::read(std::path::Path::new(&file), None)?;
        let name = file.rsplit('/').next().unwrap_or(&file).to_owned();
        let mut case = cases::Case::new(&name, imported.history, history::Value::Nil);
        case.remarks = imported.remarks.iter().map(ToString::to_string).collect();
        cases.push(case);
    }
    if cases.is_empty() {
        cases = cases::all();
    }
    for case in cases {
        let path = std::path::Path::new(&dir).join(format!("{}.html", case.name));
        let begun = std::time::Instant::now();
        let html = case.html();
        let took_ms = begun.elapsed().as_millis();
        std::fs::write(&path, &html)?;
        let rule = case
            .analysis
            .conflicts
            .first()
            .map_or("-", |conflict| conflict.rule.name());
        let (verdict, size) = (case.analysis.verdict, html.len() / 1000);
        println!(
            "{}: {verdict} ({rule}), {size} kB in {took_ms} ms",
            path.display()
        );
    }
    Ok(())
}
