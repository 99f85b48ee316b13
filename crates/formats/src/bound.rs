//! What keeps codecs bounded: the piece of input that is looked at in one go, and what of a text is
//! shown in a message.

/// Input is taken in pieces of at most so many bytes, however large the chunks that come are: what
/// a decoder holds is less than its largest record and one piece.
pub(crate) const PIECE: usize = 64 * 1024;

/// The most characters of a text from the input that a message shows.
const SHOWN: usize = 60;

/// Returns the beginning of a text, fit for a message in one line.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (index, char) in text.chars().enumerate() {
        if index == SHOWN {
            out.push('…');
            break;
        }
        match char {
            '`' => out.push('\''),
            char if char.is_control() => out.extend(char.escape_default()),
            char => out.push(char),
        }
    }
    out
}
