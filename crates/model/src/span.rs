//! Places in source files: byte ranges, and their lines and columns.

use std::sync::Arc;

/// One source file of a [`Sources`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A half-open range of bytes, `start..end`, in one source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file that the range lies in.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte; equal to `start` for a place between two bytes.
    pub end: u32,
}

impl Span {
    /// Returns the range `start..end` of `file`. Offsets beyond 4 GiB are clamped: no source file
    /// of a project may be that large.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            file,
            start: clamp(start),
            end: clamp(end.max(start)),
        }
    }

    /// Returns the smallest range that holds both; `self` if they lie in different files.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Returns the empty range at this one's end.
    pub fn after(self) -> Span {
        Span {
            start: self.end,
            ..self
        }
    }

    /// Returns the length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Returns whether the range holds no byte.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns the range as `usize` offsets, fit to slice the file's text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A line and a column, both counted from 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One source file: its path as findings show it, and its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path relative to the project's folder, with `/` between parts.
    pub path: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    line_starts: Arc<[u32]>,
}

impl Source {
    /// Returns the source file `path` with the content `text`.
    pub fn new(path: &str, text: &str) -> Self {
        let starts = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, b)| *b == b'\n')
                    .map(|(i, _)| i + 1),
            )
            .map(|offset| u32::try_from(offset).unwrap_or(u32::MAX))
            .collect();
        Self {
            path: path.into(),
            text: text.into(),
            line_starts: starts,
        }
    }

    /// Returns line and column of the byte at `offset`; the end of the text for a larger offset.
    pub fn line_column(&self, offset: usize) -> LineColumn {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self
            .line_starts
            .partition_point(|start| *start as usize <= offset)
            - 1;
        let start = self.line_starts[line] as usize;
        let column = self.text[start..offset].chars().count() + 1;
        LineColumn {
            line: line as u32 + 1,
            column: column as u32,
        }
    }

    /// Returns the text of `line` (from 1) without its line break; empty if there is no such line.
    pub fn line(&self, line: u32) -> &str {
        let Some(start) = self.line_starts.get((line as usize).wrapping_sub(1)) else {
            return "";
        };
        let end = self
            .line_starts
            .get(line as usize)
            .map_or(self.text.len(), |s| *s as usize);
        self.text[*start as usize..end].trim_end_matches(['\n', '\r'])
    }

    /// Returns the number of lines; an empty text has one.
    pub fn line_count(&self) -> usize {
        self.line_starts.len()
    }
}

/// The source files that spans point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a file and returns its id.
    pub fn add(&mut self, path: &str, text: &str) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Source::new(path, text));
        id
    }

    /// Returns the file `id`.
    ///
    /// # Panics
    /// If `id` comes from another table.
    pub fn get(&self, id: FileId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// Returns the id of the file with this path.
    pub fn find(&self, path: &str) -> Option<FileId> {
        self.files
            .iter()
            .position(|file| &*file.path == path)
            .map(|i| FileId(i as u32))
    }

    /// Returns all files with their ids, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.files
            .iter()
            .enumerate()
            .map(|(i, file)| (FileId(i as u32), file))
    }

    /// Returns the text that a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).text.get(span.range()).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::{LineColumn, Source, Sources, Span};

    #[test]
    fn columns_count_characters() {
        let source = Source::new("a", "äb\nc\r\nd");
        assert_eq!(source.line_column(2), LineColumn { line: 1, column: 2 });
        assert_eq!(source.line_column(1), LineColumn { line: 1, column: 1 });
        assert_eq!(source.line_column(4), LineColumn { line: 2, column: 1 });
        assert_eq!(source.line_column(99), LineColumn { line: 3, column: 2 });
        assert_eq!(
            (source.line(2), source.line(3), source.line(4)),
            ("c", "d", "")
        );
    }

    #[test]
    fn spans_join_within_a_file() {
        let mut sources = Sources::default();
        let (a, b) = (sources.add("a", "hello world"), sources.add("b", ""));
        let joined = Span::new(a, 0, 5).to(Span::new(a, 6, 11));
        assert_eq!(sources.text(joined), "hello world");
        assert_eq!(
            Span::new(a, 0, 5).to(Span::new(b, 6, 11)),
            Span::new(a, 0, 5)
        );
        assert_eq!(sources.find("b"), Some(b));
    }
}
