//! What may be left out of a clean filesystem.

use ext_blocks::Options;
use ext_blocks::damage::{InodeDamage, NotDiscarded, WalkDamage};
use ext_blocks::discardable::Discardable;

use crate::image::{Image, SB, answer, base, open};
use crate::metadata::{DIRECTORY, EXTENTS, FILE, i_block, inode, make, node, root};

/// The blocks that may be left out of `image`.
fn dropped(image: &Image, what: Discardable) -> Result<Vec<u64>, NotDiscarded> {
    let filesystem = open(image, &Options::default());
    let dropped = answer(filesystem.discardable(what))?;
    let bytes = dropped.ranges();
    Ok(bytes
        .flat_map(|run| run.start / 1024..run.end / 1024)
        .collect())
}

/// A file in inode 12 with unwritten blocks 40 to 49 and written 50 to 54, and
/// an empty journal in blocks 30 to 35 by 36.
fn idle() -> Image {
    let mut image = base();
    image.u32(SB + 0x5c, 4).u32(SB + 0xe0, 8);
    make(&mut image, 8, FILE, EXTENTS);
    root(&mut image, 8, 1, [0, 36, 0]);
    node(&mut image, 36 * 1024, 84, 0, &[[0, 6, 30]]);
    for (word, value) in [(0, 0xc03b_3998), (1, 3), (3, 1024), (4, 6), (5, 1), (6, 1)] {
        image.put(30 * 1024 + 4 * word, &u32::to_be_bytes(value));
    }
    make(&mut image, 12, FILE, EXTENTS);
    node(
        &mut image,
        i_block(12),
        4,
        0,
        &[[0, 0x800a, 40], [10, 5, 50]],
    );
    for bit in (29..36).chain(39..54) {
        image.bit(3, bit, true);
    }
    image.free(0, 57 - 22);
    image
}

#[test]
fn unwritten_extents_and_the_body_of_an_empty_journal_may_go() {
    let (unwritten, journal): (Vec<_>, Vec<_>) = ((40..50).collect(), (31..36).collect());
    assert_eq!(
        dropped(&idle(), Discardable::ALL),
        Ok([journal.clone(), unwritten.clone()].concat())
    );
    let mut what = Discardable::ALL;
    what.journal = false;
    assert_eq!(dropped(&idle(), what), Ok(unwritten));
    let mut what = Discardable::ALL;
    what.unwritten = false;
    assert_eq!(dropped(&idle(), what), Ok(journal));
    assert_eq!(dropped(&idle(), Discardable::default()), Ok(vec![]));
}

/// Asserts that of what may go, `patch` leaves `want`.
#[track_caller]
fn drops(patch: impl FnOnce(&mut Image), want: impl IntoIterator<Item = u64>) {
    let mut image = idle();
    patch(&mut image);
    assert_eq!(
        dropped(&image, Discardable::ALL),
        Ok(want.into_iter().collect())
    );
}

#[test]
fn a_block_that_something_else_needs_stays() {
    let second = |first: [u32; 3]| {
        move |image: &mut Image| {
            make(image, 13, FILE, EXTENTS);
            root(image, 13, 0, first);
        }
    };
    drops(second([0, 2, 48]), (31..36).chain(40..48));
    drops(second([0, 2, 31]), (33..36).chain(40..50));
    // Unwritten in both: a whole run goes with it.
    drops(second([0, 0x8002, 49]), 31..36);
    // Unwritten, and the superblock of the journal, a map, attributes, a table.
    drops(second([0, 0x8001, 30]), (31..36).chain(40..50));
    drops(second([0, 0x8001, 36]), (31..36).chain(40..50));
    drops(
        |image| _ = image.u32(inode(12) + 0x68, 45),
        (31..36).chain(40..45).chain(46..50),
    );
    drops(second([0, 0x8001, 6]), (31..36).chain(40..50));
    // A directory has no holes.
    drops(|image| _ = image.u16(inode(12), DIRECTORY), 31..36);
}

#[test]
fn a_journal_in_use_stays() {
    let word = |word: usize, value: u32| {
        move |image: &mut Image| _ = image.put(30 * 1024 + 4 * word, &value.to_be_bytes())
    };
    // No superblock, one for other blocks, and something to be replayed.
    for patch in [word(0, 0), word(3, 4096), word(7, 1)] {
        let mut image = idle();
        patch(&mut image);
        assert_eq!(
            dropped(&image, Discardable::ALL),
            Err(NotDiscarded::NotClean)
        );
    }
    let mut image = idle();
    image.u16(SB + 0x3a, 2);
    assert_eq!(
        dropped(&image, Discardable::ALL),
        Err(NotDiscarded::NotClean)
    );
}

#[test]
fn after_damage_nothing_goes() {
    let refuses = |patch: &dyn Fn(&mut Image), damage| {
        let mut image = idle();
        patch(&mut image);
        assert_eq!(
            dropped(&image, Discardable::ALL),
            Err(NotDiscarded::Walk(damage))
        );
    };
    let outside = |block| InodeDamage::OutOfRange { block, count: 1 };
    let inode = |inode, damage| WalkDamage::Inode { inode, damage };
    let patch = |image: &mut Image| {
        make(image, 13, FILE, 0);
        image.u32(i_block(13), 169);
    };
    refuses(&patch, inode(13, outside(169)));
    let block = 169;
    let at = crate::metadata::inode(13);
    let patch = |image: &mut Image| _ = image.u32(at + 0x68, 169).u16(at + 0x1a, 1);
    refuses(&patch, inode(13, InodeDamage::AttributeBlock { block }));
    let patch = |image: &mut Image| _ = image.u32(image.descriptor(2) + 8, 168);
    refuses(&patch, WalkDamage::Descriptor { group: 2 });
}
