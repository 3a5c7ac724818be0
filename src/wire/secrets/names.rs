//! Names whose values are secrets, however they are spelled: `dbPassword`, `GITHUB_TOKEN`,
//! `x-api-key`.
//!
//! A name is cut into words where its writer did, and judged by them; words that were written
//! together are found all the same. In doubt it is a secret's. Names of numbers about tokens are the one
//! large exception, since language models are asked for so many of them.

use crate::base::unseen::is_unseen;

/// Parts of words that make a name a secret's wherever they stand.
const STEMS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "credential",
    "authorization",
    "authorisation",
    "cookie",
    "authkey",
    "authtoken",
];
/// Words that do so alone.
const WORDS: [&str; 26] = [
    "pass",
    "pwd",
    "pw",
    "pin",
    "otp",
    "totp",
    "hotp",
    "mfa",
    "auth",
    "bearer",
    "jwt",
    "csrf",
    "xsrf",
    "cvv",
    "cvc",
    "cred",
    "creds",
    "psk",
    "passkey",
    "mnemonic",
    "dsn",
    "sas",
    "sessid",
    "phpsessid",
    "jsessionid",
    "apikeys",
];
/// Words that do so one behind the other, or written together.
const TOGETHER: [&str; 27] = [
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "signingkey",
    "encryptionkey",
    "decryptionkey",
    "masterkey",
    "sessionkey",
    "sessionid",
    "accountkey",
    "sharedkey",
    "servicekey",
    "sshkey",
    "licensekey",
    "authcode",
    "authorizationcode",
    "verificationcode",
    "securitycode",
    "recoverycode",
    "recoveryphrase",
    "seedphrase",
    "backupcode",
    "onetimecode",
    "pincode",
    "connectionstring",
    "connectsid",
];
/// Beginnings of words that only look like one: `secretary`, `tokenizer`.
const FRIENDS: [&str; 4] = ["secretar", "secretion", "tokeni", "cookiecutter"];
/// Words beside `tokens` that make a number of it.
const COUNTING: [&str; 30] = [
    "max",
    "min",
    "maximum",
    "minimum",
    "num",
    "n",
    "number",
    "total",
    "count",
    "counts",
    "limit",
    "limits",
    "budget",
    "used",
    "usage",
    "per",
    "prompt",
    "completion",
    "input",
    "output",
    "cached",
    "reasoning",
    "remaining",
    "left",
    "size",
    "length",
    "estimated",
    "generated",
    "thinking",
    "consumed",
];
/// Words behind `token` that do so.
const COUNTED: [&str; 8] = ["count", "counts", "limit", "limits", "budget", "usage", "size", "length"];
/// Words beside either that take it back.
const SECRETIVE: [&str; 9] =
    ["access", "refresh", "auth", "api", "id", "session", "reset", "device", "identity"];

/// Bytes at either end of a name that are looked at; what is longer is data that became one.
const END: usize = 256;

/// Whether a member of this name holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    if name.len() <= 2 * END {
        return tells(name);
    }
    let boundary = |from: usize| (from..name.len()).find(|at| name.is_char_boundary(*at));
    let begin = boundary(END).and_then(|to| name.get(..to));
    let end = boundary(name.len() - END).and_then(|from| name.get(from..));
    [begin, end].into_iter().flatten().any(tells)
}

fn tells(name: &str) -> bool {
    let (parted, together) = (words(name), name.chars().filter(|c| c.is_alphanumeric()));
    let together: String = together.flat_map(char::to_lowercase).collect();
    let parts: Vec<&str> = parted.split(' ').filter(|word| !word.is_empty()).collect();
    if together == "sid" || TOGETHER.iter().any(|words| together.contains(words)) {
        return true;
    }
    let own = parts.iter().filter(|word| !FRIENDS.iter().any(|friend| word.starts_with(friend)));
    let secret = |word: &str| WORDS.contains(&word) || STEMS.iter().any(|stem| word.contains(stem));
    own.clone().any(|word| secret(word))
        || (own.clone().any(|word| word.contains("token")) && !counts(&parts))
}

/// Whether a name that speaks of tokens says how many.
fn counts(parts: &[&str]) -> bool {
    // What was written together, taken apart: `maxtokens`, `tokencount`.
    let apart = |word: &&str| word.replace("token", " token ").replace(" token s", " tokens ");
    let spelled = parts.iter().map(apart).collect::<Vec<_>>().join(" ");
    let mut words = spelled.split_whitespace().peekable();
    let (mut plural, mut counting, mut counted) = (false, false, false);
    while let Some(word) = words.next() {
        if SECRETIVE.contains(&word) {
            return false;
        }
        plural |= word == "tokens";
        counting |= COUNTING.contains(&word);
        counted |= word == "token" && words.peek().is_some_and(|next| COUNTED.contains(next));
    }
    counted || (plural && counting)
}

/// A name's words in lower case, with spaces between them.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    let (mut before, mut seen) =
        (' ', name.chars().filter(|c| c.is_whitespace() || !is_unseen(*c)).peekable());
    while let Some(letter) = seen.next() {
        if letter.is_alphanumeric() {
            let lower_next = seen.peek().is_some_and(|next| next.is_lowercase());
            let humps =
                letter.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && lower_next));
            let number = letter.is_numeric() != before.is_numeric() && before.is_alphanumeric();
            if humps || number {
                words.push(' ');
            }
            words.extend(letter.to_lowercase());
        } else {
            words.push(' ');
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{is_secret_name, words};

    #[test]
    fn names_are_cut_where_their_writers_cut_them() {
        for (name, wanted) in [
            ("dbPassword", "db password"),
            ("GITHUB_TOKEN", "github token"),
            ("x-api-key", "x api key"),
            ("APIKey2", "api key 2"),
            ("Client Secret", "client secret"),
            ("pass\u{200b}word", "password"),
            ("a.b/c", "a b c"),
            ("", ""),
        ] {
            assert_eq!(words(name), wanted, "{name}");
        }
    }

    #[test]
    fn what_is_under_these_names_is_a_secret() {
        let names = "password, Password, PASSWORD, dbPassword, db_password, userpassword, password2, \
            passwordHash, passwd, pwd, user_pwd, pass, passphrase, passcode, secret, secrets, clientSecret, \
            client_secret, CLIENT-SECRET, token, tokens, GITHUB_TOKEN, accessToken, access_token, refresh token, \
            refreshtoken, authtoken, idToken, token_value, new_token, authorization, Authorization, \
            proxy-authorization, authorisation, auth, api key, apikey, apiKey, APIKey, x-api-key, X_API_KEY, \
            openaiApiKey, api_keys, credential, credentials, userCredentials, privateKey, private_key, ssh-key, \
            cookie, set-cookie, cookies, sessionId, session_id, SESSIONID, connect.sid, sid, otp, otp_code, totp, \
            pin, user_pin, pinCode, PIN, jwt, bearer, csrfToken, _csrf, cvv, creds, mfa_code, signing key, \
            connectionString, --password, -pwd, pa\u{ad}ssword, pass\u{200b}word, access_tokens, page_token, \
            refresh_tokens_used, secretKey, aws_secret_access_key, securityCode, token_used";
        for name in names.split(", ") {
            assert!(is_secret_name(name), "{name}");
        }
        assert!(is_secret_name(&format!("{}Password", "é".repeat(1000))));
        assert!(is_secret_name(&format!("password {}", "é".repeat(1000))));
    }

    #[test]
    fn what_is_under_these_is_not() {
        let names = ", name, id, key, author, authority, authenticated, passport, passenger, compass, bypass, \
            tokens_used, tokensUsed, token_count, tokenCount, tokencount, max_tokens, maxTokens, maxtokens, \
            max_new_tokens, totalTokens, prompt_tokens, output_tokens, tokens_per_minute, token_limit, tokenizer, \
            tokenization, secretary, pinned, spin, opinion, mapping, public_key, keyboard, monkey, primary_key, \
            sort key, region, query, url, side, inside, options, optional, header, session, user, email, \
            accession, tok\u{e9}n";
        for name in names.split(", ") {
            assert!(!is_secret_name(name), "{name}");
        }
        assert!(!is_secret_name(&"é".repeat(3000)));
    }
}
