//! What an image calls its base.

use std::fs;

use fixtures::Qemu;

use super::bench;

/// The name that the image records.
fn name_in(image: &[u8]) -> String {
    let at = usize::try_from(u64::from_be_bytes(image[8..16].try_into().unwrap())).unwrap();
    let length = u32::from_be_bytes(image[16..20].try_into().unwrap());
    let name = &image[at..at + usize::try_from(length).unwrap()];
    String::from_utf8(name.to_vec()).unwrap()
}

#[test]
fn the_name_leads_from_the_image_to_the_base() {
    let bench = bench("");
    let folder = fs::canonicalize(bench.folder()).unwrap();
    fs::create_dir(bench.path("sub")).unwrap();
    fs::copy(bench.path("old"), bench.path("sub/a:b")).unwrap();
    fs::copy(bench.path("old"), bench.path("c:d")).unwrap();
    std::os::unix::fs::symlink("old", bench.path("latest")).unwrap();
    let absolute = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for (base, new, name) in [
        ("old", "1", "old".to_owned()),
        ("./sub/../old", "2", "old".to_owned()),
        ("latest", "3", "old".to_owned()),
        ("sub/a:b", "4", "sub/a:b".to_owned()),
        ("c:d", "5", "./c:d".to_owned()),
        ("old", "sub/6", absolute("old")),
        ("sub/a:b", "sub/7", "./a:b".to_owned()),
    ] {
        bench.ok(&format!("pack --base {base} disk {new}"));
        assert_eq!(name_in(&bench.read(new)), name, "{base} {new}");
        bench.ok(&format!("unpack --force --references any {new} restored"));
        assert!(bench.read("restored") == bench.read("disk"));
        if Qemu::require().is_some() {
            bench.qemu_img(&format!("convert -f qcow2 -O raw {new} converted"));
            assert!(bench.read("converted") == bench.read("disk"));
        }
    }
    bench.ok("pack --base old --base-name nbd://far/old disk 8");
    assert_eq!(name_in(&bench.read("8")), "nbd://far/old");
    // To a pipe, the same image but for the name.
    let outcome = bench.command("pack --base old disk -").output().unwrap();
    assert!(outcome.status.success());
    bench.write("piped", &outcome.stdout);
    assert_eq!(name_in(&outcome.stdout), absolute("old"));
    bench.ok("unpack --force --references any piped restored");
    assert!(bench.read("restored") == bench.read("disk"));
    let named = bench
        .command("pack --base old --base-name old disk -")
        .output()
        .unwrap();
    assert!(named.stdout == bench.read("1"));
}
