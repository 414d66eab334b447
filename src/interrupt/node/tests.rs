//! Tests of interrupts that follow several others.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::Interrupt;
use super::*;

fn follow(child: &Interrupt, parent: &Interrupt) {
    link(&child.node, &parent.node);
}

/// How many follow it, and how many it follows.
fn links(interrupt: &Interrupt) -> (usize, usize) {
    let links = interrupt.node.core().links.lock();
    links.as_ref().map_or((0, 0), |links| (links.followers.len(), links.parents.len()))
}

#[test]
fn it_is_set_by_any_of_those_that_it_follows() {
    for setter in 0..3 {
        let parents: [_; 3] = std::array::from_fn(|_| Interrupt::new());
        let child = Interrupt::new();
        for parent in &parents {
            follow(&child, parent);
        }
        assert!(!child.is_interrupted());
        parents[setter].interrupt();
        assert!(child.is_interrupted());
        let others = parents.iter().filter(|parent| parent.is_interrupted());
        assert_eq!(others.count(), 1, "it does not set those that it follows");
    }
}

#[test]
fn to_follow_again_changes_nothing() {
    let (first, second, child) = (Interrupt::new(), Interrupt::new(), Interrupt::new());
    for _ in 0..3 {
        follow(&child, &first);
        follow(&child, &second);
        follow(&child, &first.clone());
    }
    assert_eq!((links(&first), links(&second), links(&child)), ((1, 0), (1, 0), (0, 2)));
}

#[test]
fn no_link_outlives_what_follows() {
    let (first, second) = (Interrupt::new(), Interrupt::new());
    for _ in 0..3 {
        let child = Interrupt::new();
        follow(&child, &first);
        follow(&child, &second);
        let passing = first.pass_on_to(&second);
        assert_eq!((links(&first), links(&second)), ((2, 0), (1, 0)));
        drop(passing);
    }
    assert_eq!((links(&first), links(&second)), ((0, 0), (0, 0)));
}

#[test]
fn a_diamond_is_set_once_and_dropped_whole() {
    let root = Interrupt::new();
    let (left, right) = (root.child(), root.child());
    let bottom = left.child();
    follow(&bottom, &right);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let _guard = bottom.on_interrupt(move || _ = count.fetch_add(1, Ordering::Relaxed));
    drop((left, right));
    assert_eq!(links(&root), (2, 0), "what is below keeps both sides");
    root.interrupt();
    assert!(bottom.is_interrupted());
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    let root = Interrupt::new();
    let (left, right) = (root.child(), root.child());
    let bottom = left.child();
    follow(&bottom, &right);
    drop((left, right, bottom));
    assert_eq!(links(&root), (0, 0));
}

#[test]
fn a_ladder_is_set_to_its_end_and_dropped_without_recursion() {
    for is_set in [true, false] {
        let root = Interrupt::new();
        let mut last = (root.child(), root.child());
        for _ in 0..50_000 {
            let next = (last.0.child(), last.0.child());
            follow(&next.0, &last.1);
            follow(&next.1, &last.1);
            last = next;
        }
        if is_set {
            root.interrupt();
        }
        assert_eq!(last.0.is_interrupted() && last.1.is_interrupted(), is_set);
        drop(last);
        assert_eq!(links(&root), (0, 0));
    }
}

#[test]
fn all_are_set_before_the_first_call() {
    let root = Interrupt::new();
    let child = root.child();
    let apart = Interrupt::new();
    let _passing = child.pass_on_to(&apart);
    let chain = [root.clone(), child, apart.child()];
    let seen = Arc::new(AtomicUsize::new(0));
    let _guards = chain.clone().map(|own| {
        let (chain, seen) = (chain.clone(), Arc::clone(&seen));
        own.on_interrupt(move || {
            let set = chain.iter().filter(|other| other.is_interrupted()).count();
            seen.fetch_add(set, Ordering::Relaxed);
        })
    });
    let calls = set([Arc::clone(&root.node)]);
    assert!(chain.iter().all(Interrupt::is_interrupted));
    assert_eq!(calls.groups.len(), 3, "those of each are by themselves");
    calls.make();
    assert_eq!(seen.load(Ordering::Relaxed), 9);
}
