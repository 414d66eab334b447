//! Has no code: `tests/refused.rs` compiles the programs of `ui`, which must not compile.
