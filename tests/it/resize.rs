//! Tests of resize.
