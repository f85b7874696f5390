//! `.env` files. What was read can be written and read again; how lines end makes no difference; an
//! error names a line.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use locum::admin::{DotenvError, parse_dotenv};
use secrecy::ExposeSecret;

type Plain = BTreeMap<String, String>;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let read = plain(text);
    if !text.contains('\r') {
        assert_eq!(
            plain(&text.replace('\n', "\r\n")),
            read,
            "line ends of Windows"
        );
    }
    match &read {
        Ok(variables) => {
            assert!(variables.keys().all(|name| is_name(name)), "{variables:?}");
            assert!(variables.len() <= text.lines().count());
            assert_eq!(plain(&written(variables)).as_ref(), Ok(variables));
        }
        Err(error) => {
            assert!((1..=text.lines().count()).contains(&error.line), "{error}");
            let before: Vec<&str> = text.lines().take(error.line - 1).collect();
            assert!(
                plain(&before.join("\n")).is_ok(),
                "the first mistake is named"
            );
        }
    }
});

fn plain(text: &str) -> Result<Plain, DotenvError> {
    let variables = parse_dotenv(text)?;
    let plain =
        |(name, value): (String, secrecy::SecretString)| (name, value.expose_secret().into());
    Ok(variables.into_iter().map(plain).collect())
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(inner) && name.starts_with(|c: char| !c.is_ascii_digit())
}

fn written(variables: &Plain) -> String {
    let escapes = [('\\', r"\\"), ('"', "\\\""), ('\n', r"\n"), ('\r', r"\r")];
    let line = |(name, value): (&String, &String)| {
        let escaped = escapes
            .iter()
            .fold(value.clone(), |text, (from, to)| text.replace(*from, to));
        format!("export {name} = \"{escaped}\" # as it was\n")
    };
    variables.iter().map(line).collect()
}
