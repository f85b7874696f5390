//! `isolation`: a million interleaved calls of many tenants, with the same ids and arguments
//! everywhere, while credentials change, tokens end and the upstream answers 401. The test of the
//! same name makes a tenth of them in every build.

use std::time::Instant;

use crate::report::{Goal, Section};
use crate::support::interleaved::{self, Interleaved};
use crate::{Cli, Failure, progress};

pub async fn measure(cli: &Cli) -> Result<Section, Failure> {
    let calls = cli.interleaved;
    let started = Instant::now();
    let made = interleaved::run(calls, |answered| {
        progress(&format!("{answered} of {calls} calls are answered"));
    })
    .await;
    let took = started.elapsed().as_secs();
    let Interleaved {
        wrong,
        disturbances,
        logins,
        unauthorized,
        heard_of,
    } = made;
    wrong.iter().take(5).for_each(|wrong| println!("{wrong}"));
    let text = format!(
        "| calls | tenants | disturbances | logins | 401s | wrong answers | s |\n\
         |---|---|---|---|---|---|---|\n\
         | {calls} | {heard_of} | {disturbances} | {logins} | {unauthorized} | {} | {took} |\n",
        wrong.len()
    );
    let goal = Goal {
        what: format!("Wrong answers in {calls} interleaved calls"),
        bound: 0.0,
        measured: wrong.len() as f64,
        unit: "",
    };
    Ok(Section::new("isolation", text, vec![goal]))
}
