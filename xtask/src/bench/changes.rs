//! Jobs on the disk of a virtual machine: made small, punched in place, and what
//! changed since it was packed.

use std::path::Path;

use fixtures::Tool;

use super::figures::Goal;
use super::job::{Contender, Job};
use super::place::{Form, Place};
use super::tools::{Line, Tools};
use super::workload::Workload;

/// The state before: a copy of the disk without what came later, packed.
const PACK_OLDER: &str = "ours=$1; cp=$2; debugfs=$3; from=$4; old=$5; commands=$6; offset=$7; \
                          base=$8; \"$cp\" --sparse=always \"$from\" \"$old\" && \
                          \"$debugfs\" -w -f \"$commands\" \"$old?offset=$offset\" && \
                          \"$ours\" pack --quiet --write-index \"$base.index\" \
                          \"$old\" \"$base\"; code=$?; rm -f \"$old\"; exit $code";

/// What others take to give free blocks back.
const ZERO_AND_DIG: &str = "\"$1\" \"$3?offset=$4\" && \"$2\" --dig-holes \"$3\"";

/// Everything done to the disk of a virtual machine.
pub(super) fn of_machine(place: &Place, workload: &Workload, tools: &Tools) -> Vec<Job> {
    vec![
        pack(place, tools),
        punch(place, workload, tools),
        increment(place, workload, tools, Form::Plain),
        increment(place, workload, tools, Form::Zlib),
    ]
}

/// Packing with zlib.
fn pack(place: &Place, tools: &Tools) -> Job {
    let image = place.path("image");
    let ends = [place.source.as_path(), image.as_path()];
    let form = Form::Zlib;
    let used = [place.used.as_path(), image.as_path()];
    let contenders = vec![
        Contender::ours(tools, &form.pack(), ends, form.memory()),
        place
            .peer(
                "qemu-img convert -c -W -m 16",
                tools.qemu.as_ref(),
                "convert -f raw -O qcow2 -c -W -m 16",
                ends,
            )
            .goal(Goal::Faster(10.0))
            .goal(Goal::NotLonger),
        place
            .peer(
                "virt-sparsify --compress",
                tools.sparsify.as_ref(),
                "--quiet --format raw --convert qcow2 --compress",
                ends,
            )
            .goal(Goal::Faster(8.0))
            .goal(Goal::NotLonger),
        // It starts a virtual machine that fills free blocks with zeros, and ends with
        // this. What it takes for that alone is less than it takes.
        place
            .peer(
                "the last step of that, qemu-img convert -c",
                tools.qemu.as_ref(),
                "convert -f raw -O qcow2 -c",
                used,
            )
            .goal(Goal::Faster(8.0))
            .goal(Goal::NotLonger)
            .once(),
    ];
    place.job("machine, pack, zlib", "qcow2", contenders)
}

/// Giving free blocks back, each time on a fresh copy of the disk.
fn punch(place: &Place, workload: &Workload, tools: &Tools) -> Job {
    let disk = place.path("disk");
    let ends = [place.source.as_path(), disk.as_path()];
    let copy = tools.cp.as_ref();
    let copy = copy.map(|cp| Line::new(cp, "--sparse=always", &ends));
    let others = tools.zerofree.as_ref().zip(tools.fallocate.as_ref());
    let others = others.map(|(zerofree, fallocate)| {
        Line::script(ZERO_AND_DIG)
            .with(&[zerofree.path(), fallocate.path(), &disk])
            .word(&workload.offset_bytes.to_string())
    });
    let ours = Contender {
        name: "qcow2 punch".into(),
        line: Some(Line::new(&tools.ours, "punch --quiet", &[&disk])),
        ..place.contender("", None, ends)
    };
    let contenders = [
        ours.goal(Form::Plain.memory()),
        place
            .contender("zerofree, fallocate --dig-holes", others, ends)
            .goal(Goal::Faster(3.0)),
    ];
    let contenders = contenders.map(|contender| contender.after(copy.clone()));
    place.job("machine, punch", "raw", contenders.into())
}

/// What changed since an older state was packed, beside packing everything.
fn increment(place: &Place, workload: &Workload, tools: &Tools, form: Form) -> Job {
    let [image, base, index] = ["image", "base", "base.index"].map(|name| place.path(name));
    let ends = [place.source.as_path(), image.as_path()];
    let over = |name: &str, index: Option<&Path>| {
        let mut line = Line::new(&tools.ours, &form.pack(), &[])
            .word("--base")
            .with(&[&base]);
        if let Some(index) = index {
            line = line.word("--index").with(&[index]);
        }
        let mut ours = Contender::ours(tools, "", ends, form.memory());
        ours.name = name.into();
        ours.line = Some(line.with(&ends));
        ours
    };
    let mut full = Contender::ours(tools, &form.pack(), ends, form.memory());
    full.goals = vec![Goal::Faster(4.0)];
    let contenders = vec![
        over("qcow2 pack --base", None),
        over("qcow2 pack --base --index", Some(&index)),
        full,
    ];
    let name = format!("machine, increment, {}", form.word());
    let mut job = place.job(&name, "qcow2", contenders);
    let older = tools.cp.as_ref().zip(Tool::find("debugfs"));
    let older = older.map(|(cp, debugfs)| {
        let old = workload.used.with_extension("old");
        Line::script(PACK_OLDER)
            .with(&[tools.ours.path(), cp.path(), debugfs.path()])
            .with(&[&place.source, &old, &workload.older])
            .word(&workload.offset_bytes.to_string())
            .with(&[&base])
    });
    job.needs = vec![(index, None), (base, older)];
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_gets_the_disk_and_what_it_needs() {
        let tool = |name: &str| Some(Tool::at(name.into()));
        let tools = Tools {
            ours: Tool::at("qcow2".into()),
            qemu: tool("qemu-img"),
            e2image: None,
            partclone: None,
            zstd: None,
            cp: tool("cp"),
            mke2fs: None,
            zerofree: tool("zerofree"),
            fallocate: tool("fallocate"),
            sparsify: None,
        };
        let workload = Workload::at(Path::new("c"), Path::new("a"), true);
        let place = Place {
            name: String::new(),
            folder: "f".into(),
            source: workload.source.clone(),
            used: workload.used.clone(),
            on_disk: false,
        };
        let jobs = of_machine(&place, &workload, &tools);
        let lines = |job: &Job| {
            let lines = job.contenders.iter().filter_map(|one| one.line.as_ref());
            lines.map(Line::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(&jobs[0]),
            [
                "qcow2 pack --quiet -c zlib c/source.raw f/image",
                "qemu-img convert -f raw -O qcow2 -c -W -m 16 c/source.raw f/image",
                "qemu-img convert -f raw -O qcow2 -c a/used.raw f/image",
            ]
        );
        let punch = lines(&jobs[1]);
        assert_eq!(punch[0], "qcow2 punch --quiet f/disk");
        assert!(punch[1].ends_with(" sh zerofree fallocate f/disk 105906176"));
        for contender in &jobs[1].contenders {
            let before = contender.before.as_ref().map(Line::to_string);
            assert_eq!(before.unwrap(), "cp --sparse=always c/source.raw f/disk");
        }
        assert_eq!(
            lines(&jobs[3]),
            [
                "qcow2 pack --quiet -c zlib --base f/base c/source.raw f/image",
                "qcow2 pack --quiet -c zlib --base f/base --index f/base.index c/source.raw f/image",
                "qcow2 pack --quiet -c zlib c/source.raw f/image",
            ]
        );
    }
}
