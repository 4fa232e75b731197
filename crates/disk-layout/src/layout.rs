//! What a disk with a partition table says, from what its partitions say.

use crate::report::{Evidence, Kept, Layout, PartReport, PhysicalVolume, Report};

/// The report of the disk of `layout`: what its partitions say, each with its number.
pub(crate) fn summary(layout: Layout, whole: Report) -> Report {
    let mut report = whole;
    let table = layout
        .table_damage()
        .map(|one| format!("partition table: {one}"));
    report.damage.lines.extend(table);
    report.damage.total = blockio::len_u64(report.damage.lines.len());
    for part in &layout.parts {
        tell(part, &mut report);
    }
    report.layout = Some(layout);
    report
}

/// The report of a disk that is a physical volume, of which its own is `report`.
pub(crate) fn of_volumes(mut report: Report) -> Report {
    if let Some(physical) = report.physical_volume.take() {
        tell_volumes(&physical, &mut report);
        report.physical_volume = Some(physical);
    }
    report
}

/// Adds what is to be said of the partition to the report of its disk.
fn tell(part: &PartReport, disk: &mut Report) {
    let name = format!("partition {}", part.partition.number);
    tell_own(&name, &part.report, disk);
    if let Some(physical) = &part.report.physical_volume {
        tell_volumes(physical, disk);
    }
}

/// Adds what is to be said of the logical volumes in `physical` to the report of their disk.
fn tell_volumes(physical: &PhysicalVolume, disk: &mut Report) {
    for volume in &physical.volumes {
        tell_own(&format!("volume {}", volume.name), &volume.report, disk);
    }
}

/// Adds what is to be said of a part that is called `name` to the report of its disk.
fn tell_own(name: &str, own: &Report, disk: &mut Report) {
    // What holds for the disk is said once.
    if let Some(why) = own
        .kept_whole
        .as_ref()
        .filter(|_| disk.kept_whole.is_none())
    {
        disk.notes.push(format!("{name} is kept whole: {why}"));
    }
    let about = |line: &String| format!("{name}: {line}");
    disk.notes.extend(own.notes.iter().map(about));
    disk.damage.lines.extend(own.damage.lines.iter().map(about));
    disk.damage.total = disk.damage.total.saturating_add(own.damage.total);
    let check = own.needs_check.as_ref();
    let check = check.map(|why| format!("{name}: {why}"));
    disk.needs_check = disk.needs_check.take().or(check);
    if own.kept == Kept::Used {
        disk.kept = Kept::Used;
    }
    disk.evidence = match (disk.evidence, own.evidence) {
        (Some(Evidence::Map), _) | (_, Some(Evidence::Map)) => Some(Evidence::Map),
        (one, other) => one.or(other),
    };
}
