//! The example `toy_provider` is what it says: a provider that works.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "../examples/toy_provider.rs"]
mod toy_provider;

use blockio::{Extent, ExtentKind, ReadAt, Tiling};
use disk_layout::{Disk, Error, Keep, Kept, KeptWhole, Options, Report};
use toy_provider::{Toy, make};

use ExtentKind::{Data, Free};

fn look<T>(
    source: &dyn ReadAt,
    change: impl FnOnce(&mut Options<'_>),
    take: impl FnOnce(&Report, Vec<Extent>) -> T,
) -> Result<T, Error> {
    let mut options = Options::default();
    change(&mut options);
    let disk = Disk::open_with(source, &options, &[&Toy])?;
    let extents: Vec<Extent> = disk.extents(0..disk.size()).map(Result::unwrap).collect();
    assert!(blockio::tiles(extents.iter().copied(), disk.size()));
    Ok(take(disk.report(), extents))
}

/// Why `source` is kept whole, if it is.
#[track_caller]
fn whole(source: &dyn ReadAt, change: impl FnOnce(&mut Options<'_>)) -> Option<String> {
    let answer = look(source, change, |report, extents| {
        let all = [Extent::new(0..source.size(), Data)];
        assert_eq!(report.kept_whole.is_some(), extents == all);
        assert_eq!(report.kept_whole.is_some(), report.kept == Kept::All);
        report.kept_whole.as_ref().map(KeptWhole::to_string)
    });
    answer.unwrap()
}

#[test]
fn it_prints_what_it_found() {
    toy_provider::main().unwrap();
}

#[test]
fn what_its_bitmap_calls_free_is_free() {
    let mut disk = make(16, 5..9);
    let want = [
        Extent::new(0..1024, Data),
        Extent::new(1024..2560, Free),
        Extent::new(2560..4608, Data),
        Extent::new(4608..8192, Free),
    ];
    look(
        &disk,
        |_| {},
        |report, extents| {
            assert_eq!(extents, want);
            assert_eq!(report.kept, Kept::Used);
            assert_eq!(report.filesystem.as_ref().unwrap().kind, "toy");
        },
    )
    .unwrap();
    // Bytes after its end are kept, if they are not to be left out.
    disk.resize(9000, 1);
    let last = |_: &Report, extents: Vec<Extent>| extents.last().copied();
    let kept = look(&disk, |_| {}, last).unwrap();
    assert_eq!(kept, Some(Extent::new(8192..9000, Data)));
    let dropped = look(&disk, |options| options.drop_tail = true, last).unwrap();
    assert_eq!(dropped, Some(Extent::new(4608..9000, Free)));
}

#[test]
fn free_must_be_proven() {
    let sound = make(16, 5..9);
    assert_eq!(whole(&sound, |_| {}), None);
    let broken = |at: usize, byte: u8| {
        let mut disk = sound.clone();
        disk[at] = byte;
        disk.resize(1 << 20, 0);
        whole(&disk, |_| {}).unwrap()
    };
    assert_eq!(broken(512, 0), "the bitmap has a wrong checksum");
    assert_eq!(broken(20, 0), "it was not left clean");
    assert_eq!(broken(12, 1), "it has too few or too many blocks");
    assert_eq!(
        broken(8, 1),
        "the size of its blocks is none that a toy has"
    );
    let mut cut = sound.clone();
    cut.truncate(8191);
    assert_eq!(whole(&cut, |_| {}).unwrap(), "it is larger than the disk");
}

#[test]
fn the_policy_is_that_of_every_filesystem() {
    let disk = make(16, 5..9);
    let mut claimed = disk.clone();
    claimed[1024..1028].fill(0);
    claimed[4096..4104].copy_from_slice(b"EFI PART");
    assert_eq!(
        whole(&claimed, |_| {}).unwrap(),
        "the disk is also claimed by a GPT partition table"
    );
    let in_use = |options: &mut Options<'_>| options.in_use = Some("it is mounted".to_owned());
    assert_eq!(
        whole(&disk, in_use).unwrap(),
        "it is mounted, so nothing is proven free"
    );
    let unknown = Disk::open(&disk, &Options::default()).unwrap();
    let report = unknown.report();
    assert!(report.filesystem.is_none() && report.kept_whole.is_none());
    assert_eq!(report.kept, Kept::All);
    let metadata = look(&disk, |options| options.keep = Keep::Metadata, |_, _| ());
    assert_eq!(
        metadata.unwrap_err().to_string(),
        "no metadata can be told from data: a toy does not tell them apart"
    );
    let ext = look(&disk, |options| options.keep = Keep::Ext, |_, _| ());
    assert!(matches!(ext, Err(Error::NoFilesystem)));
}

#[test]
fn two_that_know_it_prove_nothing() {
    let disk = make(16, 5..9);
    let twice = Disk::open_with(&disk, &Options::default(), &[&Toy, &Toy]).unwrap();
    assert_eq!(
        twice.report().kept_whole.as_ref().unwrap().to_string(),
        "it looks like more than one filesystem, so nothing is proven free"
    );
    let all: Vec<Extent> = twice.extents(0..8192).map(Result::unwrap).collect();
    assert_eq!(all, [Extent::new(0..8192, Data)]);
}
