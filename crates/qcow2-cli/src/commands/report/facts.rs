//! What an image says of itself, in words.

use std::time::{Duration, UNIX_EPOCH};

use disk_layout::Report;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_format::header::{CompressionType, CryptMethod};
use qcow2_format::snapshot::Snapshot;
use qcow2_report::{Fact, SnapshotRow, Text};

use crate::args::ReportArgs;
use crate::commands::info::compat_name;
use crate::output::kept;
use crate::source::Opening;
use crate::text::{Bytes, escaped, printable};

/// Snapshots that are listed.
const SNAPSHOTS_MAX: usize = 256;

/// Lines of damage that are listed.
const DAMAGE_MAX: usize = 20;

/// Fills in what the source is.
pub(super) fn fill(
    text: &mut Text,
    args: &ReportArgs,
    source: &Opening,
) -> Result<(), qcow2_reader::ImageError> {
    text.title = printable(&args.image_name().display().to_string());
    text.program = concat!("qcow2 ", env!("CARGO_PKG_VERSION")).to_owned();
    text.what = match source {
        Opening::Raw(_) => "raw disk".to_owned(),
        Opening::Image(_) => "qcow2 image".to_owned(),
    };
    let Some(chain) = source.image() else {
        return Ok(());
    };
    let header = chain.image.header();
    let has = |feature| header.incompatible.contains(feature);
    let mut fact = |name, value: String| text.facts.push(Fact::new(name, value));
    if let Some(name) = &args.reading.snapshot {
        fact("Snapshot", printable(&name.display().to_string()));
    }
    fact("Version", compat_name(header.version).to_owned());
    fact(
        "Cluster size",
        Bytes(header.cluster_bits.bytes()).to_string(),
    );
    let compression = match header.compression_type {
        CompressionType::Deflate => "zlib",
        CompressionType::Zstd => "zstd",
    };
    fact("Compression", compression.to_owned());
    fact(
        "Refcount width",
        format!("{} bits", header.refcount_order.bits()),
    );
    let encryption = match header.crypt_method {
        CryptMethod::None => "none",
        CryptMethod::Aes => "AES (old)",
        CryptMethod::Luks => "LUKS",
    };
    fact("Encryption", encryption.to_owned());
    if has(IncompatibleFeatures::EXTENDED_L2) {
        fact("Subclusters", "32 in a cluster".to_owned());
    }
    if let Some(name) = &header.backing_name {
        fact("Backing file", escaped(name));
    }
    let layers = chain.image.as_map().layers().len();
    fact("Layers", layers.to_string());
    if let Some(disk) = chain.image.files().first() {
        for bitmap in qcow2_reader::read_bitmaps(disk, header)? {
            let granularity = Bytes(1 << bitmap.granularity_bits);
            let value = format!("{}, a bit for {granularity}", escaped(&bitmap.name));
            fact("Bitmap", value);
        }
        let snapshots = qcow2_reader::read_snapshots(disk, header)?;
        text.more_snapshots = snapshots.len().saturating_sub(SNAPSHOTS_MAX);
        let active_bytes = header.exact_size().unwrap_or(header.size);
        let listed = snapshots.iter().take(SNAPSHOTS_MAX);
        text.snapshots = listed.map(|one| snapshot_row(one, active_bytes)).collect();
    }
    if has(IncompatibleFeatures::CORRUPT) {
        let note = "the image is marked as corrupt";
        text.notes.push(note.to_owned());
    }
    Ok(())
}

fn snapshot_row(snapshot: &Snapshot, active_bytes: u64) -> SnapshotRow {
    let date = UNIX_EPOCH + Duration::from_secs(snapshot.date_seconds.into());
    let mut row = SnapshotRow::default();
    row.id = escaped(&snapshot.id);
    row.name = escaped(&snapshot.name);
    row.date = humantime::format_rfc3339_seconds(date).to_string();
    row.disk_bytes = snapshot.disk_size.unwrap_or(active_bytes);
    row.vm_state_bytes = snapshot.vm_state_bytes;
    row
}

/// Fills in what a reader should know of the disk.
pub(super) fn notes(text: &mut Text, report: &Report) {
    if let Some(why) = kept::kept_whole(report) {
        text.notes.push(format!("pack stores everything: {why}"));
    }
    text.notes.extend(report.notes.iter().cloned());
    let lines = report.damage.lines.iter().take(DAMAGE_MAX).cloned();
    text.notes.extend(lines);
    for note in &mut text.notes {
        *note = printable(note);
    }
}
