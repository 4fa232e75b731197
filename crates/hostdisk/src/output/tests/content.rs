//! What is in an output, and what is left of one given up.

use super::*;

#[test]
fn a_file_rewritten_in_place_stays_the_same_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old");
    fs::write(&path, "0123456789").unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let target = Target::create(&path, &in_place()).unwrap();
    assert!(!target.starts_zeroed());
    assert_eq!(target.size(), 10);
    target.set_size(6).unwrap();
    target.write_at(1, b"abc").unwrap();
    target.write_zeroes(4, 1).unwrap();
    target.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0abc\x005");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);

    let new = folder.path().join("new");
    Target::create(&new, &in_place()).unwrap().commit().unwrap();
    assert!(new.exists());
}

#[test]
fn zeroed_ranges_become_holes() {
    const MIB: u64 = 1 << 20;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new");
    let target = Target::create(&path, &TargetOptions::default()).unwrap();
    let mebibyte = vec![7; 1 << 20];
    for index in 0..4 {
        target.write_at(index * MIB, &mebibyte).unwrap();
    }
    target.write_zeroes(MIB, 2 * MIB).unwrap();
    target.write_zeroes(4 * MIB, 4 * MIB).unwrap();
    assert_eq!(target.size(), 8 * MIB);
    assert_eq!(target.next_data(MIB).unwrap(), Some(3 * MIB..4 * MIB));
    assert_eq!(target.next_data(4 * MIB).unwrap(), None);
    assert_eq!(target.uncached().next_data(0).unwrap(), Some(0..8 * MIB));
    target.commit().unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!(found.len(), 8 * MIB);
    assert!(found.blocks() * 512 < 3 * MIB);
}

#[test]
fn extending_by_zeros_cuts_off_nothing_written_meanwhile() {
    const BLOCK: u64 = 512;
    let folder = TempDir::new().unwrap();
    let target = Target::create(folder.path().join("new"), &TargetOptions::default()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for block in (0..2000).step_by(2) {
                target.write_at(block * BLOCK, &[7; 512]).unwrap();
            }
        });
        scope.spawn(|| {
            for block in (1..2000).step_by(2) {
                target.write_zeroes(block * BLOCK, BLOCK).unwrap();
            }
        });
    });
    assert_eq!(target.size(), 2000 * BLOCK);
    let mut bytes = [0; 512];
    for block in 0..2000 {
        target.read_at(block * BLOCK, &mut bytes).unwrap();
        let expected = if block % 2 == 0 { 7 } else { 0 };
        assert_eq!(bytes, [expected; 512], "block {block}");
    }
}

#[test]
fn offsets_past_all_files_are_errors() {
    let folder = TempDir::new().unwrap();
    let target = Target::create(folder.path().join("new"), &TargetOptions::default()).unwrap();
    assert!(target.write_at(u64::MAX, b"ab").is_err());
    assert!(target.write_at(u64::MAX - 9, b"ab").is_err());
    assert!(target.write_zeroes(u64::MAX, 2).is_err());
    assert!(target.write_zeroes(1, u64::MAX - 1).is_err());
    assert!(target.set_size(u64::MAX).is_err());
    assert_eq!(target.size(), 0);
}

#[test]
fn a_file_used_by_a_writer_through_its_descriptor_is_read_back() {
    let folder = TempDir::new().unwrap();
    let target = Target::create(folder.path().join("new"), &TargetOptions::default()).unwrap();
    target.write_at(0, b"abcd").unwrap();
    let file: &File = target.handle().unwrap().downcast_ref().unwrap();
    let mut bytes = [0; 2];
    file.read_exact_at(&mut bytes, 1).unwrap();
    assert_eq!(&bytes, b"bc");
}

/// The name of the test below, after that of the crate, for the process that runs
/// nothing else.
const ABANDONED: &str = concat!(
    module_path!(),
    "::nothing_is_left_or_appears_once_all_is_abandoned"
);
const ALONE: &str = "HOSTDISK_TEST_ALONE";

#[test]
fn nothing_is_left_or_appears_once_all_is_abandoned() {
    // Other tests of this process need outputs that appear.
    if env::var_os(ALONE).is_none() {
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", ABANDONED.split_once("::").unwrap().1])
            .env(ALONE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = |name| folder.path().join(name);
    fs::write(path("old"), "old").unwrap();
    let named = create_named(&path("named"), None);
    let unnamed = Target::create(path("unnamed"), &TargetOptions::default()).unwrap();
    let replacing = Target::create(path("old"), &force()).unwrap();
    assert_eq!(names_in(&folder).len(), 2);
    abandon_all();
    assert_eq!(names_in(&folder), ["old"]);
    for target in [named, unnamed, replacing] {
        target.write_at(0, b"abc").unwrap();
        let error = target.commit().unwrap_err();
        assert!(matches!(error, Error::Abandoned { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    let late = Unpublished::create_named(path("late"), None, true);
    assert!(matches!(late, Err(Error::Abandoned { .. })));
    assert_eq!(names_in(&folder), ["old"]);
    assert_eq!(fs::read(path("old")).unwrap(), b"old");
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize),
    Zero(u64, u64),
    SetSize(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..40_000, 0usize..9000).prop_map(|(at, length)| Step::Write(at, length)),
        (0u64..40_000, 0u64..9000).prop_map(|(at, length)| Step::Zero(at, length)),
        (0u64..50_000).prop_map(Step::SetSize),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_target_is_a_disk_as_any_other(steps in vec(step(), 0..12)) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("new");
        let options = TargetOptions { sync: false, ..TargetOptions::default() };
        let target = Target::create(&path, &options).unwrap();
        let model = MemoryDisk::default();
        for (number, step) in (1u8..).zip(steps) {
            let stores: [&dyn Store; 2] = [&target, &model];
            for store in stores {
                match step {
                    Step::Write(at, length) => store.write_at(at, &vec![number; length]),
                    Step::Zero(at, length) => store.write_zeroes(at, length),
                    Step::SetSize(size) => store.set_size(size),
                }
                .unwrap();
            }
            prop_assert_eq!(target.size(), model.size());
        }
        target.commit().unwrap();
        prop_assert_eq!(fs::read(&path).unwrap(), model.into_bytes());
    }
}

#[test]
fn what_cannot_be_shared_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("source");
    fs::write(&path, [7; 8192]).unwrap();
    let source = File::open(&path).unwrap();
    let target = Target::create(folder.path().join("new"), &TargetOptions::default()).unwrap();
    target.write_at(0, b"abc").unwrap();
    // No filesystem shares parts of blocks.
    let error = target.share_at(1, &source, 1, 4097).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    // Nor with what is no file of this system.
    let error = target.share_at(4096, &path, 0, 4096).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    target.share_at(8192, &source, 0, 0).unwrap();
    let error = target.share_at(u64::MAX, &source, 0, 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(target.size(), 3);
    target.commit().unwrap();
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"abc");
}
