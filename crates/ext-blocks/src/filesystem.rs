//! From a disk to a filesystem, and what can be asked of it.

use blockio::{ExtentKind, ReadAt};

use crate::admission::{check_state, check_superblock};
use crate::claims;
use crate::damage::Damage;
use crate::error::{Error, Structure, read};
use crate::feature::{Compat, Incompat, RoCompat};
use crate::geometry::Geometry;
use crate::group::Layout;
use crate::metadata::{self, Metadata};
use crate::roles::Roles;
use crate::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_END, SUPERBLOCK_OFFSET, Superblock};
use crate::survey::{GroupMap, Halt, Special, Survey, survey};
use crate::trust::{Distrust, Trust};
use crate::used::UsedExtents;

/// How a disk is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the caller knows what is on the disk.
    pub content: Content,
    /// Keep the parts of inode tables that never held an inode as data. They
    /// are [`ExtentKind::Zero`] otherwise.
    pub keep_uninit: bool,
    /// What becomes of the bytes behind the filesystem.
    pub tail: Tail,
}

/// What is on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Unknown: an ext superblock counts only where nothing else claims the
    /// disk.
    #[default]
    Probe,
    /// An ext filesystem, whatever else left a signature.
    Ext,
}

/// What becomes of the bytes behind the last block of a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    /// They are used.
    #[default]
    Keep,
    /// They are not, where the filesystem is trusted.
    Drop,
}

/// What [`detect`] found.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a disk, and it is taken apart at once"
)]
pub enum Detected<'d, R: ?Sized> {
    /// An ext superblock; [`Filesystem::trust`] tells whether it is believed.
    Ext(Filesystem<'d, R>),
    /// No ext superblock at byte 1024.
    Nothing,
}

/// A member of the ext family, told by the features in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No journal.
    Ext2,
    /// A journal, and nothing ext3 does not know.
    Ext3,
    /// A feature that only ext4 knows.
    Ext4,
}

/// What a filesystem says of itself, and how its bytes are used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// ext2, ext3 or ext4.
    pub kind: Kind,
    /// `s_rev_level`: 0 or 1.
    pub revision: u32,
    /// `s_volume_name` up to its first zero byte; any bytes.
    pub label: Vec<u8>,
    /// `s_uuid`.
    pub uuid: [u8; 16],
    /// Block size, counts of blocks and groups; `None` where the superblock's
    /// numbers are not those of a filesystem.
    pub geometry: Option<Geometry>,
    /// Bytes of the disk that are used, without `zero_bytes`.
    pub used_bytes: u64,
    /// Bytes of inode tables that never held an inode, and read as zeros.
    pub zero_bytes: u64,
    /// Bytes proven free.
    pub free_bytes: u64,
}

/// An ext filesystem on a disk.
#[derive(Debug)]
pub struct Filesystem<'d, R: ?Sized> {
    disk: &'d R,
    superblock: Superblock,
    /// The geometry, where the superblock is believed whatever its state.
    ground: Result<Geometry, Distrust>,
    info: Info,
    trust: Trust,
    damage: Damage,
    /// There with [`Trust::Bitmaps`].
    groups: Option<(Layout, GroupMap)>,
    tail: ExtentKind,
}

/// Looks for an ext filesystem on `disk`, and surveys its block groups.
///
/// # Errors
///
/// [`Error::Read`] where the storage fails. Nothing that is wrong with a
/// filesystem is an error: see [`Filesystem::trust`] and
/// [`Filesystem::damage`].
pub fn detect<'d, R: ReadAt + ?Sized>(
    disk: &'d R,
    options: &Options,
) -> Result<Detected<'d, R>, Error> {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    if disk.size() < SUPERBLOCK_END {
        return Ok(Detected::Nothing);
    }
    read(disk, Structure::Superblock, SUPERBLOCK_OFFSET, &mut bytes)?;
    let Some(sb) = Superblock::decode(&bytes) else {
        return Ok(Detected::Nothing);
    };
    let geometry = check_superblock(&sb, &bytes).and_then(|()| Geometry::new(&sb, disk.size()));
    let mut filesystem = Filesystem {
        disk,
        superblock: sb.clone(),
        ground: geometry.clone(),
        info: Info::new(&sb, geometry.clone().ok(), disk.size()),
        trust: Trust::Bitmaps,
        damage: Damage::default(),
        groups: None,
        tail: match options.tail {
            Tail::Keep => ExtentKind::Data,
            Tail::Drop => ExtentKind::Unused,
        },
    };
    let surveyed = geometry
        .map_err(Halt::Distrust)
        .and_then(|geometry| examine(disk, &sb, geometry, options));
    match surveyed {
        Ok((layout, survey)) => filesystem.take_survey(layout, survey),
        Err(Halt::Distrust(distrust)) => {
            if !distrust.is_of_state() {
                filesystem.ground = Err(distrust);
            }
            filesystem.trust = Trust::Nothing(distrust);
        }
        Err(Halt::Read(error)) => return Err(error),
    }
    Ok(Detected::Ext(filesystem))
}

/// Surveys a filesystem whose superblock is sound, unless its state or another
/// claim forbids to trust it.
fn examine<R: ReadAt + ?Sized>(
    disk: &R,
    sb: &Superblock,
    geometry: Geometry,
    options: &Options,
) -> Result<(Layout, Survey), Halt> {
    if options.content == Content::Probe
        && let Some(claim) = claims::find(disk)?
    {
        return Err(Distrust::Ambiguous { claim }.into());
    }
    check_state(sb)?;
    let has_journal = sb.compat.contains(Compat::HAS_JOURNAL) && sb.s_journal_inum != 0;
    let special = Special {
        journal_inode: has_journal.then_some(sb.s_journal_inum),
        mmp_block: sb
            .incompat
            .contains(Incompat::MMP)
            .then_some(sb.s_mmp_block),
    };
    let layout = Layout::new(sb, geometry);
    let survey = survey(disk, &layout, special, options.keep_uninit)?;
    Ok((layout, survey))
}

impl Info {
    /// Everything is used until a survey says otherwise.
    fn new(sb: &Superblock, geometry: Option<Geometry>, disk_bytes: u64) -> Self {
        let label = sb.s_volume_name.split(|byte| *byte == 0).next();
        Self {
            kind: Kind::new(sb),
            revision: sb.s_rev_level,
            label: label.unwrap_or_default().to_vec(),
            uuid: sb.s_uuid,
            geometry,
            used_bytes: disk_bytes,
            zero_bytes: 0,
            free_bytes: 0,
        }
    }
}

impl Kind {
    fn new(sb: &Superblock) -> Self {
        let ext3 = Incompat::EXT3.contains(sb.incompat) && RoCompat::EXT3.contains(sb.ro_compat);
        if !ext3 {
            Self::Ext4
        } else if sb.compat.contains(Compat::HAS_JOURNAL) {
            Self::Ext3
        } else {
            Self::Ext2
        }
    }
}

impl<R: ReadAt + ?Sized> Filesystem<'_, R> {
    /// What the filesystem says of itself, and how its bytes are used.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What the used set rests on.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What is wrong in groups of a filesystem that is trusted otherwise.
    #[must_use]
    pub const fn damage(&self) -> &Damage {
        &self.damage
    }

    /// What every byte of the disk is: extents that tile it, each as long as
    /// it can be. Block bitmaps are read again as the iterator goes; every
    /// call gives the same extents.
    #[must_use]
    pub fn used_extents(&self) -> UsedExtents<'_, R> {
        match &self.groups {
            Some((layout, groups)) => {
                UsedExtents::from_bitmaps(self.disk, layout, groups, self.tail)
            }
            None => UsedExtents::everything(self.disk),
        }
    }

    /// The blocks that hold metadata, whatever the state of the filesystem. The
    /// inner error is why the superblock is not believed.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the storage fails.
    pub fn metadata(&self) -> Result<Result<Metadata, Distrust>, Error> {
        let geometry = match &self.ground {
            Ok(geometry) => geometry.clone(),
            Err(distrust) => return Ok(Err(*distrust)),
        };
        let layout = Layout::new(&self.superblock, geometry);
        let roles = Roles::new(&self.superblock);
        metadata::find(self.disk, &layout, &roles).map(Ok)
    }

    fn take_survey(&mut self, layout: Layout, survey: Survey) {
        let geometry = &layout.geometry;
        let disk_bytes = self.disk.size();
        let tail_bytes = match self.tail {
            ExtentKind::Unused => disk_bytes.saturating_sub(geometry.filesystem_bytes()),
            _ => 0,
        };
        let uninit = survey.groups.uninit.iter();
        let zero_bytes = uninit.fold(0u64, |bytes, run| {
            bytes.saturating_add(geometry.byte_of(run.count()))
        });
        let free_bytes = survey.free_bytes.saturating_add(tail_bytes);
        self.info.zero_bytes = zero_bytes;
        self.info.free_bytes = free_bytes;
        self.info.used_bytes = disk_bytes
            .saturating_sub(free_bytes)
            .saturating_sub(zero_bytes);
        self.damage = survey.damage;
        self.groups = Some((layout, survey.groups));
    }
}
