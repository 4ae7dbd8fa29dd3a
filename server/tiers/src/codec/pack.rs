//! Values made smaller and large again: when that is worth it, in bounded memory. What a dictionary is made from is not known
//! here, nor what stands beside a value.

use bytes::Bytes;
use hotplate_engine::compress::Said;
use parking_lot::Mutex;
use zstd::{
    dict::{DecoderDictionary, EncoderDictionary},
    zstd_safe::{CCtx, DCtx, compress_bound, get_frame_content_size},
};

use super::{CodecError, refusal::is_compressed};

/// What is looked at before a larger value is compressed: not smaller there, not smaller at all.
pub(super) const PROBE_BYTES: usize = 64 << 10;
/// Values above this are compressed in frames of [`FRAME_BYTES`], each by itself: memory stays bounded.
pub(super) const FRAMES_FROM_BYTES: usize = 8 << 20;
/// Bytes of a value in one of many frames.
pub(super) const FRAME_BYTES: usize = 1 << 20;
/// Nothing is stored, or read, that became smaller than by this factor: what claims that was not written here.
pub(super) const RATIO_MAX: u64 = 1000;
/// Contexts kept for the next call; more than that many calls at a time make their own.
const CONTEXTS_MAX: usize = 16;

/// Compresses and decompresses. Its levels keep windows at 4 MiB at most.
pub(super) struct Packer {
    level: i32,
    /// Kept when it becomes at most this share of itself.
    ratio_max: f64,
    compressors: Mutex<Vec<CCtx<'static>>>,
    decompressors: Mutex<Vec<DCtx<'static>>>,
}

impl Packer {
    pub(super) fn new(level: i32, ratio_max: f64) -> Self {
        Self { level, ratio_max, compressors: Mutex::default(), decompressors: Mutex::default() }
    }

    /// The value compressed, unless that is not worth it.
    pub(super) fn pack(&self, value: &[u8], said: Said<'_>) -> Option<Vec<u8>> {
        if is_compressed(said, value) {
            return None;
        }
        self.with_compressor(|context| {
            let mut packed = Vec::new();
            let probe = &value[..value.len().min(PROBE_BYTES)];
            self.frame(context, probe, &mut packed)?;
            if !self.is_worth(probe.len(), packed.len()) {
                return None;
            }
            if probe.len() < value.len() {
                packed.clear();
                self.frames(context, value, &mut packed)?;
            }
            self.is_allowed(value.len(), packed.len()).then_some(packed)
        })
    }

    /// The value compressed with a dictionary, unless that is not worth it.
    pub(super) fn pack_with(&self, value: &[u8], dictionary: &EncoderDictionary<'static>) -> Option<Vec<u8>> {
        self.with_compressor(|context| {
            let mut packed = Vec::with_capacity(compress_bound(value.len()));
            context.compress_using_cdict(&mut packed, value, dictionary.as_cdict()).ok()?;
            self.is_allowed(value.len(), packed.len()).then_some(packed)
        })
    }

    fn is_worth(&self, raw: usize, packed: usize) -> bool {
        (packed as f64) <= raw as f64 * self.ratio_max
    }

    fn is_allowed(&self, raw: usize, packed: usize) -> bool {
        self.is_worth(raw, packed) && raw as u64 <= (packed as u64).saturating_mul(RATIO_MAX)
    }

    fn frames(&self, context: &mut CCtx<'static>, value: &[u8], to: &mut Vec<u8>) -> Option<()> {
        let frame_bytes = if value.len() > FRAMES_FROM_BYTES { FRAME_BYTES } else { value.len() };
        let mut packed = Vec::new();
        for frame in value.chunks(frame_bytes) {
            self.frame(context, frame, &mut packed)?;
            to.extend_from_slice(&packed);
        }
        Some(())
    }

    fn frame(&self, context: &mut CCtx<'static>, value: &[u8], to: &mut Vec<u8>) -> Option<()> {
        to.clear();
        to.reserve(compress_bound(value.len()));
        context.compress(to, value, self.level).ok().map(drop)
    }

    fn with_compressor<T>(&self, work: impl FnOnce(&mut CCtx<'static>) -> Option<T>) -> Option<T> {
        let context = self.compressors.lock().pop();
        let mut context = context.or_else(CCtx::try_create)?;
        let done = work(&mut context);
        let mut kept = self.compressors.lock();
        if kept.len() < CONTEXTS_MAX {
            kept.push(context);
        }
        done
    }

    /// The value of exactly so many bytes. Whoever calls has bounded that; no more is ever allocated, since a call that
    /// decompresses into memory that is there needs no window beside it.
    pub(super) fn unpack(
        &self,
        packed: &[u8],
        raw_bytes: usize,
        dictionary: Option<&DecoderDictionary<'static>>,
    ) -> Result<Bytes, CodecError> {
        if raw_bytes as u64 > (packed.len() as u64).saturating_mul(RATIO_MAX) {
            return Err(CodecError::Damaged("the value claims to be larger than anything becomes"));
        }
        let first = if raw_bytes > FRAMES_FROM_BYTES { FRAME_BYTES } else { raw_bytes };
        match get_frame_content_size(packed) {
            Ok(Some(bytes)) if bytes == first as u64 => {}
            _ => return Err(CodecError::Damaged("the compressed value contradicts its length")),
        }
        let context = self.decompressors.lock().pop();
        let mut context = context.or_else(DCtx::try_create).ok_or(CodecError::Damaged("no memory to decompress in"))?;
        let mut value = Vec::with_capacity(raw_bytes);
        let done = match dictionary {
            None => context.decompress(&mut value, packed),
            Some(dictionary) => context.decompress_using_ddict(&mut value, packed, dictionary.as_ddict()),
        };
        let mut kept = self.decompressors.lock();
        if kept.len() < CONTEXTS_MAX {
            kept.push(context);
        }
        drop(kept);
        match done {
            Ok(bytes) if bytes == raw_bytes => Ok(Bytes::from(value)),
            _ => Err(CodecError::Damaged("the value cannot be decompressed")),
        }
    }
}
