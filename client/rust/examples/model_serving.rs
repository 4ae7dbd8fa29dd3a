//! Serves a model without fitting it twice: k-means over the numeric columns of a CSV file, fitted once, kept in the
//! cache, read back by whoever asks next.
//!
//! `cargo run -p hotplate --example model_serving -- data.csv [clusters]`, with a server as for `quickstart`. The first
//! row may hold names; columns that are not numbers are left out. The key holds a hash of the file, so that other data
//! is another model. Prints how long fitting and reading took, and checks that both models predict the same.

use std::{error::Error, io, path::PathBuf};

use hotplate::{CacheMode, Client, ComputeOptions, Key, Namespace, TtlClass, WriteOptions};
use serde::{Deserialize, Serialize};

/// Starts with different first centres, of which the best result is kept.
const RESTARTS: usize = 40;
/// Rounds of one start at most.
const ROUNDS_MAX: usize = 300;

type Failure = Box<dyn Error + Send + Sync>;

/// Centres in the space of scaled columns, with what scales a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Model {
    means: Vec<f64>,
    deviations: Vec<f64>,
    centres: Vec<Vec<f64>>,
    inertia: f64,
}

impl Model {
    fn scaled(&self, row: &[f64]) -> Vec<f64> {
        row.iter().zip(&self.means).zip(&self.deviations).map(|((x, mean), deviation)| (x - mean) / deviation).collect()
    }

    fn predict(&self, row: &[f64]) -> usize {
        nearest(&self.centres, &self.scaled(row)).0
    }
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

fn nearest(centres: &[Vec<f64>], point: &[f64]) -> (usize, f64) {
    let distances = centres.iter().map(|centre| squared_distance(centre, point)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

/// One start: centres drawn far from each other (k-means++), then moved until nothing changes.
fn cluster(points: &[Vec<f64>], clusters: usize, draw: &mut impl FnMut() -> f64) -> (Vec<Vec<f64>>, f64) {
    let pick = |share: f64| ((share * points.len() as f64) as usize).min(points.len() - 1);
    let mut centres = vec![points[pick(draw())].clone()];
    while centres.len() < clusters {
        let weights: Vec<f64> = points.iter().map(|point| nearest(&centres, point).1).collect();
        let mut left = draw() * weights.iter().sum::<f64>();
        let chosen = weights.iter().position(|weight| {
            left -= weight;
            left <= 0.0
        });
        centres.push(points[chosen.unwrap_or(points.len() - 1)].clone());
    }
    let mut inertia = f64::INFINITY;
    for _ in 0..ROUNDS_MAX {
        let mut sums = vec![(vec![0.0; points[0].len()], 0.0); clusters];
        let mut total = 0.0;
        for point in points {
            let (index, distance) = nearest(&centres, point);
            total += distance;
            sums[index].1 += 1.0;
            sums[index].0.iter_mut().zip(point).for_each(|(sum, x)| *sum += x);
        }
        if total >= inertia {
            break;
        }
        inertia = total;
        for (centre, (sum, count)) in centres.iter_mut().zip(sums) {
            if count > 0.0 {
                *centre = sum.into_iter().map(|x| x / count).collect();
            }
        }
    }
    (centres, inertia)
}

fn fit(rows: &[Vec<f64>], clusters: usize) -> Model {
    let count = rows.len() as f64;
    let columns = 0..rows[0].len();
    let means: Vec<f64> = columns.map(|c| rows.iter().map(|row| row[c]).sum::<f64>() / count).collect();
    let variance = |(c, mean): (usize, &f64)| rows.iter().map(|row| (row[c] - mean).powi(2)).sum::<f64>() / count;
    let deviations: Vec<f64> =
        means.iter().enumerate().map(variance).map(|v| v.sqrt().max(f64::MIN_POSITIVE)).collect();
    let mut model = Model { means, deviations, centres: Vec::new(), inertia: f64::INFINITY };
    let points: Vec<Vec<f64>> = rows.iter().map(|row| model.scaled(row)).collect();
    // A fixed seed: the same data gives the same model.
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    for _ in 0..RESTARTS {
        let (centres, inertia) = cluster(&points, clusters, &mut draw);
        if inertia < model.inertia {
            model.centres = centres;
            model.inertia = inertia;
        }
    }
    model
}

/// The columns in which every row but possibly the first is a number.
fn numeric_rows(text: &str) -> Result<Vec<Vec<f64>>, Failure> {
    let lines: Vec<Vec<&str>> =
        text.lines().filter(|line| !line.trim().is_empty()).map(|l| l.split(',').collect()).collect();
    let body = lines.get(1..).filter(|body| !body.is_empty()).ok_or("the file has fewer than two rows")?;
    let number = |line: &Vec<&str>, column: usize| line.get(column).and_then(|cell| cell.trim().parse::<f64>().ok());
    let finite = |line: &Vec<&str>, column: usize| number(line, column).is_some_and(f64::is_finite);
    let columns: Vec<usize> = (0..body[0].len()).filter(|c| body.iter().all(|line| finite(line, *c))).collect();
    if columns.is_empty() {
        return Err("no column holds numbers only".into());
    }
    let first_is_data = columns.iter().all(|column| finite(&lines[0], *column));
    let used = if first_is_data { &lines[..] } else { body };
    Ok(used.iter().map(|line| columns.iter().filter_map(|column| number(line, *column)).collect()).collect())
}

/// Asks the cache, and fits when it has no model; tells how long that took and whether it fitted.
async fn serve(
    models: &Namespace,
    key: &Key,
    mode: CacheMode,
    rows: &[Vec<f64>],
    clusters: usize,
) -> Result<(Model, std::time::Duration, bool), Failure> {
    let write = WriteOptions::new().ttl(TtlClass::Day).kind("kmeans").tag("example:model_serving");
    let options = ComputeOptions::from(write).mode(mode);
    let (data, fitted) = (rows.to_vec(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let mark = std::sync::Arc::clone(&fitted);
    #[expect(clippy::disallowed_methods, reason = "an example measures what its reader would see")]
    let began = std::time::Instant::now();
    let model = models
        .get_or_compute(key, &options, move || async move {
            mark.store(true, std::sync::atomic::Ordering::Relaxed);
            tokio::task::spawn_blocking(move || fit(&data, clusters)).await.map_err(io::Error::other)
        })
        .await?;
    Ok((model, began.elapsed(), fitted.load(std::sync::atomic::Ordering::Relaxed)))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: model_serving FILE.csv [CLUSTERS]")?);
    let clusters = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(3_usize).max(1);
    let text = std::fs::read_to_string(&path)?;
    let rows = numeric_rows(&text)?;
    println!("{} rows of {} numbers, {clusters} clusters", rows.len(), rows[0].len());

    let key = Key::new(["model", "kmeans"]).param("k", clusters).content(&text);
    // Every value comes over the wire: a client of its own, as another process would have, reads what the first stored.
    let writer = Client::from_env()?.default_namespace();
    let (fitted, fit_time, _) = serve(&writer, &key, CacheMode::Refresh, &rows, clusters).await?;
    let reader = Client::from_env()?.default_namespace();
    let (_, first_time, _) = serve(&reader, &key, CacheMode::Use, &rows, clusters).await?;
    let (cached, read_time, computed) = serve(&reader, &key, CacheMode::Use, &rows, clusters).await?;
    println!("without cache: {:9.3} ms (fitted)", fit_time.as_secs_f64() * 1e3);
    println!("with cache:    {:9.3} ms first, connecting", first_time.as_secs_f64() * 1e3);
    println!("with cache:    {:9.3} ms after that", read_time.as_secs_f64() * 1e3);
    if computed || !reader.client().available() {
        return Err("the model did not come from the cache: is a server running?".into());
    }
    let same = rows.iter().all(|row| fitted.predict(row) == cached.predict(row));
    println!("predictions equal: {same} (inertia {:.6})", cached.inertia);
    if same { Ok(()) } else { Err("the cached model predicts differently".into()) }
}
