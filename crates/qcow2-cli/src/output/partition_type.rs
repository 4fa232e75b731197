//! Names for the usual types of partitions.

use disk_layout::table::PartitionType;

/// GUIDs of a GPT. Sources: the UEFI specification, and the Discoverable Partitions
/// Specification.
const GUIDS: [(&str, &str); 9] = [
    (
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
        "EFI system partition",
    ),
    (
        "21686148-6449-6E6F-744E-656564454649",
        "BIOS boot partition",
    ),
    ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "Linux filesystem"),
    ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "Linux swap"),
    ("E6D6D379-F507-44C2-A23C-238F2A3DF928", "Linux LVM"),
    (
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        "Linux root (x86-64)",
    ),
    (
        "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
        "Linux root (ARM 64)",
    ),
    (
        "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
        "Microsoft basic data",
    ),
    ("E3C9E316-0B5C-4DB8-817D-F92DF00215AE", "Microsoft reserved"),
];

/// Types of an MBR.
const BYTES: [(u8, &str); 13] = [
    (0x01, "FAT12"),
    (0x05, "extended partition"),
    (0x06, "FAT16"),
    (0x07, "NTFS or exFAT"),
    (0x0b, "FAT32"),
    (0x0c, "FAT32"),
    (0x0e, "FAT16"),
    (0x0f, "extended partition"),
    (0x82, "Linux swap"),
    (0x83, "Linux"),
    (0x85, "extended partition"),
    (0x8e, "Linux LVM"),
    (0xef, "EFI system partition"),
];

/// The usual name of a type, if it is one of these.
pub(super) fn name(kind: &PartitionType) -> Option<&'static str> {
    if let PartitionType::Mbr(byte) = kind {
        return BYTES
            .iter()
            .find(|(code, _)| code == byte)
            .map(|(_, name)| *name);
    }
    let guid = kind.to_string();
    GUIDS
        .iter()
        .find(|(code, _)| *code == guid)
        .map(|(_, name)| *name)
}
