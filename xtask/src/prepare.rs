//! `cargo x prepare`: what each SDK needs on this machine before it can be checked, tested or driven. What that is, its
//! `sdk.toml` says.

use crate::{program, sdk};

/// Prepares all of them, or those named.
///
/// # Errors
/// There is no such SDK; or what one of them needs cannot be had: the others are prepared all the same.
pub(crate) fn run(only: &[String]) -> Result<String, String> {
    let sdks = sdk::all()?;
    if let Some(unknown) = only.iter().find(|name| !sdks.iter().any(|sdk| sdk.language == **name)) {
        let names: Vec<&str> = sdks.iter().map(|sdk| sdk.language.as_str()).collect();
        return Err(format!("there is no SDK `{unknown}`; there are: {}", names.join(", ")));
    }
    let (mut done, mut wrong) = (Vec::new(), Vec::new());
    for sdk in sdks.iter().filter(|sdk| only.is_empty() || only.contains(&sdk.language)) {
        println!("{}", sdk.language);
        match sdk.phase("prepare").iter_mut().try_for_each(program::run) {
            Ok(()) => done.push(sdk.language.as_str()),
            Err(reason) => wrong.push(format!("{}: {reason}", sdk.language)),
        }
    }
    if wrong.is_empty() { Ok(format!("prepared: {}", done.join(", "))) } else { Err(wrong.join("; ")) }
}
