//! Writes the pages of checked histories, to look at: `check_pages DIR`.

#[path = "../tests/cases/mod.rs"]
mod cases;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: check_pages DIR")?;
    std::fs::create_dir_all(&dir)?;
    for case in cases::all() {
        let path = std::path::Path::new(&dir).join(case.name).with_extension("html");
        let html = case.html();
        std::fs::write(&path, &html)?;
        let rule = case
            .analysis
            .conflicts
            .first()
            .map_or("-", |conflict| conflict.rule.name());
        let (verdict, size) = (case.analysis.verdict, html.len() / 1000);
        println!("{}: {verdict} ({rule}), {size} kB", path.display());
    }
    Ok(())
}
