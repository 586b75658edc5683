//! `results.json`.

use crate::view::Run;

/// The results as indented JSON.
pub(crate) fn render(run: &Run) -> Result<String, String> {
    let mut text = serde_json::to_string_pretty(run.results).map_err(|error| error.to_string())?;
    text.push('\n');
    Ok(text)
}
