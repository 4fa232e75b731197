//! The ordered parallel map.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Items per thread that may wait to be emitted. Two keep a thread busy while the
/// item before them is being written; more would only hold memory.
const WAITING_PER_THREAD: usize = 2;

/// Returns how many threads this process can run at once, at least one.
#[must_use]
pub fn available_threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Maps `inputs` through `work` on `threads` threads and hands the results to
/// `emit`, one at a time, in the order of the inputs.
///
/// All threads do both jobs: the thread that finds the next result ready emits it,
/// so that no thread only waits for others. At most three items per thread are in
/// flight, plus one that is being emitted, so memory is bounded however long the
/// input is. One thread at a time draws from `inputs`, in order.
///
/// # Errors
///
/// The first error in the order of the inputs, whether of `inputs`, `work` or
/// `emit`. Nothing after it is emitted.
///
/// # Panics
///
/// Panics if `inputs` or `work` panics.
pub fn ordered_map<I, T, U, E>(
    threads: NonZeroUsize,
    inputs: I,
    work: impl Fn(T) -> Result<U, E> + Sync,
    emit: impl FnMut(U) -> Result<(), E> + Send,
) -> Result<(), E>
where
    I: Iterator<Item = Result<T, E>> + Send,
    T: Send,
    U: Send,
    E: Send,
{
    ordered_map_with(threads, inputs, || (), |(), input| work(input), emit)
}

/// Maps as [`ordered_map`] does, with a state per thread.
///
/// This is for work that needs something costly to make: each thread calls `init` once
/// and lends the result to `work`. The output must not depend on what a thread did
/// before.
///
/// # Errors
///
/// As [`ordered_map`].
///
/// # Panics
///
/// As [`ordered_map`], and if `init` panics.
pub fn ordered_map_with<I, S, T, U, E>(
    threads: NonZeroUsize,
    inputs: I,
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<U, E> + Sync,
    mut emit: impl FnMut(U) -> Result<(), E> + Send,
) -> Result<(), E>
where
    I: Iterator<Item = Result<T, E>> + Send,
    T: Send,
    U: Send,
    E: Send,
{
    let line = Line::new(threads.get().saturating_mul(WAITING_PER_THREAD + 1));
    let inputs = Mutex::new(inputs.fuse());
    let emit = Mutex::new(&mut emit);
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(|| {
                let _stop = StopOnPanic(&line);
                let mut state = init();
                loop {
                    match line.next_turn() {
                        Turn::Emit(result) => {
                            let emitted = result.and_then(|output| (lock(&emit))(output));
                            line.emitted(emitted);
                        }
                        Turn::Draw => {
                            let input = lock(&inputs).next();
                            if let Some((ticket, input)) = line.drawn(input) {
                                line.put(ticket, input.and_then(|input| work(&mut state, input)));
                            }
                        }
                        Turn::End => break,
                    }
                }
            });
        }
    });
    line.into_result()
}

/// Locks a mutex even if it is poisoned.
///
/// A panic of another thread is reported by the scope that joins it, so the
/// poison it leaves says nothing new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a thread does next.
enum Turn<U, E> {
    /// Emit this result, the next in order.
    Emit(Result<U, E>),
    /// Draw an input and work on it.
    Draw,
    /// Nothing is left to do.
    End,
}

/// The results on their way out, in the order of their tickets.
struct Line<U, E> {
    state: Mutex<State<U, E>>,
    changed: Condvar,
    /// Items that may be in flight at once, in addition to the one being emitted.
    window: usize,
}

struct State<U, E> {
    /// One slot for each ticket that was issued and not yet emitted; the front slot
    /// is emitted next.
    slots: VecDeque<Option<Result<U, E>>>,
    /// Ticket of the front slot.
    front_ticket: usize,
    /// Whether a thread is drawing an input; inputs are drawn in order.
    drawing: bool,
    /// Whether a thread is emitting; results are emitted in order.
    emitting: bool,
    /// Whether no input is left.
    exhausted: bool,
    /// Whether the work has stopped early.
    stopped: bool,
    /// The first error in the order of the inputs.
    error: Option<E>,
}

impl<U, E> State<U, E> {
    /// Returns the next result in order, if it is there.
    fn pop_ready(&mut self) -> Option<Result<U, E>> {
        let result = self.slots.front_mut()?.take()?;
        self.slots.pop_front();
        self.front_ticket = self.front_ticket.wrapping_add(1);
        Some(result)
    }
}

impl<U, E> Line<U, E> {
    fn new(window: usize) -> Self {
        Self {
            state: Mutex::new(State {
                slots: VecDeque::with_capacity(window),
                front_ticket: 0,
                drawing: false,
                emitting: false,
                exhausted: false,
                stopped: false,
                error: None,
            }),
            changed: Condvar::new(),
            window,
        }
    }

    /// Changes the state and wakes the threads that wait for a change.
    fn update<T>(&self, change: impl FnOnce(&mut State<U, E>) -> T) -> T {
        let changed = change(&mut lock(&self.state));
        self.changed.notify_all();
        changed
    }

    /// Waits for something to do. Emitting comes first, since it makes room.
    fn next_turn(&self) -> Turn<U, E> {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return Turn::End;
            }
            if !state.emitting
                && let Some(result) = state.pop_ready()
            {
                state.emitting = true;
                return Turn::Emit(result);
            }
            if !state.exhausted && !state.drawing && state.slots.len() < self.window {
                state.drawing = true;
                return Turn::Draw;
            }
            if state.exhausted && state.slots.is_empty() {
                return Turn::End;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Registers the input that was drawn and returns its ticket.
    fn drawn<T>(&self, input: Option<T>) -> Option<(usize, T)> {
        self.update(|state| {
            state.drawing = false;
            state.exhausted = input.is_none();
            let ticket = state.front_ticket.wrapping_add(state.slots.len());
            input.map(|input| {
                state.slots.push_back(None);
                (ticket, input)
            })
        })
    }

    /// Stores the result that belongs to `ticket`.
    fn put(&self, ticket: usize, result: Result<U, E>) {
        self.update(|state| {
            let index = ticket.wrapping_sub(state.front_ticket);
            if let Some(slot) = state.slots.get_mut(index) {
                *slot = Some(result);
            }
        });
    }

    /// Records whether emitting succeeded.
    fn emitted(&self, emitted: Result<(), E>) {
        self.update(|state| {
            state.emitting = false;
            if let Err(error) = emitted {
                state.stopped = true;
                state.error = Some(error);
            }
        });
    }

    fn into_result(self) -> Result<(), E> {
        let state = self.state.into_inner();
        let error = state.unwrap_or_else(PoisonError::into_inner).error;
        error.map_or(Ok(()), Err)
    }
}

/// Stops the other threads when one panics: what they wait for may never come.
struct StopOnPanic<'l, U, E>(&'l Line<U, E>);

impl<U, E> Drop for StopOnPanic<'_, U, E> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.update(|state| state.stopped = true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn results_keep_the_order_of_the_inputs(inputs: Vec<u16>, count in 1usize..6) {
            let mut seen = Vec::new();
            let done: Result<(), ()> = ordered_map(
                threads(count),
                inputs.iter().map(|&n| Ok(n)),
                |n: u16| {
                    if n.is_multiple_of(7) {
                        thread::yield_now();
                    }
                    Ok(u32::from(n) + 1)
                },
                |n| {
                    seen.push(n);
                    Ok(())
                },
            );
            prop_assert_eq!(done, Ok(()));
            let want: Vec<u32> = inputs.iter().map(|&n| u32::from(n) + 1).collect();
            prop_assert_eq!(seen, want);
        }

        #[test]
        fn the_first_error_in_order_ends_the_run(
            length in 1usize..80, bad in 0usize..80, worse in 0usize..80, count in 1usize..6,
        ) {
            let mut seen = 0;
            let done = ordered_map(
                threads(count),
                (0..length).map(|n| if n == worse { Err(("input", n)) } else { Ok(n) }),
                |n| if n == bad { Err(("work", n)) } else { Ok(n) },
                |n| {
                    assert_eq!(n, seen);
                    seen += 1;
                    Ok(())
                },
            );
            let first = bad.min(worse);
            if first < length {
                let kind = if worse <= bad { "input" } else { "work" };
                prop_assert_eq!(done, Err((kind, first)));
                prop_assert_eq!(seen, first);
            } else {
                prop_assert_eq!(done, Ok(()));
                prop_assert_eq!(seen, length);
            }
        }
    }

    #[test]
    fn an_error_of_emit_stops_an_endless_input() {
        let done = ordered_map(threads(3), (0u64..).map(Ok), Ok, |n| {
            if n < 100 { Ok(()) } else { Err(n) }
        });
        assert_eq!(done, Err(100));
    }

    #[test]
    fn a_slow_taker_bounds_what_is_in_flight() {
        let begun = AtomicUsize::new(0);
        let mut taken = 0;
        let done: Result<(), ()> = ordered_map(
            threads(2),
            (0..60).map(Ok),
            |n| {
                begun.fetch_add(1, Ordering::SeqCst);
                Ok(n)
            },
            |_: i32| {
                thread::sleep(Duration::from_millis(1));
                taken += 1;
                // The window, and the item that is being emitted.
                assert!(begun.load(Ordering::SeqCst) <= taken + 6);
                Ok(())
            },
        );
        assert_eq!((done, taken), (Ok(()), 60));
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_of_the_work_is_not_swallowed() {
        let _: Result<(), ()> = ordered_map(
            threads(2),
            (0..10).map(Ok),
            |n| if n == 5 { panic!("work") } else { Ok(n) },
            |_: i32| Ok(()),
        );
    }
}
