use sluice_model::ids::RunId;

use super::{key, range_of};

#[test]
fn keys_are_read_with_and_without_a_name() {
    let read = |text: &str| {
        let filter = key(text).unwrap();
        (
            filter.name.map(|name| name.to_string()),
            filter.value.to_string(),
        )
    };
    assert_eq!(read("order=4711"), (Some("order".into()), "4711".into()));
    assert_eq!(read("order=a=b"), (Some("order".into()), "a=b".into()));
    assert_eq!(read("4711"), (None, "4711".into()));
    assert_eq!(read("=a=b"), (None, "a=b".into()));
    assert_eq!(read("WEB-1=x"), (None, "WEB-1=x".into()));
    assert!(key("order=").is_err());
}

#[test]
fn the_beginning_of_an_id_is_a_range() {
    let id = RunId(0x0198_7654_3210_0001);
    let text = id.to_string();
    for length in 1..=13 {
        let (first, last) = range_of(&text[..length]).unwrap();
        assert!(first <= id && id <= last, "{length}");
        assert_eq!(first == last, length == 13);
        for outside in [first.0.checked_sub(1), last.0.checked_add(1)]
            .into_iter()
            .flatten()
        {
            assert!(
                !RunId(outside).to_string().starts_with(&text[..length]),
                "{length}"
            );
        }
    }
    assert_eq!(range_of("f").unwrap().1, RunId(u64::MAX));
    for none in ["u", "00000000000000", "-1", "fzzzzzzzzzzzzz"] {
        assert_eq!(range_of(none), None, "{none}");
    }
}
