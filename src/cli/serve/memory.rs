//! How much memory the process may use, and how many clients that is enough for.
//!
//! A server in a container that takes more memory than its control group allows is killed, and everybody's
//! updates with it. So fewer clients are served at once where there is less memory.

use std::fs;
use std::path::Path;

use crate::http::CONNECTION_MEMORY;

/// The share of the memory that clients may take: one part in this many. The rest is for the publication, of
/// which there are two while a new one is made, and for the catalog.
const SHARE: u64 = 2;

/// How many bytes of memory the process may use: the lowest limit of its control groups, or what the machine
/// has. `None` if neither is known.
pub fn limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    lowest(Path::new("/sys/fs/cgroup"), &groups).into_iter().chain(machine).min()
}

/// Returns how many clients may connect at once: `wanted`, or fewer if there is little memory.
pub fn connections(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let room = (limit / SHARE / CONNECTION_MEMORY).max(1);
    usize::try_from(room).map_or(wanted, |room| room.min(wanted))
}

/// The memory of the machine in bytes, from `/proc/meminfo`, which counts in KiB.
fn total(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The lowest limit of these control groups and all groups that contain them. `groups` are the lines of
/// `/proc/self/cgroup`, `ID:CONTROLLERS:PATH`. A container may see itself as the root, and have no folder of
/// that path.
fn lowest(mount: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (root, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let group = root.join(group.trim_start_matches('/'));
        let folders = group.ancestors().take_while(|folder| folder.starts_with(&root));
        let texts = folders.filter_map(|folder| fs::read_to_string(folder.join(file)).ok());
        // A group without a limit has `max`.
        texts.filter_map(|text| text.trim().parse().ok()).collect()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn clients_get_half_of_the_memory() {
        for (limit, expected) in [
            (None, 10_000),
            (Some(64 * 1024 * MIB), 10_000),
            (Some(1024 * MIB), 2048),
            (Some(256 * MIB), 512),
            (Some(MIB), 2),
            (Some(0), 1),
        ] {
            assert_eq!(connections(limit, 10_000), expected, "{limit:?}");
        }
    }

    #[test]
    fn the_lowest_limit_of_all_groups_around_the_process_counts() {
        let mount = tempfile::tempdir().unwrap();
        let write = |path: &str, limit: &str| {
            let path = mount.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{limit}\n")).unwrap();
        };
        write("memory.max", "9000");
        write("system.slice/memory.max", "7000");
        write("system.slice/tidegate.service/memory.max", "max");
        write("memory/docker/memory.limit_in_bytes", "8000");
        write("memory/memory.limit_in_bytes", "9223372036854771712");
        for (groups, expected) in [
            ("0::/system.slice/tidegate.service\n", Some(7000)),
            ("0::/system.slice/gone\n", Some(7000)),
            ("0::/\n", Some(9000)),
            ("0::/../elsewhere\n", Some(9000)),
            ("12:cpu:/docker\n4:hugetlb,memory:/docker/a:b\n1:name=systemd:/docker\n", Some(8000)),
            ("", None),
        ] {
            assert_eq!(lowest(mount.path(), groups), expected, "{groups}");
        }
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       16 kB\n"), Some(16 * 1024));
    }
}
