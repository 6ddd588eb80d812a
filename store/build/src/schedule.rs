//! In which order tasks run, and how many at once.
//!
//! A task becomes ready when all tasks that it comes after are done. Workers take ready tasks until
//! none is left or one has failed; then what runs still ends, and nothing new is started.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The positions of the tasks that must be done before. All are smaller than the task's own:
    /// so there are no cycles.
    pub(crate) after: BTreeSet<usize>,
    /// Who does it.
    pub(crate) lane: Lane,
}

/// Tasks of different lanes do not wait for each other's workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Waits for the network rather than for a processor.
    Fetch,
    /// Keeps a processor busy.
    Build,
}

/// How many tasks of each lane run at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workers {
    /// Of [`Lane::Fetch`].
    pub(crate) fetch: usize,
    /// Of [`Lane::Build`].
    pub(crate) build: usize,
}

/// Does all tasks by calling `work` with their positions, and returns the first error.
pub(crate) fn run<E: Send>(
    tasks: &[Task],
    workers: Workers,
    work: &(impl Fn(usize) -> Result<(), E> + Sync),
) -> Result<(), E> {
    let schedule = &Schedule::new(tasks);
    std::thread::scope(|scope| {
        for (lane, count) in [(Lane::Fetch, workers.fetch), (Lane::Build, workers.build)] {
            let tasks = tasks.iter().filter(|task| task.lane == lane).count();
            for _ in 0..count.max(1).min(tasks) {
                scope.spawn(move || schedule.work(lane, work));
            }
        }
    });
    schedule.lock().failure.take().map_or(Ok(()), Err)
}

/// Takes the task to do next. The plan's own order is kept; a better one (the longest chain of
/// dependents first) goes here.
fn take_next(ready: &mut BTreeSet<usize>) -> Option<usize> {
    ready.pop_first()
}

struct Schedule<'a, E> {
    tasks: &'a [Task],
    /// By task: who comes after it.
    dependents: Vec<Vec<usize>>,
    state: Mutex<State<E>>,
    changed: Condvar,
}

struct State<E> {
    /// By task: how many of those before it are not done.
    waits_for: Vec<usize>,
    ready: [BTreeSet<usize>; 2],
    not_started: [usize; 2],
    /// Nothing new is started any more.
    stopped: bool,
    failure: Option<E>,
}

impl<'a, E> Schedule<'a, E> {
    fn new(tasks: &'a [Task]) -> Self {
        let mut dependents = vec![Vec::new(); tasks.len()];
        let mut state = State {
            waits_for: Vec::with_capacity(tasks.len()),
            ready: [BTreeSet::new(), BTreeSet::new()],
            not_started: [0; 2],
            stopped: false,
            failure: None,
        };
        for (position, task) in tasks.iter().enumerate() {
            for &before in &task.after {
                assert!(
                    before < position,
                    "a task comes after the tasks that it needs"
                );
                dependents[before].push(position);
            }
            state.waits_for.push(task.after.len());
            state.not_started[task.lane as usize] += 1;
            if task.after.is_empty() {
                state.ready[task.lane as usize].insert(position);
            }
        }
        Self {
            tasks,
            dependents,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// What every worker does.
    fn work(&self, lane: Lane, work: &impl Fn(usize) -> Result<(), E>) {
        while let Some(task) = self.next(lane) {
            let ending = StopUnlessDone(self);
            let result = work(task);
            std::mem::forget(ending);
            self.done(task, result);
        }
    }

    /// Waits for a task to be ready.
    fn next(&self, lane: Lane) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.not_started[lane as usize] == 0 {
                return None;
            }
            if let Some(task) = take_next(&mut state.ready[lane as usize]) {
                state.not_started[lane as usize] -= 1;
                return Some(task);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, task: usize, result: Result<(), E>) {
        let mut state = self.lock();
        match result {
            Ok(()) => {
                for &dependent in &self.dependents[task] {
                    state.waits_for[dependent] -= 1;
                    if state.waits_for[dependent] == 0 {
                        let lane = self.tasks[dependent].lane;
                        state.ready[lane as usize].insert(dependent);
                    }
                }
            }
            Err(error) => {
                state.stopped = true;
                state.failure.get_or_insert(error);
            }
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the other workers go when the work of one panics: they would wait for it for ever.
struct StopUnlessDone<'a, 'b, E>(&'a Schedule<'b, E>);

impl<E> Drop for StopUnlessDone<'_, '_, E> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    const WORKERS: Workers = Workers { fetch: 4, build: 2 };

    fn task(lane: Lane, after: &[usize]) -> Task {
        Task {
            after: after.iter().copied().collect(),
            lane,
        }
    }

    fn order(tasks: &[Task], workers: Workers) -> Vec<usize> {
        let order = Mutex::new(Vec::new());
        run(tasks, workers, &|position| {
            order.lock().unwrap().push(position);
            Ok::<(), ()>(())
        })
        .unwrap();
        order.into_inner().unwrap()
    }

    #[test]
    fn one_worker_keeps_the_order_of_the_plan() {
        let tasks = [
            task(Lane::Build, &[]),
            task(Lane::Build, &[0]),
            task(Lane::Build, &[]),
            task(Lane::Build, &[0, 2]),
        ];
        assert_eq!(order(&tasks, Workers { fetch: 1, build: 1 }), [0, 1, 2, 3]);
        assert_eq!(order(&[], WORKERS), [] as [usize; 0]);
        // Nobody asked for zero workers to mean that nothing happens.
        assert_eq!(order(&tasks, Workers { fetch: 0, build: 0 }), [0, 1, 2, 3]);
    }

    #[test]
    fn as_many_run_at_once_as_there_are_workers() {
        let tasks = vec![task(Lane::Build, &[]); 6];
        // Ends only if two run at the same time, always.
        let barrier = Barrier::new(2);
        let running = AtomicUsize::new(0);
        run(&tasks, WORKERS, &|_| {
            assert!(running.fetch_add(1, Ordering::SeqCst) < 2);
            barrier.wait();
            running.fetch_sub(1, Ordering::SeqCst);
            barrier.wait();
            Ok::<(), ()>(())
        })
        .unwrap();
    }

    #[test]
    fn fetching_does_not_wait_for_builds() {
        // The build ends only when the fetch that comes after it in the plan is running.
        let tasks = [task(Lane::Build, &[]), task(Lane::Fetch, &[])];
        let barrier = Barrier::new(2);
        run(&tasks, Workers { fetch: 1, build: 1 }, &|_| {
            barrier.wait();
            Ok::<(), ()>(())
        })
        .unwrap();
    }

    #[test]
    fn the_first_failure_stops_what_has_not_begun() {
        let tasks = [
            task(Lane::Build, &[]),
            task(Lane::Build, &[]),
            task(Lane::Build, &[0]),
            task(Lane::Build, &[1]),
            task(Lane::Build, &[]),
        ];
        let both_run = Barrier::new(2);
        let failed = Barrier::new(2);
        let ended = Mutex::new(BTreeSet::new());
        let result = run(&tasks, WORKERS, &|position| match position {
            0 => {
                both_run.wait();
                failed.wait();
                Err("broken")
            }
            1 => {
                both_run.wait();
                failed.wait();
                // Long enough for the failure to be noted.
                std::thread::sleep(std::time::Duration::from_millis(100));
                ended.lock().unwrap().insert(position);
                Ok(())
            }
            _ => {
                ended.lock().unwrap().insert(position);
                Ok(())
            }
        });
        assert_eq!(result, Err("broken"));
        assert_eq!(ended.into_inner().unwrap(), BTreeSet::from([1]));
    }

    #[test]
    fn a_panic_does_not_hang_the_others() {
        let tasks = [
            task(Lane::Build, &[]),
            task(Lane::Build, &[0]),
            task(Lane::Fetch, &[1]),
        ];
        let result = std::panic::catch_unwind(|| {
            run(&tasks, WORKERS, &|_| -> Result<(), ()> {
                panic!("on purpose")
            })
        });
        assert!(result.is_err());
    }

    proptest! {
        #[test]
        fn every_task_runs_once_after_its_needs(
            needs in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..40),
            fetch in 1..3_usize,
            build in 1..4_usize,
        ) {
            let tasks: Vec<_> = needs.iter().enumerate().map(|(position, needs)| Task {
                after: if position == 0 { BTreeSet::new() } else {
                    needs.iter().map(|index| index.index(position)).collect()
                },
                lane: if position % 3 == 0 { Lane::Fetch } else { Lane::Build },
            }).collect();
            let order = order(&tasks, Workers { fetch, build });
            prop_assert_eq!(order.len(), tasks.len());
            for (at, task) in order.iter().enumerate() {
                for before in &tasks[*task].after {
                    prop_assert!(order[..at].contains(before));
                }
            }
        }
    }
}
