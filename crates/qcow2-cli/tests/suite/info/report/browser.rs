//! The page in a browser: what it shows, and how it answers to pointer and keys.

use std::path::Path;

use fixtures::{SplitMix, Tool};

use super::data;
use crate::bench::Bench;

/// The page that tests the other one, in a frame.
const HARNESS: &str = include_str!("harness.html");

/// Words of a line of the browser about a message of a page.
const CONSOLE: &str = ":CONSOLE";

/// Loads `page` without a window, and gives its elements at the end; messages in the
/// console are none.
#[track_caller]
fn dom(browser: &Tool, page: &Path, more: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let outcome = browser
        .run(|command| {
            command
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--allow-file-access-from-files",
                    "--window-size=1280,1000",
                    "--virtual-time-budget=20000",
                    "--enable-logging=stderr",
                    "--dump-dom",
                ])
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .args(more)
                .arg(format!("file://{}", page.display()))
        })
        .unwrap();
    assert!(outcome.success(), "{outcome:?}");
    let said: Vec<_> = outcome
        .stderr
        .lines()
        .filter(|line| line.contains(CONSOLE))
        .collect();
    assert_eq!(said, Vec::<&str>::new());
    outcome.stdout
}

/// An image with compressed and plain data, zeros, and more cells than one row.
fn image(bench: &Bench) {
    let mut disk = vec![0; 8 << 20];
    let mut random = SplitMix::new(6);
    for start in [1 << 20, 3 << 20, 6 << 20] {
        disk[start..start + (1 << 19)].copy_from_slice(&random.bytes(1 << 19));
    }
    disk[4 << 20..5 << 20].fill(b'x');
    bench.write("disk.img", disk);
    bench.ok("pack -c zlib --cluster-size 4K disk.img image.qcow2");
}

#[test]
fn pictures_answer_to_pointer_and_keys() {
    let Some(browser) = fixtures::require("chromium") else {
        return;
    };
    let bench = Bench::new();
    image(&bench);
    bench.write("harness.html", HARNESS);
    for (name, checks) in [("image.qcow2", 16), ("disk.img", 10)] {
        bench.run(&format!("report --force {name} -o page.html"));
        let dom = dom(&browser, &bench.path("harness.html"), &[]);
        let (_, results) = dom.split_once("<pre id=\"results\">").expect("results");
        let (results, _) = results.split_once("</pre>").unwrap();
        let lines: Vec<_> = results.lines().filter(|line| !line.is_empty()).collect();
        let failed: Vec<_> = lines
            .iter()
            .filter(|line| !line.starts_with("ok "))
            .collect();
        assert_eq!(failed, Vec::<&&str>::new(), "{name}: {results}");
        assert_eq!(lines.len(), checks, "{name}: {results}");
    }
}

#[test]
fn no_other_script_runs() {
    let Some(browser) = fixtures::require("chromium") else {
        return;
    };
    let bench = Bench::new();
    image(&bench);
    bench.run("report image.qcow2 -o page.html");
    let page = String::from_utf8(bench.read("page.html")).unwrap();
    let bytes = data(&page)["disk"]["bytes"].clone();
    assert_eq!(bytes, 8 << 20);
    // What it would be if a name became markup after all.
    let evil = "<p id=evil>no</p><script>document.getElementById('evil').textContent = 'yes';\
                </script></body>";
    bench.write("evil.html", page.replace("</body>", evil));
    let profile = tempfile::tempdir().unwrap();
    let outcome = browser
        .run(|command| {
            command
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
                .args(["--disable-quic", "--no-first-run", "--disable-sync"])
                .args([
                    "--disable-background-networking",
                    "--disable-component-update",
                ])
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .arg(format!("file://{}", bench.path("evil.html").display()))
        })
        .unwrap();
    assert!(
        outcome.stdout.contains("<p id=\"evil\">no</p>"),
        "{outcome:?}"
    );
    // The page's own did: it labels the cells.
    assert!(outcome.stdout.contains("aria-label=\"Guest disk, 0 B to"));
}
