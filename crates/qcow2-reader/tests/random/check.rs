//! Holds what `qcow2_check` finds in an image against what `qemu-img check` finds, as the
//! image is and after numbers in its metadata were changed.

use std::fs;
use std::ops::Range;

use fixtures::{Outcome, SplitMix};
use qcow2_check::{Audit, AuditOptions, audit};
use serde_json::Value;

use crate::chain::{Chain, name};
use crate::tools::{Program, Tools};

/// Changed copies of each image.
const DAMAGED: u64 = 3;

/// Numbers that are changed in a copy.
const CHANGES_MAX: u64 = 3;

/// The name of a copy that is changed.
const COPY: &str = "copy";

/// Exit codes of `qemu-img check`.
const CORRUPT: i32 = 2;
const LEAKING: i32 = 3;

/// Compares all layers.
pub(crate) fn agrees(tools: &Tools, chain: &Chain) -> Result<(), String> {
    for (layer, made) in chain.layers.iter().enumerate() {
        if made.is_raw {
            continue;
        }
        let of_layer = |fault| format!("check of layer {}: {fault}", name(layer));
        as_made(tools, chain, layer).map_err(of_layer)?;
        damaged(tools, chain, layer).map_err(of_layer)?;
    }
    Ok(())
}

/// What qemu-img says of the file `file` of a layer.
fn ask(tools: &Tools, chain: &Chain, layer: usize, file: &str) -> (Outcome, Value) {
    let mut arguments = ["check", "--output=json"].map(String::from).to_vec();
    arguments.extend(chain.image_as(layer, file));
    let outcome = tools.run(Program::Img, &chain.folder, &arguments);
    let said = serde_json::from_str(&outcome.stdout).unwrap_or(Value::Null);
    (outcome, said)
}

fn number(said: &Value, key: &str) -> u64 {
    said.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// The exit code that an audit ends with.
fn code(audit: &Audit) -> i32 {
    match (audit.corruptions, audit.leaks) {
        (0, 0) => 0,
        (0, _) => LEAKING,
        _ => CORRUPT,
    }
}

fn options() -> AuditOptions {
    let mut options = AuditOptions::default();
    options.data = true;
    options
}

/// An image as QEMU made it: all numbers are the same.
fn as_made(tools: &Tools, chain: &Chain, layer: usize) -> Result<(), String> {
    let bytes = fs::read(chain.path(layer)).unwrap();
    let (outcome, said) = ask(tools, chain, layer, &name(layer));
    let audit = audit(&bytes, &options()).map_err(|error| format!("{error:?}"))?;
    let clusters = audit.clusters;
    let all = [
        ("corruptions", audit.corruptions),
        ("leaks", audit.leaks),
        ("image-end-offset", audit.image_end),
        ("total-clusters", clusters.total),
        ("allocated-clusters", clusters.allocated),
        ("fragmented-clusters", clusters.fragmented),
        ("compressed-clusters", clusters.compressed),
    ];
    for (key, found) in all {
        let want = number(&said, key);
        if found != want {
            let faults: Vec<_> = audit.faults.iter().map(ToString::to_string).collect();
            return Err(format!("{key}: {found}, and by QEMU {want}: {faults:#?}"));
        }
    }
    let code = code(&audit);
    if outcome.code != Some(code) {
        return Err(format!("exit code {code}, and by QEMU {:?}", outcome.code));
    }
    Ok(())
}

/// An image with damaged metadata: what QEMU calls corrupt is corrupt, and what it calls
/// leaking is not clean.
fn damaged(tools: &Tools, chain: &Chain, layer: usize) -> Result<(), String> {
    let bytes = fs::read(chain.path(layer)).unwrap();
    let places = metadata(&bytes);
    for seed in 0..DAMAGED {
        let mut random = SplitMix::new(seed << 32 | blockio::len_u64(bytes.len()));
        let mut bytes = bytes.clone();
        let mut changes = Vec::new();
        for _ in 0..=random.below(CHANGES_MAX) {
            changes.push(change(&mut bytes, &places, &mut random));
        }
        fs::write(chain.folder.join(COPY), &bytes).unwrap();
        let (outcome, said) = ask(tools, chain, layer, COPY);
        let audit = audit(&bytes, &options());
        let ours = audit.as_ref().map_or(1, code);
        let agrees = match outcome.code {
            Some(CORRUPT) => ours == CORRUPT || ours == 1,
            Some(LEAKING) => matches!(ours, CORRUPT | LEAKING),
            // QEMU misses much, and fails where we need not.
            _ => true,
        };
        if !agrees {
            return Err(format!(
                "exit code {ours}, and by QEMU {:?} ({said}), with {changes:x?}",
                outcome.code
            ));
        }
    }
    Ok(())
}

fn word(bytes: &[u8], at: u64) -> u64 {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let word = bytes.get(at..at.saturating_add(8));
    word.map_or(0, |word| u64::from_be_bytes(word.try_into().unwrap()))
}

/// Where the tables of the active disk and the refcounts are, with the L2 tables and the
/// refcount blocks.
fn metadata(bytes: &[u8]) -> Vec<Range<u64>> {
    let cluster = 1 << (word(bytes, 16) & 31);
    let l1_bytes = (word(bytes, 32) & 0xffff_ffff) * 8;
    let (l1, refcounts) = (word(bytes, 40), word(bytes, 48));
    let mut places = vec![l1..l1 + l1_bytes, refcounts..refcounts + 64];
    let offset = |entry| word(bytes, entry) & 0x00ff_ffff_ffff_fe00;
    for table in places.clone() {
        let named = (table.start..table.end).step_by(8).map(offset);
        let there =
            named.filter(|host| *host != 0 && host + cluster <= blockio::len_u64(bytes.len()));
        places.extend(there.map(|host| host..host + cluster));
    }
    places
}

/// Changes a number in one of `places`, most often one that is not zero.
fn change(bytes: &mut [u8], places: &[Range<u64>], random: &mut SplitMix) -> (u64, u64) {
    let mut at = 0;
    for _ in 0..20 {
        let place = random.below(blockio::len_u64(places.len()));
        let place = &places[usize::try_from(place).unwrap()];
        at = place.start + random.below(((place.end - place.start) / 8).max(1)) * 8;
        if word(bytes, at) != 0 {
            break;
        }
    }
    let old = word(bytes, at);
    let new = match random.below(6) {
        0 => 0,
        1 => old ^ 1 << random.below(64),
        2 => old.wrapping_add(1 << (9 + random.below(13))),
        3 => old | random.next_u64() & 0xff,
        4 => old ^ 1 << 63,
        _ => word(bytes, random.below(blockio::len_u64(bytes.len())) & !7),
    };
    let index = usize::try_from(at).unwrap();
    if let Some(word) = bytes.get_mut(index..index + 8) {
        word.copy_from_slice(&new.to_be_bytes());
    }
    (at, new)
}
