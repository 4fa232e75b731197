//! What the figures were taken on: nothing that names one machine.

use std::fs;
use std::num::NonZeroUsize;
use std::thread;

use fixtures::Tool;

/// For people, a line each: the processors, the memory, the kernel.
pub(super) fn about() -> Vec<String> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or("of an unknown kind".into());
    let memory_kib = field("/proc/meminfo", "MemTotal").and_then(|text| kib(&text));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![
        format!("{threads} threads, {processor}"),
        format!("{} GiB of memory", memory_kib.unwrap_or_default() >> 20),
        // What follows the number is the name of somebody's build.
        format!(
            "Linux {}",
            kernel.trim().split('-').next().unwrap_or_default()
        ),
    ]
}

/// Bytes of memory that programs could have now.
pub(super) fn available_bytes() -> Option<u64> {
    kib(&field("/proc/meminfo", "MemAvailable")?)?.checked_mul(1024)
}

/// Today, in UTC.
pub(super) fn date() -> Option<String> {
    let said = Tool::find("date")?.ok(|command| command.args(["-u", "+%Y-%m-%d"]));
    Some(said.ok()?.trim().to_owned())
}

/// The first value of `name` in a file of lines `name: value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The number of `12 kB`.
fn kib(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_memory() {
        assert!(available_bytes().unwrap() > 0);
        assert_eq!(kib("12 kB"), Some(12));
        assert_eq!(field("/proc/meminfo", "No such line"), None);
    }

    #[test]
    fn the_machine_is_told_in_three_lines() {
        let lines = about();
        assert_eq!(lines.len(), 3);
        assert!(!lines[1].starts_with("0 "), "{lines:?}");
    }
}
