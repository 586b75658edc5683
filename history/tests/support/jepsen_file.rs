//! Writes files of Jepsen's binary format, as its documentation describes them.

use history::Value;

/// One stream of Fressian values.
#[derive(Default)]
pub struct Stream {
    pub bytes: Vec<u8>,
    /// The texts that were written to be remembered.
    remembered: Vec<String>,
    knows_operations: bool,
}

impl Stream {
    pub fn int(&mut self, number: i64) {
        // The ranges of the packed codes: the zero of each, and how many bytes follow it.
        for (zero, more, half) in [
            (0x50_i64, 1, 16),
            (0x68, 2, 8),
            (0x72, 3, 2),
            (0x76, 4, 2),
            (0x7A, 5, 2),
            (0x7E, 6, 2),
        ] {
            let bits = 8 * more;
            let high = number >> bits;
            if (0..64).contains(&number) && more == 1 {
                return self.bytes.push(number as u8);
            }
            if (-half..half).contains(&high) {
                self.bytes.push((zero + high) as u8);
                let low = number.to_be_bytes();
                return self.bytes.extend_from_slice(&low[8 - more..]);
            }
        }
        self.bytes.push(0xF8);
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    pub fn text(&mut self, text: &str) {
        let mut bytes = Vec::new();
        for unit in text.encode_utf16() {
            match unit {
                0..=0x7F => bytes.push(unit as u8),
                0x80..=0x7FF => bytes.extend([0xC0 | (unit >> 6) as u8, 0x80 | (unit & 0x3F) as u8]),
                _ => bytes.extend([
                    0xE0 | (unit >> 12) as u8,
                    0x80 | ((unit >> 6) & 0x3F) as u8,
                    0x80 | (unit & 0x3F) as u8,
                ]),
            }
        }
        match bytes.len() {
            length @ 0..=7 => self.bytes.push(0xDA + length as u8),
            length => {
                self.bytes.push(0xE3);
                self.int(length as i64);
            }
        }
        self.bytes.extend(bytes);
    }

    /// A text that may be referred to again.
    fn cached(&mut self, text: &str) {
        match self.remembered.iter().position(|known| known == text) {
            Some(number @ 0..=31) => self.bytes.push(0x80 + number as u8),
            Some(number) => {
                self.bytes.push(0xCC);
                self.int(number as i64);
            }
            None => {
                self.remembered.push(text.to_owned());
                self.bytes.push(0xCD);
                self.text(text);
            }
        }
    }

    fn list(&mut self, values: &[Value]) {
        match values.len() {
            length @ 0..=7 => self.bytes.push(0xE4 + length as u8),
            length => {
                self.bytes.push(0xEC);
                self.int(length as i64);
            }
        }
        values.iter().for_each(|value| self.value(value));
    }

    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Nil => self.bytes.push(0xF7),
            Value::Int(number) => self.int(*number),
            Value::Text(text) => self.text(text),
            Value::List(values) => self.list(values),
            Value::Set(values) => {
                self.bytes.push(0xC1);
                self.list(values);
            }
            Value::Map(pairs) => {
                let flat: Vec<Value> = pairs
                    .iter()
                    .flat_map(|(name, value)| [name.clone(), value.clone()])
                    .collect();
                self.bytes.push(0xC0);
                self.list(&flat);
            }
            Value::Form(form) => match form.as_str() {
                "true" => self.bytes.push(0xF5),
                "false" => self.bytes.push(0xF6),
                form => match (form.strip_prefix(':'), form.strip_prefix("#block-ref ")) {
                    (Some(name), _) => {
                        self.bytes.extend([0xCA, 0xF7]);
                        self.cached(name);
                    }
                    (_, Some(block)) => {
                        self.bytes.push(0xEF);
                        self.text("block-ref");
                        self.int(1);
                        self.int(block.parse().unwrap());
                    }
                    _ => {
                        self.bytes.push(0xFA);
                        self.bytes
                            .extend_from_slice(&form.parse::<f64>().unwrap().to_be_bytes());
                    }
                },
            },
        }
    }

    /// An operation as Jepsen has written it since version 1.
    pub fn operation(
        &mut self,
        index: i64,
        kind: &str,
        process: i64,
        f: &str,
        value: &Value,
        others: &Value,
    ) {
        match self.knows_operations {
            true => self.bytes.push(0xA0),
            false => {
                self.knows_operations = true;
                self.bytes.push(0xEF);
                self.text("jepsen.history.Op");
                self.int(7);
            }
        }
        self.int(index);
        self.int(index * 1_000_000);
        self.value(&Value::form(kind));
        self.int(process);
        self.value(&Value::form(f));
        self.value(value);
        self.value(others);
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// A block of the type `kind`.
fn block(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut header = [0; 28];
    header[..8].copy_from_slice(&(28 + data.len() as u64).to_be_bytes());
    header[12..14].copy_from_slice(&kind.to_be_bytes());
    let checksum = crc(&[data, &header[..]].concat());
    header[8..12].copy_from_slice(&checksum.to_be_bytes());
    [&header[..], data].concat()
}

/// A file of these blocks, each with its number, its type and its data; the last one is the root.
pub fn file(version: u32, blocks: &[(u32, u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = [&b"JEPSEN"[..], &version.to_be_bytes(), &[0; 8]].concat();
    let mut index = blocks.last().unwrap().0.to_be_bytes().to_vec();
    for (number, kind, data) in blocks {
        index.extend_from_slice(&number.to_be_bytes());
        index.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        bytes.extend(block(*kind, data));
    }
    let offset = bytes.len() as u64;
    bytes.extend(block(1, &index));
    bytes[10..18].copy_from_slice(&offset.to_be_bytes());
    bytes
}

/// The root of a test with its history in block 1, and its results in block 2.
pub fn root() -> Vec<u8> {
    let mut root = Stream::default();
    root.value(&Value::map(vec![
        (Value::form(":name"), Value::text("a test")),
        (Value::form(":history"), Value::form("#block-ref 1")),
        (Value::form(":results"), Value::form("#block-ref 2")),
    ]));
    root.bytes
}

/// Results that say so, as a partial map without a rest.
pub fn results(valid: &Value) -> Vec<u8> {
    let mut map = Stream::default();
    map.bytes.extend([0; 4]);
    map.value(&Value::map(vec![(Value::form(":valid?"), valid.clone())]));
    map.bytes
}

/// A big vector of these chunks, each with the index of its first element.
pub fn vector(count: u64, chunks: &[(u64, u32)]) -> Vec<u8> {
    let mut data = count.to_be_bytes().to_vec();
    for (first, block) in chunks {
        data.extend_from_slice(&first.to_be_bytes());
        data.extend_from_slice(&block.to_be_bytes());
    }
    data
}

/// A history of a write of 1, a read that saw `read`, and results that call it `valid`.
pub fn small(read: i64, valid: &Value) -> Vec<u8> {
    let none = Value::map(Vec::new());
    let mut first = Stream::default();
    first.operation(0, ":invoke", 0, ":write", &1.into(), &none);
    first.operation(1, ":ok", 0, ":write", &1.into(), &none);
    first.operation(2, ":invoke", 1, ":read", &Value::Nil, &none);
    let mut second = Stream::default();
    second.operation(3, ":ok", 1, ":read", &read.into(), &none);
    file(
        1,
        &[
            (5, 4, first.bytes),
            (6, 4, second.bytes),
            (1, 5, vector(4, &[(0, 5), (3, 6)])),
            (2, 3, results(valid)),
            (4, 2, root()),
        ],
    )
}
