//! Tests of rejection.
