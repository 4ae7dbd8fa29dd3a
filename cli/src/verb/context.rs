//! `hotplate context`: saved connections.

use std::io::{self, Read};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    args::Global,
    context::{Contexts, Saved},
    exit::{Exit, Failure, Outcome},
    output::{Output, human},
};

const EXAMPLES: &str = "\
Examples:
  hotplate context add prod --endpoint https://cache.internal:7070 --token-file /run/secrets/token
  hotplate context use prod
  hotplate context ls
  hotplate --context prod stats

Flags come first, then environment variables, then the context, then the defaults.";

/// Save connections and pick one
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Context {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Save the connection that the other flags describe; `--token -` reads the token from stdin
    Add {
        /// Name to save it under
        name: String,
    },
    /// List the saved connections
    Ls,
    /// Use a saved connection from now on
    Use {
        /// Its name
        name: String,
    },
    /// Forget a saved connection
    Rm {
        /// Its name
        name: String,
    },
}

impl Context {
    /// Runs it.
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let contexts = Contexts::open(global.config_home.as_deref())?;
        match self.what {
            What::Add { name } => {
                let file = contexts.write(&name, &described(global)?)?;
                output.note(&format!("saved in {}", human::escape(&file.display().to_string())))?;
            }
            What::Ls => list(&contexts, output)?,
            What::Use { name } => {
                contexts.choose(&name)?;
                output.note(&format!("using {name}"))?;
            }
            What::Rm { name } => {
                contexts.remove(&name)?;
                output.note(&format!("forgot {name}"))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// The connection that flags and environment describe.
fn described(global: &Global) -> Result<Saved, Failure> {
    let token = match global.token.as_deref() {
        Some("-") => {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?;
            Some(text.trim().to_owned())
        }
        token => token.filter(|token| !token.is_empty()).map(str::to_owned),
    };
    let saved = Saved {
        endpoint: global.endpoint.clone(),
        namespace: global.namespace.clone(),
        token,
        token_file: global.token_file.clone(),
        cacert: global.cacert.clone(),
        timeout: global.timeout.map(hotplate::format_duration),
    };
    if saved == Saved::default() {
        return Err(Failure::usage("there is nothing to save: give at least --endpoint, --namespace or --token"));
    }
    Ok(saved)
}

fn list(contexts: &Contexts, output: &mut Output) -> Result<(), Failure> {
    let current = contexts.current()?;
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for name in contexts.names()? {
        let saved = contexts.read(&name)?;
        let in_use = current.as_deref() == Some(name.as_str());
        let endpoint = saved.endpoint.unwrap_or_default();
        let namespace = saved.namespace.unwrap_or_default();
        let token = saved.token.is_some() || saved.token_file.is_some();
        let mark = if in_use { "*" } else { "" };
        let has = if token { "yes" } else { "no" };
        objects.push(json!({
            "name": name, "in_use": in_use, "endpoint": endpoint, "namespace": namespace, "token": token,
        }));
        rows.push(vec![mark.to_owned(), name, human::escape(&endpoint), human::escape(&namespace), has.to_owned()]);
    }
    if output.wants_json() {
        return output.json(&json!({"contexts": objects}));
    }
    if rows.is_empty() {
        return output.note("no connection is saved yet: hotplate context add NAME --endpoint URL");
    }
    output.rows(&["", "NAME", "ENDPOINT", "NAMESPACE", "TOKEN"], &rows)
}
