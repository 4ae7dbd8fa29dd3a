//! What a scenario is played on: its server, what stands between, and where clients are told to go. What happens on it is
//! `player`'s.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use hotplate_faultproxy::{End, Faults, Proxy, Way};
use hotplate_proto::v1::{self, cache_service_client::CacheServiceClient};
use serde_json::{Value, json};
use tonic::transport::Endpoint;

use crate::{
    origin::Origin,
    scenario::{Own, Scenario, Setting},
    scope::Scope,
    scripted::Scripted,
    server::{self, Server},
};

/// Who answers.
#[derive(Debug)]
enum Behind {
    Shared(SocketAddr),
    Own(Box<Server>),
    Scripted(Scripted),
    Nobody,
}

/// The stage of one scenario.
#[derive(Debug)]
pub(crate) struct Stage {
    behind: Behind,
    proxy: Option<Proxy>,
    origin: Option<Origin>,
}

/// What all stages have.
#[derive(Clone, Debug)]
pub(crate) struct House {
    /// The server's program.
    pub(crate) program: Arc<Path>,
    /// The server that most scenarios share.
    pub(crate) shared: SocketAddr,
}

impl Stage {
    /// Sets it up; the scope learns where things are.
    pub(crate) async fn set(house: &House, scenario: &Scenario, scope: &mut Scope) -> Result<Self, String> {
        let origin = match scenario.origin {
            true => Some(Origin::start().await?),
            false => None,
        };
        if let Some(origin) = &origin {
            scope.set("origin", json!(origin.address.to_string()));
        }
        let behind = match &scenario.server {
            Setting::Named(name) => match name.as_str() {
                "shared" => Behind::Shared(house.shared),
                "scripted" => Behind::Scripted(Scripted::start().await?),
                "none" => Behind::Nobody,
                "own" => Behind::Own(own(house, scenario, &Own::default(), scope).await?),
                other => return Err(format!("there is no server `{other}`: shared, own, scripted or none")),
            },
            Setting::Own(settings) => Behind::Own(own(house, scenario, settings, scope).await?),
        };
        let address = behind.address();
        let proxy = match scenario.proxy {
            true => Some(Proxy::start(address, 1).await.map_err(|error| format!("no proxy: {error}"))?),
            false => None,
        };
        let reached = proxy.as_ref().map_or(address, Proxy::address);
        scope.set("address", json!(reached.to_string()));
        scope.set("url", json!(format!("hotplate://{reached}")));
        scope.set("direct", json!(format!("hotplate://{address}")));
        Ok(Self { behind, proxy, origin })
    }

    /// Kills, starts, restarts, pauses or resumes the server.
    pub(crate) async fn server(&mut self, what: &Value) -> Result<(), String> {
        let Behind::Own(server) = &mut self.behind else {
            return Err("only a server of its own can be killed or stopped: `server: own`".to_owned());
        };
        match what.as_str().unwrap_or_default() {
            "kill" => server.kill().await,
            "stop" => server.stop().await,
            "start" => server.run().await,
            "restart" => {
                server.stop().await?;
                server.run().await
            }
            "pause" => server.pause().await,
            "resume" => server.resume(),
            _ => Err(format!("a server does not {what}: kill, stop, start, restart, pause or resume")),
        }
    }

    /// Breaks, or heals, what is between. What is cut is cut when this returns.
    pub(crate) async fn proxy(&self, what: &Value) -> Result<(), String> {
        let proxy = self.proxy.as_ref().ok_or("there is no proxy: `proxy: true`")?;
        match what.as_str() {
            Some("heal") => proxy.heal(),
            Some("refuse") => proxy.set(Faults::refusing()),
            Some("silent") => proxy.set(Faults::silent()),
            Some("cut") => proxy.cut_off(End::Closed).await,
            Some("reset") => proxy.cut_off(End::Reset).await,
            // Nobody can be reached any more, and who was is cut off.
            Some("away") => {
                proxy.set(Faults::refusing());
                proxy.cut_off(End::Reset).await;
            }
            _ => proxy.set(faults(what)?),
        }
        Ok(())
    }

    /// What the server's script is to be from now on.
    pub(crate) fn script(&self, lines: &Value) -> Result<(), String> {
        self.scripted()?.script(lines)
    }

    /// What the scripted server was asked.
    pub(crate) fn seen(&self, methods: &Value) -> Result<Value, String> {
        self.scripted()?.seen(methods)
    }

    /// The leases that are held of a namespace, and who waits for another's, as a real server counts them now.
    pub(crate) async fn leases(&self, namespace: &str) -> Result<Value, String> {
        let away = |error: tonic::transport::Error| format!("the server cannot be reached: {error}");
        let address = Endpoint::from_shared(format!("http://{}", self.behind.address())).map_err(away)?;
        let mut client = CacheServiceClient::new(address.connect().await.map_err(away)?);
        let request = v1::StatsRequest { namespace: namespace.to_owned(), ..v1::StatsRequest::default() };
        let stats = client.stats(request).await.map_err(|status| format!("the server has no statistics: {status}"))?;
        let stats = stats.into_inner();
        Ok(json!({ "held": stats.lease_count, "waiting": stats.lease_waiter_count }))
    }

    fn scripted(&self) -> Result<&Scripted, String> {
        match &self.behind {
            Behind::Scripted(scripted) => Ok(scripted),
            _ => Err("there is no script: `server: scripted`".to_owned()),
        }
    }

    /// How often the origin was asked for a key.
    pub(crate) fn origin(&self, key: &str) -> Result<Value, String> {
        let origin = self.origin.as_ref().ok_or("there is no origin: `origin: true`")?;
        Ok(json!({ "asked": origin.asked(key) }))
    }

    /// What stands between is healed, and a server that was stopped goes on: clients are to be closed now.
    pub(crate) fn clear(&self) {
        if let Some(proxy) = &self.proxy {
            proxy.heal();
        }
        if let Behind::Own(server) = &self.behind {
            // One that was killed has nothing to go on with.
            let _ended = server.resume();
        }
    }
}

impl Behind {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Shared(address) => *address,
            Self::Own(server) => server.address,
            Self::Scripted(scripted) => scripted.address,
            // A port that is never listened on.
            Self::Nobody => SocketAddr::from(([127, 0, 0, 1], 1)),
        }
    }
}

async fn own(house: &House, scenario: &Scenario, own: &Own, scope: &mut Scope) -> Result<Box<Server>, String> {
    let mut settings = Own { args: own.args.clone(), config: filled(scope, &own.config)? };
    for (name, grant) in &scenario.tokens {
        let (secret, table) = server::token(&house.program, grant).await?;
        settings.config.push_str(&table);
        scope.set(name, json!(secret));
    }
    Ok(Box::new(Server::start(&house.program, settings).await?))
}

fn filled(scope: &Scope, text: &str) -> Result<String, String> {
    let filled = scope.filled(&json!(text))?;
    filled.as_str().map(str::to_owned).ok_or_else(|| "a configuration is text".to_owned())
}

/// What is wrong `up` or `down`, in the words of [`crate::words::WAY`].
fn faults(what: &Value) -> Result<Faults, String> {
    let unknown = || format!("a proxy does not {what}");
    let fields = what.as_object().ok_or_else(unknown)?;
    let mut faults = Faults::default();
    for (name, given) in fields {
        let way = match name.as_str() {
            "up" => &mut faults.up,
            "down" => &mut faults.down,
            _ => return Err(unknown()),
        };
        let number = |name: &str| given[name].as_u64();
        *way = Way {
            delay: Duration::from_millis(number("delay_ms").unwrap_or_default()),
            silent: given["silent"].as_bool().unwrap_or_default(),
            bytes_per_second: number("bytes_per_second"),
            ends_after: number("ends_after").map(|bytes| (bytes, End::Reset)),
            flips_one_in: number("flips_one_in"),
            ..Way::default()
        };
    }
    Ok(faults)
}
