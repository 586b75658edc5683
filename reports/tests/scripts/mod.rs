//! Pages without their scripts.

/// A page without its scripts, and those.
pub fn without_scripts(html: &str) -> (String, Vec<String>) {
    let mut scripts = Vec::new();
    let mut rest = html.to_owned();
    while let Some(from) = rest.find("<script") {
        let to = from + rest[from..].find("</script>").expect("a script ends") + "</script>".len();
        scripts.push(rest[from..to].to_owned());
        rest.replace_range(from..to, "");
    }
    (rest, scripts)
}
