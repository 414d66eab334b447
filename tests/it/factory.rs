//! Tests of factory.
