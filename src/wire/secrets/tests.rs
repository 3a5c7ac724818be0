//! The table of kinds against its examples, and what must hold for any text.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::examples::{Example, examples};
use super::kinds::RULES;
use super::{CANDIDATES, Candidates, Finds, Found, find, holds, kinds, masked};

#[test]
fn each_kind_is_found_where_it_is_and_nowhere_else() {
    for Example { kind, text, secret } in examples() {
        let found: Vec<_> = find(&text).map(|Found { kind, range }| (kind.to_owned(), range)).collect();
        let wanted: Vec<_> = secret.into_iter().map(|range| (kind.clone(), range)).collect();
        assert_eq!(found, wanted, "{kind}: {text}");
        assert_eq!(holds(&text), !wanted.is_empty());
    }
}

#[test]
fn each_kind_has_its_name_its_examples_and_its_line_in_the_document() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/REDACTION.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples = examples();
    for kind in kinds() {
        assert!(kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{kind}");
        for secret in [true, false] {
            assert!(examples.iter().any(|e| e.kind == kind && e.secret.is_some() == secret), "{kind}");
        }
        assert!(page.contains(&format!("| `{kind}` |")), "{kind} is not in docs/REDACTION.md");
    }
    let (named, unique) = (kinds().count(), kinds().collect::<BTreeSet<_>>().len());
    assert_eq!(named, unique);
    let exemplified: BTreeSet<_> = examples.iter().map(|example| example.kind.as_str()).collect();
    assert_eq!(exemplified, kinds().collect());
}

#[test]
fn each_literal_of_a_kind_is_looked_for() {
    let texts = examples();
    for rule in RULES {
        for literal in rule.literals {
            assert!(CANDIDATES.next(literal.as_bytes(), 0, 1).is_some_and(|(at, _)| at == 0), "{literal}");
        }
        let used = |text: &str| rule.literals.iter().any(|l| text.to_lowercase().contains(&l.to_lowercase()));
        assert!(
            texts.iter().any(|e| e.kind == rule.kind && e.secret.is_some() && used(&e.text)),
            "{}",
            rule.kind
        );
    }
    assert!(CANDIDATES.automaton.is_some());
}

#[test]
fn no_kind_is_a_number_alone() {
    let of_number = |byte: u8| b"0123456789-+.eE".contains(&byte);
    for literal in RULES.iter().flat_map(|rule| rule.literals) {
        assert!(!literal.bytes().all(of_number), "{literal}: an audit record writes numbers without a look");
    }
}

#[test]
fn without_the_automaton_the_same_is_found() {
    let slow = Candidates { automaton: None, ..Candidates::new() };
    for Example { text, .. } in examples() {
        let slowly = Finds { candidates: &slow, text: text.as_bytes(), at: 0, open: None };
        assert_eq!(slowly.collect::<Vec<_>>(), find(&text).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn a_search_that_stops_early_goes_on_from_there() {
    for Example { text, secret, .. } in examples() {
        let mut finds = find(&text);
        let found: Vec<_> = (0..=text.len()).filter_map(|limit| finds.next_before(limit)).collect();
        assert_eq!(found.len(), usize::from(secret.is_some()), "{text}");
        assert_eq!(found, find(&text).collect::<Vec<_>>());
    }
}

#[test]
fn a_masked_text_says_what_was_there() {
    assert!(matches!(masked("nothing here"), std::borrow::Cow::Borrowed("nothing here")));
    let token = format!("ghp_{}", "a1".repeat(18));
    let text = format!("é {token}é\n{token} password={token}&é");
    assert_eq!(
        masked(&text),
        "é [secret:github-token]é\n[secret:github-token] password=[secret:github-token]&é"
    );
    assert_eq!(masked(&format!("password=\"a {token} b\"")), "password=\"[secret:github-token]\"");
    let long = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----";
    assert_eq!(masked(&format!("PRIVATE_KEY={long} .")), "PRIVATE_KEY=[secret:private-key] .");
}

/// Texts that are nothing but beginnings take some 20 ms each without optimisation; looking from each to the
/// end would take seconds.
#[test]
fn no_text_takes_more_than_linear_time() {
    let mut beginnings: Vec<String> = vec![
        "-eyJ".into(),
        "eyJhbGciOiJ4In0.eyJ".into(),
        "password=${".into(),
        "token:".into(),
        "token=\"${".into(),
        "a://b:c".into(),
        "://a:b/".into(),
        "-----BEGIN ".into(),
        "-----BEGIN PRIVATE KEY".into(),
        "-----BEGIN PRIVATE KEY-----END ".into(),
        "--token ".into(),
        "secret_access_key=".into(),
        "cookie: ".into(),
        "1234567:AA".into(),
    ];
    for literal in RULES.iter().flat_map(|rule| rule.literals) {
        beginnings.extend([(*literal).to_owned(), format!("{literal}a.")]);
    }
    for beginning in beginnings {
        let text = format!("password=\"{}", beginning.repeat(32 * 1024 / beginning.len()));
        for text in [&text, text.trim_start_matches("password=\"")] {
            let begun = Instant::now();
            let found = find(text).count();
            assert!(
                begun.elapsed() < Duration::from_secs(1),
                "{beginning}: {found} in {:?}",
                begun.elapsed()
            );
        }
    }
}

proptest! {
    #[test]
    fn a_secret_is_found_in_any_text(
        example in select(examples().into_iter().filter(|e| e.secret.is_some()).collect::<Vec<_>>()),
        before in "\\PC{0,40}",
        after in "\\PC{0,40}",
        (left, right) in (select(vec![" ", "\n", "\"", ", ", "(", "é"]), select(vec![" ", "\n", "\"", ", ", ")", "é"])),
    ) {
        let text = format!("{before}{left}{}{right}{after}", example.text);
        let secret = example.secret().unwrap();
        prop_assert!(!masked(&text).contains(secret), "{text}");
        prop_assert!(holds(&text));
    }

    #[test]
    fn finds_are_in_order_and_between_characters(text in "(\\PC|sk-|token=|Bearer |://|:|@|eyJ|\\.|-----BEGIN PRIVATE KEY-----|\n|\"){0,60}") {
        let mut behind = 0;
        for Found { range, .. } in find(&text) {
            prop_assert!(behind <= range.start && range.start < range.end && range.end <= text.len());
            prop_assert!(text.get(range.clone()).is_some(), "{text:?} {range:?}");
            behind = range.end;
        }
        let slow = Candidates { automaton: None, ..Candidates::new() };
        let slowly = Finds { candidates: &slow, text: text.as_bytes(), at: 0, open: None };
        prop_assert_eq!(slowly.collect::<Vec<_>>(), find(&text).collect::<Vec<_>>());
    }
}
