//! What every hand-written picture needs: colours, and text that cannot be markup.

/// A colour.
pub(crate) type Rgb = (u8, u8, u8);

/// Reads `#4e79a7`.
pub(crate) fn rgb(text: &str) -> Option<Rgb> {
    let digits = text
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some((part(0)?, part(2)?, part(4)?))
}

/// `#4e79a7`
pub(crate) fn hex((red, green, blue): Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Text for SVG.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML knows no such characters.
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_they_are_written() {
        assert_eq!(rgb("#4e79a7"), Some((0x4e, 0x79, 0xa7)));
        assert_eq!(rgb(&hex((1, 2, 255))), Some((1, 2, 255)));
        for wrong in ["", "4e79a7", "#4e79a", "#4e79a7a", "#4e79ag", "#+e79a7", "#éé79"] {
            assert_eq!(rgb(wrong), None, "{wrong}");
        }
    }
}
