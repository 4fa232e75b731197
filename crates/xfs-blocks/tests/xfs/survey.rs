//! What is free, and what keeps it from being so.

use blockio::{MemoryDisk, Spool, Tiling};
use xfs_blocks::{
    Distrust, Evidence, Finding, GroupDamage, Header, InodeFault, Options, Tail, Tree, TreeFault,
    Trust, User,
};

use crate::image::{BLOCK, BLOCKS, Image, LISTED, TREED, at, extents, free, free_of};

/// That the groups in `kept` are used because of `damage`, and the others are not.
#[track_caller]
fn keeps(image: &mut Image, group: u32, damage: GroupDamage) {
    image.stamp();
    let filesystem = image.open();
    let found = filesystem.damage().findings();
    assert_eq!(found, [Finding::Group { group, damage }]);
    let others: Vec<_> = (0..3).filter(|other| *other != group as usize).collect();
    assert_eq!(free(&filesystem), free_of(&others));
}

#[track_caller]
pub(crate) fn distrusts(image: &mut Image, why: &Distrust) {
    image.stamp();
    let filesystem = image.open();
    assert_eq!(filesystem.trust(), Trust::Nothing(why));
    assert_eq!(free(&filesystem), []);
    assert_eq!(filesystem.free_bytes(), 0);
}

pub(crate) fn all() -> Vec<(usize, usize)> {
    free_of(&[0, 1, 2])
}

#[test]
fn what_both_trees_of_free_space_have_is_free() {
    for image in [Image::new(), Image::with_rmap(), Image::version4()] {
        let filesystem = image.open();
        assert_eq!(filesystem.trust(), Trust::Btrees);
        assert_eq!(free(&filesystem), all());
        assert_eq!(filesystem.damage().total(), 0);
        assert_eq!(filesystem.unclean(), None);
        assert!(filesystem.has_references());
        let bytes: usize = all().iter().map(|run| run.1).sum();
        assert_eq!(filesystem.free_bytes(), bytes as u64);
        let info = filesystem.info();
        assert_eq!(info.label, b"a label");
        assert_eq!(&info.uuid, b"0123456789abcdef");
        assert_eq!(info.version, if image.has_crc { 5 } else { 4 });
        assert_eq!((info.block_bytes, info.blocks, info.groups), (512, 520, 3));
    }
}

#[test]
fn any_range_has_the_same_extents() {
    let image = Image::new();
    let filesystem = image.open();
    let all = extents(&filesystem);
    let size = (BLOCKS * BLOCK) as u64;
    for start in (0..size).step_by(700) {
        for end in (start..=size).step_by(9000) {
            let want: Result<Vec<_>, _> = all.extents(start..end).collect();
            let found: Result<Vec<_>, _> = filesystem.extents(start..end).collect();
            assert_eq!(found.unwrap(), want.unwrap(), "{start}..{end}");
        }
    }
}

#[test]
fn what_follows_is_kept_unless_it_is_dropped() {
    let mut image = Image::new();
    let end = image.bytes.len();
    image.bytes.extend([7; 1000]);
    assert_eq!(image.free(), all());
    let mut options = Options::default();
    options.tail = Tail::Drop;
    let found = free(&image.open_with(&options));
    // The last free run ends with the filesystem.
    let mut want = all();
    want.last_mut().unwrap().1 += 1000;
    assert_eq!(found, want);
    image.bytes.truncate(end - 1);
    let (bytes, disk_bytes) = (end as u64, end as u64 - 1);
    distrusts_cut(&image, &Distrust::Cut { bytes, disk_bytes });
}

#[track_caller]
fn distrusts_cut(image: &Image, why: &Distrust) {
    assert_eq!(image.open().trust(), Trust::Nothing(why));
}

#[test]
fn runs_may_be_set_aside() {
    let new_spool = || Ok(Box::new(MemoryDisk::default()) as Box<dyn Spool>);
    let mut options = Options::default();
    options.spool = Some(&new_spool);
    assert_eq!(free(&Image::new().open_with(&options)), all());
}

#[test]
fn the_trees_of_free_space_have_the_same_runs() {
    let record =
        |image: &Image, block: usize, index: usize| at(0, block) + image.head() + index * 8;
    // The bnobt has a run that the cntbt has in another length.
    let mut image = Image::new();
    let place = record(&image, 4, 0);
    image.put32(place + 4, 2);
    let fault = TreeFault::Unmatched {
        start: 77,
        length: 3,
    };
    let unmatched = |block, fault| GroupDamage::Tree {
        tree: Tree::FreeBySize,
        block,
        fault,
    };
    keeps(&mut image, 0, unmatched(5, fault));
    // The bnobt has one more.
    let mut image = Image::new();
    image.put16(at(0, 5) + 6, 2);
    let damage = GroupDamage::TreesDiffer {
        by_block: 3,
        by_size: 2,
    };
    keeps(&mut image, 0, damage);
    // The cntbt has one twice.
    let mut image = Image::new();
    let place = record(&image, 5, 1);
    image.put32(place, 77);
    image.put32(place + 4, 3);
    keeps(&mut image, 0, unmatched(5, TreeFault::Order));
}

#[test]
fn counts_agree() {
    for (field, offset) in [
        ("agf_freeblks", 52),
        ("agf_longest", 56),
        ("agf_btreeblks", 60),
    ] {
        let mut image = Image::new();
        image.put32(at(1, 1) + offset, 1);
        let found = match field {
            "agf_freeblks" => 113,
            "agf_longest" => 89,
            _ => 4,
        };
        let stored = 1;
        let damage = GroupDamage::Count {
            field,
            stored,
            found,
        };
        keeps(&mut image, 1, damage);
    }
    // Without lazy counts the last is not kept, and the sum is right all the same.
    let mut image = Image::version4();
    image.put32(at(1, 1) + 60, 0);
    image.put32(200, 0x88);
    assert_eq!(image.free(), all());
    let mut image = Image::new();
    let free: usize = all().iter().map(|run| run.1 / BLOCK).sum();
    let found = (free + 12) as u64;
    image.put64(144, found - 1);
    let stored = found - 1;
    distrusts(&mut image, &Distrust::FreeCount { stored, found });
}

#[test]
fn nothing_with_a_place_of_its_own_is_free() {
    for (start, by) in [
        (3, User::Headers),
        (5, User::Btree),
        (6, User::Btree),
        (8, User::FreeList),
        (11, User::FreeList),
        (82, User::Shared),
        (88, User::Btree),
        (12, User::Inodes),
        (75, User::Inodes),
    ] {
        // In place of the first free run, in both trees; the counts follow.
        let mut image = Image::new();
        for block in [4, 5] {
            let record = at(0, block) + image.head();
            image.put32(record, start);
            image.put32(record + 4, 1);
        }
        image.put32(at(0, 1) + 52, 98);
        let block = start;
        keeps(&mut image, 0, GroupDamage::Both { block, by });
    }
    // The log lies in the last free run of group 1.
    let mut image = Image::new();
    image.put64(48, 1 << 8 | 120);
    image.bytes[at(1, 120)..at(1, 184)].fill(0);
    let (block, by) = (120, User::Log);
    keeps(&mut image, 1, GroupDamage::Both { block, by });
}

#[test]
fn owners_and_free_runs_cover_a_group() {
    let record = |index: usize| at(0, 7) + 56 + index * 24;
    let mut image = Image::with_rmap();
    // A file's blocks reach into what is free.
    image.put32(record(6) + 4, 11);
    let by = User::Owner;
    keeps(&mut image, 0, GroupDamage::Both { block: 90, by });
    let mut image = Image::with_rmap();
    image.put32(record(6) + 4, 7);
    // The one that shares some does not reach that far.
    keeps(&mut image, 0, GroupDamage::Neither { block: 87 });
    // The last free run goes to the end of the group.
    let mut image = Image::with_rmap();
    image.put32(record(10) + 4, 14);
    keeps(&mut image, 0, GroupDamage::Both { block: 113, by });
}

#[test]
fn a_group_is_used_if_a_file_has_a_free_block() {
    let mut image = Image::new();
    let list = image.inode_at(LISTED) + image.core();
    image.extent(list, 0, 80, 11);
    let damage = GroupDamage::Referred {
        inode: 13,
        block: 90,
    };
    keeps(&mut image, 0, damage);
    // Not asked.
    let mut options = Options::default();
    options.evidence = Evidence::Checksums;
    let filesystem = image.open_with(&options);
    assert!(!filesystem.has_references());
    assert_eq!(free(&filesystem), all());
    // Version 4 has no checksums.
    let mut image = Image::version4();
    let leaf = at(0, 76) + 24;
    image.extent(leaf + 16, 20, 1 << 8 | 90, 3);
    let damage = GroupDamage::Referred {
        inode: 26,
        block: 91,
    };
    keeps(&mut image, 1, damage);
    assert!(image.open_with(&options).has_references());
}

#[test]
fn damaged_inodes_keep_everything() {
    type Change = fn(&mut Image, usize);
    let changes: [(Change, InodeFault); 6] = [
        (
            |image, base| image.put(base, b"NI"),
            InodeFault::Magic { found: 0x4e49 },
        ),
        (
            |image, base| image.put(base + 5, &[5]),
            InodeFault::Field {
                field: "di_format",
                found: 5,
            },
        ),
        (
            |image, base| image.put64(base + 152, 99),
            InodeFault::Field {
                field: "di_ino",
                found: 99,
            },
        ),
        (
            |image, base| image.extent(base + 176, 0, 255, 1),
            InodeFault::Extent {
                start: 255,
                length: 1,
            },
        ),
        (
            |image, base| image.extent(base + 176, 0, 199, 2),
            InodeFault::Extent {
                start: 199,
                length: 2,
            },
        ),
        (
            |image, base| image.put32(base + 76, 22),
            InodeFault::Field {
                field: "di_nextents",
                found: 22,
            },
        ),
    ];
    for (change, fault) in changes {
        let mut image = Image::new();
        let base = image.inode_at(LISTED);
        change(&mut image, base);
        distrusts(&mut image, &Distrust::Inode { inode: 13, fault });
    }
}

#[test]
fn a_block_of_extents_has_one_owner() {
    let mut image = Image::version4();
    // Another inode has the same tree.
    let (from, to) = (image.inode_at(TREED), image.inode_at(LISTED));
    let root: Vec<u8> = image.bytes[from + 4..from + 256].to_vec();
    image.put(to + 4, &root);
    let fault = InodeFault::MetTwice { block: 76 };
    distrusts(&mut image, &Distrust::Inode { inode: 26, fault });
}

#[test]
fn checksums_are_right() {
    let mut image = Image::new();
    image.bytes[at(2, 1) + 100] ^= 1;
    let filesystem = image.open();
    let found = filesystem.damage().findings();
    let [Finding::Group { group: 2, damage }] = found else {
        panic!("{found:?}");
    };
    let header = Header::Agf;
    assert!(matches!(damage, GroupDamage::Checksum { header: h, .. } if *h == header));
    assert_eq!(free(&filesystem), free_of(&[0, 1]));
}
