//! Images of others, and disks, from a pipe.

use std::fs::File;
use std::os::unix::fs::FileExt;

use fixtures::{E2fs, Qemu, SplitMix, number};

use crate::bench::Bench;
use crate::pipes::piped;

/// Bytes of the disk: two tables of the usual clusters, and many of small ones.
const DISK_BYTES: u64 = 600 << 20;

/// A disk with data at both ends and in the middle, some of which compresses.
fn write_disk(bench: &Bench) {
    let disk = File::create(bench.path("disk")).unwrap();
    disk.set_len(DISK_BYTES).unwrap();
    let mut random = SplitMix::new(5);
    for at in [0, 3 << 20, 300 << 20, 511 << 20, 599 << 20] {
        disk.write_all_at(&random.bytes(300_000), at).unwrap();
        disk.write_all_at(&b"once more ".repeat(30_000), at + 300_000)
            .unwrap();
    }
}

/// Asserts that the image restores from a pipe, to a file and to a pipe; gives how many
/// bytes were spooled for the file.
#[track_caller]
fn restores(bench: &Bench, what: &str, options: &str) -> u64 {
    let arguments = format!("unpack {options} --force --output json --no-sync - again");
    let (said, code) = piped(bench, &arguments, Some("image"), "report");
    assert_eq!(code, 0, "{what}: {said}");
    assert!(bench.read("again") == bench.read("disk"), "{what}");
    let report = String::from_utf8(bench.read("report")).unwrap();
    let spooled = number(&report, "spooled_bytes").unwrap();
    let arguments = format!("unpack {options} --quiet - -");
    let (said, code) = piped(bench, &arguments, Some("image"), "again");
    assert_eq!((said.as_str(), code), ("", 0), "{what}");
    assert!(bench.read("again") == bench.read("disk"), "{what}");
    spooled
}

#[test]
fn images_of_qemu_of_every_kind_are_restored() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    write_disk(&bench);
    for options in [
        "",
        "-o cluster_size=512",
        "-o cluster_size=4k",
        "-W -m 16 -o cluster_size=4k",
        "-o cluster_size=2M",
        "-o compat=0.10",
        "-o refcount_bits=1",
        "-o extended_l2=on",
        "-c",
        "-c -W -m 16",
        "-c -o cluster_size=4k",
        "-c -o cluster_size=4k,compression_type=zstd",
        "-c -o cluster_size=2M,compression_type=zstd",
    ] {
        bench.qemu_img(&format!("convert {options} -f raw -O qcow2 disk image"));
        let spooled = restores(&bench, options, "");
        // Tables, refcounts, and hardly any data. With clusters of 512 bytes the
        // refcount table is moved as it grows, and comes late.
        if !options.contains("=512") {
            assert!(spooled < 1 << 20, "{options}: {spooled}");
        }
    }
}

#[test]
fn data_before_its_table_is_kept_and_no_more() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 image 600M");
    // The table of the last bytes, data, the table of the first.
    let mut late = Vec::new();
    for (at, length) in [("550M", "3M"), ("0", "2M"), ("560M", "4M"), ("5M", "1M")] {
        late.push(format!("write -q -P 7 {at} {length}"));
    }
    for command in &late {
        bench.qemu_io(command, "image");
    }
    bench.qemu_img("convert -O raw image disk");
    assert!(restores(&bench, "in another order", "") < 1 << 20);
    // A snapshot shares what it has with the disk, and its tables come first.
    bench.qemu_img("snapshot -c before image");
    bench.qemu_io("write -q -P 9 0 1M", "image");
    bench.qemu_img("convert -O raw image disk");
    restores(&bench, "with a snapshot", "");
    bench.qemu_img("convert -l before -O raw image disk");
    restores(&bench, "the snapshot", "--snapshot before");
}

#[test]
fn preallocated_and_encrypted_images_are_restored() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 -o preallocation=metadata,cluster_size=4k image 20M");
    bench.qemu_io("write -q -P 7 3M 5M", "image");
    bench.qemu_img("convert -O raw image disk");
    restores(&bench, "preallocated", "");
    bench.write("secret", "open sesame");
    let object = ["--object", "secret,id=s0,data=open sesame"];
    let options = "encrypt.key-secret=s0,encrypt.format=luks,encrypt.iter-time=10";
    let convert = ["convert", "-O", "qcow2", "-o", options];
    bench.qemu(
        "qemu-img",
        &[&convert[..], &object, &["disk", "image"]].concat(),
    );
    restores(&bench, "encrypted", "--secret-file secret");
    let (said, code) = piped(&bench, "unpack - other", Some("image"), "nothing");
    assert_eq!(code, 1);
    assert!(
        said.ends_with("no passphrase was given; give it with --secret-file FILE\n"),
        "{said}"
    );
}

#[test]
fn a_damaged_image_from_a_pipe_is_refused_and_salvaged() {
    let Some(qemu) = Qemu::require() else { return };
    let bench = Bench::new();
    write_disk(&bench);
    qemu.pack(&bench.path("disk"), &bench.path("image"), "")
        .unwrap();
    // The first entry of the second table names what is not there.
    let mut image = bench.read("image");
    let l1 = usize::try_from(u64::from_be_bytes(image[40..48].try_into().unwrap())).unwrap();
    let table = u64::from_be_bytes(image[l1 + 8..l1 + 16].try_into().unwrap()) & !(1 << 63);
    let at = usize::try_from(table).unwrap();
    let entry = at + 88 * 64 / 64 * 8;
    image[entry + 2] = 0x70;
    bench.write("image", image);
    let from_file = bench.run("unpack image again");
    let (said, code) = piped(&bench, "unpack --quiet - again", Some("image"), "nothing");
    assert_eq!((Some(code), code), (from_file.code, 1), "{said}");
    assert_eq!(
        said,
        from_file.stderr.replace("image: ", "standard input: ")
    );
    assert!(!bench.names().contains(&"again".into()));
    let from_file = bench.run("unpack --salvage image again");
    let (said, code) = piped(
        &bench,
        "unpack --salvage --lost map - piped",
        Some("image"),
        "nothing",
    );
    assert_eq!(Some(code), from_file.code, "{said}");
    assert!(bench.read("piped") == bench.read("again"));
    assert!(bench.path("map").exists());
}

#[test]
fn what_is_restored_is_bounded_while_it_comes() {
    let Some(qemu) = Qemu::require() else { return };
    let bench = Bench::new();
    write_disk(&bench);
    qemu.pack(&bench.path("disk"), &bench.path("image"), "")
        .unwrap();
    let arguments = "unpack --quiet --max-output 1M - again";
    let (said, code) = piped(&bench, arguments, Some("image"), "nothing");
    let message = "qcow2: standard input: it restores to more than the 1048576 bytes that --max-output allows\n";
    assert_eq!((said.as_str(), code), (message, 1));
    assert!(!bench.names().contains(&"again".into()));
}

#[test]
fn a_spool_is_where_it_is_wanted_and_told() {
    let Some(qemu) = Qemu::require() else { return };
    let bench = Bench::new();
    write_disk(&bench);
    qemu.pack(&bench.path("disk"), &bench.path("image"), "")
        .unwrap();
    std::fs::create_dir(bench.path("folder")).unwrap();
    let arguments = "unpack --spool folder - again";
    let (said, code) = piped(&bench, arguments, Some("image"), "report");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.starts_with("qcow2: standard input: up to ")
            && said.contains(" of it is kept temporarily in folder, which has "),
        "{said}"
    );
    let report = String::from_utf8(bench.read("report")).unwrap();
    assert!(
        report.contains("\nspooled  ") && report.contains(" in folder, "),
        "{report}"
    );
    let (said, code) = piped(
        &bench,
        "unpack --spool missing - b",
        Some("image"),
        "report",
    );
    assert_eq!(code, 1);
    assert_eq!(
        said,
        "qcow2: temporary file in missing: No such file or directory (os error 2); --spool DIR uses another folder\n"
    );
}

#[test]
fn a_disk_from_a_pipe_gives_the_image_of_the_file() {
    let bench = Bench::new();
    let mut disk = vec![0; 5 << 20];
    disk[1 << 20..][..700_000].copy_from_slice(&SplitMix::new(8).bytes(700_000));
    disk.truncate((5 << 20) - 300);
    bench.write("disk", disk);
    bench.ok("pack disk image");
    let (said, code) = piped(&bench, "pack - piped", Some("disk"), "report");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.starts_with("qcow2: standard input: all of it is kept temporarily in "),
        "{said}"
    );
    assert!(bench.read("piped") == bench.read("image"));
    let report = String::from_utf8(bench.read("report")).unwrap();
    assert!(report.contains("\nspooled  "), "{report}");
    let (said, code) = piped(&bench, "pack --quiet - -", Some("disk"), "piped");
    assert_eq!((said.as_str(), code), ("", 0));
    assert!(bench.read("piped") == bench.read("image"));
    let (_, code) = piped(
        &bench,
        "pack --verify --digest - proven",
        Some("disk"),
        "report",
    );
    assert_eq!(code, 0);
    for command in ["blocks --output json", "info --output json"] {
        let name = if command.starts_with("info") {
            "image"
        } else {
            "disk"
        };
        let from_file = bench.ok(&format!("{command} {name}"));
        let (said, code) = piped(&bench, &format!("{command} -"), Some(name), "report");
        assert_eq!((said.as_str(), code), ("", 0));
        let piped = String::from_utf8(bench.read("report")).unwrap();
        let lines = from_file.lines().zip(piped.lines());
        let differ = lines.filter(|(file, piped)| file != piped).count();
        assert!(differ <= 4, "{from_file}\n{piped}");
    }
}

#[test]
fn a_filesystem_from_a_pipe_is_packed_as_one() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = Bench::new();
    let options = ["-t", "ext4", "-b", "4096"];
    e2fs.make(&bench.path("disk"), 32 << 20, &options).unwrap();
    bench.ok("pack disk image");
    let (said, code) = piped(&bench, "pack --quiet - piped", Some("disk"), "report");
    assert_eq!((said.as_str(), code), ("", 0));
    assert!(bench.read("piped") == bench.read("image"));
}
