//! Tests of keep_alive.
