//! The whole of `locum status`: as much as a screen holds, or everything.

use jiff::Timestamp;

use super::concern;
use super::row::{self, Row, ago};
use super::table::{cut, table, width, wrapped};
use crate::admin::{ProfileStatus, ServerStatus, StatusReport};
use crate::cli::context::Screen;
use crate::domain::health::Standing;

/// The lines; `whole` asks for all credentials and the causes in full. Without a screen that is
/// what there is.
pub(super) fn lines(
    report: &StatusReport,
    now: Timestamp,
    screen: Option<Screen>,
    whole: bool,
) -> Vec<String> {
    let items = &report.items;
    let notes: Vec<String> = items
        .iter()
        .filter_map(|item| row::note(item, now))
        .collect();
    let wide: Vec<Row> = items.iter().map(|item| row::wide(item, now)).collect();
    let wide = table(row::WIDE, &wide, None);
    let server = server(&report.server, now);
    let Some(screen) = screen else {
        return joined(server, wide, notes);
    };
    let table = match width(&wide) <= screen.columns {
        true => wide,
        false => {
            let narrow: Vec<Row> = items.iter().map(|item| row::narrow(item, now)).collect();
            table(row::NARROW, &narrow, Some(screen.columns))
        }
    };
    if whole {
        let server = server.iter().flat_map(|line| wrapped(line, screen.columns));
        let server = server.collect();
        let notes = notes.iter().flat_map(|note| wrapped(note, screen.columns));
        return joined(server, table, notes.collect());
    }
    let server: Vec<_> = server
        .iter()
        .map(|line| cut(line, screen.columns))
        .collect();
    let notes = notes.iter().map(|note| cut(note, screen.columns)).collect();
    // The line below is the shell's.
    let room = screen.lines.saturating_sub(1);
    let all = joined(server.clone(), table.clone(), notes);
    match all.len() <= room {
        true => all,
        false => some(server, table, report, (now, room, screen.columns)),
    }
}

/// The worst, and how many more there are.
fn some(
    server: Vec<String>,
    mut table: Vec<String>,
    report: &StatusReport,
    (now, room, columns): (Timestamp, usize, usize),
) -> Vec<String> {
    let items = &report.items;
    // Without the server's lines, the table's heads, and the one that closes it.
    let room = room.saturating_sub(server.len() + 2);
    let causes = items.iter().filter(|item| row::note(item, now).is_some());
    let causes = causes.count().min(room / 4);
    let shown = room - causes - usize::from(causes > 0);
    let shown = shown.clamp(1, items.len().max(1));
    table.truncate(shown + 1);
    let (seen, hidden) = items.split_at(shown.min(items.len()));
    table.push(cut(&more(hidden), columns));
    let notes = seen.iter().filter_map(|item| row::note(item, now));
    let notes = notes.take(causes).map(|note| cut(&note, columns));
    joined(server, table, notes.collect())
}

fn more(hidden: &[ProfileStatus]) -> String {
    let all = "`locum status --all`";
    let not_ok = hidden.iter().filter(|item| concern(item) != Standing::Ok);
    match (hidden.len(), not_ok.count()) {
        (0, _) => format!("and more causes of failures; {all}"),
        (count, 0) => format!("and {count} more that are ok; {all}"),
        (count, not_ok) => format!("and {count} more, {not_ok} of them not ok; {all}"),
    }
}

fn joined(mut lines: Vec<String>, table: Vec<String>, notes: Vec<String>) -> Vec<String> {
    lines.extend(table);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines
}

fn server(server: &ServerStatus, now: Timestamp) -> Vec<String> {
    let state = match (server.running, server.seen) {
        (true, Some(seen)) => format!("Server: running, seen {} ago", ago(seen, now)),
        (false, Some(seen)) => format!(
            "Server: NOT RUNNING, last seen {} ago; token and traffic (~) are of then",
            ago(seen, now)
        ),
        (_, None) => "Server: not running".to_owned(),
    };
    let problem = server.configuration_problem.as_ref();
    let problem = problem.map(|problem| format!("REFUSED, the former is served: {problem}"));
    [state].into_iter().chain(problem).collect()
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::domain::health::{LastFailure, TokenState};
    use crate::domain::organization::OrganizationState;

    fn now() -> Timestamp {
        "2026-11-26T06:00:00Z".parse().unwrap()
    }

    fn item(organization: &str, standing: Standing) -> ProfileStatus {
        let refused = standing == Standing::Refused;
        let cause = "credential_refused: the login endpoint refused the credential: HTTP 401, and \
                     a great many words of the provider that nobody has room for";
        ProfileStatus {
            organization: organization.parse().unwrap(),
            organization_state: OrganizationState::Active,
            environment: "prod".parse().unwrap(),
            provider: "eka-care".parse().unwrap(),
            version: 3,
            issued: now() - 2_400.hours(),
            age_days: 100,
            due: now() - 240.hours(),
            days_left: -10,
            standing,
            rotation: Vec::new(),
            last_login: Some(now() - 23.minutes()),
            last_failure: refused.then(|| LastFailure {
                at: now() - 12.seconds(),
                cause: cause.to_owned(),
            }),
            token: match refused {
                true => TokenState::BackingOff,
                false => TokenState::Cached,
            },
            token_until: Some(now() + 48.minutes()),
            calls_hour: 123_456,
            errors_hour: if refused { 98_765 } else { 7 },
            written: Some(now()),
            stale: false,
        }
    }

    fn report(count: usize, refused: usize) -> StatusReport {
        let one = |number: usize| match number < refused {
            true => item(&format!("a-clinic-with-a-name-{number}"), Standing::Refused),
            false => item(&format!("clinic-{number}"), Standing::Ok),
        };
        StatusReport {
            server: ServerStatus {
                running: false,
                seen: Some(now() - 12.minutes()),
                configuration_problem: None,
            },
            items: (0..count).map(one).collect(),
        }
    }

    #[test]
    fn every_screen_holds_what_is_shown_on_it() {
        for (count, refused) in [(0, 0), (1, 1), (2, 1), (33, 0), (33, 5), (33, 33)] {
            let report = report(count, refused);
            for (columns, lines) in [(80, 24), (80, 25), (60, 10), (132, 40), (200, 60)] {
                let shown = super::lines(&report, now(), Some(Screen { columns, lines }), false);
                let text = shown.join("\n");
                assert!(width(&shown) <= columns, "{columns}:\n{text}");
                assert!(shown.len() < lines, "{count} on {lines}:\n{text}");
                let causes = if refused > 0 { 1 + refused } else { 0 };
                let cut_off = 2 + count + causes > lines - 1;
                assert_eq!(
                    text.contains("locum status --all"),
                    cut_off,
                    "{lines}:\n{text}"
                );
            }
        }
    }

    #[test]
    fn the_worst_are_shown_and_the_others_are_counted() {
        let screen = Screen {
            columns: 80,
            lines: 12,
        };
        let shown = super::lines(&report(33, 2), now(), Some(screen), false);
        insta::assert_snapshot!(shown.join("\n"), @r"
        Server: NOT RUNNING, last seen 12 min ago; token and traffic (~) are of then
        TENANT               PROVIDER  AGE   DUE   STATE    LOGIN  TOKEN     CALLS  ERRS
        a-clinic-…me-0/prod  eka-care  100d  -10d  refused  23m    wait 48m  123k   98k
        a-clinic-…me-1/prod  eka-care  100d  -10d  refused  23m    wait 48m  123k   98k
        clinic-2/prod        eka-care  100d  -10d  ok       23m    48m       123k   7
        clinic-3/prod        eka-care  100d  -10d  ok       23m    48m       123k   7
        clinic-4/prod        eka-care  100d  -10d  ok       23m    48m       123k   7
        and 28 more that are ok; `locum status --all`

        a-clinic-with-a-name-0/prod eka-care: last failure 12 s ago: credential_refused…
        a-clinic-with-a-name-1/prod eka-care: last failure 12 s ago: credential_refused…
        ");
        let whole = super::lines(&report(33, 2), now(), Some(screen), true);
        assert!(width(&whole) <= 80 && whole.len() > 38);
        let text = whole.join(" ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("that nobody has room for"), "{text}");
    }

    #[test]
    fn a_file_has_everything() {
        let lines = super::lines(&report(33, 5), now(), None, false);
        assert_eq!(lines.len(), 1 + 1 + 33 + 1 + 5);
        assert!(lines[39].ends_with("that nobody has room for"));
    }
}
