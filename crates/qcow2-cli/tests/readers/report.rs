//! The results as a document.

use super::cell::{Cell, Row};
use super::reader::Reader;
use fixtures::aligned;

const PREFACE: &str = "\
# Readers of our images

`QCOW2_READERS_WRITE=1 cargo test -p qcow2-cli --test readers -- --ignored` generates
this document. It installs other programs and libraries that read qcow2, with pinned
versions, packs a disk of 12.5 MiB with each of the options below, reads the whole disk
with each of them, and compares every byte. oslo.utils does not read disks: it has the
inspector that OpenStack uses before it accepts an image.
`QCOW2_READERS_ALSO=PROGRAM` adds another qemu-img or 7z to those of the machine.

- *right*: every byte of the disk is right;
- **wrong**: the reader reports success, but that much of the disk is wrong;
- *refused*: an error, at once or in the middle of the disk. The number refers to the
  message below the table;
- *safe*: the inspector's verdict.

`--content metadata` makes clusters of the size of a block, and on disks from 8 TiB
on (512 GiB with blocks of 1 KiB) extended L2 entries. dissect.hypervisor and
oslo.utils are installed with their extras `full` and `image-inspection`.
go-qcow2reader was not tried: none of the registries used has it.
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
    let mut text = format!("{PREFACE}\n## Results\n\n{}", aligned(&table));
    if !reasons.is_empty() {
        text.push_str("\nThe messages of those that refuse:\n\n");
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

- **No option**: all of them read the image, with all cluster sizes, all refcount widths
  and both versions of the format. None of them needs `--compat 0.10`; QEMU before 1.1
  does.
- **`-c zlib --deflate-window 4k`**: all of them read this compression. QEMU itself
  refers back at most 4 KiB, and some readers support no more: dissect.hypervisor fails
  on `-c zlib` with clusters larger than that. All others read `-c zlib`, which is
  smaller. With the small window, level 6 is as small as the images that QEMU writes;
  level 1, the default, is a third larger.
- **`-c zstd`** is for QEMU 5.1 and later, and for dissect.hypervisor with its extra
  `full`.
- **Metadata of disks from 8 TiB on** is for QEMU 5.2 and later: no other reader returns
  the right disk from an image with extended L2 entries. 7-Zip does not refuse such an
  image if every cluster is compressed, and returns wrong bytes. `unpack` reads them all.

Compressed clusters start at even offsets of the image, because libqcow reads those at
odd offsets as zeros if the version of the format is 3. The folder `findings` has a
script for this and for other unexpected behaviour.
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
