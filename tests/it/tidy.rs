//! Tests of the tree itself: what a reader relies on in every file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that have atomics, and so may name an ordering.
const ATOMICS: [&str; 14] = [
    "sync.rs",
    "sync/delays.rs",
    "builder.rs",
    "job.rs",
    "job/layers.rs",
    "post.rs",
    "queue.rs",
    "scope/roll.rs",
    "stats.rs",
    "task.rs",
    "sync/checked/clock.rs",
    "wait.rs",
    "worker.rs",
    "interrupt/node.rs",
];

/// Modules that know each other: what is built and its builder; the pool, its workers, and the
/// policy that it asks and that acts on it.
const SPINES: [&[&str]; 2] = [&["owner", "builder"], &["pool", "worker", "rejection"]];

fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The crate's source files below `folder`, by their path there.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    below(&root, &mut files);
    assert!(!files.is_empty(), "nothing below {folder}");
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("it was found there");
            let name = name.to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(&path).expect("a readable source"))
        })
        .collect()
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.starts_with("model")
}

/// The places of `text` between backticks, outside of blocks of code.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

#[test]
fn every_check_that_the_page_of_proofs_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("tests/PROOF.md")).expect("the page of proofs");
    let (behaviours, units) = (sources("tests/it"), sources("src"));
    let mut named = 0;
    for name in quoted(&page) {
        if let Some((module, test)) = name.rsplit_once("::") {
            let file = match module.strip_suffix("::tests") {
                Some(unit) => units.get(&format!("{unit}/tests.rs")),
                None => behaviours.get(&format!("{module}.rs")),
            };
            // Names of other things have two colons too.
            let Some(text) = file.filter(|_| !test.is_empty()) else { continue };
            let start = match test.strip_suffix('…') {
                Some(start) => format!("fn {start}"),
                None => format!("fn {test}("),
            };
            assert!(text.contains(&start), "PROOF.md names {name}");
            named += 1;
        } else if let Some(path) = name.split(' ').find(|word| word.starts_with(".ci/")) {
            // A package of the crate goes without them.
            let is_there = root.join(path).exists() || !root.join(".ci").exists();
            assert!(is_there, "PROOF.md names {path}");
        }
    }
    assert!(named > 40, "only {named} tests are named");
}

#[test]
fn every_file_says_what_it_owns() {
    for folder in ["src", "tests", "examples"] {
        for (name, text) in sources(folder) {
            assert!(text.starts_with("//!"), "{folder}/{name} does not start with //!");
        }
    }
}

#[test]
fn unsafe_code_stands_in_the_room_of_the_job() {
    for (name, text) in sources("src") {
        let uses =
            text.contains("unsafe {") || text.contains("unsafe impl") || text.contains("unsafe fn");
        let may = ["job.rs", "job/block.rs", "job/slot.rs"].contains(&name.as_str());
        assert_eq!(uses, may, "unsafe code in {name}");
    }
}

#[test]
fn only_the_monotonic_clock_is_read() {
    for (name, text) in sources("src") {
        let wall = ["SystemTime", "UNIX_EPOCH"].iter().any(|clock| text.contains(clock));
        assert!(!wall, "{name} looks at a clock that can be set");
    }
}

#[test]
fn every_line_of_the_log_is_written_in_one_file() {
    for (name, text) in sources("src") {
        let names_it = |(at, _): (usize, &str)| {
            let before = text[..at].chars().next_back();
            !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
        };
        let names_it = text.match_indices("log::").any(names_it) || text.contains("use log;");
        assert_eq!(names_it, is_logging(&name), "the log crate in {name}");
    }
}

/// Whether the file may name the log crate: what writes to the log, and a test's logger.
fn is_logging(name: &str) -> bool {
    ["logging.rs", "shutdown/tests.rs"].contains(&name)
}

#[test]
fn orderings_stand_where_atomics_live() {
    for (name, text) in sources("src") {
        if !is_test(&name) && text.contains("Ordering::") {
            assert!(ATOMICS.contains(&name.as_str()), "an atomic's ordering in {name}");
            assert!(text.contains("ORDERING:"), "an ordering without a reason in {name}");
        }
    }
}

#[test]
fn files_are_short() {
    for (name, text) in sources("src") {
        let lines = text.lines().count();
        assert!(is_test(&name) || lines <= 400, "{name} has {lines} lines");
    }
}

#[test]
fn imports_form_no_cycle() {
    let node = |module: &str| {
        let spine = SPINES.iter().find(|spine| spine.contains(&module));
        spine.map_or(module, |spine| spine[0]).to_owned()
    };
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in sources("src") {
        if is_test(&name) || name == "lib.rs" {
            continue;
        }
        let module = name.split(['/', '.']).next().expect("a name");
        let used = text.lines().filter_map(|line| line.trim_start().strip_prefix("use crate::"));
        let used = used.map(|rest| node(rest.split([':', ';']).next().expect("a path")));
        let all = imports.entry(node(module)).or_default();
        all.extend(used.filter(|used| *used != node(module)));
    }
    // Take away what imports nothing that is left, until nothing is.
    while !imports.is_empty() {
        let leaf = imports.iter().find(|(_, used)| used.iter().all(|u| !imports.contains_key(u)));
        let Some((leaf, _)) = leaf else { panic!("these import each other: {imports:?}") };
        let leaf = leaf.clone();
        imports.remove(&leaf);
    }
}

#[test]
fn the_map_in_lib_names_every_module() {
    let sources = sources("src");
    let lib = &sources["lib.rs"];
    for name in sources.keys().filter(|name| !name.contains('/') && *name != "lib.rs") {
        let module = name.strip_suffix(".rs").expect("a source");
        let line = lib.lines().find(|line| {
            line.starts_with(&format!("mod {module};"))
                || line.starts_with(&format!("pub mod {module};"))
        });
        assert!(line.is_some_and(|line| line.contains("; // ")), "{module} is not in the map");
    }
}
