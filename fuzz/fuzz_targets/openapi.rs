//! OpenAPI documents. What is made of one loads, whatever the document says; what cannot be read is
//! complained about with its place.

#![no_main]

use std::collections::BTreeSet;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use locum::catalog::Catalog;
use locum::catalog::openapi::{Choice, Import, ImportError, import};
use locum::domain::destination::Destinations;
use locum::domain::provider::ProviderName;
use locum_fuzz::check_complaint;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let file = Path::new("api.yaml");
    let name = ProviderName::parse("api").expect("a name");
    match import((file, text), &Choice::default(), Some(name)) {
        Ok(made) => check(&made),
        Err(ImportError::Document(complaint)) => check_complaint(&complaint, text),
        Err(other) => panic!("{other}"),
    }
});

fn check(made: &Import) {
    let mut catalog = Catalog::default();
    let (path, anywhere) = (Path::new("api.toml"), Destinations::default());
    let added = catalog.add(path, &made.profile, &anywhere);
    assert!(added.is_ok(), "{added:?}\n{}", made.profile);
    let names: BTreeSet<&str> = made.tools.iter().map(|tool| tool.tool.as_str()).collect();
    let loaded: BTreeSet<&str> = catalog
        .tools()
        .map(|entry| entry.tool.name.as_str())
        .collect();
    assert_eq!(names, loaded);
    assert_eq!(names.len(), made.tools.len(), "names are given once");
    assert!(names.iter().all(|name| name.len() <= 64), "{names:?}");
    for left in &made.left_out {
        let said = !left.reason.is_empty() && !left.reason.contains('\n');
        assert!(left.line > 0 && said, "{left:?}");
    }
}
