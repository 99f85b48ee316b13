//! Collecting the map of a scalar: which byte of its text came from where.

use std::sync::Arc;

/// Collects the pairs of [`crate::tree::Scalar::map`]; offsets in the source are relative to the
/// content's start until [`Pairs::finish`].
#[derive(Default)]
pub(crate) struct Pairs {
    pairs: Vec<(usize, usize)>,
    text_len: usize,
}

impl Pairs {
    /// Returns the length of the text so far.
    pub(crate) fn text_len(&self) -> usize {
        self.text_len
    }

    /// Returns where the source of the text so far ends, as far as both are in step.
    pub(crate) fn source_end(&self) -> usize {
        self.pairs
            .last()
            .map_or(0, |(text, source)| source + self.text_len - text)
    }

    /// Returns where the source of the first `len` bytes of the text ends.
    pub(crate) fn source_before(&self, len: usize) -> usize {
        let index = self.pairs.partition_point(|(text, _)| *text < len);
        let Some((text, source)) = self.pairs.get(index.saturating_sub(1)) else {
            return 0;
        };
        source + len - text.min(&len)
    }

    /// Notes that the next `len` bytes of the text come from the source at `at`.
    pub(crate) fn step(&mut self, at: usize, len: usize) {
        if self.pairs.is_empty() || self.source_end() != at {
            self.pairs.push((self.text_len, at));
        }
        self.text_len += len;
    }

    /// Notes where the source ends: what ends in an escape or a fold is not in step there.
    pub(crate) fn end(&mut self, at: usize) {
        if !self.pairs.is_empty() && self.source_end() != at {
            self.pairs.push((self.text_len, at));
        }
    }

    /// Returns the map of a text of `text_len` bytes whose content begins at `offset` of the file.
    ///
    /// If the text has another length than was noted, the map would be that of another text: then
    /// only its beginning is kept.
    pub(crate) fn finish(mut self, offset: usize, text_len: usize) -> Arc<[(u32, u32)]> {
        if self.text_len != text_len {
            self.pairs.clear();
        }
        if self.pairs.first().is_none_or(|(text, _)| *text != 0) {
            self.pairs.insert(0, (0, 0));
        }
        let pairs = self.pairs.into_iter();
        pairs
            .map(|(text, source)| (narrow(text), narrow(offset + source)))
            .collect()
    }
}

/// Returns the map of a text that is its own source, at `offset` of the file.
pub(crate) fn in_step(offset: usize) -> Arc<[(u32, u32)]> {
    Arc::from([(0, narrow(offset))])
}

fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
