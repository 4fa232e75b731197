//! `qcow2 info`, and what it lists.

mod check;
mod edit;
mod map;

use fixtures::Qemu;

use crate::bench::Bench;

/// What qemu-img and ours say of `i`.
fn both(bench: &Bench) -> (serde_json::Value, serde_json::Value) {
    let theirs = bench.qemu_img("info --output=json i");
    let ours = bench.ok("info --output json i");
    (
        serde_json::from_str(&ours).unwrap(),
        serde_json::from_str(&theirs).unwrap(),
    )
}

#[test]
fn info_says_what_qemu_img_says() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    for options in [
        "-o compat=1.1 i 64M",
        "-o compat=0.10 i 64M",
        "-o cluster_size=2M,refcount_bits=64,lazy_refcounts=on i 1G",
        "-o cluster_size=512 i 1000000",
        "-o extended_l2=on,compression_type=zstd i 5G",
    ] {
        let arguments = format!("create -q -f qcow2 {options}");
        let run = |arguments: &str| bench.qemu_img(arguments);
        run(&arguments);
        let theirs: serde_json::Value = serde_json::from_str(&run("info --output=json i")).unwrap();
        let ours: serde_json::Value =
            serde_json::from_str(&bench.ok("info --output json i")).unwrap();
        assert_eq!(ours, theirs, "{options}");
        let line = |text: &str, key: &str| {
            text.lines()
                .find(|line| line.trim_start().starts_with(key))
                .map(str::to_owned)
        };
        let (theirs, ours) = (run("info i"), bench.ok("info i"));
        for key in [
            "virtual size:",
            "cluster_size:",
            "compat:",
            "refcount bits:",
            "corrupt:",
        ] {
            assert_eq!(line(&ours, key), line(&theirs, key), "{options}");
        }
    }
}

#[test]
fn encryption_is_told_as_by_qemu_img() {
    if Qemu::require().is_none() {
        return;
    }
    for format in [
        "aes",
        "luks,encrypt.iter-time=10",
        "luks,encrypt.iter-time=10,encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,encrypt.hash-alg=sha512",
    ] {
        let bench = Bench::new();
        let object = "--object secret,id=s0,data=x";
        let options = format!("encrypt.key-secret=s0,encrypt.format={format}");
        bench.qemu_img(&format!("create -q {object} -f qcow2 -o {options} i 1M"));
        let (ours, theirs) = both(&bench);
        assert_eq!(ours, theirs, "{format}");
        if format == "aes" {
            continue;
        }
        // What is no LUKS header is told as that.
        let mut image = bench.read("i");
        let magic = image.windows(6).position(|part| part == b"LUKS\xba\xbe");
        image[magic.unwrap()] ^= 1;
        bench.write("i", image);
        let message = "i: LUKS header at host offset 0x";
        let refused = bench.run("info i");
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(message), "{refused:?}");
    }
}

#[test]
fn snapshots_and_bitmaps_are_listed_as_by_qemu_img() {
    if Qemu::require().is_none() {
        return;
    }
    for compat in ["0.10", "1.1"] {
        let bench = Bench::new();
        bench.qemu_img(&format!("create -q -f qcow2 -o compat={compat} i 2M"));
        for name in ["one", "two words", "grün"] {
            bench.qemu("qemu-img", &["snapshot", "-c", name, "i"]);
        }
        if compat == "1.1" {
            bench.qemu_img("bitmap --add i daily");
            bench.qemu_img("bitmap --add --disable -g 512 i weekly");
        }
        let (ours, theirs) = both(&bench);
        assert_eq!(ours, theirs);
        let human = bench.ok("info i");
        assert!(human.contains("2 \"two words\", 20"), "{human}");
        assert_eq!(
            human.contains("bitmap: \"weekly\", granularity 512\n"),
            compat == "1.1"
        );
    }
}

#[test]
fn snapshots_are_restored_by_id_and_by_name() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 i 2M");
    let write = |what: &str| bench.qemu_io(what, "i");
    write("write -P 1 0 100k");
    bench.qemu_img("snapshot -c 2 i");
    write("write -P 2 50k 100k");
    bench.qemu_img("resize -q -f qcow2 i 3M");
    write("write -P 3 2500k 10k");
    bench.qemu_img("snapshot -c second i");
    write("write -P 4 0 3M");

    let disk = |length: usize, parts: &[(usize, usize, u8)]| {
        let mut disk = vec![0; length << 10];
        for &(start, end, byte) in parts {
            disk[start << 10..end << 10].fill(byte);
        }
        disk
    };
    let first = disk(2048, &[(0, 100, 1)]);
    let second = disk(3072, &[(0, 50, 1), (50, 150, 2), (2500, 2510, 3)]);
    // The first is named like the ID of the second: IDs come first.
    for (name, want) in [("1", &first), ("2", &second), ("second", &second)] {
        let report = bench.ok(&format!("unpack --snapshot {name} i out"));
        assert!(report.contains(&format!("snapshot {name}\n")), "{report}");
        assert!(bench.read("out") == *want, "{name}");
        std::fs::remove_file(bench.path("out")).unwrap();
    }
    bench.ok("unpack i out");
    assert!(bench.read("out") == disk(3072, &[(0, 3072, 4)]));
    std::fs::remove_file(bench.path("out")).unwrap();
    bench.fails(
        "unpack --snapshot third i out",
        1,
        "i: the image has no snapshot \"third\"; qcow2 info lists its snapshots",
    );
    assert_eq!(bench.names(), ["i"]);
}

#[test]
fn what_is_wrong_with_an_image_is_told_to_people_too() {
    let Some(_) = Qemu::require() else { return };
    let bench = Bench::new();
    let made = fixtures::qcow2::minimal(fixtures::qcow2::Version::V3, 16).bytes;
    for (bits, dirty, corrupt) in [
        (0, false, false),
        (1, true, false),
        (2, false, true),
        (3, true, true),
    ] {
        let mut image = made.clone();
        image[79] = bits;
        bench.write("i", &image);
        let (ours, theirs) = (bench.ok("info i"), bench.qemu_img("info i"));
        for said in [&ours, &theirs] {
            assert_eq!(said.contains("\ncleanly shut down: no\n"), dirty, "{said}");
            assert_eq!(said.contains("    corrupt: true\n"), corrupt, "{said}");
        }
    }
}

#[test]
fn an_image_with_unknown_features_may_be_anything() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    let made = fixtures::qcow2::minimal(fixtures::qcow2::Version::V3, 16).bytes;
    for (at, bit, name) in [(79, 0x20, "bit 5"), (78, 1, "bit 8"), (72, 0x80, "bit 63")] {
        let mut image = made.clone();
        image[at] = bit;
        bench.write("i", &image);
        let theirs = fixtures::Tool::find("qemu-img").unwrap();
        let theirs = theirs.run(|command| command.args(["info", "i"]).current_dir(bench.folder()));
        assert_eq!(theirs.unwrap().code, Some(1));
        let message = format!("i: incompatible features that are not supported: {name}");
        for command in ["info i", "info --output json i", "info --backing-chain i"] {
            bench.fails(command, 1, &message);
            assert_eq!(bench.run(command).stdout, "");
        }
        bench.fails("unpack i out", 1, &message);
        bench.fails("unpack --salvage i out", 1, &message);
    }
}

#[test]
fn what_may_be_a_disk_of_unknown_content_is_one() {
    let bench = Bench::new();
    let noise = fixtures::SplitMix::new(3).bytes(70_000);
    for (name, bytes, looks_like) in [
        ("noise", noise.clone(), None),
        // Without an extension, or with one that says nothing.
        ("noise.img", noise.clone(), None),
        ("short", vec![7, 0, 7], None),
        (
            "zeros",
            vec![0; 4096],
            Some("a file that begins with zeros"),
        ),
        ("text", b"hello\n".to_vec(), Some("a text file")),
        ("empty", Vec::new(), Some("an empty file")),
        (
            "squashfs",
            [&b"hsqs"[..], &noise].concat(),
            Some("a squashfs filesystem"),
        ),
    ] {
        bench.write(name, &bytes);
        let text = bench.ok(&format!("info {name}"));
        let size = bytes.len().next_multiple_of(512);
        assert!(text.contains("file format: raw\n"), "{text}");
        assert!(text.contains(&format!(" ({size} bytes)\n")), "{text}");
        let more = looks_like.map_or(String::new(), |what| format!("; it looks like {what}"));
        let line = format!("\ndisk layout: no filesystem that we know{more}\n    in use: ");
        assert!(text.contains(&line), "{text}");
        let json = bench.ok(&format!("info --output json {name}"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let disk = &json["disk"];
        assert_eq!(json["format"], "raw");
        assert_eq!(disk["used_bytes"], bytes.len(), "{name}");
        assert_eq!(disk["free_bytes"], 0);
        assert_eq!(disk["looks_like"].as_str(), looks_like);
        assert!(disk["filesystem"].is_null() && disk["layout"].is_null());
        let chain = bench.ok(&format!("info --backing-chain {name}"));
        assert!(chain.contains("file format: raw\n"), "{chain}");
    }
    // Its name says that it is an image.
    for name in ["noise.qcow2", "noise.QCOW2C"] {
        bench.write(name, &noise);
        let start = u32::from_be_bytes(*noise.first_chunk().unwrap());
        let message = format!(
            "{name}: not a qcow2 image: its format is unknown (it begins with {start:08x})"
        );
        bench.fails(&format!("info {name}"), 1, &message);
        bench.fails(&format!("info --backing-chain {name}"), 1, &message);
    }
    bench.write("empty.qcow2", "");
    bench.fails(
        "info empty.qcow2",
        1,
        "empty.qcow2: not a qcow2 image: it looks like an empty file",
    );
    // Its bytes are those of an image, which its name does not have to say.
    let image = fixtures::qcow2::minimal(fixtures::qcow2::Version::V3, 16).bytes;
    bench.write("image", &image[..60]);
    let cut = bench.run("info image");
    assert_eq!(cut.code, Some(1), "{cut:?}");
    assert!(cut.stderr.starts_with("qcow2: image: "), "{cut:?}");
}

#[test]
fn the_disk_in_an_encrypted_image_is_shown_to_those_who_have_the_key() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write("key", "pw\n");
    bench.write("other", "no");
    let object = "--object secret,id=s0,data=pw";
    let options = "encrypt.key-secret=s0,encrypt.format=luks,encrypt.iter-time=10";
    bench.qemu_img(&format!("create -q {object} -f qcow2 -o {options} i 1M"));
    let shown = bench.ok("info --layout --secret-file key i");
    assert!(
        shown.contains("disk layout: no filesystem that we know"),
        "{shown}"
    );
    let asked = bench.run("info --layout i");
    assert_eq!(asked.code, Some(1), "{asked:?}");
    let remedy = "; give it with --secret-file FILE\n";
    assert!(asked.stderr.ends_with(remedy), "{asked:?}");
    assert_eq!(
        bench.run("info --layout --secret-file other i").code,
        Some(1)
    );
    assert_eq!(bench.run("info --secret-file key i").code, Some(2));
    bench.write("raw", vec![1; 512]);
    bench.fails(
        "info --layout --secret-file key raw",
        1,
        "raw: it is read as a raw disk, without --secret-file",
    );
}
