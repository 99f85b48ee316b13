//! The routing table: which operation a method and a path stand for.
//!
//! A tree by path segments. It is built once and never changed: another release is another table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;

use crate::stdx::{Plus, percent_decoded};

#[cfg(test)]
mod tests;

/// The most segments of a path; far more than any contract has.
const SEGMENTS_MAX: usize = 64;

/// A routing table whose leaves are `T`.
#[derive(Debug)]
pub(crate) struct Routes<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    fixed: BTreeMap<Box<str>, Node<T>>,
    /// Segments with a parameter, those with more fixed text first.
    open: Vec<(Pattern, Node<T>)>,
    methods: Vec<(Arc<str>, Arc<T>)>,
}

/// A segment with a parameter: `{id}`, `{id}.json`.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    before: Box<str>,
    after: Box<str>,
}

/// What a table has for a request.
#[derive(Debug)]
pub(crate) enum Found<'r, 'p, T> {
    /// A route, and the texts of its path parameters in their order.
    Route(&'r Arc<T>, Vec<&'p str>),
    /// Nothing at this path.
    Nothing,
    /// The path, but not with this method; the methods that it has.
    OtherMethods(HeaderValue),
}

/// A path template that cannot be routed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadTemplate(pub &'static str);

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
        }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            fixed: BTreeMap::new(),
            open: Vec::new(),
            methods: Vec::new(),
        }
    }
}

impl<T> Routes<T> {
    /// Adds a route below `base`; what is there already under the same method and path stays.
    ///
    /// # Errors
    /// If the template has a segment with more than one parameter, or is too long.
    pub fn add(
        &mut self,
        base: &str,
        template: &str,
        method: &Arc<str>,
        leaf: Arc<T>,
    ) -> Result<(), BadTemplate> {
        let parts = || base.split('/').chain(template.split('/'));
        if SEGMENTS_MAX < parts().count() {
            return Err(BadTemplate("the path has too many segments"));
        }
        let mut node = &mut self.root;
        for segment in parts().filter(|segment| !segment.is_empty()) {
            node = node.child(segment)?;
        }
        if node.methods.iter().all(|(known, _)| known != method) {
            node.methods.push((Arc::clone(method), leaf));
        }
        Ok(())
    }

    /// Looks a request up. Fixed segments win over parameters; `HEAD` is served by `GET`.
    pub fn find<'p>(&self, method: &str, path: &'p Path<'_>) -> Found<'_, 'p, T> {
        let mut params = Vec::new();
        let mut allowed = Vec::new();
        let found = self
            .root
            .find(method, &path.segments, &mut params, &mut allowed);
        match found {
            Some(leaf) => Found::Route(leaf, params),
            None if allowed.is_empty() => Found::Nothing,
            None => Found::OtherMethods(allow(allowed)),
        }
    }
}

impl<T> Node<T> {
    fn child(&mut self, segment: &str) -> Result<&mut Node<T>, BadTemplate> {
        let Some((before, rest)) = segment.split_once('{') else {
            let plain = percent_decoded(segment, Plus::Literal)
                .ok_or(BadTemplate("the path has a broken percent-encoding"))?;
            return Ok(self.fixed.entry(plain.into()).or_default());
        };
        let after = match rest.split_once('}') {
            Some((_, after)) if !after.contains('{') => after,
            _ => {
                return Err(BadTemplate(
                    "a segment of the path has more than one parameter",
                ));
            }
        };
        let pattern = Pattern {
            before: before.into(),
            after: after.into(),
        };
        if let Some(at) = self.open.iter().position(|(known, _)| *known == pattern) {
            return Ok(&mut self.open[at].1);
        }
        let shorter = |(known, _): &(Pattern, Node<T>)| known.fixed() < pattern.fixed();
        let at = self
            .open
            .iter()
            .position(shorter)
            .unwrap_or(self.open.len());
        self.open.insert(at, (pattern, Node::default()));
        Ok(&mut self.open[at].1)
    }

    fn find<'p>(
        &self,
        method: &str,
        segments: &'p [Cow<'_, str>],
        params: &mut Vec<&'p str>,
        allowed: &mut Vec<Arc<str>>,
    ) -> Option<&Arc<T>> {
        let Some((first, rest)) = segments.split_first() else {
            let leaf = self.method(method);
            if leaf.is_none() {
                allowed.extend(self.methods.iter().map(|(known, _)| Arc::clone(known)));
            }
            return leaf;
        };
        let fixed = self.fixed.get(&**first);
        if let Some(leaf) = fixed.and_then(|node| node.find(method, rest, params, allowed)) {
            return Some(leaf);
        }
        for (pattern, node) in &self.open {
            let Some(param) = pattern.param(first) else {
                continue;
            };
            params.push(param);
            if let Some(leaf) = node.find(method, rest, params, allowed) {
                return Some(leaf);
            }
            params.pop();
        }
        None
    }

    fn method(&self, method: &str) -> Option<&Arc<T>> {
        let of = |wanted: &str| {
            let found = self.methods.iter().find(|(known, _)| &**known == wanted);
            found.map(|(_, leaf)| leaf)
        };
        of(method).or_else(|| (method == "HEAD").then(|| of("GET"))?)
    }
}

impl Pattern {
    fn fixed(&self) -> usize {
        self.before.len() + self.after.len()
    }

    fn param<'p>(&self, segment: &'p str) -> Option<&'p str> {
        let rest = segment.strip_prefix(&*self.before)?;
        let param = rest.strip_suffix(&*self.after)?;
        (!param.is_empty()).then_some(param)
    }
}

/// Returns the value of `Allow` (RFC 9110 section 10.2.1).
fn allow(mut methods: Vec<Arc<str>>) -> HeaderValue {
    if methods.iter().any(|method| &**method == "GET") {
        methods.push("HEAD".into());
    }
    methods.push("OPTIONS".into());
    methods.sort();
    methods.dedup();
    let text = methods.join(", ");
    // Methods are tokens, or no request could have them.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// Returns the names of a template's parameters in their order.
pub(crate) fn param_names<'t>(base: &'t str, template: &'t str) -> Vec<&'t str> {
    let holes = base.split('{').skip(1).chain(template.split('{').skip(1));
    holes
        .filter_map(|hole| Some(hole.split_once('}')?.0))
        .collect()
}

/// A request's path, by segments, each decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    segments: Vec<Cow<'a, str>>,
}

impl<'a> Path<'a> {
    /// Reads the path of a request.
    ///
    /// # Errors
    /// A text for the caller, if two servers could read the path in two ways: an empty segment,
    /// `.` and `..`, an encoded `/`, `\` or control character, broken encoding, or no UTF-8.
    pub fn read(path: &'a str) -> Result<Self, &'static str> {
        let rest = path
            .strip_prefix('/')
            .ok_or("the path does not begin with `/`")?;
        if rest.is_empty() {
            return Ok(Self {
                segments: Vec::new(),
            });
        }
        let mut segments = Vec::with_capacity(4);
        for segment in rest.split('/') {
            if segments.len() == SEGMENTS_MAX {
                return Err("the path has too many segments");
            }
            let plain = percent_decoded(segment, Plus::Literal)
                .ok_or("the path has a broken percent-encoding")?;
            match &*plain {
                "." | ".." => return Err("the path has a `.` or `..` segment"),
                text if text.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()) => {
                    return Err("the path has an encoded `/`, `\\` or control character");
                }
                _ => segments.push(plain),
            }
        }
        // The last segment may be empty, as in `/orders/`: that is a path of its own.
        if segments
            .iter()
            .rev()
            .skip(1)
            .any(|segment| segment.is_empty())
        {
            return Err("the path has an empty segment");
        }
        Ok(Self { segments })
    }
}
