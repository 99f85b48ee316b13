//! Checksums of rows.

/// A CRC32C over the columns of a row, each with its kind and length, so that no two rows that
/// differ feed the same bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowCrc(u32);

impl RowCrc {
    /// Starts the checksum of a row of `table`: a row that strays to another table does not fit.
    pub(crate) fn of(table: &'static str) -> Self {
        Self(crc32c::crc32c(table.as_bytes()))
    }

    pub(crate) fn int(self, value: i64) -> Self {
        let mut bytes = [1; 9];
        bytes[1..].copy_from_slice(&value.to_le_bytes());
        Self(crc32c::crc32c_append(self.0, &bytes))
    }

    pub(crate) fn opt_int(self, value: Option<i64>) -> Self {
        value.map_or(self.null(), |value| self.int(value))
    }

    pub(crate) fn bytes(self, value: &[u8]) -> Self {
        let mut head = [2; 9];
        head[1..].copy_from_slice(&(value.len() as u64).to_le_bytes());
        let head = crc32c::crc32c_append(self.0, &head);
        Self(crc32c::crc32c_append(head, value))
    }

    pub(crate) fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    pub(crate) fn opt_text(self, value: Option<&str>) -> Self {
        value.map_or(self.null(), |value| self.text(value))
    }

    pub(crate) fn opt_bytes(self, value: Option<&[u8]>) -> Self {
        value.map_or(self.null(), |value| self.bytes(value))
    }

    fn null(self) -> Self {
        Self(crc32c::crc32c_append(self.0, &[0]))
    }

    /// Returns the checksum as a column holds it.
    pub(crate) fn finish(self) -> i64 {
        i64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RowCrc;

    #[test]
    fn columns_do_not_run_together() {
        let crc = |a: &str, b: Option<&str>| RowCrc::of("t").text(a).opt_text(b).finish();
        let all = [
            crc("ab", Some("c")),
            crc("a", Some("bc")),
            crc("abc", Some("")),
            crc("abc", None),
            RowCrc::of("u").text("abc").opt_text(None).finish(),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != one));
        }
    }
}
