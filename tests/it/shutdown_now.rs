//! Tests of shutdown_now.
