use expect_test::expect_file;
use proptest::prelude::*;
use sluice_model::finding::Edit;
use sluice_model::span::{FileId, Span};

use crate::edit::{self, EditError, PathPart, apply};
use crate::testing::{cases, show_tree};
use crate::tree::{Document, Node};

const FILE: FileId = FileId(0);

const FLOW: &str = "\
# about the flow
flow: intake  # the name
from: { api: orders#create, keys: [a, b] }

steps:  # all of them
  # first
  - map: one   # one
    with:
      a: 1

  - call: two
    # about when
    when: |  # header
      x > 1
    with: {}
  -
    run: three
  - - nested
    - list
# end
";

fn edit(start: usize, end: usize, text: &str) -> Edit {
    Edit {
        span: Span::new(FILE, start, end),
        text: text.to_owned(),
    }
}

/// Reads a path such as `steps/0/with`.
fn path(written: &str) -> Vec<PathPart<'_>> {
    let parts = written.split('/').filter(|part| !part.is_empty());
    parts
        .map(|part| match part.parse() {
            Ok(index) => PathPart::Index(index),
            Err(_) => PathPart::Key(part),
        })
        .collect()
}

fn read(text: &str) -> Document {
    let (document, findings) = crate::parse_yaml(FILE, text);
    assert!(findings.is_empty(), "{text}\n{findings:?}");
    document
}

/// Applies edits to the flow, checks that the result is read and keeps all comments but `lost`, and
/// shows the lines that differ.
fn show(what: &str, edits: Result<Vec<Edit>, EditError>, lost: &[&str]) -> String {
    let changed = apply(FLOW, &edits.expect("the path is there")).expect("the edits fit");
    let (before, after) = (read(FLOW), read(&changed));
    let comments = |document: &Document| -> Vec<String> {
        let comments = document.comments.iter();
        comments
            .map(|comment| comment.text.trim().to_owned())
            .collect()
    };
    let mut kept = comments(&before);
    kept.retain(|comment| !lost.contains(&comment.as_str()));
    assert_eq!(comments(&after), kept, "{changed}");
    let (old, new): (Vec<_>, Vec<_>) = (FLOW.lines().collect(), changed.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let start = old.iter().zip(&new).take_while(same).count();
    let tail = old[start..].iter().rev().zip(new[start..].iter().rev());
    let tail = tail.take_while(same).count();
    let lines = |sign: &str, lines: &[&str]| -> String {
        lines.iter().map(|line| format!("{sign}{line}\n")).collect()
    };
    let removed = lines("-", &old[start..old.len() - tail]);
    let added = lines("+", &new[start..new.len() - tail]);
    format!("==== {what}\n{removed}{added}\n")
}

#[test]
fn edits_are_checked() {
    let text = "aébc";
    let apply = |edits: &[Edit]| apply(text, edits);
    assert_eq!(
        apply(&[edit(3, 4, "x"), edit(0, 1, ""), edit(1, 1, "y")]).as_deref(),
        Ok("yéxc")
    );
    assert_eq!(apply(&[]).as_deref(), Ok(text));
    let span = |start, end| Span::new(FILE, start, end);
    assert_eq!(
        apply(&[edit(0, 3, ""), edit(1, 4, "")]),
        Err(EditError::Overlap(span(0, 3), span(1, 4)))
    );
    assert_eq!(
        apply(&[edit(1, 1, "x"), edit(1, 1, "y")]),
        Err(EditError::Overlap(span(1, 1), span(1, 1)))
    );
    assert_eq!(
        apply(&[edit(0, 2, "")]),
        Err(EditError::Outside(span(0, 2)))
    );
    assert_eq!(
        apply(&[edit(2, 3, "")]),
        Err(EditError::Outside(span(2, 3)))
    );
    assert_eq!(
        apply(&[edit(4, 9, "")]),
        Err(EditError::Outside(span(4, 9)))
    );
    let other = Edit {
        span: Span::new(FileId(1), 0, 1),
        text: String::new(),
    };
    assert!(matches!(
        apply(&[edit(0, 1, ""), other]),
        Err(EditError::Files(..))
    ));
}

#[test]
fn set_changes_only_the_value() {
    let document = read(FLOW);
    let cases: &[(&str, &str, &[&str])] = &[
        ("flow", "other", &[]),
        ("flow", "|\n  one\n\n  two\n", &[]),
        ("from/api", "x#y", &[]),
        ("from/keys/1", "'c, d'", &[]),
        ("from", "topic: x\ngroup: y", &[]),
        ("steps/0/with", "{ a: 2 }", &[]),
        ("steps/0/with/a", "b: 1\nc: 2", &[]),
        ("steps/1/when", "y", &[]),
        ("steps/1/with", "- 1\n- 2", &[]),
        ("steps/2", "run: four\nwith: {}", &[]),
        ("steps/3/1", "|\n  text", &[]),
        ("steps", "[]", &["one", "about when", "header"]),
        ("summary", "'new: one'", &[]),
        ("steps/0/when", "'x: y'", &[]),
    ];
    let shown = cases.iter().map(|(at, value, lost)| {
        let edits = edit::set(&document, FLOW, &path(at), value);
        show(&format!("set {at} to {value:?}"), edits, lost)
    });
    expect_file!["set.txt"].assert_eq(&shown.collect::<String>());
}

#[test]
fn insert_and_push_add_at_the_end() {
    let document = read(FLOW);
    let inserted = [
        ("", "owner", "me"),
        ("from", "a b: c", "1"),
        ("steps/1/with", "x", "1"),
        ("steps/0", "retry", "attempts: 3\nmax: 30s\n"),
        ("steps/0/with", "b", ">-\n  text\n"),
    ];
    let inserted = inserted.map(|(at, key, value)| {
        let edits = edit::insert(&document, FLOW, &path(at), key, value);
        show(&format!("insert {key:?} into /{at}: {value:?}"), edits, &[])
    });
    let pushed = [
        ("steps", "log: x\nwhen: y\n"),
        ("from/keys", "c"),
        ("steps/3", "|\n  text"),
    ];
    let pushed = pushed.map(|(at, value)| {
        let edits = edit::push(&document, FLOW, &path(at), value);
        show(&format!("push to {at}: {value:?}"), edits, &[])
    });
    expect_file!["insert.txt"].assert_eq(&(inserted.concat() + &pushed.concat()));
    assert!(matches!(
        edit::insert(&document, FLOW, &[], "flow", "x"),
        Err(EditError::Exists(_))
    ));
}

#[test]
fn remove_takes_whole_lines() {
    let document = read(FLOW);
    let cases: &[(&str, &[&str])] = &[
        ("flow", &["the name"]),
        ("from/api", &[]),
        ("from/keys/1", &[]),
        ("steps/0", &["one"]),
        ("steps/0/map", &["one"]),
        ("steps/0/with/a", &[]),
        ("steps/1/when", &["header"]),
        ("steps/2", &[]),
        ("steps/3", &[]),
        ("steps/3/0", &[]),
    ];
    let shown = cases.iter().map(|(at, lost)| {
        let edits = edit::remove(&document, FLOW, &path(at));
        show(&format!("remove {at}"), edits, lost)
    });
    expect_file!["remove.txt"].assert_eq(&shown.collect::<String>());
}

#[test]
fn json_stays_json() {
    let text = "{\"a\": 1, \"b\": [1, 2]}";
    let (document, _) = crate::parse_json(FILE, text);
    let changed = |edits: Result<Vec<Edit>, EditError>| apply(text, &edits.expect("a path"));
    let insert = edit::insert(&document, text, &[], "c\"", "{}");
    assert_eq!(
        changed(insert).as_deref(),
        Ok("{\"a\": 1, \"b\": [1, 2], \"c\\\"\": {}}")
    );
    let push = edit::push(&document, text, &path("b"), "3");
    assert_eq!(changed(push).as_deref(), Ok("{\"a\": 1, \"b\": [1, 2, 3]}"));
    let remove = edit::remove(&document, text, &path("a"));
    assert_eq!(changed(remove).as_deref(), Ok("{\"b\": [1, 2]}"));
}

#[test]
fn paths_that_lead_to_nothing_are_told() {
    let document = read(FLOW);
    for (wrong, found) in [
        ("x/y", 0),
        ("steps/9", 1),
        ("steps/0/map/z", 3),
        ("from/keys/x", 2),
    ] {
        let error = edit::set(&document, FLOW, &path(wrong), "1");
        assert_eq!(error, Err(EditError::NoSuchPath(found)), "{wrong}");
    }
    assert_eq!(
        edit::remove(&document, FLOW, &[]),
        Err(EditError::NoSuchPath(0))
    );
    assert!(edit::set(&Document::empty(FILE), "", &[], "1").is_err());
}

/// Returns all paths to nodes below `node`.
fn paths(node: &Node, prefix: &str, out: &mut Vec<String>) {
    if let Some(map) = node.as_map() {
        for entry in &map.entries {
            let path = format!("{prefix}/{}", entry.key.text);
            paths(&entry.value, &path, out);
            out.push(path);
        }
    }
    for (index, item) in node.as_list().unwrap_or_default().iter().enumerate() {
        let path = format!("{prefix}/{index}");
        paths(item, &path, out);
        out.push(path);
    }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Whatever is set, removed or set and set back: the rest of the tree is what it was.
    #[test]
    fn the_rest_stays(which in any::<prop::sample::Index>(), value in prop::sample::select(vec![
        "1", "{ a: 1 }", "[x]", "a: 1\nb:\n  - 2", "- 1\n- c: 2", "|\n  text\n\n  more", "'it''s'",
    ])) {
        let document = read(FLOW);
        let root = document.root.as_ref().expect("a root");
        let mut all = Vec::new();
        paths(root, "", &mut all);
        let at = path(which.get(&all).as_str());
        let in_flow = matches!(at.first(), Some(PathPart::Key("from"))) && at.len() > 1;
        prop_assume!(!in_flow || !value.contains('\n') && !value.starts_with('-'));
        let edits = edit::set(&document, FLOW, &at, value).expect("the path is there");
        let changed = apply(FLOW, &edits).expect("the edits fit");
        let after = read(&changed);
        let new = after.root.as_ref().and_then(|root| root.at(&at)).expect("the new value");
        let wanted = read(&format!("k:{}\n", crate::edit::after_colon(value, 0)));
        let wanted = wanted.lookup("/k").expect("the value");
        let shown = |node: &Node| show_tree(node).replace("\\n\"", "\"");
        prop_assert_eq!(shown(new), shown(wanted), "{}", changed);
        for other in all.iter().map(|other| path(other)) {
            if !at.starts_with(&other) && !other.starts_with(&at) {
                let same = |root: &Option<Node>| root.as_ref()?.at(&other).map(show_tree);
                prop_assert_eq!(same(&document.root), same(&after.root), "{}", changed);
            }
        }
    }

    /// What is removed is gone, and nothing else is.
    #[test]
    fn only_what_is_removed_is_gone(which in any::<prop::sample::Index>()) {
        let document = read(FLOW);
        let root = document.root.as_ref().expect("a root");
        let mut all = Vec::new();
        paths(root, "", &mut all);
        let at = path(which.get(&all).as_str());
        let edits = edit::remove(&document, FLOW, &at).expect("the path is there");
        let changed = apply(FLOW, &edits).expect("the edits fit");
        let after = read(&changed).root.expect("a root");
        let (parent, count) = (&at[..at.len() - 1], |node: &Node| {
            node.as_map().map_or(0, |map| map.entries.len())
                + node.as_list().map_or(0, <[Node]>::len)
        });
        let counts = (root.at(parent).map(count), after.at(parent).map(count));
        prop_assert_eq!(counts.0, counts.1.map(|count| count + 1), "{}", changed);
        for other in all.iter().map(|other| path(other)) {
            let moved = matches!(at.last(), Some(PathPart::Index(_))) && other.starts_with(parent);
            if !moved && !at.starts_with(&other) && !other.starts_with(&at) {
                let same = |root: &Node| root.at(&other).map(show_tree);
                prop_assert_eq!(same(root), same(&after), "{}", changed);
            }
        }
    }
}
