use std::time::Duration;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};

use crate::problem::Problem;

fn show(fault: Fault) -> String {
    let problem = Problem::of_fault(&fault);
    let headers: Vec<_> = problem
        .headers
        .iter()
        .map(|(name, value)| format!(" {name}: {}", value.to_str().expect("ASCII")))
        .collect();
    let document = String::from_utf8(problem.document("r-1")).expect("UTF-8");
    format!(
        "{}{}\n{}",
        problem.status.as_u16(),
        headers.concat(),
        document.replace(",\"", ",\n \"")
    )
}

fn fault(code: &str, blame: Blame) -> Fault {
    Fault::new(code, Retry::Never, blame, "it went wrong").with_context("host", "10.0.0.7")
}

#[test]
fn a_fault_is_told_without_its_context() {
    let invalid = fault(FaultCode::INVALID, Blame::Caller)
        .with_detail("/lines/0/qty", "must be at least 1")
        .with_source(std::io::Error::other("secret"));
    expect_test::expect![[r#"
        422
        {"type":"about:blank",
         "title":"Unprocessable Entity",
         "status":422,
         "code":"invalid",
         "detail":"it went wrong",
         "instance":"r-1",
         "errors":[{"pointer":"/lines/0/qty",
         "detail":"must be at least 1"}]}"#]]
    .assert_eq(&show(invalid));
    let refused = Fault::new(
        FaultCode::REFUSED,
        Retry::After(Duration::from_secs(7)),
        Blame::Upstream,
        "`erp` refuses for now",
    );
    expect_test::expect![[r#"
        503 retry-after: 7
        {"type":"about:blank",
         "title":"Service Unavailable",
         "status":503,
         "code":"refused",
         "detail":"`erp` refuses for now",
         "instance":"r-1"}"#]]
    .assert_eq(&show(refused));
}

#[test]
fn the_status_says_whose_fault_it_is() {
    let status = |fault: Fault| Problem::of_fault(&fault).status.as_u16();
    for (code, blame, expected) in [
        (FaultCode::INVALID, Blame::Caller, 422),
        (FaultCode::MAPPING, Blame::Caller, 422),
        (FaultCode::NOT_FOUND, Blame::Caller, 404),
        (FaultCode::CONFLICT, Blame::Caller, 409),
        (FaultCode::LIMIT, Blame::Caller, 413),
        (FaultCode::TIMEOUT, Blame::Upstream, 504),
        (FaultCode::REFUSED, Blame::Upstream, 503),
        (FaultCode::STOPPED, Blame::Us, 503),
        (FaultCode::UNREACHABLE, Blame::Upstream, 502),
        (FaultCode::UPSTREAM, Blame::Upstream, 502),
        (FaultCode::CONTRACT, Blame::Upstream, 502),
        (FaultCode::DENIED, Blame::Upstream, 502),
        ("erp#createOrder/422", Blame::Upstream, 502),
        (FaultCode::DENIED, Blame::Config, 502),
        (FaultCode::MAPPING, Blame::Us, 500),
        (FaultCode::INTERNAL, Blame::Us, 500),
    ] {
        assert_eq!(status(fault(code, blame)), expected, "{code} {blame:?}");
    }
    let wrong_password = fault(FaultCode::DENIED, Blame::Config).with_status(401);
    assert_eq!(
        status(wrong_password),
        502,
        "our password is not the caller's"
    );
    // What a flow's `fail` says counts; what another system answered is not the caller's.
    assert_eq!(
        status(fault("too_risky", Blame::Caller).with_status(409)),
        409
    );
    assert_eq!(status(fault("too_risky", Blame::Us).with_status(402)), 500);
    assert_eq!(
        status(fault(FaultCode::UPSTREAM, Blame::Upstream).with_status(404)),
        502
    );
    assert_eq!(status(fault("odd", Blame::Us).with_status(200)), 500);
    assert_eq!(status(fault("odd", Blame::Us).with_status(999)), 500);
}
