//! That the servers are what they are said to be, and can be made to fail.

use std::time::Duration;

use hotplate_redisctl::{Cluster, Options, Result, Sentinel, Server, slot_of};

fn set_and_get(server: &Server, value: &str) -> Result<String> {
    server.command(&["SET", "k", value])?;
    server.text(&["GET", "k"])
}

#[test]
fn a_server_starts_is_changed_killed_and_restarted_on_its_port() -> Result<()> {
    let mut server = Server::start()?;
    assert_eq!(set_and_get(&server, "1")?, "1");
    server.config_set("maxmemory", "100mb")?;
    server.acl_user("reader", &["on", ">secret", "~*", "+get"])?;
    let (port, run) = (server.port(), server.info("server", "run_id")?);
    server.restart()?;
    assert_eq!(server.port(), port);
    assert_ne!(server.info("server", "run_id")?, run);
    assert!(server.command(&["GET", "k"])?.extract_error().is_ok_and(|value| value == hotplate_redisctl::Value::Nil));
    server.kill();
    assert!(server.command(&["PING"]).is_err());
    Ok(())
}

#[test]
fn a_persistent_server_has_what_it_had_after_a_restart() -> Result<()> {
    let mut server = Server::with(Options::default().persistent().password("secret"))?;
    set_and_get(&server, "kept")?;
    server.restart()?;
    assert_eq!(server.text(&["GET", "k"])?, "kept");
    Ok(())
}

#[test]
fn a_paused_server_goes_on_when_it_is_resumed() -> Result<()> {
    let mut server = Server::with(Options::default().tls())?;
    assert!(server.url().starts_with("rediss://") && server.ca_file().is_some_and(std::path::Path::exists));
    server.pause()?;
    let mut stream = std::net::TcpStream::connect(server.address()).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_millis(50))).map_err(|error| error.to_string())?;
    assert!(std::io::Read::read(&mut stream, &mut [0]).is_err(), "a paused server says nothing");
    server.resume()?;
    assert_eq!(set_and_get(&server, "2")?, "2");
    Ok(())
}

#[test]
fn a_sentinel_makes_another_server_the_master() -> Result<()> {
    let mut group = Sentinel::start()?;
    let before = group.master()?;
    set_and_get(&group.servers[before], "1")?;
    let after = group.failover()?;
    assert_eq!(set_and_get(&group.servers[after], "2")?, "2");
    group.servers[after].kill();
    let last = group.another_master(after)?;
    assert_ne!(last, after);
    Ok(())
}

#[test]
fn a_cluster_moves_slots_and_masters() -> Result<()> {
    let mut cluster = Cluster::start()?;
    let slot = slot_of("{a}1");
    assert_eq!(slot, 15_495, "the example of the specification");
    let from = cluster.master_of(slot)?;
    cluster.nodes[from].command(&["SET", "{a}1", "x"])?;
    let to = (0..3).find(|at| *at != from).ok_or("three masters")?;
    cluster.migrate(slot, to)?;
    assert_eq!(cluster.nodes[to].text(&["GET", "{a}1"])?, "x");
    let replica = cluster.failover(slot)?;
    assert_eq!(cluster.nodes[replica].text(&["GET", "{a}1"])?, "x");
    cluster.nodes[replica].kill();
    let last = cluster.another_master(slot, replica)?;
    assert_eq!(cluster.nodes[last].text(&["GET", "{a}1"])?, "x");
    Ok(())
}
