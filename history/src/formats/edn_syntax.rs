//! EDN, read from bytes: the syntax alone, which knows nothing of histories.
//!
//! Source: the EDN specification (github.com/edn-format/edn) and, where it is silent, what Clojure's own
//! reader does (hexadecimal, octal and radix integers, ratios, `##Inf`, `^metadata`, `#:namespaced{…}` maps).
//!
//! How a form becomes a [`Value`]: nil, integers that fit into 64 bits, strings, sets and maps are
//! themselves; lists and vectors are lists, which Clojure calls equal; a tagged collection is that
//! collection. Everything else (keywords, symbols, booleans, floats, ratios, characters, integers that do not
//! fit, other tagged values) is a [`Value::Form`] in one spelling, so that equal forms stay equal and unequal
//! ones unequal.
//!
//! Invariants: never panics, whatever the bytes; recursion is at most [`MAX_DEPTH`] deep; memory is bounded
//! by a constant times the length of the input.

use rustc_hash::FxHashMap;

use super::{instant, number};
use crate::Value;

/// How deep forms may be nested.
pub(crate) const MAX_DEPTH: usize = 200;

/// What is wrong, and in which line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub line: usize,
    pub reason: String,
}

type Result<T> = std::result::Result<T, SyntaxError>;

/// Reads forms one after the other.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    depth: usize,
    /// Keywords repeat, so each is allocated once.
    keywords: FxHashMap<&'a [u8], Value>,
}

/// Bytes that end a token, in a table, because nearly every byte of a file is looked up in it.
static DELIMITERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte <= 32
            || matches!(
                byte as u8,
                b',' | b';' | b'"' | b'(' | b')' | b'[' | b']' | b'{' | b'}'
            );
        byte += 1;
    }
    table
};

fn is_delimiter(byte: u8) -> bool {
    DELIMITERS[usize::from(byte)]
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, whose first line is line `line`.
    pub fn new(bytes: &'a [u8], line: usize) -> Self {
        Reader {
            bytes,
            at: 0,
            line,
            depth: 0,
            keywords: FxHashMap::default(),
        }
    }

    /// The current line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is not yet read. After an error the reader may be past the end.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// An error at the current line.
    pub fn error<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(SyntaxError {
            line: self.line,
            reason: reason.into(),
        })
    }

    /// Skips white space, comments and discarded forms; says which byte follows, if any.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<u8>> {
        let mut at = self.at;
        while let Some(b' ' | b',') = self.bytes.get(at) {
            at += 1;
        }
        self.at = at;
        match self.bytes.get(at) {
            Some(&byte) if byte > b' ' && byte != b';' && byte != b'#' => Ok(Some(byte)),
            _ => self.peek_further(),
        }
    }

    /// [`Reader::peek`] for when there is more between two forms than blanks and commas.
    fn peek_further(&mut self) -> Result<Option<u8>> {
        loop {
            match self.bytes.get(self.at) {
                None => return Ok(None),
                Some(b'\n') => {
                    self.line += 1;
                    self.at += 1;
                }
                Some(b' ' | b'\t' | b'\r' | b',' | 0x0b | 0x0c) => self.at += 1,
                Some(b';') => {
                    let rest = &self.bytes[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                Some(b'#') if self.bytes.get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.nested(|reader| reader.value().map(drop))?;
                }
                Some(&byte) => return Ok(Some(byte)),
            }
        }
    }

    /// Takes `byte` if it is the next one.
    pub fn take(&mut self, byte: u8) -> Result<bool> {
        let found = self.peek()? == Some(byte);
        self.at += usize::from(found);
        Ok(found)
    }

    /// Runs `read` one level deeper.
    pub fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return self.error(format!("forms are nested more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Takes a keyword, if one is next, without its colon.
    pub fn keyword(&mut self) -> Result<Option<&'a [u8]>> {
        if self.peek()? != Some(b':') {
            return Ok(None);
        }
        let token = self.token();
        if token.len() == 1 {
            return self.error("a keyword without a name");
        }
        Ok(Some(&token[1..]))
    }

    /// Takes the tag of a tagged value, or of a namespaced map (`#:name{`, with its colon), if one is next.
    pub fn tag(&mut self) -> Result<Option<&'a [u8]>> {
        if self.peek()? != Some(b'#') {
            return Ok(None);
        }
        match self.bytes.get(self.at + 1) {
            Some(byte) if *byte == b':' || byte.is_ascii_alphabetic() => {}
            _ => return Ok(None),
        }
        Ok(Some(&self.token()[1..]))
    }

    /// Skips `^metadata`, if it is next.
    pub fn skip_metadata(&mut self) -> Result<()> {
        while self.take(b'^')? {
            self.nested(|reader| reader.value().map(drop))?;
        }
        Ok(())
    }

    /// The bytes up to the next delimiter.
    fn token(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .skip(1)
            .position(|&byte| is_delimiter(byte))
            .map_or(rest.len(), |position| position + 1);
        self.at += length;
        &rest[..length]
    }

    /// Reads the next form.
    pub fn value(&mut self) -> Result<Value> {
        match self.peek()? {
            None => self.error("the file ends in the middle of a form"),
            Some(b'"') => self.string(),
            Some(b'0'..=b'9') => self.number(),
            Some(b'+' | b'-') if self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) => self.number(),
            Some(b'[') => self.sequence(b']').map(Value::list),
            Some(b'(') => self.sequence(b')').map(Value::list),
            Some(b'{') => self.map(),
            Some(b'#') => self.dispatched(),
            Some(b'^') => {
                self.skip_metadata()?;
                self.nested(Self::value)
            }
            Some(b':') => {
                let token = self.token();
                if token.len() == 1 {
                    return self.error("a keyword without a name");
                }
                if let Some(value) = self.keywords.get(token) {
                    return Ok(value.clone());
                }
                let value = self.form(token)?;
                self.keywords.insert(token, value.clone());
                Ok(value)
            }
            Some(b'\\') => {
                // A character may be a delimiter itself: `\(`.
                self.at += 1;
                let rest = self.token();
                if rest.is_empty() {
                    return self.error("a character is missing after \\");
                }
                self.character(rest)
            }
            Some(byte @ (b']' | b')' | b'}')) => self.error(format!("unexpected `{}`", char::from(byte))),
            Some(byte)
                if byte.is_ascii_alphabetic() || b".*+!-_?$%&=<>/|'".contains(&byte) || byte >= 0x80 =>
            {
                match self.token() {
                    b"nil" => Ok(Value::Nil),
                    token => self.form(token),
                }
            }
            Some(byte) => self.error(format!("unexpected `{}`", char::from(byte).escape_default())),
        }
    }

    fn text(&self, bytes: &[u8]) -> Result<Value> {
        self.utf8(bytes).map(Value::text)
    }

    fn form(&self, bytes: &[u8]) -> Result<Value> {
        self.utf8(bytes).map(Value::form)
    }

    fn utf8<'b>(&self, bytes: &'b [u8]) -> Result<&'b str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => self.error("text that is not UTF-8"),
        }
    }

    /// A character by what follows its backslash: itself, its name, or its number.
    fn character(&self, name: &[u8]) -> Result<Value> {
        let name = self.utf8(name)?;
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let meant = match name {
            "newline" => Some('\n'),
            "space" => Some(' '),
            "tab" => Some('\t'),
            "return" => Some('\r'),
            "backspace" => Some('\u{8}'),
            "formfeed" => Some('\u{c}'),
            _ if name.len() == 5 && name.starts_with('u') => number(&name[1..], 16),
            _ if name.len() > 1 && name.starts_with('o') => number(&name[1..], 8),
            _ => None,
        };
        Ok(match meant {
            Some(character) => Value::form(&format!("\\{character}")),
            None => Value::form(&format!("\\{name}")),
        })
    }

    /// The forms up to `end`; the opening bracket is next.
    fn sequence(&mut self, end: u8) -> Result<Vec<Value>> {
        self.at += 1;
        let opened = self.line;
        self.nested(|reader| {
            let mut values = Vec::new();
            loop {
                match reader.peek()? {
                    Some(byte) if byte == end => {
                        reader.at += 1;
                        return Ok(values);
                    }
                    None => {
                        return reader.error(format!(
                            "the file ends before the `{}` that closes what line {opened} opens",
                            char::from(end)
                        ));
                    }
                    Some(_) => values.push(reader.value()?),
                }
            }
        })
    }

    fn map(&mut self) -> Result<Value> {
        let mut forms = self.sequence(b'}')?.into_iter();
        let mut pairs = Vec::with_capacity(forms.len() / 2);
        while let Some(key) = forms.next() {
            match forms.next() {
                Some(value) => pairs.push((key, value)),
                None => return self.error(format!("the map's key {key} has no value")),
            }
        }
        pairs.sort_unstable();
        match pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            Some(two) => self.error(format!("a map that has the key {} twice", two[0].0)),
            None => Ok(Value::map(pairs)),
        }
    }

    fn set(&mut self) -> Result<Value> {
        let mut values = self.sequence(b'}')?;
        values.sort_unstable();
        match values.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => self.error(format!("a set that holds {} twice", pair[0])),
            None => Ok(Value::set(values)),
        }
    }

    fn dispatched(&mut self) -> Result<Value> {
        match self.bytes.get(self.at + 1) {
            Some(b'{') => {
                self.at += 1;
                self.set()
            }
            Some(b'#') => {
                let token = self.token();
                self.form(token)
            }
            Some(byte) if *byte == b':' || byte.is_ascii_alphabetic() => {
                let tag = self.token();
                let value = self.nested(Self::value)?;
                let tag = self.utf8(tag)?;
                Ok(match (&value, tag) {
                    (Value::List(_) | Value::Set(_) | Value::Map(_), _) => value,
                    (Value::Text(text), "#inst") => {
                        let spelling = instant::spelling(text);
                        Value::form(&format!("#inst {:?}", spelling.as_ref().unwrap_or(text)))
                    }
                    (Value::Text(text), "#uuid") => {
                        Value::form(&format!("#uuid {:?}", text.to_ascii_lowercase()))
                    }
                    _ => Value::form(&format!("{tag} {value}")),
                })
            }
            _ => self.error("`#` must begin a set, a tag, a discarded form or a symbolic value"),
        }
    }

    fn number(&mut self) -> Result<Value> {
        let rest = &self.bytes[self.at..];
        let negative = rest[0] == b'-';
        let start = usize::from(matches!(rest[0], b'-' | b'+'));
        let mut end = start;
        let mut number = 0;
        // Eighteen digits always fit.
        while let Some(digit @ b'0'..=b'9') = rest.get(end)
            && end - start < 18
        {
            number = number * 10 + i64::from(digit - b'0');
            end += 1;
        }
        let is_whole = rest.get(end).is_none_or(|&byte| is_delimiter(byte));
        if is_whole && (rest[start] != b'0' || end == start + 1) {
            self.at += end;
            return Ok(Value::Int(if negative { -number } else { number }));
        }
        let token = self.token();
        match std::str::from_utf8(token).ok().and_then(number::parse) {
            Some(value) => Ok(value),
            None => self.error(format!("`{}` is not a number", String::from_utf8_lossy(token))),
        }
    }

    fn string(&mut self) -> Result<Value> {
        let opened = self.line;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                return self.error(format!("the file ends in the string that line {opened} opens"));
            };
            self.line += memchr::memchr_iter(b'\n', &rest[..length]).count();
            self.at += length + 1;
            if rest[length] == b'"' {
                if text.is_empty() {
                    return self.text(&rest[..length]);
                }
                text.extend_from_slice(&rest[..length]);
                return self.text(&text);
            }
            text.extend_from_slice(&rest[..length]);
            let escape = self.bytes.get(self.at).copied();
            self.at += 1;
            let character = match escape {
                Some(b'n') => '\n',
                Some(b't') => '\t',
                Some(b'r') => '\r',
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(byte @ (b'"' | b'\\')) => char::from(byte),
                Some(b'u') => self.escaped_character()?,
                _ => return self.error("an unknown escape in a string"),
            };
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// What follows `\u`: four hexadecimal digits, or two such escapes for a character beyond the first
    /// plane.
    fn escaped_character(&mut self) -> Result<char> {
        let unit = |reader: &mut Self| -> Option<u16> {
            let digits = reader.bytes.get(reader.at..reader.at + 4)?;
            reader.at += 4;
            let digits = std::str::from_utf8(digits).ok()?;
            digits
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
                .then(|| u16::from_str_radix(digits, 16).ok())?
        };
        let first = unit(self);
        let second = match first {
            Some(0xd800..=0xdbff) if self.bytes[self.at.min(self.bytes.len())..].starts_with(b"\\u") => {
                self.at += 2;
                unit(self)
            }
            _ => None,
        };
        match char::decode_utf16(first.into_iter().chain(second)).next() {
            Some(Ok(character)) => Ok(character),
            _ => self.error("a \\u escape that is not a character"),
        }
    }
}
