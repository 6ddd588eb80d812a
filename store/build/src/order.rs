//! [`latest_starts`]: what should start first.
//!
//! Not simply what has the longest way to the end: a program needs no more than the metadata of its
//! libraries, and while it is compiled, on one processor for the most part, the code of a library
//! can still be generated on another. The libraries that take longest after their metadata are to
//! start last, therefore, but early enough that nothing waits for them.
//!
//! So the plan is laid out from its end: what comes last takes the last place, and what has to be
//! done before takes the latest one that is left. The order of these starts is a good one from the
//! front as well, wherever times are not what was thought. This is list scheduling (Graham, "Bounds
//! on Multiprocessing Timing Anomalies", 1969) of the plan in reverse.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::schedule::{Lane, Moment, Task};

/// Returns for each task how long before the end of all it starts at the latest, if as many builds
/// run at once as there are `workers`.
pub(crate) fn latest_starts(tasks: &[Task], workers: usize) -> Vec<Duration> {
    let mut layout = Layout::new(tasks);
    // When each worker is busy from, counted from the end.
    let mut busy: BTreeSet<_> = (0..workers.max(1))
        .map(|worker| (Duration::ZERO, worker))
        .collect();
    while let Some((at, worker)) = busy.pop_first() {
        let Some((task, end)) = layout.take(at) else {
            break;
        };
        let start = layout.place(task, end);
        let build = tasks[task].lane == Lane::Build;
        busy.insert((if build { start } else { at }, worker));
    }
    layout.starts
}

/// A plan being laid out from its end. All times are counted from there.
struct Layout<'a> {
    tasks: &'a [Task],
    /// By task: how long it takes from the start of all to its end, at least.
    ways: Vec<Duration>,
    /// By task: how many of those after it have no place yet.
    waits_for: Vec<usize>,
    /// By task: when it ends at the latest, as far as those after it have a place.
    ends: Vec<Duration>,
    starts: Vec<Duration>,
    /// All after these has a place; by their ends.
    coming: BTreeSet<(Duration, usize)>,
    /// Those of them that can end now: the one with the longest way comes first, which is last from
    /// the front; of equal ones, the last in the plan.
    ready: BTreeSet<Reverse<(Duration, usize)>>,
}

impl<'a> Layout<'a> {
    fn new(tasks: &'a [Task]) -> Self {
        let mut waits_for = vec![0; tasks.len()];
        let mut ways: Vec<Duration> = Vec::with_capacity(tasks.len());
        for task in tasks {
            let mut way = task.times.whole;
            for (&before, &moment) in &task.after {
                waits_for[before] += 1;
                let start = (ways[before] + until(&tasks[before], moment))
                    .saturating_sub(tasks[before].times.whole);
                way = way.max(start + task.times.whole);
            }
            ways.push(way);
        }
        let last = (0..tasks.len()).filter(|task| waits_for[*task] == 0);
        Self {
            tasks,
            ways,
            coming: last.map(|task| (Duration::ZERO, task)).collect(),
            waits_for,
            ends: vec![Duration::ZERO; tasks.len()],
            starts: vec![Duration::ZERO; tasks.len()],
            ready: BTreeSet::new(),
        }
    }

    /// Takes the task that ends next, seen from the end, for a worker that has time from `at` on; and
    /// when that is.
    fn take(&mut self, at: Duration) -> Option<(usize, Duration)> {
        // A worker for whom nothing is ready waits for what comes next.
        let reached = match (self.ready.first(), self.coming.first()) {
            (None, Some((end, _))) => at.max(*end),
            _ => at,
        };
        while let Some(&(end, task)) = self.coming.first()
            && end <= reached
        {
            self.coming.pop_first();
            self.ready.insert(Reverse((self.ways[task], task)));
        }
        let Reverse((_, task)) = self.ready.pop_first()?;
        Some((task, at.max(self.ends[task])))
    }

    /// Lets a task end at a time; returns when it starts.
    fn place(&mut self, task: usize, end: Duration) -> Duration {
        let start = end + self.tasks[task].times.whole;
        self.starts[task] = start;
        for (&before, &moment) in &self.tasks[task].after {
            let whole = self.tasks[before].times.whole;
            let latest = (start + until(&self.tasks[before], moment)).saturating_sub(whole);
            self.ends[before] = self.ends[before].max(latest);
            self.waits_for[before] -= 1;
            if self.waits_for[before] == 0 {
                self.coming.insert((self.ends[before], before));
            }
        }
        start
    }
}

/// How long a task takes until it is as far as that.
fn until(task: &Task, moment: Moment) -> Duration {
    match moment {
        Moment::ForLibraries | Moment::ForPrograms => task.times.early.min(task.times.whole),
        Moment::Kept => task.times.whole,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::Times;

    /// A build that takes so many seconds, and comes after others.
    fn build(early: u64, whole: u64, after: &[(usize, Moment)]) -> Task {
        Task {
            after: after.iter().copied().collect(),
            lane: Lane::Build,
            times: Times {
                early: Duration::from_secs(early),
                whole: Duration::from_secs(whole),
            },
        }
    }

    /// The tasks in the order of their starts.
    fn order(tasks: &[Task], workers: usize) -> Vec<usize> {
        let starts = latest_starts(tasks, workers);
        let mut order: Vec<_> = (0..tasks.len()).collect();
        order.sort_by_key(|task| (Reverse(starts[*task]), *task));
        order
    }

    #[test]
    fn the_longest_way_comes_first() {
        let tasks = [
            build(5, 5, &[]),
            // Alone it is short, but all wait for it.
            build(1, 3, &[]),
            build(2, 2, &[(1, Moment::ForLibraries)]),
            build(4, 4, &[(2, Moment::Kept)]),
            build(4, 4, &[(1, Moment::Kept)]),
        ];
        assert_eq!(order(&tasks, 8), [1, 2, 0, 3, 4]);
        assert_eq!(order(&tasks, 1)[0], 1);
    }

    #[test]
    fn equal_tasks_keep_the_order_of_the_plan() {
        let tasks = vec![build(1, 1, &[]); 5];
        for workers in [0, 1, 2, 8] {
            assert_eq!(order(&tasks, workers), [0, 1, 2, 3, 4]);
        }
        assert_eq!(order(&[], 2), [0; 0]);
    }

    #[test]
    fn code_is_generated_beside_the_program() {
        // Four libraries and a program: the one that takes longest after its metadata comes last.
        let short = build(1, 1, &[]);
        let long = build(1, 8, &[]);
        let program = |moment| {
            let all: Vec<_> = (0..4).map(|library| (library, moment)).collect();
            build(9, 9, &all)
        };
        let libraries = [short.clone(), long, short.clone(), short];
        let early = [&libraries[..], &[program(Moment::ForPrograms)]].concat();
        assert_eq!(order(&early, 2), [0, 2, 1, 3, 4]);
        let starts = latest_starts(&early, 2);
        assert_eq!(starts[0], Duration::from_secs(11));
        // Where the program needs all of it, that one comes first.
        let kept = [&libraries[..], &[program(Moment::Kept)]].concat();
        assert_eq!(order(&kept, 2)[0], 1);
        assert_eq!(latest_starts(&kept, 2)[1], Duration::from_secs(17));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_plan_is_laid_out(
            tasks in prop::collection::vec((0..9_u64, 0..9_u64, prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize), 0..4)), 0..40),
            workers in 1..4_usize,
        ) {
            let tasks: Vec<_> = tasks.iter().enumerate().map(|(position, (early, whole, after))| {
                let after = after.iter().filter(|_| position > 0).map(|(index, moment)| {
                    let moments = [Moment::ForLibraries, Moment::ForPrograms, Moment::Kept];
                    (index.index(position), moments[*moment])
                });
                build(*early, *whole, &after.collect::<Vec<_>>())
            }).collect();
            let starts = latest_starts(&tasks, workers);
            // What comes before starts in time.
            for (position, task) in tasks.iter().enumerate() {
                for (&before, &moment) in &task.after {
                    prop_assert!(starts[before] >= starts[position] + until(&tasks[before], moment));
                }
            }
            // There are no more builds at once than workers: counted at every start, an instant after.
            for &start in &starts {
                let running = starts.iter().zip(&tasks).filter(|(other, task)| {
                    **other >= start && **other < start + task.times.whole
                });
                prop_assert!(running.count() <= workers);
            }
        }
    }
}
