//! Failures saved and played again.

use super::show_error;
use crate::case::{Case, CaseError, CaseRequest, Recorder};
use crate::memory::{MemoryIndex, need, release};
use crate::resolve;

#[test]
fn a_failure_can_be_played_again_from_its_file() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1"), need("serd ^1")]),
        release("a 1.0.0"),
        release("serde 1.0.0"),
    ]);
    let request = index.request("app");
    let recorder = Recorder::new(&index);
    let error = show_error(&resolve(&request, &recorder).unwrap_err());
    let asked = CaseRequest {
        policy: "latest".to_owned(),
        request,
    };
    let text = recorder.case("0.1.0", vec![asked]).to_json().unwrap();
    let case = Case::parse("case.json", &text).unwrap();
    let again = resolve(&case.requests[0].request, &case).unwrap_err();
    assert_eq!(show_error(&again), error);
    assert!(error.contains("did its author mean `serde`?"), "{error}");
}

#[test]
fn other_files_are_no_cases() {
    let error = Case::parse("x.json", "[]").unwrap_err();
    assert!(matches!(error, CaseError::Json { .. }));
    let error = Case::parse("x.json", "{\"schema\":9}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the case `x.json` has schema 9; this Orlop reads 2"
    );
}
