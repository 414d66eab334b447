//! Tests of builder.
