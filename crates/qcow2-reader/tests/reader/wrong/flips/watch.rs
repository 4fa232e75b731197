//! A time limit for every case: who passes it is named, and who never ends, too.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What one case may take.
const CASE_MAX: Duration = Duration::from_secs(10);
/// What one case may take before it is not waited for any more.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Where the cases are told before they are worked on.
#[derive(Clone)]
pub(super) struct Watch(Arc<Mutex<Case>>);

struct Case {
    name: String,
    start: Instant,
    slow: Vec<String>,
}

impl Case {
    fn end(&mut self) {
        let took = self.start.elapsed();
        if took > CASE_MAX {
            self.slow.push(format!("{}: {took:?}", self.name));
        }
    }
}

impl Watch {
    /// The case `name` begins, and the one before it has ended.
    pub(super) fn begin(&self, name: impl FnOnce() -> String) {
        let mut case = self.0.lock().unwrap();
        case.end();
        case.name = name();
        case.start = Instant::now();
    }
}

/// Does `work` in a thread of its own, which is left behind where it hangs.
pub(super) fn watched(work: impl FnOnce(&Watch) + Send + 'static) {
    let watch = Watch(Arc::new(Mutex::new(Case {
        name: "before the first".into(),
        start: Instant::now(),
        slow: Vec::new(),
    })));
    let seen = watch.clone();
    let thread = thread::spawn(move || work(&seen));
    while !thread.is_finished() {
        thread::sleep(LOOK);
        let Ok(case) = watch.0.lock() else { break };
        let took = case.start.elapsed();
        assert!(took < PATIENCE, "{} hangs: {took:?} so far", case.name);
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    let mut case = watch.0.lock().unwrap();
    case.end();
    assert!(case.slow.is_empty(), "too slow: {}", case.slow.join(", "));
}
