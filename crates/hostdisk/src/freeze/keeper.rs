//! A process that freezes a filesystem and thaws it whatever happens.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use blockio::len_u64;

use super::fault::Thawed;

/// Least time between two heartbeats to the keeper.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// The heartbeat and the request to thaw.
const BEAT: &[u8] = b"b";
const THAW: &[u8] = b"t";

/// What the keeper prints once the filesystem is frozen.
const FROZEN: &str = "frozen\n";

/// The keeper's exit status if it thawed the filesystem without a request.
const UNASKED: i32 = 4;

/// The script of the keeper.
///
/// Its working directory is on the filesystem. Its argument is the time without a
/// heartbeat after which it thaws. It also thaws when its input ends, which happens
/// when the process at the other end ends, in whatever way. A signal that ends that
/// process must not end the keeper, so it ignores signals; `timeout` must therefore use
/// a signal that cannot be ignored.
const KEEP: &str = r#"
trap '' HUP INT QUIT TERM PIPE TSTP
PATH=$PATH:/usr/sbin:/sbin
for tool in fsfreeze timeout dd; do
    command -v "$tool" > /dev/null || { echo "the program $tool is missing" >&2; exit 1; }
done
fsfreeze -f . || exit 1
echo frozen
while asked=$(timeout -s KILL "$1" dd bs=1 count=1 2> /dev/null) && [ "$asked" = b ]; do :; done
fsfreeze -u . || exit 3
[ "$asked" = t ] || exit 4
"#;

/// Thaws the filesystem if the keeper no longer can.
const UNFREEZE: &str = "PATH=$PATH:/usr/sbin:/sbin; fsfreeze -u .";

/// A process that keeps a filesystem frozen.
#[derive(Debug)]
pub(super) struct Keeper {
    /// A folder of the filesystem.
    folder: File,
    quiet_max: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Frozen {
        child: Child,
        asks: ChildStdin,
        /// When the last heartbeat was sent.
        beaten: Instant,
    },
    Over(Result<(), Thawed>),
}

impl Keeper {
    /// Freezes the filesystem of `folder`. The inner error is the message of the system.
    pub(super) fn start(folder: File, quiet_max: Duration) -> io::Result<Result<Self, String>> {
        let quiet_max = Duration::from_secs(quiet_max.as_secs().max(1));
        let mut child = shell(&folder, KEEP)
            .arg(quiet_max.as_secs().to_string())
            .stdin(Stdio::piped())
            .spawn()?;
        let (asks, says) = (child.stdin.take(), child.stdout.take());
        let (Some(asks), Some(says)) = (asks, says) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut said = String::new();
        let heard = says.take(len_u64(FROZEN.len())).read_to_string(&mut said);
        if heard.is_err() || said != FROZEN {
            drop(asks);
            return Ok(Err(complaint(&child.wait_with_output()?)));
        }
        let beaten = Instant::now();
        let state = State::Frozen {
            child,
            asks,
            beaten,
        };
        Ok(Ok(Self {
            folder,
            quiet_max,
            state: Mutex::new(state),
        }))
    }

    /// Sends a heartbeat, unless the last one is recent.
    pub(super) fn beat(&self) {
        if let State::Frozen { asks, beaten, .. } = &mut *self.state()
            && beaten.elapsed() >= BEAT_EVERY
        {
            *beaten = Instant::now();
            // That the keeper is gone is noticed when it has to thaw.
            let _ = asks.write_all(BEAT);
        }
    }

    /// Thaws the filesystem. Every call returns the same result.
    pub(super) fn thaw(&self) -> Result<(), Thawed> {
        let mut state = self.state();
        let over = match std::mem::replace(&mut *state, State::Over(Ok(()))) {
            State::Over(result) => result,
            State::Frozen {
                child, mut asks, ..
            } => {
                let _ = asks.write_all(THAW);
                drop(asks);
                self.judge(child.wait_with_output())
            }
        };
        *state = State::Over(over.clone());
        over
    }

    /// Interprets how the keeper `ended`.
    fn judge(&self, ended: io::Result<Output>) -> Result<(), Thawed> {
        let said = match ended {
            Ok(output) => match output.status.code() {
                Some(0) => return Ok(()),
                Some(UNASKED) => {
                    let seconds = self.quiet_max.as_secs();
                    return Err(Thawed::Quiet { seconds });
                }
                Some(_) => complaint(&output),
                None => {
                    // It is still frozen, but it was not watched.
                    let _ = shell(&self.folder, UNFREEZE).output();
                    "the process that kept it frozen was killed".to_owned()
                }
            },
            Err(error) => error.to_string(),
        };
        Err(Thawed::Interference { said })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a command for a shell in `folder` that neither the terminal's signals nor
/// its input reach.
fn shell(folder: &File, script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "sh"])
        // By its descriptor, since another filesystem may be mounted over its name.
        .current_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

/// Returns the message of a program that failed.
fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    match said.trim() {
        "" => format!("sh failed with {}", output.status),
        said => said.replace('\n', ", "),
    }
}
