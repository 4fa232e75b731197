//! Decides which bytes of a part are kept, and why.

use std::ops::Range;

use blockio::{AllData, Extents, Tiling};

use crate::claims::{self, Found};
use crate::error::Error;
use crate::options::{Keep, Options};
use crate::provider::{
    Belief, Candidate, Content, ExtFilesystem, OtherClaim, Part, Probe, Provider,
};
use crate::providers::{Btrfs, Ext, Fat, Ntfs, Swap, Xfs};
use crate::report::{Kept, KeptWhole, Report};

/// The providers of this crate. That of ext is the first: it alone is asked for what only
/// ext has, and if two take a disk for their own, the first looks for other claims, among
/// which ext itself is not.
const PROVIDERS: [&dyn Provider; 6] = [&Ext, &Btrfs, &Fat, &Ntfs, &Swap, &Xfs];

/// Whose the bytes of a part are.
pub(crate) enum Owner<'d> {
    /// Nobody's that is known: all of them are kept.
    Unknown,
    /// The content says which are kept.
    Content(Box<dyn Content + 'd>),
    /// The content is known, but it is not believed what is free in it.
    Doubtful(Box<dyn Content + 'd>),
    /// The volumes in it say which are kept.
    Volumes(Box<dyn Tiling + 'd>),
}

impl Tiling for Owner<'_> {
    /// What the bytes in `range` of the part are.
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match self {
            Self::Content(content) => content.extents(range),
            Self::Volumes(volumes) => volumes.extents(range),
            Self::Unknown | Self::Doubtful(_) => AllData.extents(range),
        }
    }
}

impl Owner<'_> {
    /// The filesystem, if it is one of the ext family.
    pub(crate) fn as_ext(&self) -> Option<&ExtFilesystem<'_>> {
        match self {
            Self::Content(content) | Self::Doubtful(content) => content.as_ext(),
            Self::Unknown | Self::Volumes(_) => None,
        }
    }
}

/// What is known of a part.
pub(crate) enum Decision<'d> {
    /// Whose its bytes are.
    Known(Owner<'d>, Box<Report>),
    /// No provider knows its content.
    Unknown(Unknown),
}

/// A part that no provider knows.
pub(crate) struct Unknown {
    relic: Option<u64>,
}

impl Unknown {
    /// The report of such a part: all of it is kept.
    pub(crate) fn report(&self, options: &Options<'_>) -> Result<Report, Error> {
        if options.keep != Keep::Used {
            return Err(Error::NoFilesystem);
        }
        if options.superblock.is_some() {
            return Err(Error::NoSuperblock);
        }
        let mut report = Report::whole(in_use(options));
        report.old_superblock = self.relic;
        Ok(report)
    }
}

/// Decides whose the bytes of `part` are, and which of them are kept.
pub(crate) fn decide<'d>(
    part: &Part<'d>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<Decision<'d>, Error> {
    let whole = |why| Decision::Known(Owner::Unknown, Box::new(Report::whole(why)));
    if options.keep == Keep::All {
        return Ok(whole(in_use(options)));
    }
    let has_to_be_read = !options.salvage || options.keep == Keep::Metadata;
    match known(part, options, others) {
        Ok(Known::Content(content)) => {
            let (owner, report) = by(content, options);
            Ok(Decision::Known(owner, Box::new(report)))
        }
        Ok(Known::Disputed) => Ok(whole(Some(KeptWhole::Disputed))),
        Ok(Known::Nobody { relic }) => Ok(Decision::Unknown(Unknown { relic })),
        Err(error @ (Error::Content(_) | Error::Table(_) | Error::Signature { .. }))
            if !has_to_be_read =>
        {
            Ok(whole(Some(KeptWhole::Unreadable(error))))
        }
        Err(error) => Err(error),
    }
}

/// As [`decide`], and tells what the content of a part looks like that no provider knows.
pub(crate) fn look<'d>(
    part: &Part<'d>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<(Owner<'d>, Report, Option<Found>), Error> {
    match decide(part, options, others)? {
        Decision::Known(owner, report) => Ok((owner, *report, None)),
        Decision::Unknown(unknown) => {
            // Only a name is missing if that cannot be read.
            let looks_like = claims::find(part, &[]).unwrap_or(None);
            Ok((Owner::Unknown, unknown.report(options)?, looks_like))
        }
    }
}

/// Whether `options` ask for what only one filesystem can have.
pub(crate) fn needs_one_filesystem(options: &Options<'_>) -> bool {
    options.keep != Keep::Used || options.superblock.is_some() || options.preliminary
}

/// `content` decides, unless the disk is in use. Metadata is told from data all the same.
fn by<'d>(content: Box<dyn Content + 'd>, options: &Options<'_>) -> (Owner<'d>, Report) {
    let found = content.report();
    let is_metadata = options.keep == Keep::Metadata;
    let mut report = Report::whole(in_use(options).filter(|_| !is_metadata));
    let decides = report.kept_whole.is_none() && !options.preliminary;
    let nothing = |why| format!("nothing is left out: {why}");
    report.notes.extend(found.not_discarded.map(nothing));
    report.filesystem = Some(found.filesystem);
    if !decides {
        return (Owner::Doubtful(content), report);
    }
    if is_metadata {
        report.kept = Kept::Metadata;
        report.notes.extend(options.in_use.clone());
        report.notes.extend(found.distrust);
    } else if let Some(why) = found.distrust {
        report.kept_whole = Some(KeptWhole::Distrust { why });
    } else {
        report.kept = Kept::Used;
    }
    report.notes.extend(found.unclean);
    report.needs_check = found.needs_check;
    report.repaired_by = found.repaired_by;
    report.damage = found.damage;
    report.evidence = found.evidence;
    report.unit_bytes = found.unit_bytes;
    (Owner::Content(content), report)
}

/// Who knows the content of a part.
enum Known<'d> {
    Content(Box<dyn Content + 'd>),
    Nobody { relic: Option<u64> },
    Disputed,
}

/// That somebody uses the disk.
pub(crate) fn in_use(options: &Options<'_>) -> Option<KeptWhole> {
    let user = options.in_use.clone()?;
    Some(KeptWhole::InUse { user })
}

/// Asks all providers for the content of `part`, those of this crate and `others`. The first
/// that takes it for its own looks into it. If another one does, too, nothing is free: that
/// is told by what else claims the part.
fn known<'d>(
    part: &Part<'d>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<Known<'d>, Error> {
    let others = others.iter().copied().filter(|_| options.keep != Keep::Ext);
    let (mut candidates, mut relic) = (Vec::new(), None);
    // The others have no superblock that could be asked for.
    let is_ext = options.keep == Keep::Ext || options.superblock.is_some();
    let own: &[&dyn Provider] = if is_ext { &[&Ext] } else { &PROVIDERS };
    let own = own.iter().map(|one| (*one, true));
    for (provider, is_own) in own.chain(others.map(|other| (other, false))) {
        match provider.probe(part, options) {
            Ok(Probe::Mine(candidate)) => candidates.push(candidate),
            Ok(Probe::Relic { at }) => relic = relic.or(Some(at)),
            Ok(Probe::NotMine) => {}
            // The look for other claims, which knows their signatures, tells whether that
            // place matters.
            Err(_) if is_own && !candidates.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    let is_disputed = candidates.len() > 1;
    let Some(candidate) = candidates.into_iter().next() else {
        return Ok(Known::Nobody { relic });
    };
    let claim = match options.keep {
        Keep::Ext => None,
        _ => other_claim(part, &*candidate)?,
    };
    if is_disputed && claim.is_none() {
        return Ok(Known::Disputed);
    }
    candidate.open(claim, options).map(Known::Content)
}

/// What else claims the part that `candidate` was found on.
fn other_claim(
    part: &Part<'_>,
    candidate: &dyn Candidate<'_>,
) -> Result<Option<OtherClaim>, Error> {
    let belief = candidate.belief();
    if belief == Belief::Nothing {
        return Ok(None);
    }
    if let Some(found) = claims::find(part, candidate.own())? {
        return Ok(Some(OtherClaim::Part(found)));
    }
    let Belief::Bytes { bytes } = belief else {
        return Ok(None);
    };
    let found = claims::covers_free_blocks(part, bytes)?;
    Ok(found.map(OtherClaim::FreeBytes))
}
