//! What stands before a record: where its computation began. Written here for fills, by the script for writes, because
//! only there the change's number is known; so it is text that Lua can write and people can read.

use hotplate_engine::{position::Position, tier::shared::FleetStamp};

/// Version, four numbers of 14 hexadecimal digits (key's epoch and number, selector log's), the first 8 digits of the
/// SHA-1 of all that.
pub(super) const STAMP_BYTES: usize = 1 + 4 * DIGITS + SUM;
const DIGITS: usize = 14;
const SUM: usize = 8;
const VERSION: &str = "1";

/// The part about the selector log, which the caller of a write knows.
pub(super) fn half(at: Position) -> String {
    // Epochs and numbers are scores in Redis, below 2^53: 14 digits hold them.
    format!("{:014x}{:014x}", at.epoch, at.number)
}

/// A whole one.
pub(super) fn write(stamp: FleetStamp) -> String {
    let text = format!("{VERSION}{}{}", half(stamp.key), half(stamp.selector));
    let sum = sha1_smol::Sha1::from(&text).digest().to_string();
    format!("{text}{}", &sum[..SUM])
}

/// Reads one; `None` when it is none, or not as it was written.
pub(super) fn read(bytes: &[u8]) -> Option<FleetStamp> {
    let text = std::str::from_utf8(bytes.get(..STAMP_BYTES)?).ok()?;
    let (body, sum) = text.split_at_checked(STAMP_BYTES - SUM)?;
    if sha1_smol::Sha1::from(body).digest().to_string().get(..SUM)? != sum {
        return None;
    }
    let number = |at: usize| {
        let digits = body.get(VERSION.len() + at * DIGITS..)?.get(..DIGITS)?;
        u64::from_str_radix(digits, 16).ok()
    };
    let position = |at: usize| Some(Position { epoch: number(at)?, number: number(at + 1)? });
    (body.starts_with(VERSION)).then_some(())?;
    Some(FleetStamp { key: position(0)?, selector: position(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> FleetStamp {
        let position = |epoch, number| Position { epoch, number };
        FleetStamp { key: position((1 << 52) - 1, 7), selector: position(9, (1 << 53) - 1) }
    }

    #[test]
    fn a_stamp_comes_back() {
        let written = write(stamp());
        assert_eq!(written.len(), STAMP_BYTES);
        assert_eq!(read(format!("{written}record").as_bytes()), Some(stamp()));
    }

    #[test]
    fn a_changed_bit_is_noticed_wherever_it_is() {
        let written = write(stamp()).into_bytes();
        for at in 0..written.len() * 8 {
            let mut changed = written.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert_eq!(read(&changed), None, "bit {at}");
        }
        assert_eq!(read(&written[..STAMP_BYTES - 1]), None);
    }
}
