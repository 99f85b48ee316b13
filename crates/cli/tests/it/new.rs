//! `sluice new`: what it makes works.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use expect_test::{expect, expect_file};

use crate::binary::run;

fn files_below(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn each_template_checks_clean_and_passes_its_tests() {
    for template in ["api", "files", "empty"] {
        let folder = tempfile::tempdir().unwrap();
        let made = run(folder.path(), &["new", "web-shop", "--template", template]);
        assert_eq!(made.code, 0, "{template}: {}", made.err);
        let project = folder.path().join("web-shop");
        for args in [
            &["check", "--deny", "warnings"][..],
            &["test"],
            &["fmt", "--check"],
        ] {
            let ran = run(&project, args);
            assert_eq!(ran.code, 0, "{template}: {args:?}:\n{}{}", ran.out, ran.err);
        }
        let tests = run(&project, &["test"]);
        assert!(
            tests.out.contains(" passed, 0 failed"),
            "{template}: {}",
            tests.out
        );
        assert!(
            !tests.out.contains("\n0 passed"),
            "{template}: {}",
            tests.out
        );
        let mut files = Vec::new();
        files_below(&project, &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!text.contains("PROJECT"), "{}", file.display());
        }
        let ignored = std::fs::read_to_string(project.join(".gitignore")).unwrap();
        assert!(ignored.lines().any(|line| line == ".sluice/"));
    }
}

#[test]
fn it_tells_what_to_do_next() {
    let folder = tempfile::tempdir().unwrap();
    expect![[r#"
        --- 0
        made the project `shop` in `shop`: 10 files of the template `api`
        next: `cd shop`, then `sluice check`, `sluice test` and `sluice run`; README.md says more
    "#]]
    .assert_eq(&run(folder.path(), &["new", "shop"]).shown(folder.path()));
    let empty = folder.path().join("here");
    std::fs::create_dir(&empty).unwrap();
    expect![[r#"
        {"project":"here","folder":"FOLDER/here","template":"empty","files":[".gitignore","README.md","sluice.yaml","flows/heartbeat.yaml","tests/heartbeat.yaml"]}
        --- 0
        made the project `here` in this folder: 5 files of the template `empty`
        next: `sluice check`, `sluice test` and `sluice run`; README.md says more
    "#]]
    .assert_eq(
        &run(&empty, &["new", ".", "--template", "empty", "-o", "json"]).shown(folder.path()),
    );
}

#[test]
fn help() {
    expect_file!["golden/help-new.txt"]
        .assert_eq(&run(&std::env::temp_dir(), &["new", "--help"]).out);
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    let mine = folder.path().join("shop/mine.txt");
    std::fs::write(&mine, "mine").unwrap();
    expect![[r#"
        --- 2
        error: `FOLDER/shop` is not empty: nothing is written over; name another folder
    "#]]
    .assert_eq(&run(folder.path(), &["new", "shop"]).shown(folder.path()));
    assert_eq!(
        std::fs::read_dir(folder.path().join("shop"))
            .unwrap()
            .count(),
        1
    );
    let file = run(&folder.path().join("shop"), &["new", "mine.txt"]);
    assert_eq!(file.code, 2);
    let bad = run(folder.path(), &["new", "My Shop"]);
    expect![[r#"
        --- 2
        error: `My Shop` cannot be a project's name, which is lower-case letters, digits, `-` and `_`, beginning with a letter: `my-shop` can
    "#]]
    .assert_eq(&bad.shown(folder.path()));
    assert!(!folder.path().join("My Shop").exists());
}
