//! What a call would do, for people: requests as they would go out.

use crate::app::Rehearsed;
use crate::cli::output::Output;

pub(super) fn show(rehearsed: &[Rehearsed], output: &Output) {
    output.data(&serde_json::json!({"items": rehearsed}));
    for (index, part) in rehearsed.iter().enumerate() {
        if index > 0 {
            output.say("");
        }
        for line in lines(part) {
            output.say(&line);
        }
    }
}

fn lines(part: &Rehearsed) -> Vec<String> {
    match part {
        Rehearsed::Request { step, request } => {
            let mut lines: Vec<String> = step.iter().map(|step| format!("# step {step}")).collect();
            lines.push(format!("{} {}", request.method, request.url));
            let headers = request.headers.iter();
            lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
            if let Some(body) = &request.body {
                lines.push(String::new());
                lines.push(serde_json::to_string_pretty(body).unwrap_or_default());
            }
            lines
        }
        Rehearsed::Open {
            step,
            needs,
            request,
            for_each,
        } => {
            let needs = needs.join(", ");
            let many = if *for_each { " for each of a list" } else { "" };
            let what = match request {
                Some(request) => format!("{request}{many}"),
                None => "a value".to_owned(),
            };
            vec![format!(
                "# step {step}: {what}, by what is answered to: {needs}"
            )]
        }
        Rehearsed::LeftOut { step } => {
            vec![format!("# step {step}: left out, `when` does not hold")]
        }
        Rehearsed::Answer {
            step,
            is_error,
            answer,
        } => {
            let kind = if *is_error { "an error" } else { "the answer" };
            vec![
                format!("# step {step}: the call ends with {kind}"),
                serde_json::to_string_pretty(answer).unwrap_or_default(),
            ]
        }
    }
}
