//! What files beside the code say of the time that a stop takes.

use super::*;

const DOCKERFILE: &str = include_str!("../../../Dockerfile");
const COMPOSE: &str = include_str!("../../../docker-compose.yml");
const UNIT: &str = include_str!("../../../packaging/locum.service");
const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const SECURITY: &str = include_str!("../../../docs/security.md");

/// After the grace connections are dropped, spans are sent, and the database is closed.
const AFTER_THE_GRACE: Duration = Duration::from_secs(10);

/// The seconds that a text has right after these words.
fn seconds(text: &str, words: &str) -> Duration {
    let (_, rest) = text.split_once(words).unwrap();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
    Duration::from_secs(rest[..end].parse().unwrap())
}

#[test]
fn whoever_stops_the_server_waits_longer_than_the_grace() {
    let grace = times(&LimitsSection::default()).grace;
    for (text, words) in [
        (UNIT, "\nTimeoutStopSec="),
        (COMPOSE, " stop_grace_period: "),
        (OPERATIONS, "`terminationGracePeriodSeconds: "),
        (OPERATIONS, "(`-t "),
        (DOCKERFILE, "`docker stop -t "),
    ] {
        let patience = seconds(text, words);
        assert!(patience > grace + AFTER_THE_GRACE, "{words}{patience:?}");
    }
}

#[test]
fn the_grace_is_said_as_it_is() {
    let grace = times(&LimitsSection::default()).grace.as_secs();
    for text in [UNIT, COMPOSE, DOCKERFILE, SECURITY] {
        assert!(text.contains(&format!("{grace} s")), "{grace} s in {text}");
    }
}
