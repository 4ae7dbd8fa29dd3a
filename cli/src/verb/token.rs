//! `hotplate token`: makes tokens for a server's configuration. Talks to no server.

use clap::{Args, Subcommand};
use hotplate_daemon::access::{Role, token};
use serde_json::json;
use toml::value::Datetime;

use crate::{
    exit::{Exit, Failure, Outcome},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  hotplate token create                                       reads everywhere
  hotplate token create --role writer --namespaces 'team-a/*,shared'
  hotplate token create --role admin --expires 2030-01-01T00:00:00Z";

/// Make tokens
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token: prints the secret once, and what belongs into the server's configuration
    #[command(after_help = EXAMPLES)]
    Create(Create),
}

#[derive(Args, Debug)]
struct Create {
    /// What it allows: reader, writer or admin
    #[arg(long, value_name = "ROLE", default_value = "reader", value_parser = role)]
    role: Role,
    /// Where: names, prefix/* or *
    #[arg(long, value_name = "NAMES", default_value = "*", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// From when on it is refused, such as 2030-01-01T00:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    expires: Option<String>,
}

fn role(text: &str) -> Result<Role, String> {
    Role::named(text).ok_or_else(|| "write reader, writer or admin".to_owned())
}

fn moment(text: &str) -> Result<String, String> {
    match text.parse::<Datetime>() {
        Ok(moment) if moment.date.is_some() && (moment.time.is_none() || moment.offset.is_some()) => {
            Ok(text.to_owned())
        }
        _ => Err("write it like 2030-01-01T00:00:00Z or 2030-01-01".to_owned()),
    }
}

impl Token {
    /// Runs it.
    pub(crate) fn run(self, output: &mut Output) -> Outcome {
        match self.what {
            What::Create(create) => create.run(output),
        }
    }
}

impl Create {
    fn run(self, output: &mut Output) -> Outcome {
        if self.namespaces.iter().any(|name| name.is_empty()) {
            return Err(Failure::usage("an empty name is no namespace: write * for all"));
        }
        let made = token::generate();
        if output.wants_json() {
            output.json(&json!({
                "token": made.secret_text,
                "id": made.id,
                "sha256": made.sha256_hex,
                "role": self.role.name(),
                "namespaces": self.namespaces,
                "expires": self.expires,
            }))?;
            return Ok(Exit::Done);
        }
        output.line("# For the caller, shown this once: keep it secret.")?;
        output.line(&made.secret_text)?;
        output.line("\n# For the server's configuration file:")?;
        output.line("[[access.tokens]]")?;
        output.line(&format!("id = \"{}\"", made.id))?;
        output.line(&format!("sha256 = \"{}\"", made.sha256_hex))?;
        output.line(&format!("role = \"{}\"", self.role.name()))?;
        output.line(&format!("namespaces = {}", toml::Value::from(self.namespaces)))?;
        if let Some(expires) = self.expires {
            output.line(&format!("expires = {}", toml::Value::from(expires)))?;
        }
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_date_and_a_zone() {
        assert!(moment("2030-01-01").is_ok());
        assert!(moment("2030-01-01T00:00:00Z").is_ok());
        for text in ["2030-01-01T00:00:00", "12:00:00", "tomorrow"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
