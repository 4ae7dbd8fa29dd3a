//! Redis, memcached and etcd of this machine, each as its makers start it but for what would write to a disk, on free ports of
//! loopback. How they are driven is not known here.

use std::path::Path;

use tokio::process::Command;

use crate::{
    generator::{Sample, Target},
    measure::Quantity,
    process::{Core, Cores, Process, free_port, output},
    scene::Load,
    servers::Server,
    side::Side,
};

/// Starts one. Its files are in the folder.
///
/// # Errors
/// It is not installed, or does not start.
pub async fn start(side: Side, cores: &Cores, folder: &Path) -> Result<Server, String> {
    let port = free_port().await?;
    let (scheme, mut command, path) = match side {
        Side::Redis | Side::RedisBenchmark => ("redis", redis(cores, folder, port), None),
        Side::Memcached => ("memcached", memcached(cores, port), None),
        Side::Etcd => {
            let other = free_port().await?;
            ("etcd", etcd(cores, folder, port, other), Some(("/health", "\"health\":\"true\"")))
        }
        _ => return Err(format!("{} is no peer", side.name())),
    };
    let mut process = Process::start(&mut command, folder, scheme)?;
    process.ready(port, path).await?;
    let target = Target {
        side,
        address: format!("{scheme}://127.0.0.1:{port}"),
        id: process.id(),
        token_file: None,
        ca_file: None,
    };
    Ok(Server::new(target, process))
}

fn redis(cores: &Cores, folder: &Path, port: u16) -> Command {
    let mut command = cores.command(Path::new("redis-server"), Core::Server);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder);
    command
}

fn memcached(cores: &Cores, port: u16) -> Command {
    let mut command = cores.command(Path::new("memcached"), Core::Server);
    command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-t", "1", "-m", "1024"]);
    if rustix::process::getuid().is_root() {
        command.args(["-u", "root"]);
    }
    command
}

fn etcd(cores: &Cores, folder: &Path, port: u16, other: u16) -> Command {
    let (clients, members) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{other}"));
    let mut command = cores.command(Path::new("etcd"), Core::Server);
    command.arg("--data-dir").arg(folder.join("etcd")).args(["--name", "one", "--log-level", "error"]);
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &members, "--initial-advertise-peer-urls", &members]);
    command.args(["--initial-cluster", &format!("one={members}")]);
    command
}

/// Writes the keys that `redis-benchmark` reads.
///
/// # Errors
/// It fails.
pub async fn fill_redis_benchmark(cores: &Cores, target: &Target, load: &Load) -> Result<(), String> {
    let sets = (u64::from(load.keys) * 20).to_string();
    output(redis_benchmark(cores, target, load).args(["-t", "set", "-P", "64", "-n", &sets])).await.map(drop)
}

/// A turn of `redis-benchmark`: GETs, one after the other on each connection. A rate that it is to have is taken for what it
/// can do in the time.
///
/// # Errors
/// It fails, or says something else.
pub async fn redis_benchmark_turn(cores: &Cores, target: &Target, load: &Load, seconds: f64) -> Result<Sample, String> {
    /// GETs a second, about: how many make a turn.
    const EXPECTED: f64 = 90_000.0;
    let gets = format!("{:.0}", (EXPECTED * seconds).max(1000.0));
    let said = output(redis_benchmark(cores, target, load).args(["-t", "get", "-n", &gets])).await?;
    parse_redis_benchmark(&said).ok_or_else(|| format!("redis-benchmark said: {said}"))
}

fn redis_benchmark(cores: &Cores, target: &Target, load: &Load) -> Command {
    let port = target.address.rsplit(':').next().unwrap_or_default();
    let mut command = cores.command(Path::new("redis-benchmark"), Core::Generator);
    command.args(["--csv", "-h", "127.0.0.1", "-p", port, "-c", &load.in_flight.to_string()]);
    command.args(["-d", &load.value_size.to_string(), "-r", &load.keys.to_string()]);
    command
}

/// `"GET","90000.00","0.4","0.1","0.3","0.6","0.7","1.2"`: requests a second, then milliseconds: mean, least, p50, p95, p99.
fn parse_redis_benchmark(csv: &str) -> Option<Sample> {
    let row = csv.lines().find_map(|line| line.trim().strip_prefix("\"GET\","))?;
    let numbers: Vec<f64> = row.split(',').filter_map(|cell| cell.trim_matches('"').parse().ok()).collect();
    let rate = *numbers.first()?;
    let micros = |at: usize| numbers.get(at).map(|millis| millis * 1000.0);
    let mut sample = Sample::from([(Quantity::Throughput, rate)]);
    sample.extend(micros(3).map(|p50| (Quantity::Median, p50)));
    sample.extend(micros(5).map(|p99| (Quantity::P99, p99)));
    Some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_benchmark_says_is_read() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                   \"p99_latency_ms\",\"max_latency_ms\"\n\"GET\",\"91743.12\",\"0.383\",\"0.120\",\"0.375\",\"0.535\",\
                   \"0.655\",\"1.199\"\n";
        let sample = parse_redis_benchmark(csv).unwrap();
        assert!((sample[&Quantity::Throughput] - 91_743.12).abs() < 1e-6);
        assert!((sample[&Quantity::P99] - 655.0).abs() < 1e-6);
        assert!(parse_redis_benchmark("Could not connect").is_none());
    }

    #[tokio::test]
    async fn what_is_no_peer_is_not_started() {
        let folder = tempfile::tempdir().unwrap();
        assert!(start(Side::Ours, &Cores::default(), folder.path()).await.unwrap_err().contains("no peer"));
    }
}
