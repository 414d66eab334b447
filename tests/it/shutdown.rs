//! Tests of shutdown.
