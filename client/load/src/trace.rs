//! Reads traces: `time,key,size[,op[,cost]]`, one request a line, compressed with zstd. What is done with them is elsewhere.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

/// The largest window a compressed trace may ask for, as a power of two: 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;
/// A line may have this many bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Requests that are kept of a trace: at 40 bytes each, 1.5 GiB.
const REQUESTS_MAX: usize = 40_000_000;
/// A cost may be this much: a year.
const COST_SECONDS_MAX: f64 = 3.2e7;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Request {
    /// Which of the trace's keys, numbered in the order in which they first came.
    pub(crate) key: u32,
    /// Whether it reads; otherwise it writes.
    pub(crate) reads: bool,
    /// Bytes of the value; at least 1.
    pub(crate) size: u64,
    /// What computing the value costs, taken as seconds; zero: not said.
    pub(crate) cost: Duration,
}

/// A whole trace.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub(crate) requests: Vec<Request>,
    pub(crate) size_max: u64,
    keys: u64,
}

impl Trace {
    /// Reads a compressed trace from a file.
    ///
    /// # Errors
    /// The file, the line and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut decoder = zstd::Decoder::new(File::open(path).map_err(told)?).map_err(told)?;
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(told)?;
        Self::read(decoder).map_err(|error| format!("{}{error}", path.display()))
    }

    /// How many different keys it has.
    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }

    /// Reads a trace from text. Errors say `:LINE: what is wrong`, or `: what is wrong` when it is not in a line.
    pub(crate) fn read(text: impl Read) -> Result<Self, String> {
        let mut reader = BufReader::with_capacity(1 << 16, text);
        let (mut trace, mut numbers, mut line) = (Self::default(), HashMap::new(), Vec::new());
        for number in 1_u64.. {
            line.clear();
            let told = |error: std::io::Error| format!(":{number}: {error}");
            match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(told)? as u64 {
                0 => break,
                LINE_BYTES_MAX => return Err(format!(":{number}: the line has {LINE_BYTES_MAX} bytes or more")),
                _ => {}
            }
            let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
            let is_head =
                || number == 1 && text.split(|byte| *byte == b',').nth(2).is_some_and(|size| number_of(size).is_err());
            if text.is_empty() || is_head() {
                continue;
            }
            let request = request(text, &mut numbers).map_err(|error| format!(":{number}: {error}"))?;
            if trace.requests.len() == REQUESTS_MAX {
                return Err(format!(":{number}: more than {REQUESTS_MAX} requests"));
            }
            trace.size_max = trace.size_max.max(request.size);
            trace.keys = trace.keys.max(u64::from(request.key) + 1);
            trace.requests.push(request);
        }
        if trace.requests.is_empty() { Err(": there is no request in it".into()) } else { Ok(trace) }
    }
}

fn request(line: &[u8], numbers: &mut HashMap<Box<[u8]>, u32>) -> Result<Request, String> {
    let mut columns = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let (_, key, size) = (columns.next(), columns.next(), columns.next());
    let (Some(key), Some(size)) = (key, size) else {
        return Err("fewer than the three columns time,key,size".into());
    };
    let reads = match columns.next().unwrap_or_default() {
        b"" | b"get" | b"GET" => true,
        b"set" | b"SET" => false,
        _ => return Err("the fourth column is neither get nor set".into()),
    };
    let cost = match columns.next().unwrap_or_default() {
        b"" => Duration::ZERO,
        cost => {
            let seconds: Option<f64> = std::str::from_utf8(cost).ok().and_then(|text| text.parse().ok());
            let seconds = seconds.filter(|seconds| (0.0..=COST_SECONDS_MAX).contains(seconds));
            Duration::from_secs_f64(seconds.ok_or("the fifth column is no cost")?)
        }
    };
    let known = numbers.len();
    let key = match numbers.get(key) {
        Some(number) => *number,
        None => {
            let number = u32::try_from(known).ok().ok_or("more than four billion keys")?;
            numbers.insert(key.into(), number);
            number
        }
    };
    Ok(Request { key, reads, size: number_of(size)?.max(1), cost })
}

fn number_of(text: &[u8]) -> Result<u64, String> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| "the third column is no size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_wrong_ones_named() {
        let trace =
            Trace::read("time,key,size,op,cost\n1,x,5\n\n2,y,0,set,1.5\r\n3,x,7,get\n".as_bytes()).expect("a trace");
        let facts: Vec<_> = trace.requests.iter().map(|one| (one.key, one.reads, one.size)).collect();
        assert_eq!(facts, [(0, true, 5), (1, false, 1), (0, true, 7)]);
        assert_eq!((trace.requests[1].cost, trace.size_max), (Duration::from_millis(1_500), 7));
        for (text, error) in [
            ("", ": there is no request in it"),
            ("1,x\n", ":1: fewer than the three columns time,key,size"),
            ("1,x,5\n2,x,big\n", ":2: the third column is no size"),
            ("1,x,5,del\n", ":1: the fourth column is neither get nor set"),
            ("1,x,5,get,-1\n", ":1: the fifth column is no cost"),
        ] {
            assert_eq!(Trace::read(text.as_bytes()).expect_err(text), error);
        }
    }
}
