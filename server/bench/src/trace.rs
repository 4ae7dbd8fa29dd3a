//! Reads traces: `time,key,size[,op[,cost]]`, one request a line, compressed with zstd. What is done with them is
//! elsewhere.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// How the name of a trace's file ends.
pub const ENDING: &str = ".csv.zst";
/// The largest window a compressed trace may ask for, as a power of two: 2 GiB.
const WINDOW_LOG_MAX: u32 = 31;
/// A line may have this many bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// What a request costs to answer without a cache when the trace does not say.
const COST_UNSAID: f64 = 1.0;
/// A cost may be this much: a thousand years of seconds.
const COST_MAX: f64 = 3.2e10;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// Which of the trace's keys, numbered in the order in which they first came.
    pub key: u32,
    /// Whether it reads; otherwise it writes without reading.
    pub reads: bool,
    /// Bytes of the value (or tokens, or 1: whatever the source counts); at least 1.
    pub size: u64,
    /// What computing the value costs, in the trace's own unit.
    pub cost: f64,
}

/// A whole trace.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Its name: the file's without the ending.
    pub name: String,
    /// In the order in which they came.
    pub requests: Vec<Request>,
    /// Sum over all keys of the size each had when it first came: what a cache for everything would hold.
    pub footprint: u64,
    /// How many different keys there are.
    pub keys: u32,
    /// Whether any line names a cost. Without one every request costs 1, so that cost saved is the hit ratio.
    pub has_costs: bool,
    /// The largest size of any request.
    pub size_max: u64,
}

impl Trace {
    /// Whether every value has the size 1: capacity then counts entries.
    #[must_use]
    pub fn is_unit(&self) -> bool {
        self.size_max <= 1
    }

    /// The capacity that is this fraction of the footprint; at least 1.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a capacity is right when it is right to 15 digits"
    )]
    pub fn capacity(&self, fraction: f64) -> u64 {
        ((self.footprint as f64 * fraction).round() as u64).max(1)
    }

    /// Reads a compressed trace from a file.
    ///
    /// # Errors
    /// The file, the line and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(told)?;
        let mut decoder = zstd::Decoder::new(file).map_err(told)?;
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(told)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.strip_suffix(ENDING).unwrap_or(&name).to_owned();
        Self::read(name, decoder).map_err(|error| format!("{}{error}", path.display()))
    }

    /// Reads a trace from text.
    ///
    /// # Errors
    /// `:LINE: what is wrong`, or `: what is wrong` when it is not in a line.
    pub fn read(name: String, text: impl Read) -> Result<Self, String> {
        let mut reader = BufReader::with_capacity(1 << 16, text);
        let mut gathered = Gathered { trace: Self { name, ..Self::default() }, numbers: HashMap::new() };
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let told = |error: std::io::Error| format!(":{number}: {error}");
            let count = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(told)?;
            if count == 0 {
                break;
            }
            if count as u64 == LINE_BYTES_MAX {
                return Err(format!(":{number}: the line has {LINE_BYTES_MAX} bytes or more"));
            }
            gathered.line(trimmed(&line)).map_err(|error| format!(":{number}: {error}"))?;
        }
        let trace = gathered.trace;
        if trace.requests.is_empty() { Err(": there is no request in it".into()) } else { Ok(trace) }
    }
}

/// A trace as far as it has been read.
struct Gathered {
    trace: Trace,
    numbers: HashMap<Box<[u8]>, u32>,
}

impl Gathered {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line.is_empty() || (self.trace.requests.is_empty() && is_header(line)) {
            return Ok(());
        }
        let mut columns = line.split(|byte| *byte == b',').map(trimmed);
        let (_, key, size) = (columns.next(), columns.next(), columns.next());
        let (Some(key), Some(size)) = (key, size) else {
            return Err("fewer than the three columns time,key,size".into());
        };
        let size = size_of(size)?.max(1);
        let reads = columns.next().map_or(Ok(true), is_read)?;
        let cost = columns.next().filter(|cost| !cost.is_empty()).map(cost_of).transpose()?;
        self.trace.has_costs |= cost.is_some();
        self.trace.size_max = self.trace.size_max.max(size);
        let key = self.number(key, size)?;
        self.trace.requests.push(Request { key, reads, size, cost: cost.unwrap_or(COST_UNSAID) });
        Ok(())
    }

    fn number(&mut self, key: &[u8], size: u64) -> Result<u32, String> {
        if let Some(number) = self.numbers.get(key) {
            return Ok(*number);
        }
        let number = self.trace.keys;
        self.trace.keys = number.checked_add(1).ok_or("more than four billion keys")?;
        self.trace.footprint = self.trace.footprint.checked_add(size).ok_or("the sizes of all keys exceed 64 bits")?;
        self.numbers.insert(key.into(), number);
        Ok(number)
    }
}

/// Without white space around it, the end of the line, and a mark of byte order.
fn trimmed(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii()
}

/// The first line names the columns when what should be the size is no number.
fn is_header(line: &[u8]) -> bool {
    let size = line.split(|byte| *byte == b',').nth(2).map(trimmed);
    size.is_some_and(|size| size.first().is_some_and(u8::is_ascii_alphabetic))
}

fn size_of(column: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(column);
    text.parse().map_err(|error| format!("the size {text:?} is not a whole number of bytes: {error}"))
}

fn is_read(column: &[u8]) -> Result<bool, String> {
    match column.to_ascii_lowercase().as_slice() {
        b"" | b"get" | b"gets" | b"read" => Ok(true),
        b"set" | b"put" | b"write" | b"add" | b"replace" => Ok(false),
        _ => Err(format!("the operation {:?} is neither get nor set", String::from_utf8_lossy(column))),
    }
}

fn cost_of(column: &[u8]) -> Result<f64, String> {
    let text = String::from_utf8_lossy(column);
    let cost: f64 = text.parse().map_err(|error| format!("the cost {text:?} is not a number: {error}"))?;
    let fits = (0.0..=COST_MAX).contains(&cost);
    if fits { Ok(cost) } else { Err(format!("the cost {text:?} is not from 0 to {COST_MAX:e}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Trace, String> {
        Trace::read("t".into(), text.as_bytes())
    }

    #[test]
    fn three_to_five_columns_and_more_are_read() {
        let trace = read("0,a,10\n1,b,20,set\n2,a,10,get,0.5\n3,c,7,,2,extra,columns\n").unwrap();
        let request = |key, reads, size, cost| Request { key, reads, size, cost };
        let expected = [
            request(0, true, 10, 1.0),
            request(1, false, 20, 1.0),
            request(0, true, 10, 0.5),
            request(2, true, 7, 2.0),
        ];
        assert_eq!(trace.requests, expected);
        assert_eq!((trace.keys, trace.footprint, trace.has_costs, trace.size_max), (3, 37, true, 20));
    }

    #[test]
    fn headers_blank_lines_and_carriage_returns_are_no_requests() {
        let trace = read("\u{feff}time,key,size,op\r\n\r\n0,a,1,GET\r\n\n  \n1,b,0,set\r\n").unwrap();
        assert_eq!(trace.requests.len(), 2);
        assert_eq!(trace.requests[1].size, 1, "a size of nothing counts as one");
        assert!(trace.is_unit() && !trace.has_costs);
    }

    #[test]
    fn a_key_may_be_any_string_and_the_last_line_may_lack_its_end() {
        let trace = read("0,size,1\n1,a key: \"x\" \u{1f525},1\n2,,1\n3,size,1").unwrap();
        assert_eq!(trace.keys, 3);
        assert_eq!(trace.requests[3].key, 0);
    }

    #[test]
    fn the_footprint_takes_the_first_size_of_each_key() {
        let trace = read("0,a,10\n1,a,1000\n2,b,5\n").unwrap();
        assert_eq!(trace.footprint, 15);
        assert_eq!(trace.capacity(0.2), 3);
        assert_eq!(trace.capacity(0.000_1), 1);
    }

    #[test]
    fn a_bad_line_is_told_with_its_number() {
        let told = |text: &str| read(text).unwrap_err();
        assert!(told("0,a,1\n1,b\n").starts_with(":2: fewer than"));
        assert!(told("0,a,1\n\n1,b,x\n").starts_with(":3: the size \"x\""));
        assert!(told("0,a,-1\n").starts_with(":1: the size \"-1\""));
        assert!(told("0,a,1,steal\n").starts_with(":1: the operation \"steal\""));
        assert!(told("0,a,1,get,x\n").starts_with(":1: the cost \"x\" is not a number"));
        assert!(told("0,a,1,get,-1\n").contains("is not from 0"));
        assert!(told("0,a,1,get,NaN\n").contains("is not from 0"));
        assert!(told("time,key,size\n").contains("no request"));
        assert!(told("").contains("no request"));
    }

    #[test]
    fn a_file_that_is_no_trace_is_told_by_name() {
        let folder = std::env::temp_dir().join(format!("hotplate-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("plain.csv.zst");
        std::fs::write(&path, "0,a,1\n").unwrap();
        assert!(Trace::open(&path).unwrap_err().contains("plain.csv.zst"));
        std::fs::write(&path, zstd::encode_all(&b"0,a,1\n1,a,bad\n"[..], 1).unwrap()).unwrap();
        assert!(Trace::open(&path).unwrap_err().contains("plain.csv.zst:2: the size"));
        std::fs::write(&path, zstd::encode_all(&b"0,a,1\n"[..], 1).unwrap()).unwrap();
        assert_eq!(Trace::open(&path).unwrap().name, "plain");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
