//! Decides which bytes of a part are kept, and why.

use std::ops::Range;

use blockio::{AllData, Extents, Tiling};

use crate::claims;
use crate::error::Error;
use crate::ext::Ext;
use crate::options::{Keep, Options};
use crate::provider::{
    Belief, Candidate, Content, ExtFilesystem, OtherClaim, Part, Probe, Provider,
};
use crate::report::{Kept, KeptWhole, Report};

/// The providers of this crate.
const PROVIDERS: [&dyn Provider; 1] = [&Ext];

/// Whose the bytes of a part are.
pub(crate) enum Owner<'d> {
    /// Nobody's that is known: all of them are kept.
    Unknown,
    /// The content says which are kept.
    Content(Box<dyn Content + 'd>),
    /// The content is known, but it is not believed what is free in it.
    Doubtful(Box<dyn Content + 'd>),
}

impl Owner<'_> {
    /// What the bytes in `range` of the part are.
    pub(crate) fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match self {
            Self::Content(content) => content.extents(range),
            Self::Unknown | Self::Doubtful(_) => AllData.extents(range),
        }
    }

    /// The filesystem, if it is one of the ext family.
    pub(crate) fn as_ext(&self) -> Option<&ExtFilesystem<'_>> {
        match self {
            Self::Content(content) | Self::Doubtful(content) => content.as_ext(),
            Self::Unknown => None,
        }
    }
}

/// Decides whose the bytes of `part` are, and which of them are kept.
pub(crate) fn decide<'d>(
    part: &Part<'d>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<(Owner<'d>, Report), Error> {
    if options.keep == Keep::All {
        return Ok((Owner::Unknown, Report::whole(in_use(options))));
    }
    let has_to_be_read = !options.salvage || options.keep == Keep::Metadata;
    match known(part, options, others) {
        Ok(Known::Content(content)) => Ok(by(content, options)),
        Ok(Known::Disputed) => {
            let why = KeptWhole::Disputed;
            Ok((Owner::Unknown, Report::whole(Some(why))))
        }
        Ok(Known::Nobody { .. }) if options.keep != Keep::Used => Err(Error::NoFilesystem),
        Ok(Known::Nobody { .. }) if options.superblock.is_some() => Err(Error::NoSuperblock),
        Ok(Known::Nobody { relic }) => {
            let mut report = Report::whole(in_use(options));
            report.old_superblock = relic;
            Ok((Owner::Unknown, report))
        }
        Err(error @ (Error::Content(_) | Error::Signature { .. })) if !has_to_be_read => {
            let why = KeptWhole::Unreadable(error);
            Ok((Owner::Unknown, Report::whole(Some(why))))
        }
        Err(error) => Err(error),
    }
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

fn in_use(options: &Options<'_>) -> Option<KeptWhole> {
    let user = options.in_use.clone()?;
    Some(KeptWhole::InUse { user })
}

/// Asks all providers for the content of `part`, those of this crate and `others`. One that takes it for its own looks into
/// it.
fn known<'d>(
    part: &Part<'d>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<Known<'d>, Error> {
    let others = others.iter().copied().filter(|_| options.keep != Keep::Ext);
    let (mut candidates, mut relic) = (Vec::new(), None);
    for provider in PROVIDERS.into_iter().chain(others) {
        match provider.probe(part, options)? {
            Probe::Mine(candidate) => candidates.push(candidate),
            Probe::Relic { at } => relic = relic.or(Some(at)),
            Probe::NotMine => {}
        }
    }
    let Some(candidate) = candidates.pop() else {
        return Ok(Known::Nobody { relic });
    };
    if !candidates.is_empty() {
        return Ok(Known::Disputed);
    }
    let claim = match options.keep {
        Keep::Ext => None,
        _ => other_claim(part, &*candidate)?,
    };
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
