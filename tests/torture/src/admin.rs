//! What a server tells on its HTTP port: how its tiers are, and its metrics. What that means for a run is not decided here.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(5);

async fn get(http: SocketAddr, path: &str) -> Result<String, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(http).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map(|_| answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await;
    let answer = answer
        .map_err(|late| format!("{path} was not answered: {late}"))?
        .map_err(|error| format!("{path}: {error}"))?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| format!("{path} was answered with no body"))
}

/// How a tier says it is; `None` when the server has no such tier.
///
/// # Errors
/// The server does not answer.
pub async fn health(http: SocketAddr, tier: &str) -> Result<Option<String>, String> {
    let body = get(http, "/readyz?verbose").await?;
    let told: serde_json::Value = serde_json::from_str(&body).map_err(|error| format!("/readyz?verbose: {error}"))?;
    let tiers = told["tiers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = tiers.iter().find(|told| told["tier"] == tier);
    Ok(found.and_then(|told| told["health"].as_str()).map(ToOwned::to_owned))
}

/// Waits until a tier is up.
///
/// # Errors
/// There is no such tier, or it does not come up in time: how it is then.
pub async fn until_up(http: SocketAddr, tier: &str, patience: Duration) -> Result<(), String> {
    let up = async {
        loop {
            match health(http, tier).await? {
                Some(health) if health == "up" => return Ok(()),
                Some(_) => tokio::time::sleep(LOOK).await,
                None => return Err(format!("the server has no {tier} tier: is it built with one?")),
            }
        }
    };
    match tokio::time::timeout(patience, up).await {
        Ok(done) => done,
        Err(_) => {
            Err(format!("the {tier} tier did not come up in {patience:?}: {:?}", get(http, "/readyz?verbose").await))
        }
    }
}

/// The sum of all samples of a metric that have this label; 0 when there are none.
///
/// # Errors
/// The server does not answer.
pub async fn metric(http: SocketAddr, name: &str, label: &str) -> Result<f64, String> {
    let text = get(http, "/metrics").await?;
    Ok(sum(&text, name, label))
}

fn sum(text: &str, name: &str, label: &str) -> f64 {
    let of_metric = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let samples = text.lines().filter(of_metric).filter(|line| line.contains(label));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_metric_are_added_up() {
        let text = "# TYPE a counter\na_total{tier=\"disk\",kind=\"x\"} 2\na_total{tier=\"disk\",kind=\"y\"} 3\n\
                    a_total{tier=\"shared\"} 7\na_total_more{tier=\"disk\"} 9\n";
        assert!((sum(text, "a_total", "tier=\"disk\"") - 5.0).abs() < 1e-9);
        assert!(sum(text, "b_total", "").abs() < 1e-9);
    }
}
