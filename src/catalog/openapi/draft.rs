//! A tool before it is written.

use super::schema::Schema;

#[derive(Default)]
pub(super) struct Draft {
    pub name: String,
    pub title: String,
    pub description: String,
    pub method: &'static str,
    pub path: String,
    /// Arguments: name, schema, whether it is required.
    pub arguments: Vec<(String, Schema, bool)>,
    /// Names that programs make for the request's templates.
    pub with: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub query: Vec<Query>,
    /// The argument that is the body.
    pub body: Option<String>,
    /// `text` or `bytes`, where the answer is no JSON.
    pub kind: Option<&'static str>,
    /// What a person should know.
    pub notes: Vec<String>,
}

pub(super) struct Query {
    pub name: String,
    pub value: String,
    /// A number or flag: 0 and false are values like others.
    pub always: bool,
}
