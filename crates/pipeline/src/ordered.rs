//! The ordered parallel map.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Items that wait to be emitted, for each thread. Two keep a thread busy
/// while the one before it is being written; more would only hold memory.
const WAITING_PER_THREAD: usize = 2;

/// Threads this process may use at once, at least one.
#[must_use]
pub fn available_threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Maps `inputs` through `work` on `threads` threads and hands the results to
/// `emit` on the calling thread, in the order of the inputs.
///
/// At most three items a thread are in flight, so memory is bounded however
/// long the input is. `inputs` is drawn from by one thread at a time, in order.
///
/// # Errors
///
/// The first error in the order of the inputs, whether of `inputs`, `work` or
/// `emit`. Nothing behind it is emitted.
///
/// # Panics
///
/// Where `inputs` or `work` panics, so does this function.
pub fn ordered_map<I, T, U, E>(
    threads: NonZeroUsize,
    inputs: I,
    work: impl Fn(T) -> Result<U, E> + Sync,
    mut emit: impl FnMut(U) -> Result<(), E>,
) -> Result<(), E>
where
    I: Iterator<Item = Result<T, E>> + Send,
    T: Send,
    U: Send,
    E: Send,
{
    let window = threads.get().saturating_mul(WAITING_PER_THREAD + 1);
    let line = Line::new(threads.get(), window);
    let inputs = Mutex::new(inputs.fuse());
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(|| {
                let _leaving = Leave(&line);
                while let Some((ticket, input)) = line.next_input(&inputs) {
                    line.put(ticket, input.and_then(&work));
                }
            });
        }
        let _stop = Stop(&line);
        while let Some(result) = line.take() {
            emit(result?)?;
        }
        Ok(())
    })
}

/// The results on their way out, in the order of their tickets.
struct Line<U, E> {
    state: Mutex<State<U, E>>,
    changed: Condvar,
    /// Items that may be in flight at once.
    window: usize,
}

struct State<U, E> {
    /// One slot for each ticket that is out and not taken yet; the front is the
    /// next to be taken.
    slots: VecDeque<Option<Result<U, E>>>,
    /// Ticket of the front slot.
    front_ticket: u64,
    working_threads: usize,
    stopped: bool,
}

impl<U, E> Line<U, E> {
    fn new(threads: usize, window: usize) -> Self {
        Self {
            state: Mutex::new(State {
                slots: VecDeque::with_capacity(window),
                front_ticket: 0,
                working_threads: threads,
                stopped: false,
            }),
            changed: Condvar::new(),
            window,
        }
    }

    /// A panic of another thread is reported by the scope that joins it, so the
    /// poison it leaves says nothing new.
    fn lock(&self) -> MutexGuard<'_, State<U, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(
        &self,
        condition: impl FnMut(&mut State<U, E>) -> bool,
    ) -> MutexGuard<'_, State<U, E>> {
        self.changed
            .wait_while(self.lock(), condition)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The next input with its ticket, once there is room for its result.
    fn next_input<T>(
        &self,
        inputs: &Mutex<impl Iterator<Item = Result<T, E>>>,
    ) -> Option<(u64, Result<T, E>)> {
        // The inputs stay locked until the ticket is drawn: tickets follow the inputs.
        let mut inputs = inputs.lock().ok()?;
        if self
            .wait_while(|state| !state.stopped && state.slots.len() >= self.window)
            .stopped
        {
            return None;
        }
        let input = inputs.next()?;
        let mut state = self.lock();
        let ticket = state
            .front_ticket
            .wrapping_add(index_to_ticket(state.slots.len()));
        state.slots.push_back(None);
        Some((ticket, input))
    }

    /// Hands in the result that belongs to `ticket`.
    fn put(&self, ticket: u64, result: Result<U, E>) {
        let mut state = self.lock();
        let index = ticket.wrapping_sub(state.front_ticket);
        if let Some(slot) = usize::try_from(index)
            .ok()
            .and_then(|at| state.slots.get_mut(at))
        {
            *slot = Some(result);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The next result in order, or `None` when all are out.
    fn take(&self) -> Option<Result<U, E>> {
        let mut state = self.wait_while(|state| {
            state.working_threads > 0 && !matches!(state.slots.front(), Some(Some(_)))
        });
        let result = state.slots.pop_front().flatten()?;
        state.front_ticket = state.front_ticket.wrapping_add(1);
        drop(state);
        self.changed.notify_all();
        Some(result)
    }
}

fn index_to_ticket(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

/// Says that a thread has ended, also when it panics: the taker must not wait
/// for a result that will never come.
struct Leave<'l, U, E>(&'l Line<U, E>);

impl<U, E> Drop for Leave<'_, U, E> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.working_threads = state.working_threads.saturating_sub(1);
        drop(state);
        self.0.changed.notify_all();
    }
}

/// Lets the threads end when the taker leaves, early or not.
struct Stop<'l, U, E>(&'l Line<U, E>);

impl<U, E> Drop for Stop<'_, U, E> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
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
