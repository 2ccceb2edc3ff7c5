//! What the kernel says about processes: processor time, memory; and on which processor they run.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Processor of the server under test.
pub(crate) const SERVER: usize = 0;
/// Processor of whoever asks it.
pub(crate) const CLIENT: usize = 1;

/// Ties this thread, and what it starts from now on, to a processor.
pub(crate) fn pin(processor: usize) {
    let mut set = CpuSet::new();
    let pinned = set.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    pinned.expect("the comparison needs two processors: one for the server, one for its clients");
}

/// Lets this thread, and what it starts from now on, run on both processors.
#[cfg(feature = "etcd")]
pub(crate) fn unpin() {
    let mut set = CpuSet::new();
    let both = [SERVER, CLIENT].into_iter().try_for_each(|processor| set.set(processor));
    both.and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).expect("there are two");
}

/// Processor time of a process and of what it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    /// All of it, to the nanosecond (`schedstat`).
    pub(crate) total: Duration,
    /// The part outside the kernel, as the kernel's ticks tell (`stat`).
    pub(crate) user: Duration,
}

impl std::ops::Sub for CpuTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { total: self.total.saturating_sub(earlier.total), user: self.user.saturating_sub(earlier.user) }
    }
}

/// Processor time used so far.
pub(crate) fn cpu_time(root: u32) -> CpuTime {
    cpu_time_of(root, "")
}

/// The same of threads alone whose names begin so.
pub(crate) fn cpu_time_of(root: u32, name: &str) -> CpuTime {
    let mut time = CpuTime::default();
    for process in tree(root) {
        for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            if !read("comm").starts_with(name) {
                continue;
            }
            let number = |text: &str| text.parse::<u64>().unwrap_or(0);
            let run = read("schedstat").split(' ').next().map_or(0, number);
            time.total += Duration::from_nanos(run);
            // After the program's name, which may hold spaces: state is field 3, utime 14, in hundredths of a second.
            let stat = read("stat");
            let after_name = stat.rsplit(')').next().unwrap_or_default();
            let user = after_name.split_whitespace().nth(11).map_or(0, number);
            time.user += Duration::from_millis(10 * user);
        }
    }
    time
}

/// Memory in octets that a process and what it started hold, what they share counted once.
pub(crate) fn memory(root: u32) -> u64 {
    let proportional = |process: u32| {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
    };
    tree(root).into_iter().map(proportional).sum()
}

/// A process and all that descend from it.
fn tree(root: u32) -> Vec<u32> {
    let parent = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let entries = fs::read_dir("/proc").expect("the comparison needs /proc");
    let processes: Vec<(u32, u32)> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, parent(process)?)))
        .collect();
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        let of = tree[at];
        tree.extend(processes.iter().filter(|(_, parent)| *parent == of).map(|(process, _)| *process));
        at += 1;
    }
    tree
}

/// Sends a signal.
pub(crate) fn signal(process: u32, signal: Signal) -> nix::Result<()> {
    kill(Pid::from_raw(process as i32), signal)
}
