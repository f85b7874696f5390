//! The file with the headers that a collector wants, such as its token: `Name: value` lines.

use std::path::{Path, PathBuf};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// Why the file is of no use; never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum HeadersFileError {
    #[error("traces.headers_file {path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("traces.headers_file {path}:{line}: write one header a line, as `Name: value`")]
    Line { path: PathBuf, line: usize },
}

/// Reads the file; empty lines and lines that start with `#` are comments.
pub fn read_headers(path: &Path) -> Result<HeaderMap, HeadersFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| HeadersFileError::Io {
        path: path.to_owned(),
        source,
    })?;
    let text = Zeroizing::new(text);
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = header(line).ok_or_else(|| HeadersFileError::Line {
            path: path.to_owned(),
            line: index + 1,
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HeaderMap, HeadersFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        std::fs::write(&path, text).unwrap();
        read_headers(&path)
    }

    #[test]
    fn reads_headers_and_shows_none() {
        let headers =
            read("# collector\n\nAuthorization: Basic c3ludGg6ZXRpYw==\r\nx-a:b\n").unwrap();
        assert_eq!(headers["authorization"], "Basic c3ludGg6ZXRpYw==");
        assert_eq!(headers["x-a"], "b");
        assert!(!format!("{headers:?}").contains("c3lu"));
    }

    #[test]
    fn a_mistake_names_its_line_and_not_what_is_in_it() {
        for text in [
            "a: b\nsecret-word",
            "a: b\nsecret word: c",
            "a: b\nx: secret\u{7f}",
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains("headers:2: write one header"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
