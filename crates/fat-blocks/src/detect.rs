//! From a disk to a filesystem.

use blockio::ReadAt;

use crate::bytes::le16;
use crate::claims::Claims;
use crate::clusters::Clusters;
use crate::error::{Error, Halt, Structure, fill};
use crate::filesystem::{Detected, Filesystem, Info, Options};
use crate::finding::{Finding, Step};
use crate::{exfat, fat};

/// Bytes of every boot sector that are looked at.
const BOOT_BYTES: u64 = 512;
const SIGNATURE: u16 = 0xaa55;

/// Looks for a FAT12, FAT16, FAT32 or exFAT filesystem on `disk`, reads which of its
/// clusters are free, and walks its directories.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails. Nothing that is wrong with a filesystem is an
/// error: see [`Filesystem::trust`].
pub fn detect<R: ReadAt>(disk: R, options: &Options) -> Result<Detected<R>, Error> {
    let Options {} = options;
    let size = disk.size();
    let mut boot = [0; 512];
    if size < BOOT_BYTES {
        return Ok(Detected::Nothing);
    }
    fill(&disk, Structure::Boot, 0, &mut boot)?;
    if le16(&boot, 510) != SIGNATURE {
        return Ok(Detected::Nothing);
    }
    let mut info = Info {
        kind: None,
        label: Vec::new(),
        serial: 0,
        bytes: 0,
        sector_bytes: 0,
        cluster_bytes: 0,
        clusters: 0,
        used_bytes: size,
        free_bytes: 0,
    };
    let mut findings = Vec::new();
    let surveyed = if exfat::boot::is_mine(&boot) {
        exfat::survey(&disk, &boot, &mut info)
    } else if fat::boot::is_mine(&boot) {
        fat::survey(&disk, &boot, &mut info, &mut findings)
    } else {
        return Ok(Detected::Nothing);
    };
    let clusters = match settle(surveyed, &mut findings) {
        Ok(clusters) => Ok(clusters),
        Err(Halt::Distrust(distrust)) => {
            findings.clear();
            Err(distrust)
        }
        Err(Halt::Read(error)) => return Err(error),
    };
    if let Ok(clusters) = &clusters {
        info.free_bytes = clusters.free_bytes();
        info.used_bytes = size.saturating_sub(info.free_bytes);
    }
    Ok(Detected::Fat(Filesystem {
        disk,
        info,
        findings,
        clusters,
    }))
}

/// The clusters, once the directory tree has claimed its own.
fn settle(surveyed: Step<Claims>, findings: &mut Vec<Finding>) -> Step<Clusters> {
    let claims = surveyed?;
    let clusters = claims.unreferenced();
    if clusters > 0 {
        findings.push(Finding::Unreferenced { clusters });
    }
    Ok(Clusters {
        heap: claims.heap,
        free: claims.free,
    })
}
