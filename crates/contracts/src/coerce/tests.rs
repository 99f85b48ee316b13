use sluice_model::types::Type;

use super::parse_text;
use crate::testing::Project;

fn ty(schema: &str) -> Type {
    let project = Project::new(&[("a.schema.yaml", schema)]);
    let (contract, findings) = project.read();
    assert!(findings.is_empty(), "{}", project.show(&findings));
    contract.root().expect("a root").clone()
}

fn check(schema: &str, text: &str, expected: &str) {
    let shown = match parse_text(&ty(schema), text) {
        Ok(value) => format!("{value:?}"),
        Err(message) => message,
    };
    assert_eq!(shown, expected, "{schema} {text}");
}

#[test]
fn texts_become_what_the_type_says() {
    check("{ type: integer }", "42", "Int(42)");
    check("{ type: integer }", "-07", "Int(-7)");
    check("{ type: integer }", "4.0", "must be an integer");
    check("{ type: integer }", "", "must be an integer");
    check(
        "{ type: integer }",
        "99999999999999999999",
        "Literal(\"99999999999999999999\")",
    );
    check("{ type: number }", "1.50", "Decimal(1.50)");
    check("{ type: number }", "1e3", "Literal(\"1e3\")");
    check("{ type: number }", "+1.5", "Decimal(1.5)");
    check("{ type: number }", ".5", "Decimal(0.5)");
    check("{ type: number }", "1,5", "must be a number");
    check("{ type: number }", "NaN", "must be a number");
    check("{ type: number, format: double }", "1.5", "Float(1.5)");
    check(
        "{ type: number, format: double }",
        "1e999",
        "must be a number",
    );
    check("{ type: boolean }", "true", "Bool(true)");
    check("{ type: boolean }", "yes", "must be true or false");
    check("{ type: string }", "42", "Text(\"42\")");
    check(
        "{ type: string, format: date }",
        "2026-02-30",
        "must be a date such as 2026-01-31",
    );
    check("{}", "42", "Text(\"42\")");
    check("{ type: object }", "{}", "cannot be written as a text");
}

#[test]
fn lists_null_and_alternatives() {
    check(
        "{ type: array, items: { type: integer } }",
        "1,2",
        "List([Int(1), Int(2)])",
    );
    check("{ type: array, items: { type: integer } }", "", "List([])");
    check(
        "{ type: array, items: { type: integer } }",
        "1,x",
        "must be an integer",
    );
    check("{ type: [integer, 'null'] }", "", "Null");
    check("{ type: [string, 'null'] }", "", "Text(\"\")");
    check(
        "{ oneOf: [{ type: string }, { type: integer }, { type: boolean }] }",
        "1",
        "Int(1)",
    );
    check(
        "{ oneOf: [{ type: string }, { type: integer }] }",
        "x",
        "Text(\"x\")",
    );
    check(
        "{ oneOf: [{ type: boolean }, { type: integer }] }",
        "x",
        "must be true or false",
    );
}
