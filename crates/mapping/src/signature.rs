//! Function signatures: `<s-nn?:s>`, what a function's arguments must be.
//!
//! Grammar and meaning are those of <https://docs.jsonata.org/programming#function-signatures>.

use std::sync::Arc;

/// A set of the kinds of values that a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// A text.
    pub const TEXT: Kinds = Kinds(1);
    /// A number.
    pub const NUMBER: Kinds = Kinds(2);
    /// A boolean.
    pub const BOOL: Kinds = Kinds(4);
    /// Null.
    pub const NULL: Kinds = Kinds(8);
    /// A list.
    pub const LIST: Kinds = Kinds(16);
    /// A record.
    pub const RECORD: Kinds = Kinds(32);
    /// A function.
    pub const FUNCTION: Kinds = Kinds(64);
    /// Nothing: a missing value.
    pub const MISSING: Kinds = Kinds(128);

    /// What only parameters of any kind take.
    pub(crate) const OPAQUE: Kinds = Kinds(1 | 32);

    const JSON: Kinds = Kinds(1 | 2 | 4 | 8 | 16 | 32 | 128);
    const ANY: Kinds = Kinds(255);

    fn from_symbol(symbol: u8) -> Option<Kinds> {
        Some(match symbol {
            b's' => Kinds::TEXT,
            b'n' => Kinds::NUMBER,
            b'b' => Kinds::BOOL,
            b'l' => Kinds::NULL,
            b'a' => Kinds::LIST,
            b'o' => Kinds::RECORD,
            b'f' => Kinds::FUNCTION,
            b'm' => Kinds::MISSING,
            b'j' => Kinds::JSON,
            b'x' => Kinds::ANY,
            _ => return None,
        })
    }

    /// Returns whether every kind of `other` is one of these.
    #[inline]
    pub fn contain(self, other: Kinds) -> bool {
        self.0 & other.0 == other.0
    }

    fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}

/// One parameter of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureParameter {
    /// What it takes.
    pub kinds: Kinds,
    /// Whether it is a list: any other value is made one of one item.
    pub list: bool,
    /// What the items of the list must be, and the word for that in errors.
    pub items: Option<(Kinds, &'static str)>,
    /// Whether the context stands in for a missing argument (`-`).
    pub context: bool,
    /// Whether it may be left out (`?`, and `-`).
    pub optional: bool,
    /// Whether it takes one argument or more (`+`).
    pub repeated: bool,
}

/// What the arguments of a function must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signature as it is written, with its angle brackets.
    pub text: Arc<str>,
    /// The parameters, in order.
    pub parameters: Vec<SignatureParameter>,
    /// Whether each call with exactly one argument for each parameter is checked one by one.
    pub(crate) plain: bool,
}

/// Why a signature cannot be read: the reference's code, and the offset in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureError {
    /// `S0401` or `S0402`.
    pub code: &'static str,
    /// Offset in bytes from the opening angle bracket.
    pub offset: usize,
}

impl Signature {
    /// Reads a signature such as `<s-nn?:s>`. Symbols that mean nothing are passed over, as the
    /// reference does.
    pub fn parse(text: &str) -> Result<Signature, SignatureError> {
        let bytes = text.as_bytes();
        let mut parameters: Vec<SignatureParameter> = Vec::new();
        let mut at = 1;
        while let Some(symbol) = bytes.get(at).copied() {
            match symbol {
                b':' => break,
                b's' | b'n' | b'b' | b'l' | b'o' | b'a' | b'f' | b'j' | b'x' => {
                    parameters.push(SignatureParameter::of(symbol));
                }
                b'-' | b'?' | b'+' => {
                    if let Some(last) = parameters.last_mut() {
                        last.context |= symbol == b'-';
                        last.optional |= symbol != b'+';
                        last.repeated |= symbol == b'+';
                    }
                }
                b'(' => {
                    let end = closing(bytes, at, b'(', b')');
                    parameters.push(choice(&bytes[at + 1..end.max(at + 1)], at)?);
                    at = end;
                }
                b'<' => {
                    let end = closing(bytes, at, b'<', b'>');
                    match parameters.last_mut() {
                        Some(last) if last.list || last.kinds == Kinds::FUNCTION => {
                            last.items = items(&bytes[at + 1..end.max(at + 1)]);
                        }
                        _ => {
                            return Err(SignatureError {
                                code: "S0401",
                                offset: at,
                            });
                        }
                    }
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        let plain = parameters.iter().all(|parameter| !parameter.repeated);
        Ok(Signature {
            text: text.into(),
            parameters,
            plain,
        })
    }

    /// Returns how many of the arguments each parameter takes, trying more before fewer, as the
    /// regular expression does that the reference makes of a signature; `None` if they do not fit.
    pub(crate) fn distribute(&self, arguments: &[Kinds]) -> Option<Vec<usize>> {
        fn fit(
            parameters: &[SignatureParameter],
            arguments: &[Kinds],
            counts: &mut Vec<usize>,
        ) -> bool {
            let Some((first, rest)) = parameters.split_first() else {
                return arguments.is_empty();
            };
            let matching = arguments
                .iter()
                .take_while(|kind| first.kinds.contain(**kind))
                .count();
            let most = if first.repeated {
                matching
            } else {
                matching.min(1)
            };
            let least = usize::from(!first.optional);
            for count in (least..=most).rev() {
                counts.push(count);
                if fit(rest, &arguments[count..], counts) {
                    return true;
                }
                counts.pop();
            }
            false
        }
        let mut counts = Vec::with_capacity(self.parameters.len());
        fit(&self.parameters, arguments, &mut counts).then_some(counts)
    }

    /// Returns the index of the first argument that does not fit; only for arguments that
    /// [`Signature::distribute`] refuses.
    pub(crate) fn first_misfit(&self, arguments: &[Kinds]) -> usize {
        let mut at = 0;
        for parameter in &self.parameters {
            let fits = |index: usize| {
                arguments
                    .get(index)
                    .is_some_and(|kind| parameter.kinds.contain(*kind))
            };
            if !fits(at) {
                if parameter.optional {
                    continue;
                }
                return at;
            }
            at += 1;
            while parameter.repeated && fits(at) {
                at += 1;
            }
        }
        at
    }
}

impl SignatureParameter {
    fn of(symbol: u8) -> Self {
        let kinds = match symbol {
            b'a' => Kinds::ANY,
            b'f' => Kinds::FUNCTION,
            other => Kinds::from_symbol(other).map_or(Kinds::ANY, |k| k.with(Kinds::MISSING)),
        };
        Self {
            kinds,
            list: symbol == b'a',
            items: None,
            context: false,
            optional: false,
            repeated: false,
        }
    }
}

/// A choice such as `(sf)`. It cannot hold types with parameters.
fn choice(symbols: &[u8], offset: usize) -> Result<SignatureParameter, SignatureError> {
    if symbols.contains(&b'<') {
        return Err(SignatureError {
            code: "S0402",
            offset,
        });
    }
    let mut parameter = SignatureParameter::of(b'm');
    for kinds in symbols.iter().filter_map(|s| Kinds::from_symbol(*s)) {
        parameter.kinds = parameter.kinds.with(kinds);
    }
    Ok(parameter)
}

fn items(symbols: &[u8]) -> Option<(Kinds, &'static str)> {
    let symbol = *symbols.first()?;
    let word = match symbol {
        b'a' => "arrays",
        b'b' => "booleans",
        b'f' => "functions",
        b'n' => "numbers",
        b'o' => "objects",
        b's' => "strings",
        _ => return None,
    };
    Some((Kinds::from_symbol(symbol)?, word))
}

/// Returns the index of the symbol that closes the bracket at `open`, or the end.
fn closing(bytes: &[u8], open: usize, opening: u8, closing: u8) -> usize {
    let mut depth = 1;
    for (index, byte) in bytes.iter().enumerate().skip(open + 1) {
        if *byte == closing {
            depth -= 1;
            if depth == 0 {
                return index;
            }
        } else if *byte == opening {
            depth += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{Kinds, Signature};

    #[test]
    fn arguments_are_distributed_as_a_regular_expression_does() {
        let counts = |text: &str, kinds: &[Kinds]| {
            Signature::parse(text)
                .expect("a signature")
                .distribute(kinds)
        };
        let (s, n, l) = (Kinds::TEXT, Kinds::NUMBER, Kinds::LIST);
        assert_eq!(counts("<s-nn?:s>", &[s, n]), Some(vec![1, 1, 0]));
        assert_eq!(counts("<s-nn?:s>", &[n]), Some(vec![0, 1, 0]));
        assert_eq!(counts("<s-nn?:s>", &[s, s]), None);
        assert_eq!(counts("<a<s>s?:s>", &[l, s]), Some(vec![1, 1]));
        assert_eq!(counts("<nn+:a>", &[n, n, n]), Some(vec![1, 2]));
        assert_eq!(counts("<nn+:a>", &[n]), None);
        let signature = Signature::parse("<nn+:a>").expect("a signature");
        assert_eq!(signature.first_misfit(&[n, n, s]), 2);
        assert_eq!(Signature::parse("<n<n>>").expect_err("S0401").code, "S0401");
        assert_eq!(
            Signature::parse("<(sa<n>)>").expect_err("S0402").code,
            "S0402"
        );
    }
}
