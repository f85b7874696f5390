//! `locum client-config`: what to paste where. The key itself is never printed: clients read it
//! from the environment variable `LOCUM_KEY`, or ask for it.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::config::Loaded;
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;

#[derive(Clone, Copy, ValueEnum)]
enum Client {
    ClaudeDesktop,
    ClaudeCode,
    Cursor,
    Vscode,
    Windsurf,
    Zed,
    McpRemote,
    Curl,
}

#[derive(clap::Args)]
pub(super) struct Args {
    /// The client
    client: Client,
    /// The organization
    #[arg(long)]
    org: OrganizationSlug,
    /// The environment; needed when the key opens several
    #[arg(long)]
    env: Option<Environment>,
}

/// A snippet: where it goes, and what it is.
struct Snippet {
    place: &'static str,
    content: Content,
}

enum Content {
    Json(Value),
    Command(String),
}

pub(super) fn run(args: &Args, context: &Context, output: &Output) -> Result<(), CliError> {
    let loaded = if context.config.exists() {
        context.load()?
    } else {
        Loaded::parse(&context.config, "", [])?
    };
    let url = tenant_url(&loaded, &args.org, args.env.as_ref());
    let snippet = snippet(args.client, &url, &args.org);
    let name = args
        .client
        .to_possible_value()
        .map(|v| v.get_name().to_owned());
    let content = match &snippet.content {
        Content::Json(value) => value.clone(),
        Content::Command(text) => Value::from(text.as_str()),
    };
    output.data(&json!({"client": name, "place": snippet.place, "url": url, "config": content}));
    output.say(&format!("# {}", snippet.place));
    output.say(&match snippet.content {
        Content::Json(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Content::Command(text) => text,
    });
    Ok(())
}

/// The URL that names the tenant in its path, which every client can be given.
fn tenant_url(loaded: &Loaded, org: &OrganizationSlug, env: Option<&Environment>) -> String {
    let base = loaded.public_url();
    let base = base.as_str().trim_end_matches('/');
    match env {
        Some(env) => format!("{base}/t/{org}/{env}/mcp"),
        None => format!("{base}/t/{org}/mcp"),
    }
}

fn snippet(client: Client, url: &str, org: &OrganizationSlug) -> Snippet {
    let name = format!("locum-{org}");
    let header = |key: &str| json!({"Authorization": format!("Bearer {key}")});
    let json = |place, value| Snippet {
        place,
        content: Content::Json(value),
    };
    let command = |place, text| Snippet {
        place,
        content: Content::Command(text),
    };
    match client {
        Client::ClaudeDesktop => {
            let mut args = vec![
                "-y",
                "mcp-remote",
                url,
                "--header",
                "Authorization:${AUTH_HEADER}",
            ];
            args.extend(allow_http(url));
            json(
                "claude_desktop_config.json (needs Node.js; put the key in place of YOUR_KEY)",
                json!({"mcpServers": {name: {
                    "command": "npx", "args": args, "env": {"AUTH_HEADER": "Bearer YOUR_KEY"},
                }}}),
            )
        }
        Client::ClaudeCode => command(
            "run in a shell where LOCUM_KEY holds the key",
            format!(
                "claude mcp add --transport http {name} {url} \
                 --header \"Authorization: Bearer $LOCUM_KEY\""
            ),
        ),
        Client::Cursor => json(
            ".cursor/mcp.json",
            json!({"mcpServers": {name: {"url": url, "headers": header("${env:LOCUM_KEY}")}}}),
        ),
        Client::Vscode => json(
            ".vscode/mcp.json (asks for the key once)",
            json!({
                "inputs": [{"type": "promptString", "id": "locum-key",
                            "description": "Locum gateway key", "password": true}],
                "servers": {name: {"type": "http", "url": url,
                                   "headers": header("${input:locum-key}")}},
            }),
        ),
        Client::Windsurf => json(
            "~/.codeium/windsurf/mcp_config.json",
            json!({"mcpServers": {name: {"serverUrl": url, "headers": header("${env:LOCUM_KEY}")}}}),
        ),
        Client::Zed => json(
            "settings.json of Zed (put the key in place of YOUR_KEY)",
            json!({"context_servers": {name: {"url": url, "headers": header("YOUR_KEY")}}}),
        ),
        // The program puts the key in place of ${AUTH_HEADER}: it is in no argument that ps shows.
        Client::McpRemote => command(
            "any client that starts a command",
            format!(
                "AUTH_HEADER=\"Bearer $LOCUM_KEY\" \\\n  \
                 npx -y mcp-remote {url} --header 'Authorization:${{AUTH_HEADER}}'{}",
                allow_http(url).map_or(String::new(), |flag| format!(" {flag}"))
            ),
        ),
        Client::Curl => command("run in a shell where LOCUM_KEY holds the key", curl(url)),
    }
}

/// What mcp-remote has to be told before it sends anything in the clear to another machine. It takes
/// exactly two names for its own.
fn allow_http(url: &str) -> Option<&'static str> {
    let plain = url.strip_prefix("http://")?;
    let host = plain.split([':', '/']).next();
    let is_own = matches!(host, Some("localhost" | "127.0.0.1"));
    (!is_own).then_some("--allow-http")
}

/// A line that lists the tools.
pub(super) fn curl(url: &str) -> String {
    format!(
        "curl -s {url} -H \"Authorization: Bearer $LOCUM_KEY\" \
         -H 'Content-Type: application/json' \
         -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}}'"
    )
}
