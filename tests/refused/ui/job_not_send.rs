//! A job that no pool has yet captures what may not leave its thread.

fn main() {
    let count = std::rc::Rc::new(0);
    let _ = workcrew::Job::new(move || drop(count));
}
