//! From the parser's events to the tree.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{
    ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as RawSpan, StrInput, StructureStyle,
    Tag,
};
use sluice_model::codes;
use sluice_model::finding::{Finding, Findings};
use sluice_model::span::{FileId, Span};

use crate::options::{self, Dialect, OTHER_FINDINGS_MAX, PROJECT_ALIASED_NODES_MAX, ParseOptions};
use crate::tree::{self, Comment, Document, Entry, Map, Node, NodeKind, Scalar, Style};
use crate::yaml::{lines, unquote};

/// What one reading of a text gave.
pub(super) struct Pass {
    /// The tree; up to `error`, if there is one.
    pub(super) document: Document,
    /// Everything but syntax errors.
    pub(super) findings: Findings,
    /// The syntax error that ended the reading.
    pub(super) error: Option<ScanError>,
    /// The flow collections that were open at the error, outermost first: where they begin.
    pub(super) open_flows: Vec<usize>,
    /// Where the last syntax before the error ended.
    pub(super) last_end: usize,
}

/// Reads a text up to its end or its first syntax error.
///
/// `original` is the file as it is: `text` may have blanks in the place of some of its characters.
pub(super) fn read(file: FileId, text: &str, original: &str, options: &ParseOptions) -> Pass {
    let settings = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_anchor_events: options.dialect == Dialect::Project,
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: options.depth_max + 1,
        block_nesting_limit: options.depth_max + 1,
    };
    let mut parser = Parser::new_from_str_with_options(text, settings);
    let mut builder = Builder::new(file, text, original, options);
    let error = builder.run(&mut parser).err();
    builder.finish(error)
}

/// A collection whose end is still to come.
struct Frame {
    kind: FrameKind,
    flow: bool,
    /// Where the node begins.
    start: usize,
    /// Where its items begin in the builder's shared stack of them.
    base: usize,
    /// The anchor that names it; 0 for none.
    anchor: usize,
}

enum FrameKind {
    List,
    /// With the key whose value is still to come.
    Map(Option<PendingKey>),
}

enum PendingKey {
    Scalar(Scalar, Span),
    /// A key that is a collection: a finding, and the entry is left out.
    Refused,
}

/// A node that an alias may ask for.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

struct Builder<'t> {
    file: FileId,
    text: &'t str,
    original: &'t str,
    options: &'t ParseOptions,
    findings: Findings,
    comments: Vec<Comment>,
    frames: Vec<Frame>,
    /// The items of all open lists, and the entries of all open maps: each collection takes its own
    /// off the end when it is complete, in one allocation of the right size.
    items: Vec<Node>,
    entries: Vec<Entry>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    aliased_nodes: usize,
    /// Where the last event ended: a block scalar's header stands after it.
    last_end: usize,
    /// What stands too deep is passed over; this counts how deep in it the reader is.
    skipped_depth: usize,
    documents: usize,
    /// Whether the reading is over, and what is still open is only closed.
    ended: bool,
}

impl<'t> Builder<'t> {
    fn new(file: FileId, text: &'t str, original: &'t str, options: &'t ParseOptions) -> Self {
        Self {
            file,
            text,
            original,
            options,
            findings: Findings::default(),
            comments: Vec::new(),
            frames: Vec::new(),
            items: Vec::new(),
            entries: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            aliased_nodes: 0,
            last_end: 0,
            skipped_depth: 0,
            documents: 0,
            ended: false,
        }
    }

    /// Returns the span of a range of the text, on characters of the file as it is.
    fn span(&self, range: Range<usize>) -> Span {
        let start = lines::floor(self.original, range.start);
        crate::span(
            self.file,
            start..lines::floor(self.original, range.end).max(start),
        )
    }

    fn run(&mut self, parser: &mut Parser<'t, StrInput<'t>>) -> Result<(), ScanError> {
        while let Some(event) = parser.next_event() {
            let (event, place) = match event {
                Err(error) if *error.kind() == ErrorKind::RecursionLimitExceeded => {
                    let at = error.marker().byte_offset().unwrap_or(0);
                    self.refuse_depth(self.span(at..at));
                    return Ok(());
                }
                event => event?,
            };
            let range = place.byte_range().unwrap_or(0..0);
            if let Event::DocumentStart(..) = event {
                self.documents += 1;
                if self.documents == 2 {
                    self.refuse_document(range);
                    return Ok(());
                }
            }
            // An implicit start stands where the parser has looked ahead to.
            let implicit = matches!(event, Event::DocumentStart(false, _));
            self.event(event, &place, range.clone());
            if !implicit {
                self.last_end = self.last_end.max(range.end);
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'t>, place: &RawSpan, range: Range<usize>) {
        match event {
            Event::Comment(text, _) => self.comments.push(Comment {
                span: self.span(range),
                text: Arc::from(&*text),
            }),
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_deref(), place);
                let node = self.scalar(&text, style, range, tag.as_deref());
                self.complete(node, anchor);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), place);
                self.open(FrameKind::List, style, range.start, anchor);
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), place);
                self.open(FrameKind::Map(None), style, range.start, anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range),
            Event::Alias(anchor) => self.alias(anchor, range),
            Event::UnresolvedAlias(name) => self.unresolved(&name, range),
            Event::Anchor(_, name) => self.feature(
                self.span(range),
                format!("the anchor `&{name}` is not part of the project language"),
                "write the value out where it is used; quote the text if the `&` belongs to it",
            ),
            // `StreamStart`, `StreamEnd`, `DocumentStart`, `DocumentEnd`, and what later versions
            // of the parser may add: nothing of the tree.
            _ => {}
        }
    }

    /// Adds a finding, if there are not too many yet.
    fn tell(&mut self, finding: Finding) {
        if self.findings.0.len() < OTHER_FINDINGS_MAX || finding.code == codes::TOO_LARGE {
            self.findings.push(finding);
        }
    }

    fn open(&mut self, kind: FrameKind, style: StructureStyle, start: usize, anchor: usize) {
        if self.skipped_depth != 0 {
            self.skipped_depth += 1;
            return;
        }
        if self.frames.len() == self.options.depth_max {
            self.refuse_depth(self.span(start..start));
            self.skipped_depth = 1;
            return;
        }
        let base = match kind {
            FrameKind::List => self.items.len(),
            FrameKind::Map(_) => self.entries.len(),
        };
        self.frames.push(Frame {
            kind,
            flow: style == StructureStyle::Flow,
            start,
            base,
            anchor,
        });
    }

    /// Ends the innermost collection; `range` is that of its closing bracket, or empty.
    fn close(&mut self, range: Range<usize>) {
        if self.skipped_depth != 0 {
            self.skipped_depth -= 1;
            if self.skipped_depth == 0 {
                let node = self.absent(range.start);
                self.complete(node, 0);
            }
            return;
        }
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let (kind, last_end) = match frame.kind {
            FrameKind::List => {
                let items: Vec<Node> = self.items.drain(frame.base..).collect();
                let end = items.last().map(|node| node.span.end);
                (NodeKind::List(items), end)
            }
            FrameKind::Map(_) => {
                let entries: Vec<Entry> = self.entries.drain(frame.base..).collect();
                let end = entries.last().map(|entry| entry.value.span.end);
                let mut map = Map {
                    entries,
                    flow_style: frame.flow,
                };
                self.check_keys(&mut map);
                (NodeKind::Map(map), end)
            }
        };
        let end = match last_end {
            Some(end) if !frame.flow => end as usize,
            _ => range.end,
        };
        let node = Node {
            span: Span::new(self.file, frame.start, end),
            kind,
        };
        self.complete(node, frame.anchor);
    }

    /// Puts a complete node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) {
        if self.skipped_depth != 0 {
            return;
        }
        if anchor != 0 {
            let (nodes, depth) = measure(&node);
            self.anchors.insert(
                anchor,
                Anchored {
                    node: node.clone(),
                    nodes,
                    depth,
                },
            );
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        let pending = match &mut frame.kind {
            FrameKind::List => {
                self.items.push(node);
                return;
            }
            FrameKind::Map(pending) => pending,
        };
        match (pending.take(), node.kind) {
            (Some(PendingKey::Scalar(key, key_span)), kind) => {
                let mut value = Node {
                    span: node.span,
                    kind,
                };
                if value.is_absent() {
                    place_absent(self.file, self.text, &mut value, key_span);
                }
                self.entries.push(Entry {
                    key,
                    key_span,
                    value,
                });
            }
            (Some(PendingKey::Refused), _) => {}
            (None, NodeKind::Scalar(key)) => *pending = Some(PendingKey::Scalar(key, node.span)),
            (None, NodeKind::Map(_) | NodeKind::List(_)) => {
                *pending = Some(PendingKey::Refused);
                self.feature_always(
                    node.span,
                    "a key must be a text, not a map or list".to_owned(),
                    "quote it if it is a text: `{name}` and `[0]` are not plain text in YAML",
                );
            }
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        range: Range<usize>,
        tag: Option<&Tag>,
    ) -> Node {
        if style == ScalarStyle::Plain && range.is_empty() {
            return self.absent(range.start);
        }
        let unquoted = unquote::unquote(self.text, text, style, range, self.last_end);
        let mut style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        if !unquoted.exact {
            let finding = Finding::error(
                codes::SYNTAX,
                self.span(unquoted.range.clone()),
                "a comment stands inside of a text",
            );
            self.tell(finding.with_help("put it before the key, or quote the text if it is none"));
        }
        // `!!str 1` is a text, which is what quotes say.
        if style == Style::Plain && tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str")) {
            style = Style::Single;
        }
        Node {
            span: self.span(unquoted.range),
            kind: NodeKind::Scalar(Scalar {
                text: Arc::from(text),
                style,
                map: unquoted.map,
            }),
        }
    }

    fn absent(&self, at: usize) -> Node {
        let place = self.span(at..at);
        Node {
            span: place,
            kind: NodeKind::Scalar(Scalar {
                text: Arc::from(""),
                style: Style::Plain,
                map: Arc::from([(0, place.start)]),
            }),
        }
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) {
        let place = self.span(range.clone());
        let name = self.text.get(range.clone()).unwrap_or("*");
        self.feature(
            place,
            format!("the alias `{name}` is not part of the project language"),
            "write the value out; quote the text if the `*` belongs to it",
        );
        let nodes_max = match self.options.dialect {
            Dialect::Project => PROJECT_ALIASED_NODES_MAX,
            Dialect::Contract { aliased_nodes_max } => aliased_nodes_max,
        };
        let Some(anchored) = self.anchors.get(&anchor) else {
            let finding = Finding::error(
                codes::YAML_FEATURE,
                place,
                format!("the alias `{name}` stands inside of what it names"),
            );
            self.tell(finding.with_help("write the value out, or refer to it by `$ref`"));
            let node = self.absent(range.start);
            return self.complete(node, 0);
        };
        let too_many = nodes_max.saturating_sub(self.aliased_nodes) < anchored.nodes;
        let deep = self.options.depth_max < self.frames.len() + anchored.depth;
        let mut node = self.absent(range.start);
        if deep {
            self.refuse_depth(place);
        } else if too_many {
            self.refuse_aliases(place, nodes_max);
        } else {
            self.aliased_nodes += anchored.nodes;
            node = anchored.node.clone();
        }
        self.complete(node, 0);
    }

    fn unresolved(&mut self, name: &str, range: Range<usize>) {
        let place = self.span(range.clone());
        let written = self.text.get(range.clone()).unwrap_or("*");
        self.tell(
            Finding::error(
                codes::SYNTAX,
                place,
                format!("`{written}` is an alias, and nothing is named `&{name}` before it"),
            )
            .with_note("an unquoted text that begins with `*` is an alias in YAML")
            .with_help(format!("quote it: `'{written}'`"))
            .with_fix("quote the text", place, format!("'{written}'")),
        );
        let node = self.absent(range.start);
        self.complete(node, 0);
    }

    /// Finds doubled keys, and expands merge keys where the dialect has them.
    fn check_keys(&mut self, map: &mut Map) {
        let merges = |entry: &Entry| entry.key.style == Style::Plain && &*entry.key.text == "<<";
        if map.entries.iter().any(merges) {
            self.merge(map, merges);
        }
        let keys = map.entries.iter().map(|entry| &*entry.key.text);
        for (entry, first) in map.entries.iter().zip(tree::first_of_key(keys)) {
            if let Some(first) = first {
                self.tell(tree::duplicate_key(
                    entry.key_span,
                    &entry.key.text,
                    map.entries[first].key_span,
                ));
            }
        }
    }

    /// Replaces the entries `<<` by those of the maps that they name, which yield to the map's own.
    fn merge(&mut self, map: &mut Map, merges: impl Fn(&Entry) -> bool) {
        if self.options.dialect == Dialect::Project {
            for entry in map.entries.iter().filter(|entry| merges(entry)) {
                self.feature(
                    entry.key_span,
                    "the merge key `<<` is not part of the project language".to_owned(),
                    "write the entries out",
                );
            }
            return;
        }
        let (sources, mut entries): (Vec<Entry>, Vec<Entry>) = std::mem::take(&mut map.entries)
            .into_iter()
            .partition(&merges);
        let mut known: std::collections::HashSet<Arc<str>> = entries
            .iter()
            .map(|entry| Arc::clone(&entry.key.text))
            .collect();
        for source in sources {
            let maps = match source.value.kind {
                NodeKind::List(items) => items,
                kind @ (NodeKind::Map(_) | NodeKind::Scalar(_)) => vec![Node {
                    span: source.value.span,
                    kind,
                }],
            };
            for node in maps {
                let NodeKind::Map(source_map) = node.kind else {
                    self.tell(Finding::error(
                        codes::YAML_FEATURE,
                        node.span,
                        "a merge key `<<` takes a map or a list of maps",
                    ));
                    continue;
                };
                for entry in source_map.entries {
                    if known.insert(Arc::clone(&entry.key.text)) {
                        entries.push(entry);
                    }
                }
            }
        }
        map.entries = entries;
    }

    fn check_tag(&mut self, tag: Option<&Tag>, place: &RawSpan) {
        let (Some(tag), Dialect::Project) = (tag, self.options.dialect) else {
            return;
        };
        let range = place.tag_span().and_then(|tag_span| tag_span.byte_range());
        let range = range.or(place.byte_range()).unwrap_or(0..0);
        let written = match self.text.get(range.clone()) {
            Some(written) => Cow::Borrowed(written),
            None => Cow::Owned(tag.original()),
        };
        self.feature(
            self.span(range),
            format!("the tag `{written}` is not part of the project language"),
            "remove it; quote the text if the `!` belongs to it",
        );
    }

    /// Adds a finding about a part of YAML that only contracts may use.
    fn feature(&mut self, place: Span, message: String, help: &str) {
        if self.options.dialect == Dialect::Project {
            self.feature_always(place, message, help);
        }
    }

    fn feature_always(&mut self, place: Span, message: String, help: &str) {
        // What is only closed because the text ended is no finding.
        if !self.ended {
            self.tell(Finding::error(codes::YAML_FEATURE, place, message).with_help(help));
        }
    }

    fn refuse_depth(&mut self, place: Span) {
        let told = self.findings.iter().any(|own| own.code == codes::TOO_LARGE);
        if !told {
            self.tell(options::too_deep(place, self.options));
        }
    }

    fn refuse_aliases(&mut self, place: Span, nodes_max: usize) {
        let told = self.findings.iter().any(|own| own.code == codes::TOO_LARGE);
        if !told && self.options.dialect != Dialect::Project {
            self.tell(
                Finding::error(
                    codes::TOO_LARGE,
                    place,
                    format!("the file's aliases stand for more than {nodes_max} nodes"),
                )
                .with_note("a few lines of aliases of aliases can stand for more than fits memory")
                .with_help("write the values out, or refer to them by `$ref`"),
            );
        }
    }

    fn refuse_document(&mut self, range: Range<usize>) {
        self.feature_always(
            self.span(range),
            "a file holds one document, and a second one begins here".to_owned(),
            "put it into a file of its own",
        );
    }

    /// Closes what is open, so that the tree holds all that was read before an error.
    fn finish(mut self, error: Option<ScanError>) -> Pass {
        self.ended = true;
        // A pair in a list, `[a: b]`, is a map without braces.
        let brackets =
            |start: &usize| matches!(self.text.as_bytes().get(*start), Some(b'[' | b'{'));
        let open = self.frames.iter().filter(|frame| frame.flow);
        let open_flows = open.map(|frame| frame.start).filter(brackets).collect();
        if self.skipped_depth != 0 {
            self.skipped_depth = 1;
            self.close(self.last_end..self.last_end);
        }
        while let Some(frame) = self.frames.last() {
            if let FrameKind::Map(Some(_)) = frame.kind {
                let node = self.absent(self.last_end);
                self.complete(node, 0);
            }
            self.close(self.last_end..self.last_end);
        }
        // A block scalar comes before the comment in its header.
        self.comments.sort_by_key(|comment| comment.span);
        Pass {
            document: Document {
                file: self.file,
                root: self.root,
                comments: self.comments,
            },
            findings: self.findings,
            error,
            open_flows,
            last_end: self.last_end,
        }
    }
}

/// Moves the place of a value that is not written behind the `:` of its key, where a tool would
/// write it.
fn place_absent(file: FileId, text: &str, value: &mut Node, key_span: Span) {
    let rest = text.get(key_span.end as usize..).unwrap_or("");
    let blanks = rest.len() - rest.trim_start().len();
    let colon = usize::from(rest[blanks..].starts_with(':'));
    let at = key_span.end as usize + if colon == 1 { blanks + 1 } else { 0 };
    value.span = crate::span(file, at..at);
    if let NodeKind::Scalar(scalar) = &mut value.kind {
        scalar.map = Arc::from([(0, value.span.start)]);
    }
}

/// Counts the nodes of a tree, and its depth in collections.
fn measure(node: &Node) -> (usize, usize) {
    let add = |(nodes, depth): (usize, usize), child: &Node| {
        let (own_nodes, own_depth) = measure(child);
        (nodes + own_nodes, depth.max(own_depth))
    };
    let (nodes, depth) = match &node.kind {
        NodeKind::Scalar(_) => return (1, 0),
        NodeKind::List(items) => items.iter().fold((1, 0), add),
        NodeKind::Map(map) => {
            let values = map.entries.iter().map(|entry| &entry.value);
            values.fold((1 + map.entries.len(), 0), add)
        }
    };
    (nodes, depth + 1)
}
