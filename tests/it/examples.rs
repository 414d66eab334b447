//! The examples as their users run them: the built programs, on real files.

use std::env::current_exe;
use std::ffi::OsString;
use std::fs::{create_dir_all, write};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The example's program, which `cargo test` has built, to be run in `folder`.
fn example(name: &str, folder: &Path) -> Command {
    let test = current_exe().expect("the path of this test");
    let built = test.ancestors().nth(2).expect("tests are built two folders down");
    let program = built.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.is_file(),
        "{} is missing: `cargo test` builds it, and so does `cargo build --example {name}`",
        program.display()
    );
    let mut command = Command::new(program);
    command.current_dir(folder);
    command
}

/// What the real program says about these files, in this order; none where there is no such program,
/// which Linux has.
fn sha256sum(folder: &Path, files: &[PathBuf]) -> Option<Output> {
    match Command::new("sha256sum").arg("--").args(files).current_dir(folder).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == ErrorKind::NotFound && cfg!(not(target_os = "linux")) => {
            #[expect(clippy::print_stderr, reason = "nobody else tells that nothing was compared")]
            {
                eprintln!("NOT TESTED: there is no sha256sum to compare parallel_hash with");
            }
            None
        }
        Err(error) => panic!("sha256sum cannot be run: {error}; it comes with coreutils"),
    }
}

fn names() -> Vec<OsString> {
    let mut names: Vec<OsString> =
        ["empty", "with space", "-dash", "größe", ".hidden", ".gitignore", "a.txt", "a/b", "a/c/d"]
            .map(OsString::from)
            .into();
    names.extend((0..100).map(|n| OsString::from(format!("small/{n}"))));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let odd: [&[u8]; 5] =
            [b"new\nline", b"carriage\rreturn", b"back\\slash", b"\\\n", b"not \xff UTF-8"];
        names.extend(odd.map(|name| OsString::from_vec(name.to_vec())));
    }
    names
}

/// Fills `folder/tree` and returns its files, sorted, with paths that start with `tree`.
fn plant(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (n, name) in names().into_iter().enumerate() {
        let file = Path::new("tree").join(name);
        let path = folder.join(&file);
        create_dir_all(path.parent().expect("it is in the tree")).expect("a folder");
        // What a walk that honours it would leave out.
        let text = if n == 5 { "small\n".to_owned() } else { "line\n".repeat(n) };
        write(path, text).expect("a file");
        files.push(file);
    }
    let large: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
    write(folder.join("tree/large"), large).expect("a file");
    files.push("tree/large".into());
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        // Unreadable for everybody but root.
        let closed = folder.join("tree/closed");
        write(&closed, "secret").expect("a file");
        std::fs::set_permissions(closed, PermissionsExt::from_mode(0o000)).expect("its owner may");
        files.push("tree/closed".into());
        symlink("large", folder.join("tree/link")).expect("a link, which is passed over");
    }
    files.sort();
    files
}

#[test]
fn parallel_hash_prints_what_sha256sum_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = plant(folder.path());
    let Some(expected) = sha256sum(folder.path(), &files) else { return };
    for options in [
        &[][..],
        &["--threads", "1", "--look-ahead", "1"],
        &["--threads", "4", "--chunk", "7"],
        &["--threads", "3", "--chunk", "16", "--look-ahead", "50"],
    ] {
        let output = example("parallel_hash", folder.path()).args(options).arg("tree").output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), expected.status.code(), "{options:?}");
        assert!(output.stdout == expected.stdout, "{options:?}:\n{output:?}\nnot\n{expected:?}");
    }
}

#[test]
fn parallel_hash_reports_what_it_cannot_read_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path().join("first"), "1").expect("a file");
    write(folder.path().join("last"), "2").expect("a file");
    let mut files: Vec<PathBuf> = ["first", "missing", "last"].map(PathBuf::from).into();
    if cfg!(target_os = "linux") {
        // Can be opened by everybody, and read by nobody.
        files.insert(1, "/proc/self/mem".into());
    }
    let output = example("parallel_hash", folder.path()).args(&files).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let problems = String::from_utf8(output.stderr).expect("UTF-8");
    let problems: Vec<_> = problems.lines().collect();
    assert_eq!(problems.len(), files.len() - 2, "{problems:?}");
    for (problem, file) in problems.iter().zip(&files[1..]) {
        assert!(problem.contains(&*file.to_string_lossy()), "{problem} is not about {file:?}");
    }
    let Some(expected) = sha256sum(folder.path(), &files) else { return };
    assert_eq!(expected.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout), String::from_utf8(expected.stdout));
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_parallel_hash_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path().join("first"), "1").expect("a file");
    // The second never ends.
    let mut program = example("parallel_hash", folder.path())
        .args(["--threads", "2", "first", "/dev/zero", "first"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(program.stdout.take().expect("its output is piped")).lines();
    assert!(lines.next().is_some_and(|line| line.is_ok_and(|line| line.ends_with("  first"))));
    let sent = Command::new("kill").args(["-INT", &program.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert!(lines.next().is_none(), "what comes after a file that never ends is not printed");
    assert_eq!(program.wait().expect("it ends").code(), Some(130));
}

/// What `first_mirror` prints, by line, and whether it says that it succeeded.
fn first_mirror(arguments: &[&str]) -> (Vec<String>, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = example("first_mirror", folder.path()).args(arguments).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    (text.lines().map(str::to_owned).collect(), output.status.success())
}

#[test]
fn first_mirror_takes_the_first_and_interrupts_the_others() {
    // The slow ones would take minutes: that this ends shows that they were interrupted.
    let slow = ["--latency", "600000"];
    let arguments = [&slow[..], &["--latency", "700", "--dead", "2"], &slow].concat();
    let (lines, has_succeeded) = first_mirror(&arguments);
    assert!(has_succeeded, "{lines:?}");
    assert_eq!(lines[0], "mirror 2 of 5 delivered 1048576 bytes");
    assert!(lines[1].ends_with(", interrupted 2"), "{lines:?}");
}

#[test]
fn first_mirror_says_when_none_delivers() {
    let (lines, has_succeeded) = first_mirror(&["--latency", "600000", "--timeout", "200"]);
    assert!(!has_succeeded);
    assert_eq!(lines, ["no mirror delivered within 200 ms", "asked 1, failed 0, interrupted 1"]);
    let (lines, has_succeeded) = first_mirror(&["--mirror", "127.0.0.1:1"]);
    assert!(!has_succeeded && lines[0].contains("every job failed"), "{lines:?}");
    assert_eq!(lines[1], "asked 1, failed 1, interrupted 0");
}
