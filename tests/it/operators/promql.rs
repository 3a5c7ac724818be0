//! Which series a query of Prometheus asks for: enough of the language to find names and labels.
//!
//! Whether the syntax is right is for `promtool` to say.

/// A query's words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// A series that is asked for: its name, and each label with what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    pub name: String,
    /// Label, sign, value.
    pub labels: Vec<(String, String, String)>,
}

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub selectors: Vec<Selector>,
    /// Labels that are grouped or joined by.
    pub grouped: Vec<String>,
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];

fn tokens(query: &str) -> Vec<Token> {
    let (mut tokens, mut letters) = (Vec::new(), query.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '\'' => {
                let mut text = String::new();
                while let Some(next) = letters.next().filter(|next| *next != letter) {
                    text.push(if next == '\\' { letters.next().unwrap() } else { next });
                }
                tokens.push(Token::Text(text));
            }
            // A range says nothing of names; nor does a variable of a dashboard.
            '[' => while letters.next().is_some_and(|next| next != ']') {},
            _ if letter.is_alphanumeric() || "_:.$".contains(letter) => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(|next| next.is_alphanumeric() || "_:.".contains(*next))
                {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            _ if letter.is_whitespace() => {}
            _ => tokens.push(Token::Sign(letter)),
        }
    }
    tokens
}

/// What a query asks for.
pub fn asked(query: &str) -> Asked {
    let tokens = tokens(query);
    let sign = |at: usize, wanted: char| tokens.get(at) == Some(&Token::Sign(wanted));
    let (mut asked, mut at) = (Asked::default(), 0);
    while at < tokens.len() {
        let Some(word) = names(&tokens[at]).next() else {
            assert!(!sign(at, '{'), "a selector without a name: {query}");
            at += 1;
            continue;
        };
        at += 1;
        if GROUPING.contains(&word) {
            assert!(sign(at, '('), "{word} of what: {query}");
            while !sign(at, ')') {
                asked.grouped.extend(names(&tokens[at]).map(str::to_owned));
                at += 1;
            }
            continue;
        }
        let grouped_next = tokens.get(at).and_then(|next| names(next).next());
        let is_function = sign(at, '(') || grouped_next.is_some_and(|next| GROUPING.contains(&next));
        let is_number =
            word.starts_with(|first: char| first.is_ascii_digit() || first == '.' || first == '$');
        if is_function || is_number || WORDS.contains(&word.to_lowercase().as_str()) {
            continue;
        }
        let mut labels = Vec::new();
        if sign(at, '{') {
            at += 1;
            while !sign(at, '}') {
                let Token::Word(label) = &tokens[at] else { panic!("no label in {query}") };
                at += 1;
                let mut compared = String::new();
                while let Some(Token::Sign(sign)) = tokens.get(at) {
                    compared.push(*sign);
                    at += 1;
                }
                let Some(Token::Text(value)) = tokens.get(at) else { panic!("no value in {query}") };
                labels.push((label.clone(), compared, value.clone()));
                at += 1;
                at += usize::from(sign(at, ','));
            }
            at += 1;
        }
        asked.selectors.push(Selector { name: word.to_owned(), labels });
    }
    asked
}

fn names(token: &Token) -> impl Iterator<Item = &str> {
    let word = if let Token::Word(word) = token { Some(word.as_str()) } else { None };
    word.into_iter()
}

#[test]
fn names_and_labels_are_found() {
    let query = r#"histogram_quantile(0.99, sum by (le, instance) (rate(a_seconds_bucket{stage="gateway", job=~"$job", x!="}{"}[5m]))) > 1e-3 and on (instance) sum(b_total) without (c) / 2 >= bool Inf unless absent(up{job="t"} offset 5m)"#;
    let found = asked(query);
    let labels = |list: &[(&str, &str, &str)]| {
        list.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect::<Vec<_>>()
    };
    let selectors = [
        ("a_seconds_bucket", labels(&[("stage", "=", "gateway"), ("job", "=~", "$job"), ("x", "!=", "}{")])),
        ("b_total", labels(&[])),
        ("up", labels(&[("job", "=", "t")])),
    ];
    let selectors = selectors.map(|(name, labels)| Selector { name: name.into(), labels });
    assert_eq!(found.selectors, selectors);
    assert_eq!(found.grouped, ["le", "instance", "instance", "c"]);
}
