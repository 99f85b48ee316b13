//! Twenty mistakes in one project: twenty findings of one check, each at its line.

use std::path::Path;

use expect_test::{expect, expect_file};
use sluice_compiler::render;

use crate::support::compile_folder;

#[test]
fn twenty_mistakes_are_twenty_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/twenty/project");
    let compiled = compile_folder(&folder, "dev");
    let mut places = String::new();
    for finding in &compiled.findings.0 {
        let span = finding.span.expect("each mistake has a place");
        let source = compiled.sources.get(span.file);
        let line = source.line_column(span.start as usize).line;
        places += &format!("{}:{line}: {}\n", source.path, finding.code.0);
    }
    expect![[r#"
        apis/orders.yaml:2: E0201
        connections/crm.yaml:5: E0602
        connections/reports.yaml:4: E0101
        environments/prod.yaml:3: E0201
        flows/broken.yaml:2: E0001
        flows/intake.yaml:4: E0106
        flows/intake.yaml:7: E0201
        flows/intake.yaml:9: E0501
        flows/intake.yaml:13: E0504
        flows/report.yaml:2: E0601
        flows/score.yaml:5: E0310
        flows/score.yaml:8: E0505
        flows/score.yaml:9: E0302
        flows/score.yaml:10: E0306
        flows/score.yaml:12: E0303
        flows/score.yaml:13: E0201
        flows/score.yaml:18: E0507
        mappings/to-booking.jsonata:7: E0304
        sluice.yaml:6: E0104
        tests/score.yaml:2: E0801
    "#]]
    .assert_eq(&places);
    let text = render::text(
        &compiled.findings,
        &compiled.sources,
        20,
        render::Text::default(),
    );
    expect_file!["twenty/findings.txt"].assert_eq(&text);
    assert_eq!(compiled.findings.0.len(), 20, "{places}");
    for finding in &compiled.findings.0 {
        let helps = finding.help.is_some() || !finding.fixes.is_empty();
        assert!(helps, "{}: {}", finding.code.0, finding.message);
    }
    assert!(compiled.release.is_none());
}
