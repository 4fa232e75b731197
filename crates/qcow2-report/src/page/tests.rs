use std::ops::ControlFlow;

use blockio::{AllData, Extent, ExtentKind};
use sha2::{Digest, Sha256};

use super::*;
use crate::{Fact, Row, SnapshotRow, Storage, Subject};

fn survey_of(disk: &Vec<u8>) -> Survey {
    let subject = Subject::new(&AllData, Storage::Raw(disk));
    Survey::new(&subject, |_| ControlFlow::Continue(())).unwrap()
}

/// Base 64, for digests whose length is a multiple of neither 3 nor 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .chain([0; 2].iter())
            .take(3)
            .fold(0, |word, byte| word << 8 | usize::from(*byte));
        for digit in 0..4 {
            let is_there = digit <= chunk.len();
            let index = word >> (18 - 6 * digit) & 63;
            out.push(if is_there {
                char::from(DIGITS[index])
            } else {
                '='
            });
        }
    }
    out
}

#[test]
fn the_policy_lets_the_script_run() {
    assert_eq!(base64(b"M"), "TQ==");
    assert_eq!(SCRIPT_SHA256, base64(&Sha256::digest(SCRIPT)));
}

#[test]
fn the_page_loads_nothing() {
    let html = page(&survey_of(&vec![7; 1 << 20]), &Text::default()).unwrap();
    for word in ["http:", "https:", "src=", "href=", "@import", "url(", "//"] {
        let found = html.lines().find(|line| line.contains(word));
        // Comments of the script begin with two slashes.
        let found = found.filter(|line| !(word == "//" && line.trim_start().starts_with("//")));
        assert_eq!(found, None, "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn words_cannot_become_markup() {
    let evil = "</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}";
    let mut text = Text::default();
    for field in [
        &mut text.title,
        &mut text.what,
        &mut text.content,
        &mut text.program,
    ] {
        *field = evil.into();
    }
    text.facts.push(Fact::new(evil, evil));
    let mut row = Row::default();
    (row.number, row.name, row.content) = (evil.into(), evil.into(), evil.into());
    text.rows.push(row);
    let mut snapshot = SnapshotRow::default();
    (snapshot.id, snapshot.name, snapshot.date) = (evil.into(), evil.into(), evil.into());
    text.snapshots.push(snapshot);
    text.notes.push(evil.into());

    let disk = vec![7; 1 << 20];
    let mut subject = Subject::new(&AllData, Storage::Raw(&disk));
    subject.parts.push(vec![0..4096, 8192..9000]);
    let mut survey = Survey::new(&subject, |_| ControlFlow::Continue(())).unwrap();
    survey.findings = Some(crate::Findings {
        count: 1,
        lines: vec![evil.into()],
    });
    let html = page(&survey, &text).unwrap();
    assert_eq!(html.matches("<img").count(), 0);
    assert_eq!(html.matches("</script>").count(), 2);
    let escaped =
        "&lt;&#x2f;script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;{{ 7 * 7 }}";
    assert_eq!(html.matches(escaped).count(), 5 + 2 + 3 + 3 + 1 + 1);
}

#[test]
fn numbers_of_the_page_are_those_of_the_survey() {
    let disk = vec![7; 1 << 20];
    let uses = [
        Extent::new(0..300_000, ExtentKind::Data),
        Extent::new(300_000..1 << 20, ExtentKind::Free),
    ];
    let subject = Subject::new(&uses, Storage::Raw(&disk));
    let survey = Survey::new(&subject, |_| ControlFlow::Continue(())).unwrap();
    let html = page(&survey, &Text::default()).unwrap();
    let (_, rest) = html.split_once("id=\"data\">").unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(data["schema"], 1);
    assert_eq!(data["totals"]["used_bytes"], 300_000);
    assert_eq!(data["totals"]["stale_bytes"], (1 << 20) - 300_000);
    assert_eq!(data["disk"]["cell_bytes"], 65536);
    let cells = data["disk"]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 16);
    assert_eq!(cells[4].to_string(), "[0,37856,4,27680]");
    assert_eq!(cells[5].to_string(), "[4,65536]");
    assert_eq!(html.matches("role=\"gridcell\"").count(), 16);
    assert!(data["file"].is_null());
    assert!(html.contains("<td>292 KiB</td><td>28.6 %</td>"));
}

#[test]
fn an_empty_disk_has_a_page() {
    let html = page(&survey_of(&Vec::new()), &Text::default()).unwrap();
    assert_eq!(html.matches("role=\"gridcell\"").count(), 0);
}
