//! The master file table: all file records.

use blockio::ReadAt;

use crate::boot::Boot;
use crate::bytes::usize_of;
use crate::error::{Structure, fill};
use crate::fault::{Fault, Kind};
use crate::finding::{Distrust, Step, attribute, odd, of};
use crate::record::Record;
use crate::record::attribute::{Attribute, Part, Value, is_named};
use crate::record::list::{self, Entry, LIST_BYTES_MAX};
use crate::stream::Stream;

/// Records of files of the system.
pub(crate) const MFT: u64 = 0;
const MIRROR: u64 = 1;
const BOOT: u64 = 7;
/// Records that `$MFTMirr` has at least.
const MIRRORED: u64 = 4;

/// The table, and the disk that it is on.
#[derive(Debug)]
pub(crate) struct Mft<'d, R: ?Sized> {
    pub(crate) disk: &'d R,
    pub(crate) boot: Boot,
    /// `$DATA` of `$MFT`.
    stream: Stream,
    /// How many records there are.
    pub(crate) records: u64,
}

/// The value of an attribute.
#[derive(Debug)]
pub(crate) enum Contents {
    /// It was in a file record.
    Here(Vec<u8>),
    /// It lies in clusters.
    Elsewhere(Stream),
}

/// An attribute as a whole.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) flags: u16,
    pub(crate) contents: Contents,
}

impl<'d, R: ReadAt + ?Sized> Mft<'d, R> {
    /// Finds the table by its first record, and holds the first records against their
    /// copies.
    pub(crate) fn open(disk: &'d R, boot: Boot) -> Step<Self> {
        let mut mft = Self {
            disk,
            boot,
            stream: Stream::new(boot.cluster_bytes, boot.clusters),
            records: 0,
        };
        let mut bytes = mft.buffer();
        let at = boot.mft.saturating_mul(boot.cluster_bytes);
        let end = at.saturating_add(boot.record_bytes);
        if end > boot.bytes {
            let field = "MFT cluster";
            let found = boot.mft;
            return Err(Distrust::Field { field, found }.into());
        }
        fill(disk, Structure::Record, at, &mut bytes)?;
        let base = record(&mut bytes, MFT)?;
        if !base.is_in_use || base.base.is_some() {
            return Err(odd(MFT, Fault::NotInUse).into());
        }
        let data = |one: &Attribute<'_>| one.kind == Kind::DATA && one.name.is_empty();
        let first = attribute(MFT, base.find(data))?;
        let Some(Value::Elsewhere(part)) = first.map(|first| first.value) else {
            return Err(of(MFT, Kind::DATA, Fault::Missing).into());
        };
        mft.push(&part)?;
        if mft.stream.first() != Some(boot.mft) || mft.stream.mapped_bytes() < boot.record_bytes {
            let found = mft.stream.first().unwrap_or(0);
            let (record, expected) = (MFT, boot.mft);
            return Err(Distrust::Place {
                record,
                found,
                expected,
            }
            .into());
        }
        // The parts in other records can be read with those before them.
        if let Some(list) = mft.list(&base)? {
            mft.grow(&base, &list)?;
        }
        let data_fault = |fault| of(MFT, Kind::DATA, fault);
        mft.stream.check().map_err(data_fault)?;
        mft.stream.check_no_holes().map_err(data_fault)?;
        let records = mft.stream.sizes.initialized.checked_div(boot.record_bytes);
        mft.records = records.unwrap_or(0);
        if mft.records > crate::limits::RECORDS_MAX {
            let (what, limit) = ("file records", crate::limits::RECORDS_MAX);
            return Err(Distrust::TooMany { what, limit }.into());
        }
        mft.check_mirror()?;
        mft.check_place(MIRROR, boot.mirror)?;
        mft.check_place(BOOT, 0)?;
        Ok(mft)
    }

    /// A buffer for one record.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        vec![0; usize_of(self.boot.record_bytes)]
    }

    /// Adds the parts of `$MFT` that are in records of their own.
    fn grow(&mut self, base: &Record<'_>, list: &[u8]) -> Step<()> {
        for entry in list::entries(list) {
            let entry = entry.map_err(|fault| of(MFT, Kind::LIST, fault))?;
            if entry.kind != Kind::DATA || !entry.name.is_empty() || entry.lowest == 0 {
                continue;
            }
            let mut bytes = self.buffer();
            let at = entry.holder.number.saturating_mul(self.boot.record_bytes);
            let end = at.saturating_add(self.boot.record_bytes);
            if end > self.stream.mapped_bytes() {
                return Err(lost(base, &entry).into());
            }
            self.stream
                .read(self.disk, Structure::Record, at, &mut bytes)?;
            let holder = record(&mut bytes, entry.holder.number)?;
            match held(base, &holder, &entry)?.value {
                Value::Elsewhere(part) => self.push(&part)?,
                Value::Here(_) => return Err(lost(base, &entry).into()),
            }
        }
        Ok(())
    }

    fn push(&mut self, part: &Part<'_>) -> Result<(), Distrust> {
        let wrong = |fault| of(MFT, Kind::DATA, fault);
        self.stream.push(part).map_err(wrong)
    }

    /// Compares the first records with their copies, up to the bytes that are in use.
    fn check_mirror(&self) -> Step<()> {
        let Boot {
            record_bytes,
            cluster_bytes,
            ..
        } = self.boot;
        let (mut bytes, mut copy) = (self.buffer(), self.buffer());
        let start = self.boot.mirror.saturating_mul(cluster_bytes);
        if start.saturating_add(record_bytes.saturating_mul(MIRRORED)) > self.disk.size() {
            let field = "MFT mirror cluster";
            let found = self.boot.mirror;
            return Err(Distrust::Field { field, found }.into());
        }
        for number in 0..MIRRORED {
            let own = self.read(number, &mut bytes)?;
            let at = start.saturating_add(number.saturating_mul(record_bytes));
            fill(self.disk, Structure::Mirror, at, &mut copy)?;
            let mirrored = Record::new(&mut copy, number);
            if mirrored.map(|copy| copy.used() == own.used()) != Ok(true) {
                return Err(Distrust::Mirror { record: number }.into());
            }
        }
        Ok(())
    }

    /// That the contents of the file in record `record` begin at the cluster `expected`.
    fn check_place(&self, record: u64, expected: u64) -> Step<()> {
        let missing = of(record, Kind::DATA, Fault::Missing);
        let found = self.attribute(record, Kind::DATA, "")?.ok_or(missing)?;
        let found = match found.contents {
            Contents::Elsewhere(stream) => stream.first().ok_or(missing)?,
            Contents::Here(_) => return Err(missing.into()),
        };
        if found != expected {
            return Err(Distrust::Place {
                record,
                found,
                expected,
            }
            .into());
        }
        Ok(())
    }

    /// Fills `bytes`, which are whole records, with those from `first` on as they are stored.
    pub(crate) fn read_raw(&self, first: u64, bytes: &mut [u8]) -> Step<()> {
        let at = first.saturating_mul(self.boot.record_bytes);
        Ok(self.stream.read(self.disk, Structure::Record, at, bytes)?)
    }

    /// Reads the record `number` into `bytes`.
    pub(crate) fn read<'b>(&self, number: u64, bytes: &'b mut [u8]) -> Step<Record<'b>> {
        if number >= self.records {
            return Err(odd(number, Fault::Missing).into());
        }
        self.read_raw(number, bytes)?;
        Ok(record(bytes, number)?)
    }

    /// Reads the base record of a file into `bytes`. It must be in use.
    pub(crate) fn read_base<'b>(&self, number: u64, bytes: &'b mut [u8]) -> Step<Record<'b>> {
        let record = self.read(number, bytes)?;
        if !record.is_in_use || record.base.is_some() {
            return Err(odd(number, Fault::NotInUse).into());
        }
        Ok(record)
    }

    /// The attribute list of the file of `base`, if it has one.
    pub(crate) fn list(&self, base: &Record<'_>) -> Step<Option<Vec<u8>>> {
        let number = base.own.number;
        let wrong = |fault| of(number, Kind::LIST, fault);
        let found = attribute(number, base.find(|one| one.kind == Kind::LIST))?;
        let part = match found.map(|found| found.value) {
            None => return Ok(None),
            Some(Value::Here(bytes)) => return Ok(Some(bytes.to_vec())),
            Some(Value::Elsewhere(part)) => part,
        };
        let mut stream = Stream::new(self.boot.cluster_bytes, self.boot.clusters);
        stream.push(&part).map_err(wrong)?;
        stream.check().map_err(wrong)?;
        stream.check_stored().map_err(wrong)?;
        let found = stream.sizes.data;
        if found > LIST_BYTES_MAX {
            let limit = LIST_BYTES_MAX;
            return Err(wrong(Fault::TooLong { found, limit }).into());
        }
        let mut bytes = vec![0; usize_of(found)];
        stream.read(self.disk, Structure::AttributeList, 0, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// The attribute of type `kind` called `name` of the file in record `number`, put
    /// together from all its parts.
    pub(crate) fn attribute(&self, number: u64, kind: Kind, name: &str) -> Step<Option<Found>> {
        let mut bytes = self.buffer();
        let base = self.read_base(number, &mut bytes)?;
        self.attribute_of(&base, kind, name)
    }

    /// As [`attribute`](Self::attribute), of the file of `base`.
    pub(crate) fn attribute_of(
        &self,
        base: &Record<'_>,
        kind: Kind,
        name: &str,
    ) -> Step<Option<Found>> {
        let number = base.own.number;
        let Some(list) = self.list(base)? else {
            let wanted = |one: &Attribute<'_>| one.kind == kind && is_named(one.name, name);
            let Some(found) = attribute(number, base.find(wanted))? else {
                return Ok(None);
            };
            return Ok(Some(self.contents(number, &found)?));
        };
        let mut whole: Option<Found> = None;
        for entry in list::entries(&list) {
            let entry = entry.map_err(|fault| of(number, Kind::LIST, fault))?;
            if entry.kind != kind || !is_named(entry.name, name) {
                continue;
            }
            let mut bytes = self.buffer();
            let holder = self.read(entry.holder.number, &mut bytes)?;
            let part = held(base, &holder, &entry)?;
            match (&mut whole, part.value) {
                (Some(whole), Value::Elsewhere(part)) => {
                    let Contents::Elsewhere(stream) = &mut whole.contents else {
                        return Err(lost(base, &entry).into());
                    };
                    stream
                        .push(&part)
                        .map_err(|fault| of(number, kind, fault))?;
                }
                (Some(_), Value::Here(_)) => return Err(lost(base, &entry).into()),
                (None, _) => whole = Some(self.first(number, &part)?),
            }
        }
        if let Some(Contents::Elsewhere(stream)) = whole.as_ref().map(|whole| &whole.contents) {
            stream.check().map_err(|fault| of(number, kind, fault))?;
        }
        Ok(whole)
    }

    /// An attribute that has one part.
    fn contents(&self, number: u64, part: &Attribute<'_>) -> Step<Found> {
        let found = self.first(number, part)?;
        if let Contents::Elsewhere(stream) = &found.contents {
            let wrong = |fault| of(number, part.kind, fault);
            stream.check().map_err(wrong)?;
        }
        Ok(found)
    }

    /// An attribute of which `part` is the first part.
    fn first(&self, number: u64, part: &Attribute<'_>) -> Result<Found, Distrust> {
        let contents = match part.value {
            Value::Here(bytes) => Contents::Here(bytes.to_vec()),
            Value::Elsewhere(clusters) => {
                let mut stream = Stream::new(self.boot.cluster_bytes, self.boot.clusters);
                let wrong = |fault| of(number, part.kind, fault);
                stream.push(&clusters).map_err(wrong)?;
                Contents::Elsewhere(stream)
            }
        };
        let flags = part.flags;
        Ok(Found { flags, contents })
    }
}

/// The record `number` in `bytes`.
fn record(bytes: &mut [u8], number: u64) -> Result<Record<'_>, Distrust> {
    Record::new(bytes, number).map_err(|fault| odd(number, fault))
}

/// The part that `entry` of the list of `base` names, in `holder`.
fn held<'b>(
    base: &Record<'_>,
    holder: &Record<'b>,
    entry: &Entry<'_>,
) -> Result<Attribute<'b>, Distrust> {
    let is_own =
        holder.own.number == base.own.number || (holder.base == Some(base.own) && holder.is_in_use);
    if !is_own || holder.own.sequence != entry.holder.sequence {
        return Err(lost(base, entry));
    }
    let lowest = |one: &Attribute<'_>| match one.value {
        Value::Here(_) => 0,
        Value::Elsewhere(part) => part.lowest,
    };
    let wanted = |one: &Attribute<'_>| {
        one.kind == entry.kind && one.instance == entry.instance && lowest(one) == entry.lowest
    };
    let found = attribute(holder.own.number, holder.find(wanted))?;
    found.ok_or_else(|| lost(base, entry))
}

const fn lost(base: &Record<'_>, entry: &Entry<'_>) -> Distrust {
    Distrust::Lost {
        record: base.own.number,
        holder: entry.holder.number,
        kind: entry.kind,
    }
}
