//! All that uses host clusters of an image.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{Holes, ReadAt};
use pipeline::{available_threads, ordered_map};
use qcow2_format::{HostOffset, L1Entry, L2Words, Named};
use qcow2_map::{ImageContent, SLICE_BYTES, Structure, WORD_BYTES, in_memory};

use crate::counts::Reference;
use crate::error::Error;
use crate::finding::Use;
use crate::metadata::{Metadata, bitmaps, l1_tables, luks_header, snapshot_table};
use crate::parts::{Nothing, Part, Parts};
use crate::refcounts::RefcountTable;
use crate::streams::{Measure, Streams};
use crate::survey::Survey;

/// L1 entries that are looked at once: of tables that several of them share,
/// one is read.
const L1_ENTRIES: usize = 1 << 18;

/// Threads that read L2 tables. Small ones lie far from each other, so that each
/// costs a request; one thread at a time counts what is in them.
const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// So many lots of L2 tables, of 64 KiB or one table, are read by one thread.
const LOTS_ALONE: usize = 16;

/// The references of an image, to be visited as often as needed.
pub(crate) struct References<'r, S> {
    storage: &'r S,
    nothing: Nothing<'r>,
    image: &'r ImageContent,
    refcount_table: &'r RefcountTable,
    /// Metadata other than L2 tables and refcount blocks.
    metadata: Vec<Metadata>,
    /// The L1 tables, and whether the disk needs them.
    l1_tables: Vec<(Range<u64>, bool)>,
}

/// An L2 table that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct L2Use {
    /// Where it is.
    host: u64,
    /// How often it is used.
    times: u32,
    /// How often of these by the disk.
    needed: u32,
    /// How often of these it maps bytes of the disk: L1 tables may have more entries.
    mapped: u32,
    /// The first L1 entry that does so.
    l1_index: u32,
}

/// An L2 table that was read.
struct L2Table {
    in_use: L2Use,
    /// Where it is.
    bytes: Range<u64>,
    /// The part of it that is in the file.
    parts: Vec<Part>,
    survey: Survey,
}

impl<'r, S: ReadAt> References<'r, S> {
    pub(crate) fn new(
        storage: &'r S,
        holes: &'r Holes,
        image: &'r ImageContent,
        refcount_table: &'r RefcountTable,
    ) -> Self {
        let header = &image.header;
        let cluster_bytes = header.cluster_bits.bytes();
        let range = |host: HostOffset, bytes: u64| host.0..host.0.saturating_add(bytes);
        let table_clusters = u64::from(header.refcount_table_clusters);
        let table_bytes = table_clusters.saturating_mul(cluster_bytes);
        let l1_tables = l1_tables(storage, image);

        let mut metadata = vec![
            Metadata::of_disk(0..cluster_bytes),
            Metadata::of_refcounts(range(header.refcount_table_offset, table_bytes)),
        ];
        let l1_metadata = l1_tables.iter().cloned();
        metadata.extend(l1_metadata.map(|(table, needed)| match needed {
            true => Metadata::of_disk(table),
            false => Metadata::beside(table),
        }));
        metadata.extend(snapshot_table(storage, header).map(Metadata::beside));
        metadata.extend(bitmaps(storage, header).map(Metadata::beside));
        metadata.extend(luks_header(header).map(Metadata::of_disk));
        Self {
            storage,
            nothing: Nothing::new(holes),
            image,
            refcount_table,
            metadata,
            l1_tables,
        }
    }

    /// Shows every reference to `visit`. Tables that are wrong or missing are
    /// passed over. Where a `survey` is wanted, it takes in those of the disk.
    pub(crate) fn visit(
        &self,
        streams: Streams,
        mut survey: Option<&mut Survey>,
        mut visit: impl FnMut(&Reference) + Send,
    ) -> Result<(), Error> {
        let cluster_bytes = self.image.header.cluster_bits.bytes();
        let blocks = self.refcount_table.blocks();
        let blocks = blocks.map(|block| block.0..block.0.saturating_add(cluster_bytes));
        let mut visit_metadata = |metadata: &Metadata| {
            if !metadata.bytes.is_empty() {
                visit(&Reference {
                    clusters: self.clusters(&metadata.bytes),
                    used_as: Use::Metadata,
                    times: metadata.times,
                    needed: metadata.needed.into(),
                });
            }
        };
        self.metadata.iter().for_each(&mut visit_metadata);
        blocks.for_each(|block| visit_metadata(&Metadata::of_refcounts(block)));
        let codec = self.image.tables.codec;
        let is_measured = streams == Streams::Measured;
        let mut measure = is_measured.then(|| Measure::new(self.storage, codec));
        let mut tables = Vec::new();
        for (l1_table, needed) in &self.l1_tables {
            for part in self.parts(Structure::L1Table, l1_table) {
                let (first, entries) = part?;
                let (entries, _) = entries.as_chunks::<8>();
                for (index, entry) in (first..).zip(entries) {
                    let raw = u64::from_be_bytes(*entry);
                    let entry = L1Entry::decode(raw, self.image.header.cluster_bits, index);
                    let mapped = match &mut survey {
                        Some(survey) if *needed => self.maps(raw, index, survey),
                        _ => false,
                    };
                    if let Ok(Some(entry)) = entry {
                        tables.push(L2Use {
                            host: entry.l2_table.0,
                            times: 1,
                            needed: u32::from(*needed),
                            mapped: u32::from(mapped),
                            l1_index: u32::try_from(index).unwrap_or(u32::MAX),
                        });
                    }
                    if tables.len() == L1_ENTRIES {
                        let survey = survey.as_deref_mut();
                        self.visit_tables(&mut tables, measure.as_mut(), survey, &mut visit)?;
                    }
                }
            }
        }
        self.visit_tables(&mut tables, measure.as_mut(), survey, &mut visit)
    }

    /// Whether entry `l1_index` of the L1 table of the disk, which is `raw`, maps bytes of
    /// the disk.
    fn maps(&self, raw: u64, l1_index: u64, survey: &mut Survey) -> bool {
        let tables = &self.image.tables;
        let l1_bytes = self.image.disk.l1_bytes(tables.geometry);
        if raw == 0 || l1_index.saturating_mul(WORD_BYTES) >= l1_bytes {
            return false;
        }
        let place = tables.l2_place_of(raw, l1_index);
        survey.is_uneven |= place.is_err();
        place.is_ok_and(|place| place.is_some())
    }

    /// Visits L2 tables and what they use, and forgets them.
    fn visit_tables(
        &self,
        tables: &mut Vec<L2Use>,
        mut measure: Option<&mut Measure<'_, S>>,
        mut survey: Option<&mut Survey>,
        visit: &mut (impl FnMut(&Reference) + Send),
    ) -> Result<(), Error> {
        tables.sort_unstable();
        tables.dedup_by(|next, kept| {
            let same = next.host == kept.host;
            if same {
                if kept.mapped == 0 {
                    kept.l1_index = next.l1_index;
                }
                kept.times = kept.times.saturating_add(next.times);
                kept.needed = kept.needed.saturating_add(next.needed);
                kept.mapped = kept.mapped.saturating_add(next.mapped);
            }
            same
        });
        let cluster_bits = self.image.header.cluster_bits;
        let tables_at_once = (SLICE_BYTES / cluster_bits.bytes()).max(1);
        let lots = tables.chunks(in_memory(tables_at_once));
        // To start threads takes longer than to read a few tables.
        let threads = match lots.len() <= LOTS_ALONE {
            true => NonZeroUsize::MIN,
            false => available_threads().min(THREADS_MAX),
        };
        let visited = ordered_map(
            threads,
            lots.map(Ok),
            |lot| self.read_tables(lot),
            |lot: Vec<L2Table>| {
                for table in &lot {
                    if let Some(survey) = &mut survey {
                        **survey = survey.and(table.survey);
                    }
                    self.visit_table(table, measure.as_deref_mut(), visit);
                }
                Ok(())
            },
        );
        tables.clear();
        visited
    }

    /// Reads L2 tables.
    fn read_tables(&self, tables: &[L2Use]) -> Result<Vec<L2Table>, Error> {
        let cluster_bytes = self.image.header.cluster_bits.bytes();
        let read = |in_use: &L2Use| {
            let bytes = in_use.host..in_use.host.saturating_add(cluster_bytes);
            let parts = self.parts(Structure::L2Table, &bytes);
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            Ok(L2Table {
                survey: self.survey(in_use, &parts),
                parts,
                bytes,
                in_use: *in_use,
            })
        };
        tables.iter().map(read).collect()
    }

    /// What a table with these `parts` says of the disk.
    fn survey(&self, in_use: &L2Use, parts: &[Part]) -> Survey {
        let mut survey = Survey::default();
        if in_use.mapped == 0 {
            return survey;
        }
        let tables = &self.image.tables;
        let guest = tables.l1_coverage(in_use.l1_index.into());
        let words = tables.geometry.l2_entry_bytes() / WORD_BYTES;
        for (first, part) in parts {
            let part = (first / words, part.as_slice());
            survey.add(tables, HostOffset(in_use.host), &guest, part);
        }
        survey.times(in_use.mapped, tables)
    }

    /// Shows an L2 table and what it uses to `visit`.
    fn visit_table(
        &self,
        table: &L2Table,
        mut measure: Option<&mut Measure<'_, S>>,
        visit: &mut impl FnMut(&Reference),
    ) {
        let L2Use { times, needed, .. } = table.in_use;
        let mut reference = Reference {
            clusters: self.clusters(&table.bytes),
            used_as: Use::L2Table,
            times,
            needed,
        };
        visit(&reference);
        let (context, geometry) = (&self.image.tables.context, self.image.tables.geometry);
        let words = geometry.l2_entry_bytes() / WORD_BYTES;
        for (first, part) in &table.parts {
            let entries = L2Words::all(part, geometry.extended_l2);
            for (index, entry) in (first / words..).zip(entries) {
                if entry.is_zero() {
                    continue;
                }
                if let Ok(Some((named, mut bytes))) = entry.counted(context, index) {
                    if let (Named::Stream, Some(measure)) = (named, &mut measure) {
                        bytes.end = measure.end(&bytes);
                    }
                    reference.used_as = match named {
                        Named::Cluster => Use::Data,
                        Named::Stream => Use::Stream,
                    };
                    reference.clusters = self.clusters(&bytes);
                    visit(&reference);
                }
            }
        }
    }

    /// The parts of the table at `bytes`.
    fn parts(&self, structure: Structure, bytes: &Range<u64>) -> Parts<'_, S> {
        let parts = Parts::new(self.storage, &self.nothing, structure, bytes);
        if self.image.tables.bounds.salvage {
            parts.by_sectors()
        } else {
            parts
        }
    }

    /// The host clusters that `bytes` touch.
    fn clusters(&self, bytes: &Range<u64>) -> Range<u64> {
        let bits = self.image.header.cluster_bits.bits();
        let last = bytes.end.saturating_sub(1) >> bits;
        let end = if bytes.end == 0 {
            0
        } else {
            last.saturating_add(1)
        };
        bytes.start >> bits..end
    }
}
