//! Security schemes to credential fields, headers and a login, as far as a profile can say them.

use url::Url;

use super::node::Node;
use super::spec::Spec;
use super::words::{Names, line, snake};
use crate::catalog::compile::usable_header;

/// How requests come by what they carry.
#[derive(Default)]
pub(super) enum Login {
    /// The file does not say.
    #[default]
    Unknown,
    /// There is none: fields go into headers as they are.
    None,
    /// Client credentials of OAuth: the path, and the fields of id and secret.
    Client {
        path: String,
        fields: (String, String),
    },
}

#[derive(Default)]
pub(super) struct Access {
    /// Name and description.
    pub fields: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    /// User and password of HTTP Basic, where requests carry them: names of fields.
    pub basic: Option<(String, String)>,
    pub login: Login,
    /// What a person has to complete.
    pub complete: Vec<String>,
}

/// What the first of the file's security requirements takes.
pub(super) fn access(spec: &Spec, base_url: &Url) -> Access {
    let mut access = Access::default();
    let mut names = Names::default();
    for reserved in ["access_token", "refresh_token"] {
        names.unique(reserved, 40);
    }
    let schemes = schemes(spec);
    let mut takes_token = schemes.is_empty();
    if schemes.is_empty() {
        let said =
            "the file does not say how requests are authenticated: fields, login and headers";
        access.complete.push(said.to_owned());
    }
    for scheme in schemes {
        takes_token |= access.scheme(scheme, base_url, &mut names);
    }
    if takes_token
        && access.basic.is_none()
        && !access
            .headers
            .iter()
            .any(|(name, _)| name == "Authorization")
    {
        let bearer = (
            "Authorization".to_owned(),
            "Bearer {access_token}".to_owned(),
        );
        access.headers.push(bearer);
    }
    if takes_token && access.fields.is_empty() {
        access.field(
            "client_id",
            "Client id, from the provider's console",
            &mut names,
        );
        access.field(
            "client_secret",
            "Client secret, from the provider's console",
            &mut names,
        );
    }
    match (takes_token, &access.login) {
        (true, Login::Unknown) => {
            let said = "the request that makes an access token out of the fields, and where its answer has the token";
            access.complete.push(said.to_owned());
        }
        (false, _) if !access.headers.is_empty() || access.basic.is_some() => {
            access.login = Login::None;
        }
        // What a profile cannot put anywhere is to be completed; a credential has a field.
        (false, _) => {
            access.field("key", "What requests are authenticated with", &mut names);
        }
        (true, _) => {}
    }
    access
}

/// The schemes of the first requirement; of an operation's, where the file has none; else the first.
fn schemes(spec: &Spec) -> Vec<&Node> {
    let components = spec.root.get("components");
    let known = |name: &str| {
        let scheme = components?.get("securitySchemes")?.get(name)?;
        spec.resolve(scheme).ok()
    };
    let required = |node: &'_ Node| -> Vec<String> {
        let tables = node.items("security").take(20).filter_map(Node::table);
        let first = tables.filter(|table| !table.is_empty()).take(1);
        first
            .flat_map(|table| table.keys().take(5).cloned())
            .collect()
    };
    let mut names = required(&spec.root);
    if names.is_empty() {
        let items = spec
            .root
            .entries("paths")
            .filter_map(|(_, item)| item.table());
        let all = items
            .flat_map(|item| item.values())
            .map(|node| required(node));
        names = all
            .into_iter()
            .find(|names| !names.is_empty())
            .unwrap_or_default();
    }
    if names.is_empty() {
        let first = components
            .into_iter()
            .flat_map(|node| node.entries("securitySchemes"))
            .next();
        names.extend(first.map(|(name, _)| name.to_owned()));
    }
    names.iter().filter_map(|name| known(name)).collect()
}

impl Access {
    fn field(&mut self, name: &str, description: &str, names: &mut Names) -> String {
        let name = match snake(name, 40) {
            empty if empty.is_empty() => "key".to_owned(),
            name => name,
        };
        let name = names.unique(&name, 40);
        self.fields.push((name.clone(), description.to_owned()));
        name
    }

    fn header(&mut self, name: &str, value: String) {
        let is_new = !self
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name));
        if is_new {
            self.headers.push((name.to_owned(), value));
        }
    }

    /// Adds what a scheme takes; whether that is an access token.
    fn scheme(&mut self, scheme: &Node, base_url: &Url, names: &mut Names) -> bool {
        let kind = scheme.text("type").unwrap_or_default();
        let way = scheme
            .text("scheme")
            .unwrap_or_default()
            .to_ascii_lowercase();
        match (kind, way.as_str()) {
            ("http", "bearer") => true,
            ("http", "basic") => {
                let user = self.field("user", "User name of HTTP Basic", names);
                let password = self.field("password", "Password of HTTP Basic", names);
                self.basic = Some((user, password));
                false
            }
            ("apiKey", _) => self.api_key(scheme, names),
            ("oauth2", _) => {
                self.oauth(scheme, base_url, names);
                true
            }
            _ => {
                let kind = line(&format!("{kind} {way}"), 60);
                let said = format!(
                    "requests are authenticated by `{}`, which a profile has not",
                    kind.trim()
                );
                self.complete.push(said);
                true
            }
        }
    }

    fn api_key(&mut self, scheme: &Node, names: &mut Names) -> bool {
        let name = scheme
            .text("name")
            .filter(|name| name.len() <= 100)
            .unwrap_or_default();
        match (scheme.text("in"), usable_header(name)) {
            (Some("header"), Ok(_)) => {
                let field = self.field(name, &format!("API key, sent as the header {name}"), names);
                self.header(name, format!("{{{field}}}"));
            }
            (place, _) => self.complete.push(format!(
                "the key `{}` goes into the {} of requests, where a profile cannot put it",
                line(name, 60),
                line(place.unwrap_or("header"), 20),
            )),
        }
        false
    }

    fn oauth(&mut self, scheme: &Node, base_url: &Url, names: &mut Names) {
        let flow = scheme
            .get("flows")
            .and_then(|flows| flows.get("clientCredentials"));
        let Some(flow) = flow else {
            let said = "the file has no OAuth flow `clientCredentials`, and a profile has no login through a browser";
            return self.complete.push(said.to_owned());
        };
        let id = self.field("client_id", "OAuth client id", names);
        let secret = self.field("client_secret", "OAuth client secret", names);
        let token_url = flow
            .text("tokenUrl")
            .filter(|url| url.len() <= 1000)
            .unwrap_or_default();
        match below(base_url, token_url) {
            Some(path) => {
                let fields = (id, secret);
                self.login = Login::Client { path, fields };
            }
            None => self.complete.push(format!(
                "the token comes from `{}`, which is not below the base URL",
                line(token_url, 120)
            )),
        }
    }
}

/// The path of a URL below another one, where a login can have it.
fn below(base_url: &Url, url: &str) -> Option<String> {
    let url = base_url.join(url).ok()?;
    let prefix = base_url.path().trim_end_matches('/');
    let path = url.path().strip_prefix(prefix)?;
    let fixed = path.starts_with('/') && !path.contains('{') && path.len() > 1;
    let sound = fixed
        && url.origin() == base_url.origin()
        && url.query().is_none()
        && url.fragment().is_none();
    sound.then(|| path.to_owned())
}
