//! A message in the form in which it is stored and sent again.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sluice_model::batch::{Message, Payload};
use sluice_model::fault::Fault;
use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::value::{Record, Value};

use crate::payload::PAYLOAD_MAX;

/// How the bytes of a stored message are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    /// JSON text of a value.
    Json,
    /// The value is these bytes.
    Bytes,
    /// The message could not be read: these are the bytes as they came.
    Unread,
}

impl MessageFormat {
    /// Returns its word, as commands and pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Bytes => "bytes",
            Self::Unread => "unread",
        }
    }

    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        [Self::Json, Self::Bytes, Self::Unread]
            .get(usize::try_from(number).ok()?)
            .copied()
    }
}

/// A message as it entered its flow, unmasked, in the form in which it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    /// How `body` is to be read, once it is decrypted.
    pub format: MessageFormat,
    /// The key that `body` is encrypted with; 0: it is plain.
    pub key_id: u32,
    /// The payload.
    pub body: Arc<[u8]>,
    /// Where the JSON of `body` has base 64 that was bytes, as JSON Pointers (RFC 6901), each on
    /// a line; `None` if nowhere.
    pub bytes_at: Option<Arc<str>>,
    /// The parameters of its operation, as a JSON object.
    pub params: Option<Arc<str>>,
    /// Header fields and the like, as a JSON object.
    pub headers: Option<Arc<str>>,
    /// The position of its source that stood for it, as JSON.
    pub position: Option<Arc<str>>,
}

impl StoredMessage {
    /// Returns the stored form of a message, without a position.
    pub fn of(message: &Message) -> Self {
        let (format, body, bytes_at) = match &message.payload {
            Payload::Unread { raw, .. } => (MessageFormat::Unread, Arc::clone(raw), None),
            Payload::Value(Value::Bytes(bytes)) => (MessageFormat::Bytes, Arc::clone(bytes), None),
            Payload::Value(value) => {
                let mut body = Vec::new();
                json::write(value, &mut body);
                (MessageFormat::Json, body.into(), bytes_at(value))
            }
        };
        Self {
            format,
            key_id: 0,
            body,
            bytes_at,
            params: message.params.as_deref().map(record_text),
            headers: message.headers.as_deref().map(record_text),
            position: None,
        }
    }

    /// Returns the same with the position of its source.
    pub fn with_position(mut self, position: &Value<'_>) -> Self {
        self.position = Some(json::to_string(position).into());
        self
    }

    /// Returns the same message with another payload: JSON text that a person edited.
    pub fn with_json(mut self, body: &[u8]) -> Self {
        self.format = MessageFormat::Json;
        self.body = body.into();
        self.bytes_at = None;
        self
    }

    /// Reads the payload. Bytes that could not be read when they came are given as they were:
    /// whoever sends them again has to decode them again.
    ///
    /// # Errors
    /// Where what is stored as JSON is not JSON, as after a bad edit.
    pub fn payload(&self) -> Result<StoredPayloadValue, Fault> {
        match self.format {
            MessageFormat::Json => {
                let mut value = read(&self.body)?;
                for pointer in self.bytes_at.iter().flat_map(|all| all.lines()) {
                    restore(&mut value, pointer)?;
                }
                Ok(StoredPayloadValue::Value(value))
            }
            MessageFormat::Bytes => Ok(StoredPayloadValue::Value(Value::Bytes(Arc::clone(
                &self.body,
            )))),
            MessageFormat::Unread => Ok(StoredPayloadValue::Unread(Arc::clone(&self.body))),
        }
    }

    /// Reads the parameters.
    ///
    /// # Errors
    /// Where they are not a JSON object.
    pub fn params(&self) -> Result<Option<Record<'static>>, Fault> {
        self.params.as_deref().map(record).transpose()
    }

    /// Reads the header fields.
    ///
    /// # Errors
    /// Where they are not a JSON object.
    pub fn headers(&self) -> Result<Option<Record<'static>>, Fault> {
        self.headers.as_deref().map(record).transpose()
    }

    /// Returns the bytes that it takes.
    pub fn size(&self) -> usize {
        let texts = [&self.bytes_at, &self.params, &self.headers, &self.position];
        texts
            .into_iter()
            .flatten()
            .fold(self.body.len(), |sum, text| sum.saturating_add(text.len()))
    }
}

/// The payload of a stored message.
#[derive(Debug, Clone)]
pub enum StoredPayloadValue {
    /// A value.
    Value(Value<'static>),
    /// Bytes that could not be read when they came.
    Unread(Arc<[u8]>),
}

fn record_text(record: &Record<'static>) -> Arc<str> {
    json::to_string(&Value::Record(record.clone())).into()
}

fn read(bytes: &[u8]) -> Result<Value<'static>, Fault> {
    let limits = json::Limits {
        depth: json::DEPTH_MAX,
        bytes: PAYLOAD_MAX,
    };
    Ok(json::read_owned(bytes, &Projection::All, &limits)?)
}

fn record(text: &str) -> Result<Record<'static>, Fault> {
    match read(text.as_bytes())? {
        Value::Record(record) => Ok(record),
        other => Err(Fault::invalid(format!(
            "parameters and headers are an object, not a {}",
            other.kind()
        ))),
    }
}

/// Returns the places of bytes within a value.
fn bytes_at(value: &Value<'_>) -> Option<Arc<str>> {
    let mut found = String::new();
    find_bytes(value, &mut String::new(), &mut found);
    (!found.is_empty()).then(|| found.into())
}

/// Recursion is bounded: a value is at most [`json::DEPTH_MAX`] deep where it can be written.
fn find_bytes(value: &Value<'_>, pointer: &mut String, found: &mut String) {
    let length = pointer.len();
    match value {
        Value::Bytes(_) => {
            found.push_str(pointer);
            found.push('\n');
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                find_bytes(item, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Record(record) => {
            for (key, field) in record.iter() {
                pointer.push('/');
                escape(key.as_str(), pointer);
                find_bytes(field, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Decimal(_)
        | Value::Float(_)
        | Value::Literal(_)
        | Value::Text(_) => {}
    }
}

/// Escapes a key as RFC 6901 section 3 does, and a line feed as `~2`, since lines part pointers.
fn escape(key: &str, out: &mut String) {
    for c in key.chars() {
        match c {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            '\n' => out.push_str("~2"),
            '\r' => out.push_str("~3"),
            c => out.push(c),
        }
    }
}

fn unescape(part: &str) -> String {
    part.replace("~3", "\r")
        .replace("~2", "\n")
        .replace("~1", "/")
        .replace("~0", "~")
}

/// Turns the base 64 at `pointer` into bytes again.
fn restore(value: &mut Value<'static>, pointer: &str) -> Result<(), Fault> {
    let mut place = value;
    for part in pointer.split('/').skip(1) {
        let inner = match place {
            Value::List(items) => part.parse().ok().and_then(|i: usize| items.get_mut(i)),
            Value::Record(record) => record.get_str_mut(&unescape(part)),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Decimal(_)
            | Value::Float(_)
            | Value::Literal(_)
            | Value::Text(_)
            | Value::Bytes(_) => None,
        };
        place = inner.ok_or_else(|| missing(pointer))?;
    }
    let text = place.as_str().ok_or_else(|| missing(pointer))?;
    let bytes = STANDARD.decode(text).map_err(|_| missing(pointer))?;
    *place = Value::Bytes(bytes.into());
    Ok(())
}

fn missing(pointer: &str) -> Fault {
    Fault::invalid(format!("there are no bytes in base 64 at `{pointer}`"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluice_model::batch::{Message, Origin, Payload};
    use sluice_model::fault::Fault;
    use sluice_model::time::Timestamp;
    use sluice_model::value::{Record, Value};

    use super::{MessageFormat, StoredMessage, StoredPayloadValue};

    fn message(payload: Payload) -> Message {
        Message {
            payload,
            origin: Origin::Manual,
            params: None,
            headers: None,
            received: Timestamp(0),
        }
    }

    fn round_trip(value: Value<'static>) -> Value<'static> {
        let stored = StoredMessage::of(&message(Payload::Value(value)));
        match stored.payload().unwrap() {
            StoredPayloadValue::Value(value) => value,
            StoredPayloadValue::Unread(_) => panic!("it was read"),
        }
    }

    #[test]
    fn values_with_bytes_come_back_as_they_were() {
        let bytes = Value::Bytes(Arc::from([0, 255, 1].as_slice()));
        let mut inner = Record::default();
        for key in ["", "a/b", "~1", "x\ny\r", "é"] {
            inner.insert(sluice_model::value::Name::new(key), bytes.clone());
        }
        inner.insert(sluice_model::value::Name::new("text"), Value::text("AP8B"));
        let list = Value::List(vec![Value::Null, bytes.clone(), Value::Record(inner)]);
        assert_eq!(
            format!("{:?}", round_trip(list.clone())),
            format!("{list:?}")
        );
        assert_eq!(
            format!("{:?}", round_trip(bytes.clone())),
            format!("{bytes:?}")
        );
    }

    #[test]
    fn unread_bytes_stay_as_they_came() {
        let raw: Arc<[u8]> = Arc::from(b"1;2\xff".as_slice());
        let fault = Fault::invalid("not UTF-8");
        let stored = StoredMessage::of(&message(Payload::Unread {
            raw: Arc::clone(&raw),
            fault,
        }));
        assert_eq!(stored.format, MessageFormat::Unread);
        match stored.payload().unwrap() {
            StoredPayloadValue::Unread(bytes) => assert_eq!(bytes, raw),
            StoredPayloadValue::Value(_) => panic!("it was not read"),
        }
    }

    #[test]
    fn a_bad_edit_is_an_error_with_its_place() {
        let stored = StoredMessage::of(&message(Payload::Value(Value::Null)));
        let fault = stored.clone().with_json(b"{\"a\":}").payload().unwrap_err();
        assert!(fault.public().contains("line 1, column 6"), "{fault}");
        let good = stored.with_json(b"{\"a\":1}").payload().unwrap();
        assert!(matches!(good, StoredPayloadValue::Value(Value::Record(_))));
    }
}
