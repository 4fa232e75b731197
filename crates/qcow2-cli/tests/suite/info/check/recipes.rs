//! Every kind of image, through `qcow2 check` and `qemu-img check`.

use fixtures::recipes::{self, IMAGE, Recipe, Shop};
use fixtures::{Outcome, Tool};

/// Exit codes of both programs.
const CORRUPT: Option<i32> = Some(2);
const LEAKING: Option<i32> = Some(3);

fn ours(shop: &Shop) -> Outcome {
    let program = Tool::at(env!("CARGO_BIN_EXE_qcow2").into());
    let folder = shop.path("");
    program
        .run(|command| command.args(["check", "--data", IMAGE]).current_dir(folder))
        .unwrap()
}

fn theirs(shop: &Shop) -> Option<Outcome> {
    let program = fixtures::require("qemu-img")?;
    let folder = shop.path("");
    let arguments = ["check", "-f", "qcow2", IMAGE];
    let checked = program.run(|command| command.args(arguments).current_dir(folder));
    Some(checked.unwrap())
}

/// What QEMU finds is found, and what neither program nor recipe calls damaged is clean.
fn judge(families: impl IntoIterator<Item = Vec<Recipe>>, is_sound: bool) {
    for recipe in families.into_iter().flatten() {
        let shop = Shop::new();
        if recipe.make(&shop).is_none() {
            continue;
        }
        let Some(theirs) = theirs(&shop) else { return };
        let (ours, name) = (ours(&shop), &recipe.name);
        let agrees = match theirs.code {
            CORRUPT => ours.code == CORRUPT,
            LEAKING => ours.code == LEAKING || ours.code == CORRUPT,
            Some(0) if is_sound => ours.code == Some(0),
            // It needs other files or a key, or misses what is found here.
            _ => ours.code.is_some(),
        };
        assert!(agrees, "{name}: {ours:?}, and by QEMU {theirs:?}");
    }
}

#[test]
fn sound_images_are_clean_and_leaks_are_leaks() {
    judge(
        [
            recipes::refcounts(),
            recipes::headers(),
            recipes::subclusters(),
            recipes::compressed(),
            recipes::dedup(),
            recipes::zeros(),
            recipes::snapshots(),
        ],
        true,
    );
}

#[test]
fn what_qemu_finds_in_damaged_images_is_found() {
    judge(
        [
            recipes::flags(),
            recipes::snapshot_tables(),
            recipes::bitmaps(),
            recipes::data_files(),
            recipes::entries(),
            recipes::broken_streams(),
            recipes::crossed(),
            recipes::truncated(),
            recipes::bombs(),
        ],
        false,
    );
}
