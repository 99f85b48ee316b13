//! The walk over node and schema, side by side.

use sluice_model::codes;
use sluice_model::finding::{Finding, Findings};
use sluice_model::span::{Sources, Span};
use sluice_syntax::tree::{Node, NodeKind, Style};

use crate::de::{self, Fields};
use crate::shape::schema::Schema;

/// The longest text that a message repeats, in characters.
const SHOWN_MAX: usize = 40;

/// What is being walked over.
pub(super) struct Walk<'w> {
    pub sources: &'w Sources,
    pub findings: &'w mut Findings,
}

/// What messages call the present node.
#[derive(Clone)]
pub(super) struct Place {
    /// `a flow`, `` `retry` ``, `` an item of `brokers` ``.
    pub what: String,
    /// The key whose value the node is, or that holds the list whose item it is.
    pub key: Option<String>,
    /// Where to say that something is missing.
    pub anchor: Span,
    /// Whether the node is read without knowing its type: then YAML's own rules decide what a
    /// scalar is.
    pub untagged: bool,
}

impl Place {
    pub fn of_key(key: &str, anchor: Span) -> Self {
        Self {
            what: format!("`{key}`"),
            key: Some(key.to_owned()),
            anchor,
            untagged: false,
        }
    }

    fn item(&self, item: &Node) -> Self {
        let anchor = Fields::of(item).map_or(item.span, |fields| fields.anchor());
        Self {
            what: match &self.key {
                Some(key) => format!("an item of `{key}`"),
                None => "an item of the list".to_owned(),
            },
            key: self.key.clone(),
            anchor,
            untagged: false,
        }
    }
}

impl Walk<'_> {
    /// Checks a node.
    pub fn value(&mut self, node: &Node, schema: Schema<'_>, place: &Place) {
        let schema = schema.resolve();
        if schema.is_anything() {
            return;
        }
        if schema.is_placed() {
            return self.placed(node, schema, place);
        }
        for part in schema.all_of() {
            self.value(node, part, place);
        }
        if let Some(alternatives) = schema.alternatives() {
            return self.alternatives(node, schema, &alternatives, place);
        }
        if schema.types().is_empty() || (schema.allows("null") && de::is_null(node)) {
            return;
        }
        match &node.kind {
            NodeKind::Scalar(_) if schema.is_secret() && !node.is_absent() => {
                self.plain_secret(node, place);
            }
            NodeKind::Scalar(scalar) => self.scalar(node, scalar, schema, place),
            NodeKind::List(items) if schema.allows("array") => {
                self.items(node, items, schema, place);
            }
            NodeKind::Map(_) if schema.allows("object") => {
                let fields = Fields::of(node).expect("the node is a map");
                self.fields(&fields, schema, place);
            }
            NodeKind::List(_) | NodeKind::Map(_) => self.wrong_type(node, schema, place),
        }
    }

    /// Returns whether a node would pass.
    pub fn passes(&mut self, node: &Node, schema: Schema<'_>, place: &Place) -> bool {
        self.trial(node, schema, place).is_empty()
    }

    /// Returns what would be found.
    pub fn trial(&mut self, node: &Node, schema: Schema<'_>, place: &Place) -> Findings {
        let mut findings = Findings::default();
        let mut walk = Walk {
            sources: self.sources,
            findings: &mut findings,
        };
        walk.value(node, schema, place);
        findings
    }

    /// Checks only the kind of a node that the compiler reads itself.
    fn placed(&mut self, node: &Node, schema: Schema<'_>, place: &Place) {
        let fits = match &node.kind {
            NodeKind::Scalar(_) if node.is_absent() => schema.allows("null"),
            NodeKind::Scalar(_) => true,
            NodeKind::List(_) => schema.allows("array"),
            NodeKind::Map(_) => schema.allows("object"),
        };
        if !fits {
            self.wrong_type(node, schema, place);
        }
    }

    fn items(&mut self, node: &Node, items: &[Node], schema: Schema<'_>, place: &Place) {
        for (index, item) in items.iter().enumerate() {
            match schema.item(index) {
                Some(schema) => self.value(item, schema, &place.item(item)),
                None => self.findings.push(
                    Finding::error(
                        codes::BAD_VALUE,
                        item.span,
                        format!("{} has an item too many", place.what),
                    )
                    .with_label(format!("only {index} are expected"))
                    .with_help("remove it"),
                ),
            }
        }
        let count = items.len() as i128;
        let items_of = |count: i128| match count {
            1 => "1 item".to_owned(),
            count => format!("{count} items"),
        };
        let bounds = (schema.integer("minItems"), schema.integer("maxItems"));
        let said = match bounds {
            (Some(least), _) if count < least => format!("at least {}", items_of(least)),
            (_, Some(most)) if most < count && schema.item(items.len()).is_some() => {
                format!("at most {}", items_of(most))
            }
            _ => return,
        };
        self.findings.push(
            Finding::error(
                codes::BAD_VALUE,
                place.anchor,
                format!("{} must have {said}", place.what),
            )
            .with_label(format!("has {count}"))
            .with_place(node.span, "the list"),
        );
    }

    /// Says that a node is not of the type that is expected.
    pub fn wrong_type(&mut self, node: &Node, schema: Schema<'_>, place: &Place) {
        let expected = schema.expected();
        let mut finding = Finding::error(
            codes::WRONG_TYPE,
            if node.is_absent() {
                place.anchor
            } else {
                self.first_line(node.span)
            },
            format!("{} must be {expected}", place.what),
        )
        .with_label(found(node));
        if let Some((title, text)) = self.retyped(node, schema, place) {
            finding = finding
                .with_help(title.clone())
                .with_fix(title, node.span, text);
        } else if let Some(about) = schema.about() {
            finding = finding.with_note(format!("{}: {about}", place.what));
        }
        self.findings.push(finding);
    }

    /// Cuts a span to its first line: a whole block underlined hides what is wrong with it.
    fn first_line(&self, span: Span) -> Span {
        let line = self.sources.text(span).lines().next().unwrap_or("");
        Span::new(
            span.file,
            span.start as usize,
            span.start as usize + line.len(),
        )
    }

    /// Returns how a node of the wrong type is mended: what to do, and what stands there then.
    fn retyped(
        &mut self,
        node: &Node,
        schema: Schema<'_>,
        place: &Place,
    ) -> Option<(String, String)> {
        let written = self.sources.text(node.span);
        if written.is_empty() || written.contains('\n') {
            return None;
        }
        match &node.kind {
            // `{orderId}` is meant to be a text with a hole, `{ a: b }` is not.
            NodeKind::Map(map)
                if map.flow_style
                    && schema.allows("string")
                    && map.entries.iter().all(|entry| entry.value.is_absent()) =>
            {
                let quoted = format!("'{}'", written.replace('\'', "''"));
                return Some(("put the text in quotes".to_owned(), quoted));
            }
            NodeKind::List(items) => {
                let [only] = items.as_slice() else {
                    return None;
                };
                let single = self.sources.text(only.span);
                let fits = written.starts_with('[') && self.passes(only, schema, place);
                return fits.then(|| {
                    let text = single.to_owned();
                    (format!("write `{text}` without the brackets"), text)
                });
            }
            NodeKind::Map(_) | NodeKind::Scalar(_) => {}
        }
        let item = schema.item(0).filter(|_| schema.allows("array"))?;
        let plain_breaks = node.as_scalar().is_some_and(|scalar| {
            scalar.style == Style::Plain && scalar.text.contains([',', '[', ']', '{', '}'])
        });
        (!plain_breaks && self.passes(node, item, place)).then(|| {
            let text = format!("[{written}]");
            (format!("write a list: `{text}`"), text)
        })
    }
}

/// Says what stands at a node: `` this is the text `x` ``.
pub(super) fn found(node: &Node) -> String {
    let scalar = match &node.kind {
        NodeKind::Map(_) => return "this is a map".to_owned(),
        NodeKind::List(_) => return "this is a list".to_owned(),
        NodeKind::Scalar(_) if node.is_absent() => return "nothing stands here".to_owned(),
        NodeKind::Scalar(scalar) => scalar,
    };
    let text = shown(&scalar.text);
    match node.kind_name() {
        "null" => format!("this is null, written `{text}`"),
        kind => format!("this is the {kind} `{text}`"),
    }
}

/// Cuts a text to what a message can hold in one line.
pub(super) fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let mut shown: String = line.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}
