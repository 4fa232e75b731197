//! The numbers of a page as JSON, for its script and for other programs.

use serde::{Serialize, Serializer};

use super::picture::columns;
use crate::cells::Cells;
use crate::error::Error;
use crate::kinds::{DiskKind, FileKind, Kind};
use crate::links::Links;
use crate::survey::{Survey, Totals};

/// Version of these numbers; raised when one is removed or changes its meaning.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Data<'d> {
    schema: u32,
    totals: &'d Totals,
    findings: Option<u64>,
    disk: PictureData<'d, DiskKind>,
    file: Option<PictureData<'d, FileKind>>,
    links: &'d Links,
}

/// A picture in numbers.
struct PictureData<'d, K>(&'d Cells<K>);

#[derive(Serialize)]
struct KindData {
    key: &'static str,
    name: &'static str,
    bytes: u64,
}

impl<K: Kind> Serialize for PictureData<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            bytes: u64,
            cell_bytes: u64,
            columns: usize,
            kinds: Vec<KindData>,
            /// Of each cell the indices of its kinds, and how many bytes of each it has.
            cells: Vec<Vec<u64>>,
        }
        let Self(cells) = self;
        let kinds = K::ALL.iter().map(|kind| KindData {
            key: kind.key(),
            name: kind.name(),
            bytes: cells.total(*kind),
        });
        let flat = cells.iter().map(|counts| {
            let pairs = counts.into_iter();
            let pairs = pairs
                .flat_map(|(kind, bytes)| [u64::try_from(kind.index()).unwrap_or(u64::MAX), bytes]);
            pairs.collect()
        });
        Fields {
            bytes: cells.scale.bytes,
            cell_bytes: cells.scale.cell_bytes,
            columns: columns(cells.scale.count()),
            kinds: kinds.collect(),
            cells: flat.collect(),
        }
        .serialize(serializer)
    }
}

/// The numbers of `survey` as JSON that can stand in an element of HTML.
pub(super) fn island(survey: &Survey) -> Result<String, Error> {
    let data = Data {
        schema: SCHEMA,
        totals: &survey.totals,
        findings: survey.findings.as_ref().map(|findings| findings.count),
        disk: PictureData(&survey.disk),
        file: survey.file.as_ref().map(PictureData),
        links: &survey.links,
    };
    Ok(harmless(&serde_json::to_string(&data)?))
}

/// JSON without what could end the element that it stands in, or begin another one.
fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_cannot_leave_their_element() {
        let text = "</script><!-- & \u{2028}";
        let json = harmless(&serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""\u003c/script\u003e\u003c!-- \u0026 \u2028""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
