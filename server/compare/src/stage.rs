//! Scenes, played: starts who takes part, lets them take turns A B A B, and ends them. What figures come to is not decided
//! here.

use std::{collections::BTreeMap, path::Path, time::Duration};

use tokio::time::sleep;

use crate::{
    generator::{Generator, Pace, Sample, Target, sample},
    herd,
    measure::Quantity,
    peers,
    process::{fetched, output, shown},
    programs,
    scene::{Load, Scale, Scene},
    servers::{Programs, Server, answer_bytes},
    side::Side,
};

/// How often metrics are fetched from the server whose metrics are: sixty times as often as Prometheus does by default.
const FETCH_EVERY: Duration = Duration::from_millis(250);

/// What all sides did in one round.
pub type Round = BTreeMap<Side, Sample>;

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds of each scene.
    pub rounds: u32,
    /// How long turns are.
    pub pace: Pace,
    /// How large scenes are.
    pub scale: Scale,
}

/// What a scene came to.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// One after the other.
    pub rounds: Vec<Round>,
    /// How the load of the first side was made.
    pub command: String,
    /// Bytes of an encoded answer to a Get, where answers of others were made as large.
    pub message_bytes: Option<usize>,
    /// Sides that do not take part, and why.
    pub failed: BTreeMap<Side, String>,
}

/// Where scenes are played.
#[derive(Debug)]
pub struct Stage {
    programs: Programs,
    generator: Generator,
    plan: Plan,
}

impl Stage {
    /// A stage for these programs.
    #[must_use]
    pub fn new(programs: Programs, plan: Plan) -> Self {
        let generator = Generator { program: programs.program("hotplate"), cores: programs.cores.clone() };
        Self { programs, generator, plan }
    }

    /// Plays a scene with these sides, and says on the way what it does.
    ///
    /// # Errors
    /// Somebody does not start, or a turn fails.
    pub async fn play(&self, scene: Scene, sides: &[Side], say: &dyn Fn(&str)) -> Result<Played, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no folder for what is started: {error}"))?;
        match scene {
            Scene::Tasks => programs::tasks(&self.programs, self.plan, folder.path(), say).await,
            Scene::Near => programs::near(&self.programs, self.plan, folder.path(), say).await,
            Scene::Idle => programs::idle(&self.programs, self.plan, folder.path(), say).await,
            _ => self.turns(scene, sides, folder.path(), say).await,
        }
    }

    async fn turns(&self, scene: Scene, sides: &[Side], folder: &Path, say: &dyn Fn(&str)) -> Result<Played, String> {
        let mut played = Played::default();
        let players = self.enter(scene, sides, folder, &mut played).await?;
        let rate = if scene == Scene::HalfRate { Some(self.half_rate(&players).await?) } else { None };
        for number in 1..=self.plan.rounds {
            say(&format!("round {number} of {}", self.plan.rounds));
            let round = self.round(&players, rate, &mut played.failed, say).await;
            played.rounds.push(round);
        }
        if let Some((player, load)) = players.first() {
            let command = self.generator.turn(&player.target, &Load { rate, ..*load }, self.plan.pace);
            played.command = self.plain(&shown(&command), &player.target);
        }
        Ok(played)
    }

    /// A turn of everyone. Who fails twice in a row does not take part any more.
    async fn round(
        &self,
        players: &[(Server, Load)],
        rate: Option<f64>,
        failed: &mut BTreeMap<Side, String>,
        say: &dyn Fn(&str),
    ) -> Round {
        let mut round = Round::new();
        for (player, load) in players {
            let side = player.target.side;
            let load = Load { rate, ..*load };
            let mut taken = match failed.contains_key(&side) {
                true => continue,
                false => self.turn(player, &load).await,
            };
            if let Err(why) = &taken {
                say(&format!("{} once more: {why}", side.name()));
                taken = self.turn(player, &load).await;
            }
            match taken {
                Ok(sample) => drop(round.insert(side, sample)),
                Err(why) => drop(failed.insert(side, why)),
            }
        }
        round
    }

    /// Starts all sides, and writes what will be read. Bare servers come last: they answer as large as ours do.
    async fn enter(
        &self,
        scene: Scene,
        sides: &[Side],
        folder: &Path,
        played: &mut Played,
    ) -> Result<Vec<(Server, Load)>, String> {
        let mut players = Vec::new();
        let (others, bare): (Vec<&Side>, Vec<&Side>) = sides.iter().partition(|side| side.shape().is_none());
        for side in others.into_iter().chain(bare) {
            let load = scene.load(*side, self.plan.scale).ok_or("the scene has no load")?;
            let own = folder.join(format!("{side:?}"));
            std::fs::create_dir_all(&own).map_err(|error| format!("cannot make {}: {error}", own.display()))?;
            match self.start(*side, &load, played.message_bytes, &own).await {
                Ok(player) => players.push((player, load)),
                // Nothing can be compared without it.
                Err(why) if *side == Side::Ours => return Err(why),
                Err(why) => drop(played.failed.insert(*side, why)),
            }
            if let (Side::Ours, "unary" | "pipeline", Some((ours, load))) = (*side, load.mode, players.last()) {
                played.message_bytes = Some(answer_bytes(&ours.target, load.view).await?);
            }
        }
        players.sort_by_key(|(player, _)| sides.iter().position(|side| *side == player.target.side));
        Ok(players)
    }

    async fn start(
        &self,
        side: Side,
        load: &Load,
        message_bytes: Option<usize>,
        folder: &Path,
    ) -> Result<Server, String> {
        if side.shape().is_some() {
            return self.programs.start_bare(side, load, message_bytes, folder).await;
        }
        let cores = &self.programs.cores;
        let player = if side.is_ours() {
            self.programs.start_ours(side, Some(load), folder).await?
        } else {
            peers::start(side, cores, folder).await?
        };
        if side == Side::RedisBenchmark {
            peers::fill_redis_benchmark(cores, &player.target, load).await?;
        } else if load.read_ratio > 0.0 {
            let filled = output(&mut self.generator.fill(&player.target, load)).await;
            filled.map_err(|error| format!("{} could not be filled: {error}", side.name()))?;
        }
        Ok(player)
    }

    async fn turn(&self, player: &Server, load: &Load) -> Result<Sample, String> {
        let target = &player.target;
        if target.side == Side::RedisBenchmark {
            let cores = &self.programs.cores;
            return peers::redis_benchmark_turn(cores, target, load, self.plan.pace.seconds).await;
        }
        let mut command = self.generator.turn(target, load, self.plan.pace);
        let turn = output(&mut command);
        let said = match (target.side, player.http_port) {
            (Side::OursScraped | Side::OursTokenScraped, Some(port)) => tokio::select! {
                said = turn => said?,
                failed = fetch_metrics(port) => return Err(failed),
            },
            (Side::OursHerd, _) => tokio::select! {
                said = turn => said?,
                failed = herd::wait(target) => return Err(failed),
            },
            _ => turn.await?,
        };
        sample(&said)
    }

    /// Half of what the server does when calls come as fast as answers.
    async fn half_rate(&self, players: &[(Server, Load)]) -> Result<f64, String> {
        let (player, load) = players.first().ok_or("nobody takes part")?;
        let peak = self.turn(player, load).await?;
        peak.get(&Quantity::Throughput).map(|peak| peak / 2.0).ok_or_else(|| "no peak rate".to_owned())
    }

    /// A command without what is different in every run.
    fn plain(&self, command: &str, target: &Target) -> String {
        let folder = format!("{}/", self.programs.folder.display());
        command
            .replace(&folder, "")
            .replace(&target.address, "HOST:PORT")
            .replace(&format!("--pid {}", target.id), "--pid PID")
    }
}

/// Fetches metrics until it is dropped; ends only when that fails.
async fn fetch_metrics(port: u16) -> String {
    loop {
        match fetched(port, "/metrics").await {
            Ok(text) if text.contains("hotplate_") => sleep(FETCH_EVERY).await,
            Ok(text) => return format!("no metrics: {}", text.lines().next().unwrap_or_default()),
            Err(error) => return format!("no metrics: {error}"),
        }
    }
}
