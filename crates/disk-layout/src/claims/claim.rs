//! The formats that may claim a disk.

use std::fmt;

/// Declares [`Claim`], each format with its name.
macro_rules! claims {
    ($($claim:ident $name:literal)*) => {
        /// A format that may claim a disk by its signature.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Claim {
            $(#[doc = concat!("The disk may be or hold ", $name, ".")] $claim,)*
        }

        impl Claim {
            /// What the format is called in messages, with its article.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$claim => $name,)*
                }
            }
        }

        impl fmt::Display for Claim {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

claims! {
    Mbr "an MBR partition table"
    Gpt "a GPT partition table"
    MacMap "an Apple partition map"
    BsdLabel "a BSD disk label"
    SunLabel "a Sun disk label"
    SgiLabel "an SGI disk label"
    SolarisLabel "a Solaris x86 disk label"
    UnixwareLabel "a UnixWare disk label"
    UltrixLabel "an Ultrix disk label"
    AixLabel "an AIX disk label"
    AtariLabel "an Atari partition table"
    AmigaRdb "an Amiga rigid disk block"
    Pc98Label "a PC-98 partition table"
    Ldm "a Windows dynamic disk"
    Lvm2 "LVM2"
    Lvm1 "LVM1"
    Luks "LUKS"
    BitLocker "BitLocker"
    CoreStorage "Apple Core Storage"
    DmIntegrity "dm-integrity"
    DmVerity "dm-verity"
    DmSnapshot "a dm-snapshot store"
    AndroidVerity "Android verity metadata"
    Avb "Android verified boot (AVB)"
    Bcache "bcache"
    BlueStore "Ceph BlueStore"
    Stratis "Stratis"
    Vdo "VDO"
    Drbd "DRBD"
    DrbdProxy "a DRBD proxy log"
    DrbdManage "a DRBD control volume"
    OracleAsm "Oracle ASM"
    VmfsVolume "a VMFS volume"
    Ubi "UBI"
    Swap "swap space"
    Hibernation "a hibernated system"
    Md "Linux RAID"
    Ddf "a DDF RAID"
    Imsm "an Intel Matrix RAID"
    AdaptecRaid "an Adaptec RAID"
    HighPoint37x "a HighPoint 37x RAID"
    HighPoint45x "a HighPoint 45x RAID"
    JmicronRaid "a JMicron RAID"
    LsiRaid "an LSI MegaRAID"
    NvidiaRaid "an NVIDIA RAID"
    PromiseRaid "a Promise FastTrak RAID"
    SiliconRaid "a Silicon Image RAID"
    ViaRaid "a VIA RAID"
    Apfs "APFS"
    Bcachefs "bcachefs"
    Befs "BeFS"
    Bfs "SCO BFS"
    Btrfs "btrfs"
    Cramfs "cramfs"
    Erofs "EROFS"
    Exfat "exFAT"
    Exfs "EXFS"
    F2fs "F2FS"
    Fat "FAT"
    Gfs "GFS or GFS2"
    Hfs "HFS"
    HfsPlus "HFS+"
    Minix "Minix"
    Hpfs "HPFS"
    Iso9660 "ISO 9660"
    Jffs2 "JFFS2"
    Jfs "JFS"
    Mpool "mpool"
    Nilfs2 "NILFS2"
    Nss "NetWare NSS"
    Ntfs "NTFS"
    Ocfs "OCFS"
    Ocfs2 "OCFS2"
    Refs "ReFS"
    Reiser4 "Reiser4"
    Reiserfs "ReiserFS"
    Romfs "romfs"
    Scoutfs "ScoutFS"
    Squashfs "SquashFS"
    Sysv "a System V filesystem"
    Ubifs "UBIFS"
    Udf "UDF"
    Ufs "UFS"
    Vmfs "VMFS"
    Vxfs "VxFS"
    Xenix "a Xenix filesystem"
    Xfs "XFS"
    XfsLog "an XFS log"
    Zfs "ZFS"
    Zonefs "zonefs"
}
