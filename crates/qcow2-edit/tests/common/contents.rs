//! All that can be read from an image.

use std::ops::ControlFlow;

use blockio::ReadAt;
use qcow2_check::Scope;
use qcow2_format::bitmap::{BitmapFlags, BitmapTableEntry};
use qcow2_map::{ImageMap, MapOptions, read_bitmaps, read_header, read_snapshots};
use qcow2_reader::{Image, OpenOptions};

/// A bitmap: name, flags, granularity, and its bits as bytes.
pub(crate) type Bitmap = (Vec<u8>, BitmapFlags, u8, Vec<u8>);

/// The disk of an image, those of its snapshots, and its bitmaps.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) disk: Vec<u8>,
    pub(crate) snapshots: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) bitmaps: Vec<Bitmap>,
}

impl Contents {
    /// What becomes of it when the disk has `size` bytes.
    pub(crate) fn resize(&mut self, size: usize) -> bool {
        let kept = self.disk.len().min(size);
        self.disk.resize(size, 0);
        for (_, _, granularity, bits) in &mut self.bitmaps {
            bits.resize(size.div_ceil(8 << *granularity), 0);
            for bit in kept.div_ceil(1 << *granularity)..bits.len() * 8 {
                bits[bit / 8] &= !(1 << (bit % 8));
            }
        }
        true
    }

    /// Reads all of `image`.
    pub(crate) fn read(image: &[u8]) -> Result<Self, String> {
        let said = |error: &dyn std::error::Error| {
            let source = error.source().map(ToString::to_string);
            format!("{error}: {source:?}")
        };
        let header = read_header(image).map_err(|error| said(&error))?;
        let snapshots = read_snapshots(image, &header).map_err(|error| said(&error))?;
        let of = |snapshot: Option<Vec<u8>>| {
            let mut options = OpenOptions::default();
            options.snapshot = snapshot;
            let image = Image::open(image.to_vec(), &options).map_err(|error| said(&error))?;
            let mut bytes = vec![0; usize::try_from(image.size()).unwrap()];
            image.read_at(0, &mut bytes).map_err(|error| said(&error))?;
            Ok::<_, String>(bytes)
        };
        let bitmaps = read_bitmaps(image, &header).map_err(|error| said(&error))?;
        let cluster_bytes = usize::try_from(header.cluster_bits.bytes()).unwrap();
        let at = |host: u64, length: usize| {
            let start = usize::try_from(host).unwrap();
            let mut bytes = image[start..(start + length).min(image.len())].to_vec();
            bytes.resize(length, 0);
            bytes
        };
        let read_bitmap = |entry: &qcow2_format::bitmap::BitmapDirectoryEntry| {
            let table = at(
                entry.table_offset.0,
                usize::try_from(entry.table_entries).unwrap() * 8,
            );
            let mut bits = Vec::new();
            for word in table.as_chunks::<8>().0 {
                let word = u64::from_be_bytes(*word);
                match BitmapTableEntry::decode(word, header.cluster_bits, 0).unwrap() {
                    BitmapTableEntry::Zeros => bits.resize(bits.len() + cluster_bytes, 0),
                    BitmapTableEntry::Ones => bits.resize(bits.len() + cluster_bytes, 0xff),
                    BitmapTableEntry::Data(host) => bits.extend(at(host.0, cluster_bytes)),
                }
            }
            let granularity = entry.granularity_bits;
            let count = header.size.div_ceil(1 << granularity);
            bits.truncate(usize::try_from(count.div_ceil(8)).unwrap());
            if let (Some(last), tail @ 1..) = (bits.last_mut(), count % 8) {
                *last &= (1 << tail) - 1;
            }
            (entry.name.clone(), entry.flags, granularity, bits)
        };
        Ok(Self {
            disk: of(None)?,
            snapshots: snapshots
                .iter()
                .map(|snapshot| Ok((snapshot.name.clone(), of(Some(snapshot.id.clone()))?)))
                .collect::<Result<_, String>>()?,
            bitmaps: bitmaps.iter().map(read_bitmap).collect(),
        })
    }
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.snapshots.iter();
        let names = names.map(|(name, bytes)| (String::from_utf8_lossy(name), bytes.len()));
        let bitmaps = self.bitmaps.iter();
        let bitmaps = bitmaps.map(|(name, flags, granularity, bits)| {
            let set: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
            (String::from_utf8_lossy(name), *flags, granularity, set)
        });
        f.debug_struct("Contents")
            .field("disk", &self.disk.len())
            .field("snapshots", &names.collect::<Vec<_>>())
            .field("bitmaps", &bitmaps.collect::<Vec<_>>())
            .finish()
    }
}

/// Fails if the image does not agree with itself.
pub(crate) fn check(image: &[u8]) -> Result<(), String> {
    let map = ImageMap::open(image, &MapOptions::default()).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    qcow2_check::check(&map, Scope::All, |finding| {
        found.push(finding.to_string());
        ControlFlow::Continue(())
    })
    .map_err(|error| error.to_string())?;
    match found.is_empty() {
        true => Ok(()),
        false => Err(found.join("; ")),
    }
}
