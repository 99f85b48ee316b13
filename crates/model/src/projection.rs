//! Which parts of an input a program reads, so that a parser skips the rest.

use crate::value::Name;

/// The parts of a value that are needed.
///
/// Lists are looked through: a projection of fields applies to a record and to each record of a
/// list, however nested. Scalars are always kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// All of it.
    All,
    /// These fields of records, each with what is needed of it; other fields may be left out.
    Fields(Vec<(Name, Projection)>),
}

impl Projection {
    /// Returns the projection that needs no field.
    pub fn nothing() -> Self {
        Projection::Fields(Vec::new())
    }

    /// Returns what is needed of the field with this key: its interned name and its projection.
    /// `None` if the field may be skipped; the name is `None` below [`Projection::All`].
    #[inline]
    pub fn field(&self, key: &str) -> Option<(Option<Name>, &Projection)> {
        match self {
            Projection::All => Some((None, &Projection::All)),
            Projection::Fields(fields) => fields
                .iter()
                .find(|(name, _)| name.as_str() == key)
                .map(|(name, projection)| (Some(*name), projection)),
        }
    }

    /// Adds everything that `other` needs.
    pub fn merge(&mut self, other: Projection) {
        match (&mut *self, other) {
            (Projection::All, _) => {}
            (_, Projection::All) => *self = Projection::All,
            (Projection::Fields(own), Projection::Fields(more)) => {
                for (name, projection) in more {
                    match own.iter_mut().find(|(n, _)| *n == name) {
                        Some((_, mine)) => mine.merge(projection),
                        None => own.push((name, projection)),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Projection;
    use crate::value::Name;

    #[test]
    fn merging_keeps_all_that_is_needed() {
        let one = |name: &str, inner| Projection::Fields(vec![(Name::new(name), inner)]);
        let mut projection = one("a", one("b", Projection::nothing()));
        projection.merge(one("a", one("c", Projection::nothing())));
        projection.merge(one("d", Projection::All));
        let (_, a) = projection.field("a").expect("a is needed");
        assert!(a.field("b").is_some() && a.field("c").is_some() && a.field("x").is_none());
        projection.merge(Projection::All);
        assert_eq!(projection, Projection::All);
    }
}
