//! `sluice runs`, on a data folder.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use expect_test::{expect, expect_file};
use sluice_store::commit::Commit;
use sluice_store::conformance::{commit, count};
use sluice_store::counts::Counts;

use crate::binary::{Ran, run};
use crate::data::{fill, id, own};

/// Runs a verb on the data.
fn on_data(args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let mut all = args.to_vec();
    let data = folder.path().to_str().unwrap();
    all.extend(["--data", data]);
    let mut ran = run(folder.path(), &all);
    ran.err = ran.err.replace(data, "DATA");
    ran
}

fn whole(ran: &Ran) -> String {
    format!("{}--- {}\n{}", ran.out, ran.code, ran.err)
}

#[test]
fn lists_for_people_and_for_programs() {
    expect_file!["golden/runs-list.txt"].assert_eq(&whole(&on_data(&["runs", "list"])));
    let json = on_data(&["runs", "list", "-o", "json", "--status", "filtered"]);
    expect_file!["golden/runs-list.json"].assert_eq(&json.out);
}

#[test]
fn help() {
    for (name, args) in [
        ("list", &["runs", "list", "--help"]),
        ("show", &["runs", "show", "--help"]),
        ("counts", &["runs", "counts", "--help"]),
    ] {
        let ran = run(&std::env::temp_dir(), args);
        expect_file![format!("golden/help-runs-{name}.txt")].assert_eq(&whole(&ran));
    }
}

#[test]
fn each_filter_finds_what_it_names() {
    let ids = |args: &[&str]| {
        let mut all = vec!["runs", "list", "-o", "json"];
        all.extend(args);
        let ran = on_data(&all);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let runs = json["runs"].as_array().unwrap();
        runs.iter()
            .map(|run| run["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all = [241, 240, 180, 121, 120, 60, 0].map(|seconds| id(seconds).to_string());
    let request = format!("req-{}", id(60).0);
    let parent = id(120).to_string();
    for (args, expected) in [
        (&["--key", "A-2"][..], &all[5..6]),
        (&["--key", "order=A-3"], &all[3..5]),
        (&["--key", "other=A-3"], &[]),
        (&["--flow", "files"], &all[..3]),
        (&["--flow", "files", "--fault", "timeout"], &all[..1]),
        (&["--status", "filtered"], &all[3..4]),
        (&["--origin", &request], &all[5..6]),
        (&["--parent", &parent[..13]], &all[3..4]),
        (&["--since", "2023-11-14T22:15:20Z"], &all[..5]),
        (&["--until", "2023-11-14T22:15:20Z"], &all[5..]),
        (&["--since", "1h"], &[]),
        (&["--limit", "2"], &all[..2]),
        (&["--limit", "2", "--before", &all[4]], &all[5..]),
    ] {
        assert_eq!(ids(args), expected, "{args:?}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    expect![[r#"
        --- 0
        note: no flow `intakes` has run here: did you mean `intake`?
        no run matches; runs that delivered are kept for flows with `keys`, or with `record: all`
    "#]]
    .assert_eq(&whole(&on_data(&["runs", "list", "--flow", "intakes"])));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sluice.yaml"), "project: shop\n").unwrap();
    expect![[r#"
        --- 2
        error: there is no data of environment `dev` in `.sluice/dev`: nothing has run there yet; `sluice run` starts the project
    "#]]
    .assert_eq(&whole(&run(folder.path(), &["runs", "list"])));
    fill(&folder.path().join(".sluice/prod"));
    expect![[r#"
        --- 2
        error: there is no data of environment `dev` in `.sluice/dev`: nothing has run there yet; there is data of `prod`: say so with `--env`
    "#]]
    .assert_eq(&whole(&run(folder.path(), &["runs", "list"])));
    assert_eq!(
        run(folder.path(), &["runs", "list", "--env", "prod"]).code,
        0
    );
}

#[test]
fn wrong_usage_is_told() {
    for (args, part) in [
        (&["list", "--key", "order="][..], "`--key` needs a value"),
        (&["list", "--status", "late"], "possible values: delivered"),
        (&["list", "--since", "yesterday"], "`yesterday` is no time"),
        (&["list", "--before", "01"], "an id of 13 characters"),
        (&["list", "--limit", "0"], "1..=1000"),
        (&["list", "-o", "sarif"], "prints `text` or `json`"),
        (&["show", "no-id"], "is not the id of a run"),
    ] {
        let mut all = vec!["runs"];
        all.extend(args);
        let ran = on_data(&all);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
    }
}

#[test]
fn shows_a_run_step_by_step() {
    let id = id(120).to_string();
    expect_file!["golden/runs-show.txt"].assert_eq(&whole(&on_data(&["runs", "show", &id])));
    let json = on_data(&["runs", "show", &id, "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["steps"][0]["input"]["value"]["id"], "A-3");
    // Numbers are as they were, which `serde_json::Value` could not tell.
    assert!(
        json.out.contains(r#""value":{"id":"A-3","total":1.10}"#),
        "{}",
        json.out
    );
    expect_file!["golden/runs-show.json"].assert_eq(&json.out);
}

#[test]
fn a_failed_run_leads_to_its_dead_letter() {
    let id = id(240).to_string();
    expect![[r#"
        run 032yfx48r0000 of files: dead_lettered
          started      2023-11-14T22:17:20.000Z, took 1.5 ms
          origin       request req-111411215728640000
          keys         order=B-1 [2J
          attempts     1
          fault        invalid at step `2.call`: it failed with invalid
          environment  test
          release      r1
          dead letter  2 (open)

        steps
          they are not kept: the flow's `record` is `failures` (the default: those of failed runs are), or `none`, or a share; `record: all` keeps those of each run
        --- 0
        next: `sluice dead-letters show 2 --data DATA` shows the message and its cause
    "#]]
    .assert_eq(&whole(&on_data(&["runs", "show", &id])));
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    let id = id(180).to_string();
    let length = (1..13).find(|length| on_data(&["runs", "show", &id[..*length]]).code == 0);
    let length = length.expect("some beginning is enough");
    let ran = on_data(&["runs", "show", &id[..length]]);
    assert!(ran.out.starts_with(&format!("run {id} ")), "{}", ran.out);
    let short = on_data(&["runs", "show", &id[..length - 1]]);
    assert_eq!(short.code, 2);
    assert!(
        short
            .err
            .contains("several runs have an id that begins with"),
        "{}",
        short.err
    );
    let none = on_data(&["runs", "show", "7"]);
    assert!(
        none.err.contains("no run has an id that begins with `7`"),
        "{}",
        none.err
    );
    let gone = on_data(&["runs", "show", "0000000000000"]);
    assert_eq!(gone.code, 2, "{}", gone.err);
}

#[test]
fn sums_balance_or_the_command_fails() {
    let ran = on_data(&["runs", "counts"]);
    expect![[r#"
        FLOW    RECEIVED  DELIVERED  ANSWERED_ERROR  DEAD_LETTERED  PARKED  FILTERED  DUPLICATE  RETRIES  BALANCED
        files   3         0          0               3              0       0         0          1        yes
        intake  3         2          0               1              0       0         0          1        yes
        --- 0
    "#]]
    .assert_eq(&whole(&ran));
    let folder = tempfile::tempdir().unwrap();
    let lost = Counts {
        received: 5,
        delivered: 4,
        ..Counts::default()
    };
    let even = Counts {
        received: 1,
        delivered: 1,
        ..Counts::default()
    };
    {
        let store = own(folder.path());
        let mut both = count("lossy", lost);
        both.merge(count("even", even));
        commit(
            &store,
            Commit {
                counts: both.counts,
                ..Commit::default()
            },
        );
    }
    let data = ["--data", folder.path().to_str().unwrap()];
    let all = run(
        folder.path(),
        &["runs", "counts", "-o", "json", data[0], data[1]],
    );
    expect![[r#"
        {"flows":[{"flow":"even","received":1,"delivered":1,"answered_error":0,"dead_lettered":0,"parked":0,"filtered":0,"duplicate":0,"settled":1,"retries":0,"balanced":true},{"flow":"lossy","received":5,"delivered":4,"answered_error":0,"dead_lettered":0,"parked":0,"filtered":0,"duplicate":0,"settled":4,"retries":0,"balanced":false}],"balanced":false}
        --- 1
        error: the sums do not balance: of some messages it is not known how they ended; that is a defect of Sluice, please report it with these numbers
    "#]]
    .assert_eq(&whole(&all));
    let one = run(
        folder.path(),
        &["runs", "counts", "--flow", "even", data[0], data[1]],
    );
    assert_eq!(one.code, 0, "{}", one.err);
}
