//! What the compiler refuses: borrows that would outlive a scope.

use rustc_version::version;

/// The compiler whose words `ui/*.stderr` hold.
const COMPILER: (u64, u64) = (1, 95);

#[test]
fn borrows_do_not_escape_from_a_scope() {
    let version = version().expect("a compiler");
    if (version.major, version.minor) != COMPILER {
        #[expect(clippy::print_stderr, reason = "who runs the tests shall see what was left out")]
        {
            eprintln!("NOT TESTED: ui holds the messages of {COMPILER:?}, this is {version}");
        }
        return;
    }
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
