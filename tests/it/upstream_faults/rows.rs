//! The faults, one a row: what the upstream does with a request that it has read, what a call's
//! client is told when the API does it, and what when the login endpoint does it.

use std::time::Duration;

use crate::support::raw::{Play, answer, ok};

/// What a call comes to.
pub enum Outcome {
    Ok,
    /// The upstream's status, the code, and a part of the message.
    Error(Option<u16>, &'static str, &'static str),
}

pub struct Row {
    pub name: &'static str,
    pub play: Play,
    pub api: Outcome,
    pub login: Outcome,
}

const LATE: &str = "no complete answer came in time";
const BROKE: &str = "the connection broke before the answer was complete";
const DAMAGED: &str = "the answer is damaged or not HTTP";
const LARGE: &str = "the answer is larger than 262144 bytes";
const NO_JSON: &str = "not what it is documented to be (no JSON)";
const LATER: &str = "The provider's login is not available at present.";
const REFUSED: &str = "The provider refused the organization's credential";

/// A gzip stream without end: one literal, then runs of 258 bytes, eight in thirteen bytes.
const BOMB: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xab\x18";
const BOMB_AGAIN: &[u8] = b"\x05\xa3\x60\x14\x8c\x82\x51\x30\x0a\x46\xc1\x28\x18";
/// `{"well": true}` in gzip, and that in gzip again.
const PACKED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x2a\x4f\xcd\xc9\x51\
    \xb2\x52\x28\x29\x2a\x4d\xad\x05\x00\x5f\x47\x9f\xbe\x0e\x00\x00\x00";
const PACKED_TWICE: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x93\xef\xe6\x60\x00\x01\
    \x26\xe6\xd5\x61\x5a\xfe\x67\x4f\x06\x6e\x0a\xd2\xd0\xd4\xf2\x5d\xcb\xca\x10\xef\x3e\x7f\x1f\
    \x1f\x50\x06\x00\x99\xaf\xd5\x6c\x22\x00\x00\x00";

fn row(name: &'static str, play: Play, api: Outcome, login: Outcome) -> Row {
    Row {
        name,
        play,
        api,
        login,
    }
}

/// No whole answer: the reason is for the API's client, a login is just not available.
fn none(name: &'static str, play: Play, why: &'static str) -> Row {
    let code = match why {
        DAMAGED => "upstream_malformed",
        _ => "upstream_unavailable",
    };
    let login = Outcome::Error(None, "login_unavailable", LATER);
    row(name, play, Outcome::Error(None, code, why), login)
}

/// A whole answer with a 2xx status that is no JSON.
fn odd(name: &'static str, play: Play) -> Row {
    let api = Outcome::Error(Some(200), "upstream_malformed", NO_JSON);
    row(name, play, api, no_token())
}

/// JSON that is fine for a tool, and has no token in it.
fn data(name: &'static str, play: Play) -> Row {
    row(name, play, Outcome::Ok, no_token())
}

fn no_token() -> Outcome {
    Outcome::Error(None, "login_malformed", LATER)
}

/// An answer with a status that says no.
fn status(
    name: &'static str,
    status: u16,
    more: &str,
    api: (&'static str, &'static str),
    login: (&'static str, &'static str),
) -> Row {
    let play = Play::Say(answer(&format!("{status} X{more}"), b""));
    let outcome = |(code, text)| Outcome::Error(Some(status), code, text);
    row(name, play, outcome(api), outcome(login))
}

fn say(bytes: &[u8]) -> Play {
    Play::Say(bytes.to_vec())
}

fn close(bytes: &[u8]) -> Play {
    Play::SayAndClose(bytes.to_vec())
}

fn reset(bytes: &[u8]) -> Play {
    Play::SayAndReset(bytes.to_vec())
}

/// A 200 that claims this encoding.
fn encoded(encoding: &str, body: &[u8]) -> Play {
    let head = format!("200 OK\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}");
    Play::Say(answer(&head, body))
}

fn endless(head: &str, first: &[u8], again: Vec<u8>) -> Play {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n");
    Play::Endless([head.as_bytes(), first].concat(), again)
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

fn chunked(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{CHUNKED}\r\n");
    [head.as_bytes(), body].concat()
}

fn drip(bytes: &[u8]) -> Play {
    Play::Drip(bytes.to_vec(), Duration::from_millis(100))
}

/// `elsewhere` must never be visited.
pub fn rows(elsewhere: &str) -> Vec<Row> {
    let mut rows = silence();
    rows.extend(framing());
    rows.extend(sizes());
    rows.extend(heads());
    rows.extend(redirects(elsewhere));
    rows.extend(statuses());
    rows.extend(bodies());
    rows
}

/// Slow, hanging, broken off.
fn silence() -> Vec<Row> {
    let long = [b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[".as_slice()].concat();
    vec![
        none("slow-head", drip(&ok(b"{}")), LATE),
        none(
            "slow-body",
            Play::Drip(long.clone(), Duration::from_millis(60)),
            LATE,
        ),
        none("hang-before-head", Play::Nothing, LATE),
        none("hang-in-head", say(b"HTTP/1.1 200 OK\r\ncontent-le"), LATE),
        none("hang-after-head", say(&long[..long.len() - 1]), LATE),
        none("hang-in-body", say(&long), LATE),
        none("close-before-head", close(b""), BROKE),
        none("close-in-head", close(b"HTTP/1.1 200 OK\r\ncont"), BROKE),
        none("close-in-body", close(&long), BROKE),
        none("reset-before-head", reset(b""), BROKE),
        none("reset-in-head", reset(b"HTTP/1.1 200 OK\r\ncont"), BROKE),
        none("reset-after-head", reset(&long), BROKE),
        none("chunks-cut", close(&chunked(b"5\r\n[1,2,")), BROKE),
    ]
}

/// Lengths and chunks that lie.
fn framing() -> Vec<Row> {
    let lengths =
        |lines: &str| say(format!("HTTP/1.1 200 OK\r\n{lines}\r\n{{\"a\": 1}}").as_bytes());
    let drips = [CHUNKED.as_bytes(), b"\r\n"].concat();
    let drips = [
        b"HTTP/1.1 200 OK\r\n".as_slice(),
        &drips,
        &b"1\r\n1\r\n".repeat(50),
    ]
    .concat();
    vec![
        odd("length-too-short", lengths("content-length: 4\r\n")),
        none("length-too-long", lengths("content-length: 80\r\n"), LATE),
        none(
            "length-negative",
            lengths("content-length: -8\r\n"),
            DAMAGED,
        ),
        none(
            "length-no-number",
            lengths("content-length: 8x\r\n"),
            DAMAGED,
        ),
        none(
            "two-lengths",
            lengths("content-length: 8\r\ncontent-length: 4\r\n"),
            DAMAGED,
        ),
        none(
            "chunk-size-no-number",
            say(&chunked(b"zz\r\n{}\r\n0\r\n\r\n")),
            DAMAGED,
        ),
        none(
            "chunk-size-beyond-numbers",
            say(&chunked(b"fffffffffffffffff\r\n{}")),
            DAMAGED,
        ),
        none("chunk-without-end", say(&chunked(b"2\r\n{}xxxx")), DAMAGED),
        none(
            "chunk-extension-without-end",
            Play::Endless(chunked(b"2;"), vec![b'x'; 8192]),
            DAMAGED,
        ),
        none(
            "trailers-without-end",
            Play::Endless(chunked(b"2\r\n{}\r\n0\r\n"), b"a: b\r\n".repeat(900)),
            DAMAGED,
        ),
        none(
            "slow-chunks",
            Play::Drip(drips, Duration::from_millis(10)),
            LATE,
        ),
    ]
}

/// Answers of a gibibyte and more: these have no end at all.
fn sizes() -> Vec<Row> {
    let length = "content-length: 1073741824\r\n";
    let chunk = [b"2000\r\n".as_slice(), &[b'1'; 8192], b"\r\n"].concat();
    vec![
        none(
            "huge-announced",
            endless(length, b"[", vec![b'1'; 8192]),
            LARGE,
        ),
        none(
            "huge-until-close",
            endless("", b"[", vec![b'1'; 8192]),
            LARGE,
        ),
        none(
            "huge-in-chunks",
            endless(CHUNKED, b"1\r\n[\r\n", chunk),
            LARGE,
        ),
        none(
            "gzip-bomb",
            endless("content-encoding: gzip\r\n", BOMB, BOMB_AGAIN.repeat(600)),
            LARGE,
        ),
        none(
            "gzip-corrupt",
            encoded("gzip", b"\x1f\x8b\x08 this is none"),
            DAMAGED,
        ),
        none("gzip-not-at-all", encoded("gzip", b"{\"a\": 1}"), DAMAGED),
        none("gzip-cut", encoded("gzip", &PACKED[..20]), DAMAGED),
        none(
            "gzip-wrong-sum",
            encoded("gzip", &[&PACKED[..26], &[0; 8]].concat()),
            DAMAGED,
        ),
        odd("gzip-in-gzip", encoded("gzip", PACKED_TWICE)),
        odd("gzip-twice", encoded("gzip, gzip", PACKED_TWICE)),
        odd("encoding-not-asked-for", encoded("br", b"\x0b\x06\x80")),
        data("gzip", encoded("gzip", PACKED)),
    ]
}

/// Heads that are none, too many, or too long.
fn heads() -> Vec<Row> {
    let many: String = (0..10_000).map(|n| format!("h{n}: x\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{many}\r\n");
    let early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(200);
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    vec![
        none("garbage", say(&[0xff, 0, 13, 10].repeat(64)), DAMAGED),
        none("http-0.9", close(b"{\"a\": 1}"), DAMAGED),
        none(
            "http-3.0",
            say(b"HTTP/3.0 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
            DAMAGED,
        ),
        none(
            "http-2-frames",
            say(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"),
            DAMAGED,
        ),
        none(
            "status-no-number",
            say(b"HTTP/1.1 two OK\r\ncontent-length: 2\r\n\r\n{}"),
            DAMAGED,
        ),
        none(
            "header-without-colon",
            say(b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"),
            DAMAGED,
        ),
        none(
            "header-with-nul",
            say(b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"),
            DAMAGED,
        ),
        none(
            "header-huge",
            Play::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 8192]),
            DAMAGED,
        ),
        none("headers-many", say(many.as_bytes()), DAMAGED),
        none(
            "headers-without-end",
            Play::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(900)),
            DAMAGED,
        ),
        none(
            "continue-and-hang",
            say(b"HTTP/1.1 100 Continue\r\n\r\n"),
            LATE,
        ),
        none("endless-1xx", Play::Endless(early.clone(), early), DAMAGED),
        row(
            "upgrade",
            say(upgrade.as_bytes()),
            Outcome::Error(Some(101), "upstream_error", "The provider answered 101."),
            Outcome::Error(Some(101), "login_unavailable", LATER),
        ),
        data("http-1.0", close(b"HTTP/1.0 200 OK\r\n\r\n{\"a\": 1}")),
        data(
            "wrong-type",
            Play::Say(answer("200 OK\r\ncontent-type: text/html", b"{}")),
        ),
    ]
}

/// Nobody follows them, wherever they point.
fn redirects(elsewhere: &str) -> Vec<Row> {
    let to = |name, code, location: &str| {
        let more = format!("\r\nlocation: {location}");
        let api = ("upstream_redirect", "The provider answered 30");
        status(name, code, &more, api, ("login_unavailable", LATER))
    };
    let body = format!("302 X\r\nlocation: {elsewhere}\r\ncontent-type: application/json");
    let found = |code, text| Outcome::Error(Some(302), code, text);
    vec![
        to("moved-301", 301, elsewhere),
        to("found-302", 302, elsewhere),
        to("other-303", 303, elsewhere),
        to("temporary-307", 307, elsewhere),
        to("permanent-308", 308, elsewhere),
        to("redirect-relative", 302, "/connect-auth/v1/account/login"),
        to("redirect-nowhere", 302, "::::"),
        to("not-modified-304", 304, ""),
        row(
            "redirect-with-body",
            Play::Say(answer(
                &body,
                b"{\"message\": \"over there\", \"access_token\": \"x\"}",
            )),
            found(
                "upstream_redirect",
                "The provider answered 302: over there.",
            ),
            found("login_unavailable", LATER),
        ),
    ]
}

/// What is not 2xx, and what is 2xx without a body.
fn statuses() -> Vec<Row> {
    let limited = |name, more: &str, api: &'static str, login: &'static str| {
        let api = ("upstream_rate_limited", api);
        status(name, 429, more, api, ("login_rate_limited", login))
    };
    let failed = |name, code, api| {
        status(
            name,
            code,
            "",
            ("upstream_error", api),
            ("login_unavailable", LATER),
        )
    };
    let date =
        "\r\ndate: Mon, 23 Nov 2026 06:00:00 GMT\r\nretry-after: Mon, 23 Nov 2026 06:02:00 GMT";
    let page = answer("502 X\r\ncontent-type: text/html", b"<h1>Bad Gateway</h1>");
    let refused = ("upstream_unauthorized", "The provider answered 401.");
    vec![
        status(
            "unauthorized-401",
            401,
            "",
            refused,
            ("credential_refused", REFUSED),
        ),
        status(
            "forbidden-403",
            403,
            "",
            ("upstream_refused", "The provider answered 403."),
            ("credential_refused", REFUSED),
        ),
        limited("limited-429", "", "429.", LATER),
        limited(
            "limited-7s",
            "\r\nretry-after: 7",
            "Retry after 7 seconds.",
            "Retry after 7 seconds.",
        ),
        limited(
            "limited-date",
            date,
            "Retry after 120 seconds.",
            "Retry after 120 seconds.",
        ),
        limited("limited-negative", "\r\nretry-after: -7", "429.", LATER),
        limited(
            "limited-huge",
            "\r\nretry-after: 99999999999999999999",
            "Retry after 86400 seconds.",
            "Retry after 86400 seconds.",
        ),
        failed("failed-500", 500, "The provider answered 500."),
        failed("failed-503", 503, "The provider answered 503."),
        failed("failed-504", 504, "The provider answered 504."),
        failed("failed-599", 599, "The provider answered 599."),
        failed("status-999", 999, "The provider answered 999."),
        row(
            "failed-502-page",
            Play::Say(page),
            Outcome::Error(Some(502), "upstream_error", "The provider answered 502."),
            Outcome::Error(Some(502), "login_unavailable", LATER),
        ),
        data("empty-204", say(b"HTTP/1.1 204 No Content\r\n\r\n")),
        data(
            "empty-205",
            say(b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        ),
        data("empty-200", say(&ok(b""))),
        // What follows a 204 is no body, and must not be taken for the next answer.
        data(
            "body-on-204",
            say(&[b"HTTP/1.1 204 X\r\n\r\n".as_slice(), &ok(b"{\"bad\": 1}")].concat()),
        ),
    ]
}

/// Bodies that are not what they should be.
fn bodies() -> Vec<Row> {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    vec![
        odd(
            "html",
            Play::Say(answer("200 OK\r\ncontent-type: text/html", b"<h1>Hi</h1>")),
        ),
        odd("half-json", say(&ok(b"{\"a\": [1, 2"))),
        odd("two-documents", say(&ok(b"{} {}"))),
        odd("invalid-utf-8", say(&ok(b"{\"a\": \"\xff\xfe\"}"))),
        odd("half-a-surrogate", say(&ok(b"{\"a\": \"\\ud800\"}"))),
        odd("nul", say(&ok(b"{\"a\": \"\0\"}"))),
        odd("utf-16", say(&ok(b"\xff\xfe{\0}\0"))),
        odd("deep", say(&ok(deep.as_bytes()))),
        odd("number-beyond-numbers", say(&ok(b"{\"a\": 1e999}"))),
        odd("not-a-number", say(&ok(b"{\"a\": NaN}"))),
        data(
            "number-huge",
            say(&ok(b"{\"a\": 123456789012345678901234567890}")),
        ),
        data("keys-twice", say(&ok(b"{\"a\": 1, \"a\": 2}"))),
        data("byte-order-mark", say(&ok(b"\xef\xbb\xbf{\"a\": 1}"))),
        data(
            "token-of-a-wrong-type",
            say(&ok(b"{\"access_token\": {\"a\": 1}}")),
        ),
        data("token-empty", say(&ok(b"{\"access_token\": \"\"}"))),
        data(
            "token-no-header",
            say(&ok(b"{\"access_token\": \"a\\nb\"}")),
        ),
    ]
}
