//! The kinds of secrets, as a table.
//!
//! A row names a kind, the literals of which one has to be there, and what has to stand behind it;
//! above it stands where the format is documented. Lengths are lower bounds, taken a little below
//! what is issued today, and all that follows of the same characters belongs to the secret: issuers
//! lengthen their tokens. Examples of each kind, and of what is nearly one, are in
//! `tests/corpus/secrets/`. No row may look at more than a bounded piece of text before it says no.

use std::ops::Range;

use super::shapes;

/// The characters that a token is made of.
type Class = fn(u8) -> bool;

/// What has to stand around a literal for a secret to be there: given the text, where the literal
/// begins and where it ends. The answer lies at or behind the literal's beginning.
pub(super) type Shape = fn(&[u8], usize, usize) -> Option<Range<usize>>;

/// One row.
pub(super) struct Rule {
    pub(super) kind: &'static str,
    pub(super) literals: &'static [&'static str],
    /// Whether the literals are found in any case.
    pub(super) any_case: bool,
    /// Whether it finds whatever stands behind a label: a kind that knows its form goes before.
    pub(super) value: bool,
    exact: Exact,
}

enum Exact {
    /// The literal and at least so many characters of a class.
    Run { of: Class, least: usize, word: bool },
    /// Anything else.
    Shape(Shape),
}

impl Rule {
    /// The secret that a literal begins, or is the label of.
    pub(super) fn secret(&self, text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
        match self.exact {
            Exact::Shape(shape) => shape(text, at, behind),
            Exact::Run { word: true, .. } if !shapes::begins_word(text, at) => None,
            Exact::Run { of, least, .. } => {
                text.get(behind..behind + least)?.iter().all(|byte| of(*byte)).then_some(())?;
                Some(at..shapes::run(text, behind + least, of))
            }
        }
    }
}

/// A token that its beginning tells.
const fn token(kind: &'static str, literals: &'static [&'static str], of: Class, least: usize) -> Rule {
    Rule { kind, literals, any_case: false, value: false, exact: Exact::Run { of, least, word: false } }
}

/// The same, with a beginning that is short enough to stand inside of words.
const fn word(kind: &'static str, literals: &'static [&'static str], of: Class, least: usize) -> Rule {
    Rule { kind, literals, any_case: false, value: false, exact: Exact::Run { of, least, word: true } }
}

const fn shape(kind: &'static str, literals: &'static [&'static str], shape: Shape) -> Rule {
    Rule { kind, literals, any_case: false, value: false, exact: Exact::Shape(shape) }
}

/// A token behind a label, which belongs to what is masked: `AccountKey=…`.
const fn labelled(kind: &'static str, literals: &'static [&'static str], of: Class, least: usize) -> Rule {
    Rule { kind, literals, any_case: true, value: false, exact: Exact::Run { of, least, word: true } }
}

/// Whatever stands behind a label.
const fn value(kind: &'static str, literals: &'static [&'static str], shape: Shape) -> Rule {
    Rule { kind, literals, any_case: true, value: true, exact: Exact::Shape(shape) }
}

const ALNUM: Class = |byte| byte.is_ascii_alphanumeric();
const UPPER: Class = |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit();
const HEX: Class = |byte| byte.is_ascii_hexdigit();
const HEX_DASH: Class = |byte| byte.is_ascii_hexdigit() || byte == b'-';
/// Of base64url.
const URL: Class = |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
const DOTTED: Class = |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
/// Of either base64, as it is or percent-encoded.
const BASE64: Class =
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'=' | b'%');
const SLACK: Class = |byte| DOTTED(byte) || BASE64(byte);

/// All kinds; where two begin in the same place the first that fits is told.
pub(super) static RULES: &[Rule] = &[
    // Tollgate's own: src/base/key.rs, docs/decisions/0002-key-table.md
    shape("tollgate-key", &["mcp_live_", "mcp_test_"], shapes::tollgate_key),
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    token("aws-access-key-id", &["AKIA", "ASIA", "ABIA", "ACCA"], UPPER, 16),
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
    Rule {
        any_case: true,
        ..shape(
            "aws-secret-key",
            &[
                "secret_access_key",
                "secretaccesskey",
                "secret-access-key",
                "secret access key",
                "aws_secret_key",
            ],
            shapes::aws_secret_key,
        )
    },
    // https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
    // and, for tokens of installations, which hold dots:
    // https://github.blog/changelog/2026-05-15-github-app-installation-tokens-per-request-override-header/
    token("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], DOTTED, 36),
    // https://docs.gitlab.com/security/tokens/#token-prefixes
    token(
        "gitlab-token",
        &[
            "glpat-", "gloas-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-",
            "glagent-", "glsoat-", "glffct-", "glwt-",
        ],
        DOTTED,
        20,
    ),
    // https://docs.slack.dev/authentication/tokens
    token(
        "slack-token",
        &["xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"],
        SLACK,
        20,
    ),
    // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    token(
        "slack-webhook",
        &["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"],
        BASE64,
        20,
    ),
    // https://docs.discord.com/developers/resources/webhook
    token("discord-webhook", &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"], BASE64, 40),
    // https://core.telegram.org/bots/features#creating-a-new-bot
    shape("telegram-token", &[":AA"], shapes::telegram_token),
    // https://docs.stripe.com/keys
    token("stripe-key", &["sk_live_", "sk_test_", "rk_live_", "rk_test_"], ALNUM, 16),
    // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    token("webhook-secret", &["whsec_"], BASE64, 24),
    // https://docs.cloud.google.com/docs/authentication/api-keys
    token("google-api-key", &["AIza"], URL, 35),
    // https://developers.google.com/identity/protocols/oauth2/web-server
    token("google-oauth-token", &["ya29."], DOTTED, 20),
    word("google-oauth-token", &["1//0"], URL, 40),
    token("google-client-secret", &["GOCSPX-"], URL, 20),
    // https://platform.claude.com/docs/en/api/overview
    token("anthropic-key", &["sk-ant-"], URL, 20),
    // https://platform.openai.com/docs/api-reference/authentication
    word("openai-key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], URL, 20),
    // https://openrouter.ai/docs/api-reference/authentication
    word("openrouter-key", &["sk-or-v1-"], HEX, 32),
    // The oldest form of OpenAI's, which many others issue.
    shape("sk-key", &["sk-"], shapes::sk_key),
    // https://huggingface.co/docs/hub/security-tokens
    token("huggingface-token", &["hf_", "api_org_"], ALNUM, 30),
    // https://docs.npmjs.com/about-access-tokens
    token("npm-token", &["npm_"], ALNUM, 36),
    // https://pypi.org/help/#apitoken
    token("pypi-token", &["pypi-AgE"], URL, 50),
    // https://guides.rubygems.org/api-key-scopes/
    token("rubygems-key", &["rubygems_"], HEX, 48),
    // https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys
    shape("sendgrid-key", &["SG."], shapes::sendgrid_key),
    // https://www.twilio.com/docs/iam/api-keys
    word("twilio-key", &["SK"], HEX, 32),
    // https://documentation.mailgun.com/docs/mailgun/api-reference/mg-auth
    word("mailgun-key", &["key-"], HEX, 32),
    // https://developers.brevo.com/docs/getting-started
    token("brevo-key", &["xkeysib-", "xsmtpsib-"], HEX_DASH, 64),
    // https://docs.digitalocean.com/reference/api/create-personal-access-token/
    token("digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], HEX, 60),
    // https://shopify.dev/docs/apps/build/authentication-authorization
    token("shopify-token", &["shpat_", "shpca_", "shppa_", "shpss_"], HEX, 32),
    // https://developer.squareup.com/docs/build-basics/access-tokens
    token("square-token", &["sq0atp-", "sq0csp-"], URL, 22),
    // https://docs.databricks.com/aws/en/dev-tools/auth/pat
    word("databricks-token", &["dapi"], HEX_DASH, 32),
    // https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/
    token("atlassian-token", &["ATATT3", "ATCTT3"], BASE64, 50),
    // https://developers.notion.com/docs/authorization
    word("notion-token", &["ntn_", "secret_"], ALNUM, 43),
    // https://linear.app/developers/graphql
    token("linear-key", &["lin_api_", "lin_oauth_"], ALNUM, 40),
    // https://www.figma.com/developers/api#access-tokens
    token("figma-token", &["figd_"], URL, 40),
    // https://grafana.com/docs/grafana/latest/administration/service-accounts/
    token("grafana-token", &["glsa_", "glc_"], BASE64, 32),
    // https://developer.hashicorp.com/vault/docs/concepts/tokens
    word("vault-token", &["hvs.", "hvb.", "hvr."], DOTTED, 24),
    // https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens
    token("terraform-token", &[".atlasv1."], URL, 60),
    // https://docs.docker.com/security/access-tokens/
    token("docker-token", &["dckr_pat_", "dckr_oat_"], URL, 20),
    // https://learning.postman.com/docs/developer/postman-api/authentication/
    token("postman-key", &["PMAK-"], HEX_DASH, 50),
    // https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/
    token("newrelic-key", &["NRAK-"], ALNUM, 27),
    // https://docs.sentry.io/account/auth-tokens/
    token("sentry-token", &["sntrys_", "sntryu_"], BASE64, 50),
    // https://docs.doppler.com/reference/auth-token-formats
    word("doppler-token", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."], DOTTED, 40),
    // https://planetscale.com/docs/concepts/service-tokens
    token("planetscale-token", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], DOTTED, 32),
    // https://supabase.com/docs/guides/api/api-keys
    token("supabase-key", &["sbp_", "sb_secret_"], URL, 30),
    // https://console.groq.com/docs/quickstart
    token("groq-key", &["gsk_"], ALNUM, 48),
    // https://docs.x.ai/docs/overview
    word("xai-key", &["xai-"], ALNUM, 60),
    // https://replicate.com/docs/topics/security/api-tokens
    word("replicate-token", &["r8_"], ALNUM, 36),
    // https://age-encryption.org/v1
    token("age-key", &["AGE-SECRET-KEY-1"], UPPER, 50),
    // https://www.rfc-editor.org/rfc/rfc7468 and, for OpenPGP, https://www.rfc-editor.org/rfc/rfc9580#section-6.2
    shape("private-key", &["-----BEGIN "], shapes::private_key),
    // https://the.earth.li/~sgtatham/putty/latest/htmldoc/AppendixC.html
    shape("private-key", &["Private-Lines:"], shapes::putty_key),
    // https://www.rfc-editor.org/rfc/rfc7519#section-3, https://www.rfc-editor.org/rfc/rfc7515#section-3.1
    shape("jwt", &["eyJ"], shapes::jwt),
    // https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1
    shape("url-password", &["://"], shapes::url_password),
    // https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    labelled(
        "azure-key",
        &["AccountKey=", "AccountKey%3D", "SharedAccessKey=", "SharedAccessKey%3D"],
        BASE64,
        40,
    ),
    // https://learn.microsoft.com/rest/api/storageservices/create-service-sas,
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
    // https://docs.cloud.google.com/storage/docs/access-control/signed-urls
    labelled("signed-url", &["sig=", "X-Amz-Signature=", "X-Goog-Signature="], BASE64, 32),
    // https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    value("bearer", &["bearer ", "bearer%20"], shapes::bearer),
    // https://www.rfc-editor.org/rfc/rfc7617#section-2
    value("basic", &["basic ", "basic%20"], shapes::basic),
    // Whatever a program is told to be a secret: `PASSWORD=…`, `?access_token=…`, `"apiKey": "…"`.
    value(
        "assignment",
        &[
            "pass",
            "pwd",
            "secret",
            "token",
            "api_key",
            "api-key",
            "apikey",
            "access_key",
            "access-key",
            "accesskey",
            "private_key",
            "private-key",
            "privatekey",
            "auth",
            "credential",
            "cookie",
            "sessionid",
            "session_id",
            "session-id",
            "jwt",
            "otp",
            "cvv",
        ],
        shapes::assignment,
    ),
];
