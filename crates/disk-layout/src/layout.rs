//! What a disk with a partition table says, from what its partitions say.

use crate::report::{Evidence, Kept, Layout, PartReport, Report};

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

/// Adds what is to be said of the partition to the report of its disk.
fn tell(part: &PartReport, disk: &mut Report) {
    let (number, own) = (part.partition.number, &part.report);
    // What holds for the disk is said once.
    if let Some(why) = own
        .kept_whole
        .as_ref()
        .filter(|_| disk.kept_whole.is_none())
    {
        disk.notes
            .push(format!("partition {number} is kept whole: {why}"));
    }
    let about = |line: &String| format!("partition {number}: {line}");
    disk.notes.extend(own.notes.iter().map(about));
    disk.damage.lines.extend(own.damage.lines.iter().map(about));
    disk.damage.total = disk.damage.total.saturating_add(own.damage.total);
    let check = own.needs_check.as_ref();
    let check = check.map(|why| format!("partition {number}: {why}"));
    disk.needs_check = disk.needs_check.take().or(check);
    if own.kept == Kept::Used {
        disk.kept = Kept::Used;
    }
    disk.evidence = match (disk.evidence, own.evidence) {
        (Some(Evidence::Map), _) | (_, Some(Evidence::Map)) => Some(Evidence::Map),
        (one, other) => one.or(other),
    };
}
