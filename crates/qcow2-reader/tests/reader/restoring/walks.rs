//! How often the tables are looked through: once to check the image and to see how much
//! data it has, and once to restore it.

use std::io;
use std::ops::Range;
use std::sync::Mutex;

use blockio::{MemoryDisk, ReadAt, len_u64};
use qcow2_reader::{Image, UnpackOptions};

use crate::common::{
    L1, L2_FIRST, L2_SECOND, LAST_DATA, TINY_CACHES, base, base_disk, open, put64,
};

/// A file that counts how often each of its tables is read.
struct Counted {
    file: Vec<u8>,
    reads: Mutex<[u32; 3]>,
}

impl Counted {
    fn new(file: Vec<u8>) -> Self {
        Self {
            file,
            reads: Mutex::default(),
        }
    }

    /// Reads of the L1 table and the two L2 tables since the last time.
    fn reads(&self) -> [u32; 3] {
        std::mem::take(&mut *self.reads.lock().unwrap())
    }
}

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        len_u64(self.file.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + len_u64(buf.len());
        let tables = [L1, L2_FIRST, L2_SECOND].map(len_of);
        for (reads, table) in self.reads.lock().unwrap().iter_mut().zip(tables) {
            *reads += u32::from(offset <= table && table < end);
        }
        self.file.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(from)
    }
}

fn len_of(at: usize) -> u64 {
    u64::try_from(at).unwrap()
}

#[test]
fn the_tables_are_read_once_to_check_the_image_and_once_to_restore_it() {
    let file = Counted::new(base());
    let image = Image::open(&file, &TINY_CACHES).unwrap();
    file.reads();
    let checked = image.check_references().unwrap();
    assert_eq!(file.reads(), [1, 1, 1]);
    // What a limit needs is known with that.
    assert_eq!(
        checked.data_bytes_max,
        Some(image.data_bytes(u64::MAX).unwrap())
    );
    file.reads();
    let target = MemoryDisk::default();
    image.unpack(&target, &UnpackOptions::default()).unwrap();
    assert_eq!(file.reads(), [1, 1, 1]);
    assert!(target.into_bytes() == base_disk());
}

#[test]
fn how_much_data_there_is_stays_open_where_an_entry_is_wrong() {
    let known = |image: Vec<u8>| {
        let image = open(image).unwrap();
        image.check_references().unwrap().data_bytes_max
    };
    assert_eq!(known(base()), Some(5 * 512 + 64));
    // Its last cluster is cut off.
    assert_eq!(known(base()[..LAST_DATA + 10].to_vec()), None);
    // An entry that lost its offset refers to nothing.
    let mut image = base();
    put64(&mut image, L2_SECOND, 1 << 63);
    assert_eq!(known(image), None);
    // One past the end of the disk is not looked up.
    let mut image = base();
    put64(&mut image, L2_SECOND + 8 * 15, 1 << 63);
    assert_eq!(known(image), Some(5 * 512 + 64));
    // An image that was not closed is not checked.
    let mut image = base();
    image[79] = 1;
    assert_eq!(known(image), None);
}
