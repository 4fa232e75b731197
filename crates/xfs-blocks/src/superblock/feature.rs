//! Feature bits, and those of them that this crate knows.

use crate::finding::Distrust;

/// Bits of `sb_versionnum`.
pub(crate) const VERSION_MASK: u16 = 0x000f;
const VERSION_EXTFLG: u16 = 0x1000;
const VERSION_DIRV2: u16 = 0x2000;
pub(crate) const VERSION_LOGV2: u16 = 0x0400;
pub(crate) const VERSION_SECTOR: u16 = 0x0800;
const VERSION_SHARED: u16 = 0x0200;
const VERSION_MOREBITS: u16 = 0x8000;

/// Bits of `sb_features2`.
pub(crate) const FEATURES2_LAZYSBCOUNT: u32 = 0x2;
/// `LAZYSBCOUNT`, `ATTR2`, `PROJID32BIT`, `FTYPE`.
const FEATURES2_KNOWN: u32 = FEATURES2_LAZYSBCOUNT | 0x8 | 0x80 | 0x200;
/// The same in version 5, where the bit for checksums is set, too.
const FEATURES2_KNOWN5: u32 = FEATURES2_KNOWN | 0x100;

/// Bits of `sb_features_ro_compat`.
pub(crate) const RO_COMPAT_FINOBT: u32 = 1;
pub(crate) const RO_COMPAT_RMAPBT: u32 = 1 << 1;
pub(crate) const RO_COMPAT_REFLINK: u32 = 1 << 2;
/// Those and `INOBTCNT`.
const RO_COMPAT_KNOWN: u32 = 0xf;

/// Bits of `sb_features_incompat`.
pub(crate) const INCOMPAT_SPINODES: u32 = 1 << 1;
pub(crate) const INCOMPAT_META_UUID: u32 = 1 << 2;
pub(crate) const INCOMPAT_NEEDSREPAIR: u32 = 1 << 4;
pub(crate) const INCOMPAT_NREXT64: u32 = 1 << 5;
pub(crate) const INCOMPAT_METADIR: u32 = 1 << 8;
/// `FTYPE`, `SPINODES`, `META_UUID`, `BIGTIME`, `NEEDSREPAIR`, `NREXT64`, `EXCHRANGE`,
/// `PARENT`, `METADIR`, `ZONED`, `ZONE_GAPS`. `NEEDSREPAIR` is refused by itself; the last
/// two only say how the realtime section is used, which is kept.
const INCOMPAT_KNOWN: u32 = 0x7ff;

/// Bit of `sb_features_log_incompat`: logged extended attributes.
const LOG_INCOMPAT_XATTRS: u32 = 1;

/// The features of a filesystem, all known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) version: u16,
    pub(crate) features2: u32,
    pub(crate) ro_compat: u32,
    pub(crate) incompat: u32,
    pub(crate) log_incompat: u32,
}

impl Features {
    /// Whether this is version 5.
    pub(crate) const fn has_crc(&self) -> bool {
        self.version & VERSION_MASK == 5
    }

    /// Whether AGFs count the blocks of their btrees, and the superblock is only right
    /// after an unmount.
    pub(crate) const fn has_lazy_counts(&self) -> bool {
        self.has_crc() || self.features2 & FEATURES2_LAZYSBCOUNT != 0
    }

    pub(crate) const fn has_rmapbt(&self) -> bool {
        self.ro_compat & RO_COMPAT_RMAPBT != 0
    }

    pub(crate) const fn has_reflink(&self) -> bool {
        self.ro_compat & RO_COMPAT_REFLINK != 0
    }

    pub(crate) const fn has_finobt(&self) -> bool {
        self.ro_compat & RO_COMPAT_FINOBT != 0
    }

    pub(crate) const fn has_sparse_inodes(&self) -> bool {
        self.incompat & INCOMPAT_SPINODES != 0
    }

    pub(crate) const fn has_metadir(&self) -> bool {
        self.incompat & INCOMPAT_METADIR != 0
    }

    /// Refuses what is not known. `compat` is `sb_features_compat`, of which nothing is.
    pub(crate) fn check(&self, compat: u32) -> Result<(), Distrust> {
        let known2 = if self.has_crc() {
            FEATURES2_KNOWN5
        } else {
            FEATURES2_KNOWN
        };
        let needed = VERSION_DIRV2 | VERSION_EXTFLG;
        // Both bits are needed by Linux, which knows none without; `SHARED` it never wrote.
        if !self.has_crc() && self.version & needed != needed || self.version & VERSION_SHARED != 0
        {
            let bits = u32::from(self.version);
            return Err(unknown("sb_versionnum", bits));
        }
        let has_more = self.has_crc() || self.version & VERSION_MOREBITS != 0;
        let known = |name, found: u32, known: u32| match found & !known {
            0 => Ok(()),
            bits => Err(unknown(name, bits)),
        };
        if has_more {
            known("sb_features2", self.features2, known2)?;
        }
        if !self.has_crc() {
            return Ok(());
        }
        known("sb_features_compat", compat, 0)?;
        known("sb_features_ro_compat", self.ro_compat, RO_COMPAT_KNOWN)?;
        known("sb_features_incompat", self.incompat, INCOMPAT_KNOWN)?;
        if self.incompat & INCOMPAT_NEEDSREPAIR != 0 {
            return Err(Distrust::NeedsRepair);
        }
        let name = "sb_features_log_incompat";
        known(name, self.log_incompat, LOG_INCOMPAT_XATTRS)
    }
}

const fn unknown(field: &'static str, bits: u32) -> Distrust {
    Distrust::Unsupported { field, bits }
}
