//! The table of finding codes; each has a page in `docs/errors`.
//!
//! A code is never given a second meaning. The hundreds say the area: `E00` syntax of files, `E01`
//! keys and values of project files, `E02` references between files, `E03` expressions and
//! mappings, `E04` contracts, `E05` flows and steps, `E06` connections and components, `E07` APIs,
//! `E08` tests of projects, `E09` what is not built yet.

use crate::finding::Code;

/// Defines the codes and the table of them.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: Code = Code($code);)*

        /// All codes, ascending.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    /// A file is not well-formed YAML or JSON.
    SYNTAX = "E0001";
    /// A key stands twice in one map.
    DUPLICATE_KEY = "E0002";
    /// A file is not UTF-8.
    NOT_UTF8 = "E0003";
    /// Anchors, aliases, tags and several documents are not part of the project language.
    YAML_FEATURE = "E0004";
    /// A file is larger or deeper than the limit.
    TOO_LARGE = "E0005";

    /// A key that this place does not know.
    UNKNOWN_KEY = "E0101";
    /// A key that must be there is not.
    MISSING_KEY = "E0102";
    /// A value of the wrong type.
    WRONG_TYPE = "E0103";
    /// A duration, size or rate without a unit or with an unknown one.
    BAD_UNIT = "E0104";
    /// A text that is not one of the allowed values.
    BAD_CHOICE = "E0105";
    /// A name that is not an identifier.
    BAD_NAME = "E0106";
    /// A value outside of its bounds or not of its format.
    BAD_VALUE = "E0107";

    /// A name that nothing in the project has.
    UNKNOWN_REFERENCE = "E0201";
    /// Two things of one kind with one name.
    DUPLICATE_NAME = "E0202";
    /// A file that is named but not there.
    MISSING_FILE = "E0203";
    /// A reference that is found more than once.
    AMBIGUOUS_REFERENCE = "E0204";
    /// Flows that run each other in a circle.
    CYCLE = "E0205";

    /// An expression that is not JSONata.
    EXPRESSION_SYNTAX = "E0301";
    /// A path that the type does not have.
    UNKNOWN_PATH = "E0302";
    /// A value that may be missing or null, used as if it were always there.
    POSSIBLY_MISSING = "E0303";
    /// An output that does not fit what it goes to.
    DOES_NOT_FIT = "E0304";
    /// An argument of the wrong type.
    BAD_ARGUMENT = "E0305";
    /// A function or variable that is not known.
    UNKNOWN_NAME = "E0306";
    /// A list where one value is used, or the other way round.
    LIST_OR_ONE = "E0307";
    /// A number that loses digits.
    LOSSY_NUMBER = "E0308";
    /// A comparison that can never hold.
    NEVER_EQUAL = "E0309";
    /// YAML reads an expression otherwise than it was meant.
    MISREAD_EXPRESSION = "E0310";

    /// A contract that cannot be read.
    BAD_CONTRACT = "E0401";
    /// A part of a contract that is not supported.
    UNSUPPORTED_CONTRACT = "E0402";
    /// A contract that contradicts itself.
    CONTRADICTION = "E0403";

    /// A step without a verb, or with more than one.
    STEP_VERB = "E0501";
    /// A key that belongs to another kind of step.
    STEP_OPTION = "E0502";
    /// A step that is never reached.
    UNREACHABLE_STEP = "E0503";
    /// A path through the flow that should answer and does not, or answers twice.
    REPLY = "E0504";
    /// A retry around an effect that must not be repeated.
    UNSAFE_RETRY = "E0505";
    /// A source that the connection does not offer.
    BAD_SOURCE = "E0506";
    /// A fault code that nothing raises.
    UNKNOWN_FAULT = "E0507";

    /// A component's own check failed.
    COMPONENT = "E0601";
    /// A secret in plain text where a reference belongs.
    PLAIN_SECRET = "E0602";

    /// Two operations on one route.
    ROUTE_CONFLICT = "E0701";
    /// An operation that nothing serves.
    UNSERVED_OPERATION = "E0702";

    /// A test case that names what its flow does not have.
    BAD_TEST = "E0801";

    /// Something that this build does not run yet.
    NOT_YET = "E0901";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_ascend() {
        for pair in ALL.windows(2) {
            assert!(pair[0] < pair[1], "{} before {}", pair[0], pair[1]);
        }
    }
}
