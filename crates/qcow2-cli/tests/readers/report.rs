//! The results as a document.

use super::cell::{Cell, Row};
use super::reader::Reader;
use fixtures::aligned;

const PREFACE: &str = "\
# Readers of our images

`QCOW2_READERS_WRITE=1 cargo test -p qcow2-cli --test readers -- --ignored` makes
this document. It installs other programs and libraries that read qcow2, of pinned
versions, packs one disk of 12.5 MiB with each of the options below, lets each of
them read the whole disk, and compares every byte. oslo.utils reads nothing: it has
the inspector that OpenStack asks before it takes in an image.
`QCOW2_READERS_ALSO=PROGRAM` adds another qemu-img or 7z to the machine's.

- *right*: every byte of the disk;
- **wrong**: the reader reports success, and that much of the disk is other bytes;
- *refused*: an error, at once or in the middle of the disk. The number is that of
  its words, below the table;
- *safe*: what the inspector calls the image.

`--content metadata` makes clusters of the size of a block, and on disks from 8 TiB
on (512 GiB with blocks of 1 KiB) extended L2 entries. dissect.hypervisor and
oslo.utils are installed with their extras `full` and `image-inspection`.
go-qcow2reader has not been tried: it is in none of the registries used.
";

/// The document.
pub(super) fn document(readers: &[Reader], rows: &[Row]) -> String {
    let mut head = vec!["`qcow2 pack`".to_owned()];
    head.extend(
        readers
            .iter()
            .map(|reader| format!("{} {}", reader.name, reader.version)),
    );
    let mut table = vec![head];
    let mut reasons = Vec::new();
    for row in rows {
        let name = if row.name.is_empty() {
            "no option"
        } else {
            &row.name
        };
        let mut line = vec![code_of_options(name)];
        line.extend(row.cells.iter().map(|cell| text(cell, &mut reasons)));
        table.push(line);
    }
    let mut text = format!(
        "{PREFACE}\n## What they make of them\n\n{}",
        aligned(&table)
    );
    if !reasons.is_empty() {
        text.push_str("\nThe words of those that refuse:\n\n");
    }
    for (index, reason) in reasons.iter().enumerate() {
        text.push_str(&format!("{}. `{}`\n", index + 1, reason.replace('`', "'")));
    }
    text.push_str(ADVICE);
    text
}

/// `--content metadata, from 8 TiB on` as `` `--content metadata`, from 8 TiB on ``.
fn code_of_options(name: &str) -> String {
    match name.split_once(", ") {
        _ if !name.starts_with('-') => name.to_owned(),
        Some((options, more)) => format!("`{options}`, {more}"),
        None => format!("`{name}`"),
    }
}

/// A cell of the table; its reason goes into `reasons`, if it is not there yet.
fn text(cell: &Cell, reasons: &mut Vec<String>) -> String {
    match cell {
        Cell::Right => "right".into(),
        Cell::Wrong { per_mille, zeros } => {
            let what = if *zeros { "zeros" } else { "other bytes" };
            format!("**wrong**: {}.{} % {what}", per_mille / 10, per_mille % 10)
        }
        Cell::Refused(reason) => {
            let known = reasons.iter().position(|known| known == reason);
            let index = known.unwrap_or_else(|| {
                reasons.push(reason.clone());
                reasons.len() - 1
            });
            format!("refused ({})", index + 1)
        }
        Cell::Accepted => "safe".into(),
        Cell::NotTried => "not tried".into(),
    }
}

/// What follows for those who pack.
const ADVICE: &str = "
## Which options for which reader

- **No option** makes an image that all of them read, and so do all cluster sizes,
  widths of refcounts and both versions of the format. None of them needs
  `--compat 0.10`; QEMU before 1.1 does.
- **`-c zlib --deflate-window 4k`** is the compression that all of them read. QEMU
  itself refers back 4 KiB at most, and there are readers that hold no more:
  dissect.hypervisor fails on `-c zlib` with clusters larger than that. All others
  read `-c zlib`, which is smaller. With the small window level 6 is as small as what
  QEMU writes; level 1, the default, is larger by a third.
- **`-c zstd`** is for QEMU from 5.1 on, and for dissect.hypervisor with its extra
  `full`.
- **Metadata of disks from 8 TiB on** is for QEMU from 5.2 on: no other reader gives
  the right disk of an image with extended L2 entries. 7-Zip does not refuse one in
  which every cluster is compressed, and gives other bytes. `unpack` reads them all.

A compressed cluster begins at an even offset of the image because libqcow reads
what begins at an odd one as zeros if the version of the format is 3. The folder
`findings` has a script for this, and for what else was not to be expected.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_once() {
        let mut reasons = Vec::new();
        let no = Cell::Refused("no".into());
        assert_eq!(text(&no, &mut reasons), "refused (1)");
        assert_eq!(text(&no, &mut reasons), "refused (1)");
        let never = Cell::Refused("never".into());
        assert_eq!(text(&never, &mut reasons), "refused (2)");
        assert_eq!(reasons, ["no", "never"]);
        let wrong = Cell::Wrong {
            per_mille: 123,
            zeros: true,
        };
        assert_eq!(text(&wrong, &mut reasons), "**wrong**: 12.3 % zeros");
    }

    #[test]
    fn options_are_code() {
        assert_eq!(code_of_options("no option"), "no option");
        assert_eq!(code_of_options("-c zlib"), "`-c zlib`");
        assert_eq!(code_of_options("-c zlib, at most"), "`-c zlib`, at most");
    }
}
