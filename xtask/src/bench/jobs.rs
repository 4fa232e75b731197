//! Who does what: the jobs, their contenders, and what must hold.

use std::path::Path;
use std::time::Duration;

use fixtures::Tool;

use super::figures::Goal;
use super::job::{Contender, Job};
use super::place::{Form, Place};
use super::tools::{Line, Tools};

const TIB: u64 = 1 << 40;

/// Lengths of nearly empty disks, and how long packing one may take.
const EMPTY_DISKS: [(&str, u64, Option<u64>); 4] = [
    ("1 GiB", TIB >> 10, None),
    ("1 TiB", TIB, None),
    ("9 TiB", 9 * TIB, Some(1)),
    ("64 TiB", 64 * TIB, Some(3)),
];

/// Options of mke2fs that write no more than needed.
const LAZY: &str = "-q -F -t ext4 -O 64bit -E lazy_itable_init=1,lazy_journal_init=1,nodiscard";

/// Packing without compression.
pub(super) fn pack_plain(place: &Place, tools: &Tools) -> Job {
    let (image, packed, log) = (place.path("image"), place.path("packed"), place.path("log"));
    let ends = [place.source.as_path(), image.as_path()];
    let qemu = |name, arguments| place.peer(name, tools.qemu.as_ref(), arguments, ends);
    let partclone = tools.partclone.as_ref();
    let contenders = vec![
        Contender::ours(tools, &Form::Plain.pack(), ends, Form::Plain.memory()),
        place
            .peer("e2image -Qa", tools.e2image.as_ref(), "-Qa", ends)
            .goal(Goal::Faster(1.8)),
        qemu(
            "qemu-img convert -W -m 16",
            "convert -f raw -O qcow2 -W -m 16",
        )
        .goal(Goal::Faster(2.5)),
        qemu("qemu-img convert", "convert -f raw -O qcow2"),
        place
            .peer("cp of the image", tools.cp.as_ref(), "", [&packed, &image])
            .goal(Goal::Within(1.2)),
        place.contender(
            "partclone.ext4 -c",
            partclone.map(|tool| clone(tool, "-c", &log, ends)),
            ends,
        ),
    ];
    let mut job = place.job("pack, plain", "qcow2", contenders);
    let line = Line::new(&tools.ours, &Form::Plain.pack(), &[&place.source, &packed]);
    job.needs = vec![(packed, Some(line)), (log, None)];
    job
}

/// Packing with compression.
pub(super) fn pack_compressed(place: &Place, tools: &Tools, form: Form) -> Job {
    let image = place.path("image");
    let ends = [place.source.as_path(), image.as_path()];
    let used = [place.used.as_path(), image.as_path()];
    let qemu = |name: &str, arguments, ends| place.peer(name, tools.qemu.as_ref(), arguments, ends);
    let mut contenders = vec![Contender::ours(tools, &form.pack(), ends, form.memory())];
    let fast = if form == Form::Zlib {
        let fast = "convert -f raw -O qcow2 -c -W -m 16";
        contenders.push(
            qemu("qemu-img convert -c", "convert -f raw -O qcow2 -c", ends)
                .goal(Goal::Faster(12.0)),
        );
        contenders.push(qemu("qemu-img convert -c -W -m 16", fast, ends).goal(Goal::Faster(7.0)));
        fast
    } else {
        let fast = "convert -f raw -O qcow2 -c -o compression_type=zstd -W -m 16";
        let name = "qemu-img convert -c, zstd, -W -m 16";
        contenders.push(qemu(name, fast, ends).goal(Goal::Faster(3.0)));
        let line = tools.zstd.as_ref().map(|zstd| {
            Line::new(zstd, "-q -T2", &[&place.source])
                .word("-o")
                .with(&[&image])
        });
        contenders.push(place.contender("zstd -T2 of the disk", line, ends));
        fast
    };
    let same = qemu("the same, of the used blocks alone", fast, used);
    contenders.push(same.once().goal(Goal::NotLonger));
    place.job(&format!("pack, {}", form.word()), "qcow2", contenders)
}

/// Restoring an image without compression.
pub(super) fn unpack_plain(place: &Place, tools: &Tools) -> Job {
    let [image, e2, cloned, disk, log] =
        ["image", "e2image", "cloned", "disk", "log"].map(|name| place.path(name));
    let partclone = tools.partclone.as_ref();
    let e2image = tools.e2image.as_ref();
    let contenders = vec![
        Contender::ours(
            tools,
            "unpack --quiet",
            [&image, &disk],
            Form::Plain.memory(),
        ),
        restore(place, tools, [&image, &disk]).goal(Goal::Faster(3.0)),
        place
            .peer("e2image -r, of its image", e2image, "-r", [&e2, &disk])
            .goal(Goal::Faster(1.6)),
        place
            .peer(
                "cp of the used bytes",
                tools.cp.as_ref(),
                "--sparse=auto",
                [&place.used, &disk],
            )
            .goal(Goal::Within(1.2)),
        place.contender(
            "partclone.ext4 -r, of its image",
            partclone.map(|tool| clone(tool, "-C -r", &log, [&cloned, &disk])),
            [&cloned, &disk],
        ),
    ];
    let mut job = place.job("unpack, plain", "raw", contenders);
    let pack = Line::new(&tools.ours, &Form::Plain.pack(), &[&place.source, &image]);
    job.needs = vec![
        (image, Some(pack)),
        (
            e2.clone(),
            e2image.map(|tool| Line::new(tool, "-Qa", &[&place.source, &e2])),
        ),
        (
            cloned.clone(),
            partclone.map(|tool| clone(tool, "-c", &log, [&place.source, &cloned])),
        ),
        (log, None),
    ];
    job
}

/// Restoring a compressed image.
pub(super) fn unpack_compressed(place: &Place, tools: &Tools, form: Form) -> Job {
    let (image, disk) = (place.path("image"), place.path("disk"));
    let least = if form == Form::Zlib { 3.0 } else { 2.0 };
    let contenders = vec![
        Contender::ours(tools, "unpack --quiet", [&image, &disk], form.memory()),
        restore(place, tools, [&image, &disk]).goal(Goal::Faster(least)),
    ];
    let mut job = place.job(&format!("unpack, {}", form.word()), "raw", contenders);
    let pack = Line::new(&tools.ours, &form.pack(), &[&place.source, &image]);
    job.needs = vec![(image, Some(pack))];
    job
}

/// Packing and restoring by sharing blocks.
pub(super) fn reflinks(place: &Place, tools: &Tools) -> [Job; 2] {
    let [image, packed, disk] = ["image", "packed", "disk"].map(|name| place.path(name));
    let [pack, unpack] = ["pack", "unpack"].map(|name| format!("{name} --quiet --reflink always"));
    let share = |arguments, ends| Contender::ours(tools, arguments, ends, Form::Plain.memory());
    let copy = |name, ends| {
        let peer = place.peer(name, tools.cp.as_ref(), "--reflink=never", ends);
        peer.goal(Goal::Faster(20.0))
    };
    let line = Line::new(&tools.ours, &Form::Plain.pack(), &[&place.source, &packed]);
    let mut packing = place.job(
        "pack, reflinks",
        "qcow2",
        vec![
            share(&pack, [&place.source, &image]),
            copy("cp --reflink=never of the image", [&packed, &image]),
        ],
    );
    packing.needs = vec![(packed.clone(), Some(line.clone()))];
    let mut restoring = place.job(
        "unpack, reflinks",
        "raw",
        vec![
            share(&unpack, [&packed, &disk]),
            copy("cp --reflink=never of the used bytes", [&place.used, &disk]),
        ],
    );
    restoring.needs = vec![(packed, Some(line))];
    [packing, restoring]
}

/// Packing disks with nearly nothing on them.
pub(super) fn nearly_empty(place: &Place, tools: &Tools) -> Vec<Job> {
    let (empty, image) = (place.path("empty"), place.path("image"));
    let job = |(name, bytes, seconds): (&str, u64, Option<u64>)| {
        let memory = Form::Plain.memory();
        let mut ours = Contender::ours(tools, &Form::Plain.pack(), [&empty, &image], memory);
        ours.goals
            .extend(seconds.map(|most| Goal::Time(Duration::from_secs(most))));
        let mut job = place.job(&format!("pack, {name}, nearly empty"), "qcow2", vec![ours]);
        job.check.content = Some(empty.clone());
        let make = |tool| Line::new(tool, LAZY, &[&empty]).word(&format!("{}k", bytes >> 10));
        job.needs = vec![(empty.clone(), tools.mke2fs.as_ref().map(make))];
        job
    };
    EMPTY_DISKS.map(job).into()
}

fn restore(place: &Place, tools: &Tools, ends: [&Path; 2]) -> Contender {
    let arguments = "convert -f qcow2 -O raw -W -m 16";
    place.peer(
        "qemu-img convert -W -m 16",
        tools.qemu.as_ref(),
        arguments,
        ends,
    )
}

/// A line of partclone, whose log must not go where only root may write.
pub(super) fn clone(tool: &Tool, mode: &str, log: &Path, [input, output]: [&Path; 2]) -> Line {
    Line::new(tool, mode, &[])
        .word("-q")
        .word("-L")
        .with(&[log])
        .word("-s")
        .with(&[input])
        .word("-O")
        .with(&[output])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Tools {
        let tool = |name: &str| Tool::at(name.into());
        Tools {
            ours: tool("qcow2"),
            qemu: Some(tool("qemu-img")),
            e2image: None,
            partclone: Some(tool("partclone.ext4")),
            zstd: None,
            cp: Some(tool("cp")),
            mke2fs: Some(tool("mke2fs")),
            zerofree: None,
            fallocate: None,
            sparsify: None,
        }
    }

    fn lines(job: &Job) -> Vec<String> {
        let line = |contender: &Contender| contender.line.as_ref().map(Line::to_string);
        job.contenders.iter().filter_map(line).collect()
    }

    #[test]
    fn on_a_disk_all_but_ours_are_synced() {
        let mut place = Place {
            name: String::new(),
            folder: "f".into(),
            source: "s".into(),
            used: "u".into(),
            on_disk: false,
        };
        let want = [
            "qcow2 unpack --quiet f/image f/disk",
            "qemu-img convert -f qcow2 -O raw -W -m 16 f/image f/disk",
        ];
        let job = unpack_compressed(&place, &tools(), Form::Zstd);
        assert_eq!(lines(&job), want);
        let need = job.needs[0].1.as_ref().map(Line::to_string);
        assert_eq!(need.unwrap(), "qcow2 pack --quiet -c zstd s f/image");
        place.on_disk = true;
        let synced = lines(&unpack_compressed(&place, &tools(), Form::Zstd));
        assert_eq!(synced[0], want[0]);
        assert!(
            synced[1].contains("sync") && synced[1].ends_with(want[1]),
            "{synced:?}"
        );
    }

    #[test]
    fn a_program_the_machine_lacks_has_no_line() {
        let place = Place {
            name: " on a disk".into(),
            folder: "f".into(),
            source: "s".into(),
            used: "u".into(),
            on_disk: false,
        };
        let job = pack_plain(&place, &tools());
        assert_eq!(job.name, "pack, plain on a disk");
        assert_eq!((job.contenders.len(), lines(&job).len()), (6, 5));
        assert_eq!(
            lines(&job)[4],
            "partclone.ext4 -c -q -L f/log -s s -O f/image"
        );
    }
}
