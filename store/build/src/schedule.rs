//! In which order tasks run, and how many at once.
//!
//! Every task is first made, by one of the workers of its lane, and then kept, by the keeper.
//!
//! - A task can start when those before it are kept; or, where that is enough, when they have told
//!   that they are as far as it needs.
//! - A task that is made is kept when all before it are kept, or are kept together with it. While
//!   the keeper is busy, more pile up, and it takes all of them the next time: what keeping costs
//!   hardly depends on how many there are.
//! - A failure stops everything that has not begun. What runs ends, and is kept if it can be: not
//!   what started on the word of a task that then failed.
//!
//! The tasks that keep a processor busy share [`Slots`] with the processes they start.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::order;
use crate::slots::Slots;

/// How long to wait for a slot before looking whether one is still needed.
const PATIENCE: Duration = Duration::from_millis(50);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The positions of the tasks before it, and how far each must be for it to start. All are
    /// smaller than the task's own: so there are no cycles.
    pub(crate) after: BTreeMap<usize, Moment>,
    /// Who does it.
    pub(crate) lane: Lane,
    /// How long it will take, as far as one can know.
    pub(crate) times: Times,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// Libraries that use what it makes can be compiled.
    ForLibraries,
    /// Programs that use what it makes can be compiled, too.
    ForPrograms,
    /// It is kept.
    Kept,
}

/// How long a task takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Until others can start before it is made.
    pub(crate) early: Duration,
    /// Until it is made.
    pub(crate) whole: Duration,
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

/// What it means to do tasks.
pub(crate) trait Work: Sync {
    /// What is made and not yet kept.
    type Made: Send;
    /// What goes wrong.
    type Error: Send;

    /// Makes a task. Calls `reached` once others can start before it is made, if ever.
    fn make(&self, task: usize, reached: &dyn Fn(Moment)) -> Result<Self::Made, Self::Error>;

    /// Keeps what was made, in this order. All that comes before a task is kept already, or comes
    /// before it in the list.
    fn keep(&self, made: Vec<(usize, Self::Made)>) -> Result<(), Self::Error>;
}

/// Does all tasks, and returns the first error.
pub(crate) fn run<W: Work>(
    tasks: &[Task],
    workers: Workers,
    slots: &Slots,
    work: &W,
) -> Result<(), W::Error> {
    let schedule = &Schedule::new(tasks, workers, slots, work);
    std::thread::scope(|scope| {
        for (lane, count) in [(Lane::Fetch, workers.fetch), (Lane::Build, workers.build)] {
            let tasks = tasks.iter().filter(|task| task.lane == lane).count();
            for _ in 0..count.max(1).min(tasks) {
                scope.spawn(move || schedule.make_all(lane));
            }
        }
        if workers.build > 1 {
            scope.spawn(move || schedule.collect_slots());
        }
        schedule.keep_all();
    });
    schedule.lock().failure.take().map_or(Ok(()), Err)
}

/// Tasks that can start: first the one that has to, see [`order`], then by position. The order is
/// fixed and every task comes from a finite list, so none waits for ever.
type Ready = BTreeSet<(Reverse<Duration>, usize)>;

struct Schedule<'a, W: Work> {
    tasks: &'a [Task],
    /// By task: who comes after it.
    dependents: Vec<Vec<usize>>,
    latest_starts: Vec<Duration>,
    slots: &'a Slots,
    work: &'a W,
    state: Mutex<State<W>>,
    changed: Condvar,
}

struct State<W: Work> {
    /// By task: how many of those before it are not as far as they must be.
    waits_for: Vec<usize>,
    /// By task: how far it is.
    reached: Vec<Option<Moment>>,
    ready: [Ready; 2],
    not_started: [usize; 2],
    running: [usize; 2],
    /// The slots taken for running builds.
    slots: Vec<u8>,
    /// Made and not kept.
    made: BTreeMap<usize, W::Made>,
    /// Nothing new is started any more.
    stopped: bool,
    failure: Option<W::Error>,
}

impl<'a, W: Work> Schedule<'a, W> {
    fn new(tasks: &'a [Task], workers: Workers, slots: &'a Slots, work: &'a W) -> Self {
        let latest_starts = order::latest_starts(tasks, workers.build);
        let mut dependents = vec![Vec::new(); tasks.len()];
        let mut state = State {
            waits_for: Vec::with_capacity(tasks.len()),
            reached: vec![None; tasks.len()],
            ready: [Ready::new(), Ready::new()],
            not_started: [0; 2],
            running: [0; 2],
            slots: Vec::new(),
            made: BTreeMap::new(),
            stopped: false,
            failure: None,
        };
        for (position, task) in tasks.iter().enumerate() {
            for &before in task.after.keys() {
                assert!(
                    before < position,
                    "a task comes after the tasks that it needs"
                );
                dependents[before].push(position);
            }
            state.waits_for.push(task.after.len());
            state.not_started[task.lane as usize] += 1;
            if task.after.is_empty() {
                let start = Reverse(latest_starts[position]);
                state.ready[task.lane as usize].insert((start, position));
            }
        }
        Self {
            tasks,
            dependents,
            latest_starts,
            slots,
            work,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// What every worker does.
    fn make_all(&self, lane: Lane) {
        while let Some(task) = self.next(lane) {
            let ending = StopUnlessDone(self, Some(lane));
            let result = self.work.make(task, &|moment| self.reach(task, moment));
            std::mem::forget(ending);
            let mut state = self.lock();
            state.running[lane as usize] -= 1;
            match result {
                Ok(made) => {
                    state.made.insert(task, made);
                }
                Err(error) => state.fail(error),
            }
            self.give_back(&mut state);
            self.changed.notify_all();
        }
    }

    /// Waits for a task to be ready, and for a slot if it needs one.
    fn next(&self, lane: Lane) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.not_started[lane as usize] == 0 {
                return None;
            }
            if (lane == Lane::Fetch || state.has_slot())
                && let Some((_, task)) = state.ready[lane as usize].pop_first()
            {
                state.not_started[lane as usize] -= 1;
                state.running[lane as usize] += 1;
                // There may be a slot for one more.
                self.changed.notify_all();
                return Some(task);
            }
            state = self.wait(state);
        }
    }

    /// Gets slots while there are builds to start with them.
    fn collect_slots(&self) {
        loop {
            let mut state = self.lock();
            while !state.wants_slot() {
                if state.stopped || state.not_started[Lane::Build as usize] == 0 {
                    return;
                }
                state = self.wait(state);
            }
            drop(state);
            match self.slots.take(PATIENCE) {
                Ok(Some(slot)) => {
                    let mut state = self.lock();
                    state.slots.push(slot);
                    self.give_back(&mut state);
                    self.changed.notify_all();
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!("the job slots cannot be read: {error}");
                    return;
                }
            }
        }
    }

    /// Puts back what nobody needs.
    fn give_back(&self, state: &mut State<W>) {
        let ready = &state.ready[Lane::Build as usize];
        let needed = if state.stopped || ready.is_empty() {
            state.running[Lane::Build as usize].saturating_sub(1)
        } else {
            state.running[Lane::Build as usize]
        };
        while state.slots.len() > needed
            && let Some(slot) = state.slots.pop()
        {
            self.slots.give_back(slot);
        }
    }

    /// What the keeper does.
    fn keep_all(&self) {
        loop {
            let mut state = self.lock();
            let made = loop {
                let made = self.take_keepable(&mut state);
                if !made.is_empty() {
                    break made;
                }
                let nothing_starts = state.stopped || state.not_started == [0; 2];
                if nothing_starts && state.running == [0; 2] {
                    return;
                }
                state = self.wait(state);
            };
            drop(state);
            let tasks: Vec<_> = made.iter().map(|(task, _)| *task).collect();
            let ending = StopUnlessDone(self, None);
            let result = self.work.keep(made);
            std::mem::forget(ending);
            match result {
                Ok(()) => {
                    for task in tasks {
                        self.reach(task, Moment::Kept);
                    }
                }
                Err(error) => {
                    self.lock().fail(error);
                    self.changed.notify_all();
                }
            }
        }
    }

    /// Takes everything that is made and has nothing before it that is not kept or taken as well.
    fn take_keepable(&self, state: &mut State<W>) -> Vec<(usize, W::Made)> {
        let mut taken = BTreeSet::new();
        for &task in state.made.keys() {
            let kept = |before: &usize| {
                taken.contains(before) || state.reached[*before] == Some(Moment::Kept)
            };
            if self.tasks[task].after.keys().all(kept) {
                taken.insert(task);
            }
        }
        let take = |task| state.made.remove(&task).map(|made| (task, made));
        taken.into_iter().filter_map(take).collect()
    }

    /// Notes how far a task is, and makes those ready that waited for that.
    fn reach(&self, task: usize, moment: Moment) {
        let mut state = self.lock();
        let before = state.reached[task].replace(moment);
        for &dependent in &self.dependents[task] {
            let needed = self.tasks[dependent].after.get(&task).copied();
            if before >= needed || Some(moment) < needed {
                continue;
            }
            state.waits_for[dependent] -= 1;
            if state.waits_for[dependent] == 0 {
                let lane = self.tasks[dependent].lane as usize;
                let start = Reverse(self.latest_starts[dependent]);
                state.ready[lane].insert((start, dependent));
            }
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State<W>>) -> MutexGuard<'s, State<W>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Work> State<W> {
    /// Whether one more build can start. The first needs no slot.
    fn has_slot(&self) -> bool {
        self.running[Lane::Build as usize] <= self.slots.len()
    }

    fn wants_slot(&self) -> bool {
        !self.stopped && !self.has_slot() && !self.ready[Lane::Build as usize].is_empty()
    }

    fn fail(&mut self, error: W::Error) {
        self.stopped = true;
        self.failure.get_or_insert(error);
    }
}

/// Lets the other workers go when the work of one panics: they would wait for it for ever.
struct StopUnlessDone<'a, 'b, W: Work>(&'a Schedule<'b, W>, Option<Lane>);

impl<W: Work> Drop for StopUnlessDone<'_, '_, W> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.stopped = true;
        if let Some(lane) = self.1 {
            state.running[lane as usize] -= 1;
        }
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::testing::Lab;

    const WORKERS: Workers = Workers { fetch: 4, build: 2 };

    fn task(lane: Lane, after: &[usize]) -> Task {
        Task {
            after: after.iter().map(|task| (*task, Moment::Kept)).collect(),
            lane,
            times: Times::default(),
        }
    }

    /// A task that starts early after some.
    fn early(after: &[usize]) -> Task {
        let after = after
            .iter()
            .map(|task| (*task, Moment::ForLibraries))
            .collect();
        Task {
            after,
            ..task(Lane::Build, &[])
        }
    }

    /// Makes tasks by a function, and remembers what is kept when.
    struct Recorded<F> {
        make: F,
        batches: Mutex<Vec<Vec<usize>>>,
    }

    impl<F: Fn(usize, &dyn Fn()) -> Result<(), &'static str> + Sync> Work for Recorded<F> {
        type Made = usize;
        type Error = &'static str;

        fn make(&self, task: usize, reached: &dyn Fn(Moment)) -> Result<usize, &'static str> {
            (self.make)(task, &|| reached(Moment::ForLibraries)).map(|()| task)
        }

        fn keep(&self, made: Vec<(usize, usize)>) -> Result<(), &'static str> {
            let tasks = made.iter().map(|(task, made)| {
                assert_eq!(task, made);
                *task
            });
            self.batches.lock().unwrap().push(tasks.collect());
            Ok(())
        }
    }

    /// Runs tasks; returns the result and what was kept, in order.
    fn run_all(
        tasks: &[Task],
        workers: Workers,
        make: impl Fn(usize, &dyn Fn()) -> Result<(), &'static str> + Sync,
    ) -> (Result<(), &'static str>, Vec<usize>) {
        let lab = Lab::new();
        let slots = Slots::new(&lab.store, workers.build).unwrap();
        let work = Recorded {
            make,
            batches: Mutex::default(),
        };
        let result = run(tasks, workers, &slots, &work);
        // All slots are back.
        for _ in 1..workers.build {
            assert!(slots.take(Duration::ZERO).unwrap().is_some());
        }
        assert_eq!(slots.take(Duration::ZERO).unwrap(), None);
        (result, work.batches.into_inner().unwrap().concat())
    }

    /// Runs tasks and returns the order in which they were made.
    fn order(tasks: &[Task], workers: Workers) -> Vec<usize> {
        let order = Mutex::new(Vec::new());
        let (result, kept) = run_all(tasks, workers, |position, _early| {
            order.lock().unwrap().push(position);
            Ok(())
        });
        result.unwrap();
        assert_eq!(kept.len(), tasks.len());
        order.into_inner().unwrap()
    }

    #[test]
    fn equal_tasks_keep_the_order_of_the_plan() {
        let tasks = [
            task(Lane::Build, &[]),
            task(Lane::Build, &[]),
            task(Lane::Build, &[]),
        ];
        assert_eq!(order(&tasks, Workers { fetch: 1, build: 1 }), [0, 1, 2]);
        assert_eq!(order(&[], WORKERS), [] as [usize; 0]);
        // Nobody asked for zero workers to mean that nothing happens.
        assert_eq!(order(&tasks, Workers { fetch: 0, build: 0 }), [0, 1, 2]);
    }

    #[test]
    fn what_has_to_start_first_does() {
        let lasting = |task: Task, whole| Task {
            times: Times {
                early: Duration::from_secs(1),
                whole: Duration::from_secs(whole),
            },
            ..task
        };
        let tasks = [
            lasting(task(Lane::Build, &[]), 5),
            // Alone it is short, but all wait for it.
            lasting(task(Lane::Build, &[]), 3),
            lasting(early(&[1]), 2),
            lasting(task(Lane::Build, &[2]), 4),
        ];
        let alone = Workers { fetch: 1, build: 1 };
        let order = order(&tasks, alone);
        assert_eq!(order[0], 1);
        // What can start after the first one's end depends on when the keeper is through with it.
        let at = |task| order.iter().position(|other| *other == task).unwrap();
        assert!(at(2) < at(3));
    }

    #[test]
    fn as_many_run_at_once_as_there_are_workers() {
        let tasks = vec![task(Lane::Build, &[]); 6];
        // Ends only if two run at the same time, always.
        let barrier = Barrier::new(2);
        let running = AtomicUsize::new(0);
        let (result, _) = run_all(&tasks, WORKERS, |_, _| {
            assert!(running.fetch_add(1, Ordering::SeqCst) < 2);
            barrier.wait();
            running.fetch_sub(1, Ordering::SeqCst);
            barrier.wait();
            Ok(())
        });
        result.unwrap();
    }

    #[test]
    fn builds_share_their_slots_with_what_they_start() {
        let lab = Lab::new();
        let slots = &Slots::new(&lab.store, 2).unwrap();
        let tasks = vec![task(Lane::Build, &[]); 8];
        let running = AtomicUsize::new(0);
        let work = Recorded {
            make: |position: usize, _: &dyn Fn()| {
                let others = running.fetch_add(1, Ordering::SeqCst);
                if position == 0 {
                    // A job that starts a thread of its own; it gets the other slot soon or never.
                    if let Some(slot) = slots.take(Duration::from_millis(20)).unwrap() {
                        for _ in 0..20 {
                            std::thread::sleep(Duration::from_millis(2));
                            assert_eq!(running.load(Ordering::SeqCst), 1);
                        }
                        slots.give_back(slot);
                    }
                }
                assert!(others < 2);
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            },
            batches: Mutex::default(),
        };
        run(&tasks, WORKERS, slots, &work).unwrap();
        assert!(slots.take(Duration::ZERO).unwrap().is_some());
    }

    #[test]
    fn fetching_does_not_wait_for_builds() {
        // The build ends only when the fetch that comes after it in the plan is running.
        let tasks = [task(Lane::Build, &[]), task(Lane::Fetch, &[])];
        let barrier = Barrier::new(2);
        let (result, _) = run_all(&tasks, Workers { fetch: 1, build: 1 }, |_, _| {
            barrier.wait();
            Ok(())
        });
        result.unwrap();
    }

    #[test]
    fn an_early_word_is_enough_to_start_and_not_to_be_kept() {
        let tasks = [
            task(Lane::Build, &[]),
            early(&[0]),
            early(&[1]),
            task(Lane::Build, &[1]),
        ];
        // The first task ends only when the second has.
        let ended = Barrier::new(2);
        let (result, kept) = run_all(&tasks, WORKERS, |position, early| {
            match position {
                0 => {
                    early();
                    early();
                    ended.wait();
                }
                1 => {
                    early();
                    ended.wait();
                }
                _ => {}
            }
            Ok(())
        });
        result.unwrap();
        assert_eq!(kept[..2], [0, 1]);
        assert_eq!(kept.len(), 4);
    }

    #[test]
    fn who_started_on_the_word_of_a_failure_is_not_kept() {
        let tasks = [task(Lane::Build, &[]), early(&[0]), task(Lane::Fetch, &[])];
        let made = Barrier::new(2);
        let (result, kept) = run_all(&tasks, WORKERS, |position, early| match position {
            0 => {
                early();
                made.wait();
                Err("broken")
            }
            1 => {
                made.wait();
                Ok(())
            }
            _ => Ok(()),
        });
        assert_eq!(result, Err("broken"));
        assert!(!kept.contains(&0) && !kept.contains(&1), "{kept:?}");
    }

    #[test]
    fn what_piles_up_is_kept_together() {
        // All but the first are made while the first is being kept.
        struct Slow {
            first: Barrier,
            batches: Mutex<Vec<usize>>,
            made: AtomicUsize,
        }
        impl Work for Slow {
            type Made = ();
            type Error = &'static str;
            fn make(&self, task: usize, reached: &dyn Fn(Moment)) -> Result<(), &'static str> {
                reached(Moment::ForLibraries);
                if task == 1 {
                    self.first.wait();
                }
                self.made.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            fn keep(&self, made: Vec<(usize, ())>) -> Result<(), &'static str> {
                if made[0].0 == 0 {
                    self.first.wait();
                    while self.made.load(Ordering::SeqCst) < 5 {
                        std::thread::yield_now();
                    }
                    // The last one's maker has to hand it over.
                    std::thread::sleep(Duration::from_millis(50));
                }
                self.batches.lock().unwrap().push(made.len());
                Ok(())
            }
        }
        let tasks = [
            task(Lane::Fetch, &[]),
            early(&[]),
            early(&[1]),
            early(&[1, 2]),
            early(&[3]),
        ];
        let lab = Lab::new();
        let slots = Slots::new(&lab.store, 2).unwrap();
        let work = Slow {
            first: Barrier::new(2),
            batches: Mutex::default(),
            made: AtomicUsize::new(0),
        };
        run(&tasks, WORKERS, &slots, &work).unwrap();
        assert_eq!(*work.batches.lock().unwrap(), [1, 4]);
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
        let (result, kept) = run_all(&tasks, WORKERS, |position, _| match position {
            0 => {
                both_run.wait();
                failed.wait();
                Err("broken")
            }
            1 => {
                both_run.wait();
                failed.wait();
                // Long enough for the failure to be noted.
                std::thread::sleep(Duration::from_millis(100));
                Ok(())
            }
            _ => Ok(()),
        });
        assert_eq!(result, Err("broken"));
        assert_eq!(kept, [1]);
    }

    #[test]
    fn a_failure_to_keep_is_one() {
        struct Full;
        impl Work for Full {
            type Made = ();
            type Error = &'static str;
            fn make(&self, _task: usize, _reached: &dyn Fn(Moment)) -> Result<(), &'static str> {
                Ok(())
            }
            fn keep(&self, _made: Vec<(usize, ())>) -> Result<(), &'static str> {
                Err("the disk is full")
            }
        }
        let lab = Lab::new();
        let slots = Slots::new(&lab.store, 2).unwrap();
        let tasks = [task(Lane::Build, &[]), task(Lane::Build, &[0])];
        let result = run(&tasks, WORKERS, &slots, &Full);
        assert_eq!(result, Err("the disk is full"));
    }

    #[test]
    fn a_panic_does_not_hang_the_others() {
        let tasks = [
            task(Lane::Build, &[]),
            task(Lane::Build, &[0]),
            task(Lane::Fetch, &[1]),
        ];
        let result =
            std::panic::catch_unwind(|| run_all(&tasks, WORKERS, |_, _| panic!("on purpose")).0);
        assert!(result.is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_task_runs_once_after_its_needs(
            needs in prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..4), 0..40),
            speaks in any::<u64>(),
            fetch in 1..3_usize,
            build in 1..4_usize,
        ) {
            let tasks: Vec<_> = needs.iter().enumerate().map(|(position, needs)| Task {
                after: if position == 0 { BTreeMap::new() } else {
                    needs.iter().map(|(index, early)| {
                        (index.index(position), if *early { Moment::ForLibraries } else { Moment::Kept })
                    }).collect()
                },
                lane: if position % 3 == 0 { Lane::Fetch } else { Lane::Build },
                times: Times::default(),
            }).collect();
            let made = Mutex::new(Vec::new());
            let (result, kept) = run_all(&tasks, Workers { fetch, build }, |position, early| {
                made.lock().unwrap().push(position);
                if speaks >> position & 1 == 1 {
                    early();
                }
                Ok(())
            });
            result.unwrap();
            let mut made = made.into_inner().unwrap();
            for (at, task) in kept.iter().enumerate() {
                for before in tasks[*task].after.keys() {
                    prop_assert!(kept[..at].contains(before));
                }
            }
            for (at, task) in made.iter().enumerate() {
                for before in tasks[*task].after.keys() {
                    prop_assert!(made[..at].contains(before));
                }
            }
            made.sort_unstable();
            prop_assert_eq!(made, (0..tasks.len()).collect::<Vec<_>>());
            prop_assert_eq!(kept.len(), tasks.len());
        }
    }
}
