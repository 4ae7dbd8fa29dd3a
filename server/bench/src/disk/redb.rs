//! redb with one table: transactions without waiting for the medium, one in 256 with, as a cache would use it.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::{Measured, Work, each, now, said};

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("results");
/// Writes between two that wait for the medium.
const DURABLE_EVERY: usize = 256;

pub(super) fn measure(path: &Path, work: &Work) -> Result<Measured, String> {
    let file = path.join("results.redb");
    let database = Database::create(&file).map_err(said)?;
    let begun = now();
    for (number, value) in work.values.iter().enumerate() {
        let mut transaction = database.begin_write().map_err(said)?;
        let last = number + 1 == work.values.len();
        let durable = last || number % DURABLE_EVERY == DURABLE_EVERY - 1;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).map_err(said)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(said)?;
            table.insert(&*Work::key(number), &value[..]).map_err(said)?;
        }
        transaction.commit().map_err(said)?;
    }
    let write_us = each(begun, work.values.len());
    let begun = now();
    let read = read(&database, work)?;
    let read_us = each(begun, read);
    drop(database);
    let begun = now();
    let database = Database::open(&file).map_err(said)?;
    let open_ms = each(begun, 1) / 1000.0;
    let found = self::read(&database, work)?;
    Ok(Measured { write_us, read_us, open_ms, found })
}

/// Reads every value into memory of its own, as a cache hands it out.
fn read(database: &Database, work: &Work) -> Result<usize, String> {
    let mut found = 0;
    for number in &work.order {
        let transaction = database.begin_read().map_err(said)?;
        let table = transaction.open_table(TABLE).map_err(said)?;
        let value = table.get(&*Work::key(*number)).map_err(said)?.map(|value| value.value().to_vec());
        found += usize::from(value.is_some_and(|value| value == work.values[*number]));
    }
    Ok(found)
}
